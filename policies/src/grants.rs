//! What a session may touch, and until when. Made by negotiation only; never more than the manifest asked for. Touches nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Resource};
use crate::ceiling::Ceiling;
use crate::decision::{Permit, Refusal};
use crate::pattern::{Pattern, normalise};
use crate::rego::Said;
use crate::request::ManifestView;
use crate::session::UnixMillis;

/// The capability that grants tools.
pub(crate) const TOOL: &str = "tool:use";
/// The capability that grants models.
pub const MODEL: &str = "model:use";
/// What is granted where the manifest names no tools, or no models, and so asks for all.
const ALL: &str = "*";

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

/// Every capability that can be granted, by name.
pub fn grantable() -> impl Iterator<Item = &'static str> {
    let files = Op::ALL.into_iter().map(Op::capability);
    files.chain([TOOL, MODEL])
}

/// A name in `tools` or `models`: exact, or with `*`. For a tool, the package's name alone means all its functions.
#[derive(Clone, Debug)]
pub(crate) struct NamePattern {
    pub(crate) text: String,
    pub(crate) glob: GlobMatcher,
}

/// How often and until when one thing of a capability may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// What the manifest says of it; nothing for a tool that it does not name because it names none.
    pub(crate) asked: Option<Asked>,
    /// So many calls of the session the layers below let use a capability of this name; [`u64::MAX`] for any number. A manifest that lists a
    /// capability more often has no more of them.
    pub(crate) most: u64,
    pub(crate) until: UnixMillis,
}

/// A capability as it stands in the manifest. What it lists is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its place there.
    pub(crate) capability: usize,
    /// So many calls of the session; [`u64::MAX`] for any number.
    pub(crate) uses: u64,
}

/// One thing that is granted, on these terms.
#[derive(Clone, Debug)]
pub(crate) struct Leased<T> {
    pub(crate) item: T,
    pub(crate) lease: Lease,
}

/// What a call draws on: the capabilities that it uses, each once, by their places in the manifest and by their names, and the first end among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) capabilities: BTreeSet<usize>,
    pub(crate) names: BTreeSet<&'static str>,
    pub(crate) until: UnixMillis,
}

/// The outcome of a negotiation.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// What is granted.
    pub grants: Grants,
    /// What was asked for and is not granted, each with its reason.
    pub refused: Vec<Refusal>,
}

