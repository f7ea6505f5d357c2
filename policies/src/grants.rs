//! What a session may touch, and until when. Made by negotiation only; never more than the manifest asked for. Touches nothing.

use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::decision::Refusal;
use crate::pattern::{Pattern, normalise};
use crate::request::ManifestView;
use crate::session::UnixMillis;

/// What a call does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Read the file.
    Read,
    /// Create or replace the file.
    Write,
    /// Take the file away from here, or put it here.
    Move,
    /// Delete the file.
    Delete,
}

impl Op {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Move, Self::Delete];

    /// The capability that grants it.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Read => "file:read",
            Self::Write => "file:write",
            Self::Move => "file:move",
            Self::Delete => "file:delete",
        }
    }

    /// `read`, `write`, `move` or `delete`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Move => "move",
            Self::Delete => "delete",
        }
    }
}

/// A name in `tools` or `models`: exact, or with `*`. For a tool, the package's name alone means all its functions.
#[derive(Clone, Debug)]
pub(crate) struct NamePattern {
    pub(crate) text: String,
    pub(crate) glob: GlobMatcher,
}

/// The outcome of a negotiation.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// What is granted.
    pub grants: Grants,
    /// What was asked for and is not granted, each with its reason.
    pub refused: Vec<Refusal>,
}

/// What a session may touch, and until when.
#[derive(Clone, Debug)]
pub struct Grants {
    pub(crate) manifest: ManifestView,
    pub(crate) paths: Vec<(Op, Pattern)>,
    pub(crate) tools: Option<Vec<NamePattern>>,
    pub(crate) models: Option<Vec<NamePattern>>,
    pub(crate) until: UnixMillis,
    pub(crate) reserved: Vec<PathBuf>,
    /// What the layers below leave of all that.
    pub(crate) ceiling: Ceiling,
}

impl Grants {
    /// Whether `op` on `path` is granted. Never below a reserved folder, never a relative path or one with `..`.
    ///
    /// That says nothing about links on the disk: whoever opens the file must open it beneath the granted folder.
    #[must_use]
    pub fn covers(&self, op: Op, path: &Path) -> bool {
        let Some(path) = normalise(path) else {
            return false;
        };
        !self.reserves(&path)
            && self.ceiling.lets(op, &path)
            && self.patterns(op).any(|pattern| pattern.covers(&path))
    }

    /// Whether `path` lies in a reserved folder.
    #[must_use]
    pub fn reserves(&self, path: &Path) -> bool {
        self.reserved.iter().any(|root| path.starts_with(root))
    }

    /// The granted patterns for `op`, in the manifest's order.
    pub fn patterns(&self, op: Op) -> impl Iterator<Item = &Pattern> {
        self.paths
            .iter()
            .filter(move |(granted, _)| *granted == op)
            .map(|(_, pattern)| pattern)
    }

    /// Whether the tool function (`sheet.summarize`) may be used. All may, where the manifest has no `tool:use`.
    #[must_use]
    pub fn allows_tool(&self, tool: &str) -> bool {
        let package = tool.split_once('.').map_or(tool, |(package, _)| package);
        self.ceiling.lets_tool(tool) && allows(self.tools.as_deref(), &[tool, package])
    }

    /// Whether the model may be used. All may, where the manifest has no `model:use`.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.ceiling.lets_model(model) && allows(self.models.as_deref(), &[model])
    }

    /// The granted `tool:use` names; nothing where the manifest has no `tool:use`.
    #[must_use]
    pub fn tools(&self) -> Option<Vec<&str>> {
        self.tools
            .as_ref()
            .map(|names| names.iter().map(|name| name.text.as_str()).collect())
    }

    /// The granted `model:use` names; nothing where the manifest has no `model:use`.
    #[must_use]
    pub fn models(&self) -> Option<Vec<&str>> {
        self.models
            .as_ref()
            .map(|names| names.iter().map(|name| name.text.as_str()).collect())
    }

    /// The file capabilities of which nothing is granted: `file:delete` and so on.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        Op::ALL
            .into_iter()
            .filter(|op| self.patterns(*op).next().is_none())
            .map(Op::capability)
            .collect()
    }

    /// The end: at this moment the grants are void.
    #[must_use]
    pub const fn until(&self) -> UnixMillis {
        self.until
    }

    /// Whether the grants are void at `now`.
    #[must_use]
    pub fn expired(&self, now: UnixMillis) -> bool {
        now >= self.until
    }

    /// Agent, version and capabilities of the manifest that these grants came from.
    #[must_use]
    pub const fn manifest(&self) -> &ManifestView {
        &self.manifest
    }
}

fn allows(names: Option<&[NamePattern]>, any_of: &[&str]) -> bool {
    names.is_none_or(|names| {
        names
            .iter()
            .any(|name| any_of.iter().any(|text| name.glob.is_match(text)))
    })
}
