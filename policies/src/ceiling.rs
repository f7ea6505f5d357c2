//! The most that a layer lets happen, and how layers meet. Touches nothing.
//!
//! Four layers decide over a session, and each can only narrow what the others leave: what is built in, the management of this device, the admin's
//! bundle, the person. A layer says of every request whether it lets it happen; layers *meet* in what all of them let happen. So these form a
//! lattice ordered by "lets no more than", [`Ceiling::NONE`] at its top, and neither the order of layers nor a file that is read twice changes
//! anything: [`meet`](Ceiling::meet) is commutative, associative and idempotent, and never above either side.
//!
//! The bundle's verdicts meet likewise: of all that is said the strictest counts (`verdict.rs`). The person is the last layer and the simplest: of
//! the effects of what was left, all or none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bundle::bad_toml;
use crate::error::{PolicyError, is_deceptive, shown};
use crate::grants::Op;
use crate::limits::LIMITS;
use crate::manifest::name_pattern;
use crate::pattern::normalise;
use crate::session::AttestationKind;

/// What one layer lets happen at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Of each set, a path lies in one folder.
    only: BTreeSet<BTreeSet<PathBuf>>,
    /// A path lies in none of these folders.
    never: BTreeSet<PathBuf>,
    /// What is never done to any path.
    without: BTreeSet<Op>,
    /// Of each set, one name is the tool's.
    tools: BTreeSet<BTreeSet<String>>,
    /// Of each set, one name is the model's.
    models: BTreeSet<BTreeSet<String>>,
    /// The longest life of grants, seconds.
    ttl_seconds: u64,
    /// The most calls of a session that use capabilities of one name.
    max_uses: u64,
    /// The longest that an answer may be remembered, days.
    remember_days: u64,
    /// What may not vouch for a session.
    distrusted: BTreeSet<&'static str>,
    alone: Alone,
}

/// Whether a session may run with nobody to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alone {
    Never,
    AsThePolicySays,
}

/// One file of a device's management, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    files: Files,
    tools: Option<Names>,
    models: Option<Names>,
    ttl_seconds: Option<u64>,
    max_uses: Option<u64>,
    remember_days: Option<u64>,
    attestation: Option<Vec<String>>,
    unattended: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    only: Option<Vec<String>>,
    #[serde(default)]
    never: Vec<String>,
    operations: Option<Vec<Op>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    only: Vec<String>,
}

const KINDS: [AttestationKind; 3] = [
    AttestationKind::None,
    AttestationKind::Tpm2Software,
    AttestationKind::Tpm2Hardware,
];

impl Ceiling {
    /// No ceiling at all: the top of the lattice.
    pub const NONE: Self = Self {
        only: BTreeSet::new(),
        never: BTreeSet::new(),
        without: BTreeSet::new(),
        tools: BTreeSet::new(),
        models: BTreeSet::new(),
        ttl_seconds: u64::MAX,
        max_uses: u64::MAX,
        remember_days: u64::MAX,
        distrusted: BTreeSet::new(),
        alone: Alone::AsThePolicySays,
    };