/// What a session may touch, how often, and until when.
#[derive(Clone, Debug)]
pub struct Grants {
    pub(crate) manifest: ManifestView,
    pub(crate) paths: Vec<Leased<(Op, Pattern)>>,
    pub(crate) tools: Option<Vec<Leased<NamePattern>>>,
    pub(crate) models: Option<Vec<NamePattern>>,
    /// When they were negotiated; every end is counted from here.
    pub(crate) since: UnixMillis,
    pub(crate) until: UnixMillis,
    pub(crate) reserved: Vec<PathBuf>,
    /// What the layers below leave of all that.
    pub(crate) ceiling: Ceiling,
    /// How many calls have used each capability of the manifest.
    pub(crate) spent: BTreeMap<usize, u64>,
    /// How many calls have used any capability of a name.
    pub(crate) used: BTreeMap<&'static str, u64>,
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
        self.leased(op).map(|(pattern, _)| pattern)
    }

    fn leased(&self, op: Op) -> impl Iterator<Item = (&Pattern, &Lease)> {
        let each = self.paths.iter();
        each.filter(move |leased| leased.item.0 == op)
            .map(|leased| (&leased.item.1, &leased.lease))
    }

    /// Counts the call of `permit`, which is about to run, as a use of each capability that it draws on.
    pub fn spend(&mut self, permit: &Permit) {
        let drawn = permit.drawn();
        for capability in &drawn.capabilities {
            let spent = self.spent.entry(*capability).or_default();
            *spent = spent.saturating_add(1);
        }
        for name in &drawn.names {
            let used = self.used.entry(*name).or_default();
            *used = used.saturating_add(1);
        }
    }

    /// What `call` would use, each path and the tool by the first capability that still stands; or why there is none. `implied` is what stands for
    /// the tool where the manifest names none. What is not granted at all is for [`covers`](Self::covers) and
    /// [`allows_tool`](Self::allows_tool) to say.
    pub(crate) fn draw(
        &self,
        call: &Call,
        implied: Option<&Lease>,
        now: UnixMillis,
    ) -> Result<Drawn, Said> {
        let mut drawn = Drawn {
            capabilities: BTreeSet::new(),
            names: BTreeSet::new(),
            until: self.until,
        };
        for Resource { op, path, .. } in call.resources() {
            let leases = self.leased(*op).filter(|(pattern, _)| pattern.covers(path));
            self.take(
                op.capability(),
                leases.map(|(_, lease)| lease),
                now,
                &mut drawn,
            )?;
        }
        let named = [call.tool(), package(call.tool())];
        let leases = self.tools.iter().flatten();
        let leases = leases.filter(|leased| is_one(&leased.item, &named));
        self.take(
            TOOL,
            leases.map(|leased| &leased.lease).chain(implied),
            now,
            &mut drawn,
        )?;
        Ok(drawn)
    }

    /// The first of these leases that still stands; the reason of the last one, where none does.
    fn take<'a>(
        &self,
        name: &'static str,
        leases: impl Iterator<Item = &'a Lease>,
        now: UnixMillis,
        drawn: &mut Drawn,
    ) -> Result<(), Said> {
        let used = self.used.get(name).copied().unwrap_or(0);
        let mut over = Ok(());
        for lease in leases {
            if now >= lease.until {
                let reason = format!("the time for which {name} was granted is over");
                over = Err(Said::forbid("builtin.expired", reason));
            } else if let Some(bound) = self.used_up(lease, used) {
                let reason = format!(
                    "{name} was granted for {} of a session, and as many come before this one",
                    calls(bound)
                );
                over = Err(Said::forbid("builtin.uses", reason));
            } else {
                let asked = lease.asked.map(|asked| asked.capability);
                drawn.capabilities.extend(asked);
                drawn.names.insert(name);
                drawn.until = drawn.until.min(lease.until);
                return Ok(());
            }
        }
        over
    }

    /// The bound that leaves no use of this, where calls have `used` its capability's name so often already: the manifest's own, or the layers'.
    fn used_up(&self, lease: &Lease, used: u64) -> Option<u64> {
        let spent = |asked: &Asked| self.spent.get(&asked.capability).copied().unwrap_or(0);
        let own = lease.asked.filter(|asked| spent(asked) >= asked.uses);
        let layers = (used >= lease.most).then_some(lease.most);
        own.map(|asked| asked.uses).or(layers)
    }

    /// Whether the tool function (`sheet.summarize`) may be used. All may, where the manifest has no `tool:use`.
    #[must_use]
    pub fn allows_tool(&self, tool: &str) -> bool {
        let named = [tool, package(tool)];
        let granted = |tools: &Vec<Leased<NamePattern>>| {
            tools.iter().any(|leased| is_one(&leased.item, &named))
        };
        self.ceiling.lets_tool(tool) && self.tools.as_ref().is_none_or(granted)
    }

    /// Whether the model may be used. All may, where the manifest has no `model:use`.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        let granted = |models: &Vec<NamePattern>| models.iter().any(|name| is_one(name, &[model]));
        self.ceiling.lets_model(model) && self.models.as_ref().is_none_or(granted)
    }

    /// The granted `tool:use` names; nothing where the manifest has no `tool:use`.
    #[must_use]
    pub fn tools(&self) -> Option<Vec<&str>> {
        self.tools
            .as_ref()
            .map(|names| names.iter().map(|name| name.item.text.as_str()).collect())
    }

    /// The granted `model:use` names; nothing where the manifest has no `model:use`.
    #[must_use]
    pub fn models(&self) -> Option<Vec<&str>> {
        self.models
            .as_ref()
            .map(|names| names.iter().map(|name| name.text.as_str()).collect())
    }

    /// The capabilities of which something is granted, each with the paths or names that are.
    #[must_use]
    pub fn capabilities(&self) -> BTreeMap<&'static str, Vec<&str>> {
        let files = Op::ALL.into_iter().map(|op| {
            let paths = self.patterns(op).map(Pattern::text).collect();
            (op.capability(), paths)
        });
        let named = [(TOOL, self.tools()), (MODEL, self.models())];
        let named = named.map(|(name, which)| (name, which.unwrap_or_else(|| vec![ALL])));
        files
            .chain(named)
            .filter(|(_, which)| !which.is_empty())
            .collect()
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

fn is_one(name: &NamePattern, any_of: &[&str]) -> bool {
    any_of.iter().any(|text| name.glob.is_match(text))
}

/// The package of a tool function.
pub(crate) fn package(tool: &str) -> &str {
    tool.split_once('.').map_or(tool, |(package, _)| package)
}

/// `1 call`, `2 calls`.
pub(crate) fn calls(count: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} call{s}")
}