    /// Reads one file of a device's management (TOML); `file` is its name, for errors.
    ///
    /// # Errors
    /// Where it is not TOML, has an unknown key, a folder that is not absolute, a name that cannot be read, or an unknown operation or attestation.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyError> {
        let written: Written = toml::from_str(text).map_err(|error| bad_toml(file, &error))?;
        let Written {
            files,
            tools,
            models,
            ttl_seconds,
            max_uses,
            remember_days,
            attestation,
            unattended,
        } = written;
        let without = files.operations.map_or_else(BTreeSet::new, |granted| {
            let all = Op::ALL.into_iter();
            all.filter(|op| !granted.contains(op)).collect()
        });
        Ok(Self {
            only: folders_of(file, files.only)?,
            never: folders(file, &files.never)?,
            without,
            tools: names_of(file, tools)?,
            models: names_of(file, models)?,
            ttl_seconds: ttl_seconds.unwrap_or(u64::MAX),
            max_uses: max_uses.unwrap_or(u64::MAX),
            remember_days: remember_days.unwrap_or(u64::MAX),
            distrusted: distrusted(file, attestation)?,
            alone: match unattended {
                Some(false) => Alone::Never,
                None | Some(true) => Alone::AsThePolicySays,
            },
        })
    }

    /// What both let happen.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        let Self {
            mut only,
            mut never,
            mut without,
            mut tools,
            mut models,
            ttl_seconds,
            max_uses,
            remember_days,
            mut distrusted,
            alone,
        } = self;
        only.extend(other.only);
        never.extend(other.never);
        without.extend(other.without);
        tools.extend(other.tools);
        models.extend(other.models);
        distrusted.extend(other.distrusted);
        Self {
            only,
            never,
            without,
            tools,
            models,
            ttl_seconds: ttl_seconds.min(other.ttl_seconds),
            max_uses: max_uses.min(other.max_uses),
            remember_days: remember_days.min(other.remember_days),
            distrusted,
            alone: alone.min(other.alone),
        }
    }

    /// Whether `op` on `path` may happen. Nothing may on a relative path or one with `..`.
    #[must_use]
    pub fn lets(&self, op: Op, path: &Path) -> bool {
        let Some(path) = normalise(path) else {
            return false;
        };
        !self.without.contains(&op)
            && !self.never.iter().any(|folder| path.starts_with(folder))
            && self.only.iter().all(|one_of| below_one(&path, one_of))
    }

    /// Whether the tool function (`sheet.rows`) may be used; a package's name stands for all its functions.
    #[must_use]
    pub fn lets_tool(&self, tool: &str) -> bool {
        let package = tool.split_once('.').map_or(tool, |(package, _)| package);
        named(&self.tools, &[tool, package])
    }

    /// Whether the model may be used.
    #[must_use]
    pub fn lets_model(&self, model: &str) -> bool {
        named(&self.models, &[model])
    }

    /// The longest life of grants, seconds.
    #[must_use]
    pub const fn ttl_seconds(&self) -> u64 {
        self.ttl_seconds
    }

    /// The most calls of a session that may use capabilities of one name.
    #[must_use]
    pub const fn max_uses(&self) -> u64 {
        self.max_uses
    }

    /// The longest that a person's answer may be remembered, days.
    #[must_use]
    pub const fn remember_days(&self) -> u64 {
        self.remember_days
    }

    /// Whether a session may run with this attestation.
    #[must_use]
    pub fn lets_attestation(&self, kind: AttestationKind) -> bool {
        !self.distrusted.contains(kind.name())
    }

    /// Whether a session may run with nobody to ask, if the policy says so too.
    #[must_use]
    pub fn lets_unattended(&self) -> bool {
        self.alone == Alone::AsThePolicySays
    }

    /// Whether nothing below `base` may be touched so.
    pub(crate) fn shuts(&self, op: Op, base: &Path) -> bool {
        let apart = |one_of: &BTreeSet<PathBuf>| {
            !one_of
                .iter()
                .any(|folder| base.starts_with(folder) || folder.starts_with(base))
        };
        self.without.contains(&op)
            || self.never.iter().any(|folder| base.starts_with(folder))
            || self.only.iter().any(apart)
    }

    /// Whether some of what lies below `base` is out of reach because it lies in none of the folders that are named.
    pub(crate) fn narrows(&self, base: &Path) -> bool {
        !self.only.iter().all(|one_of| below_one(base, one_of))
    }

    /// The folders below `base` that are cut out of it.
    pub(crate) fn cut_out(&self, base: &Path) -> impl Iterator<Item = &Path> {
        let below = self.never.iter().map(PathBuf::as_path);
        below.filter(move |folder| folder.starts_with(base))
    }
}

fn below_one(path: &Path, folders: &BTreeSet<PathBuf>) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

fn named(sets: &BTreeSet<BTreeSet<String>>, any_of: &[&str]) -> bool {
    let is = |name: &String| {
        // Compiled when the file was read; should it not compile now, it names nothing.
        name_pattern(name).is_ok_and(|name| any_of.iter().any(|text| name.glob.is_match(text)))
    };
    sets.iter().all(|names| names.iter().any(is))
}

fn folders_of(
    file: &str,
    written: Option<Vec<String>>,
) -> Result<BTreeSet<BTreeSet<PathBuf>>, PolicyError> {
    let one = written.map(|written| folders(file, &written)).transpose()?;
    Ok(one.into_iter().collect())
}

fn folders(file: &str, written: &[String]) -> Result<BTreeSet<PathBuf>, PolicyError> {
    bounded(file, written.len())?;
    let folder = |text: &String| {
        let odd = is_odd(text) || text.contains(['*', '?', '[', '{']);
        normalise(Path::new(text)).filter(|_| !odd).ok_or_else(|| {
            bad(
                file,
                format!("names `{}`, which is no absolute folder", shown(text)),
                "write folders in full, without wildcards: all that lies below is meant",
            )
        })
    };
    written.iter().map(folder).collect()
}

fn names_of(file: &str, written: Option<Names>) -> Result<BTreeSet<BTreeSet<String>>, PolicyError> {
    let Some(Names { only }) = written else {
        return Ok(BTreeSet::new());
    };
    bounded(file, only.len())?;
    for name in &only {
        name_pattern(name)?;
    }
    Ok(BTreeSet::from([only.into_iter().collect()]))
}

fn distrusted(
    file: &str,
    accepted: Option<Vec<String>>,
) -> Result<BTreeSet<&'static str>, PolicyError> {
    let Some(accepted) = accepted else {
        return Ok(BTreeSet::new());
    };
    let known = |name: &String| KINDS.iter().any(|kind| kind.name() == name);
    if let Some(name) = accepted.iter().find(|name| !known(name)) {
        let fault = format!("accepts `{}`, which is no attestation", shown(name));
        let hint = "they are `none`, `tpm2-software` and `tpm2-hardware`";
        return Err(bad(file, fault, hint));
    }
    let kinds = KINDS.iter().map(|kind| kind.name());
    Ok(kinds
        .filter(|kind| !accepted.iter().any(|name| name == kind))
        .collect())
}

fn is_odd(text: &str) -> bool {
    text.len() > LIMITS.text || text.chars().any(is_deceptive)
}

fn bounded(file: &str, items: usize) -> Result<(), PolicyError> {
    if items <= LIMITS.items {
        return Ok(());
    }
    let fault = format!("lists {items} items, more than {}", LIMITS.items);
    Err(bad(file, fault, "name folders that hold the others"))
}

fn bad(file: &str, fault: String, hint: &'static str) -> PolicyError {
    PolicyError::BadFile {
        file: shown(file),
        fault,
        hint,
    }
}
