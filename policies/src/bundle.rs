//! A policy bundle: rules, their cases, settings. Loaded whole or not at all; a rule whose cases fail never decides. Touches nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cases::{self, CaseFile, CaseResult, Coverage};
use crate::error::{PolicyError, shown};
use crate::json;
use crate::limits::LIMITS;
use crate::redaction::Redaction;
use crate::rego::{Rego, Source};

/// The files of a bundle, by name.
pub type PolicyFiles = BTreeMap<String, Vec<u8>>;

/// A policy in force.
pub struct Bundle {
    name: String,
    version: u64,
    pub(crate) rego: Rego,
    settings: Value,
    cases: Vec<CaseFile>,
    redaction: Redaction,
}

/// Where the settings say how long things are kept.
const UNDO_DAYS: &str = "/undo/days";
/// Where they say what exports leave out.
const REDACT: &str = "/redact";

/// What becomes of a new content for a file that exists, where no person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// It waits in quarantine for a person.
    Waits,
    /// It is released as a new file would be.
    Released,
}

/// `bundle.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    /// Counts up: an older bundle is not installed over a newer one.
    version: u64,
    /// Files written for OPA before 1.0.
    #[serde(default)]
    rego_v0: Vec<String>,
}

impl Bundle {
    /// Reads every file of a bundle's folder, by name: `bundle.toml` (`name`, `version`, `rego_v0`), `settings.json` (the document `data.settings`),
    /// each `NAME.rego` with its `NAME.cases.toml`; `*.md` and `*.sig` are passed over. Then runs all cases.
    ///
    /// # Errors
    /// Where a file is none of these, too large, or cannot be read, where a `.rego` has no cases, or where a case fails.
    pub fn load(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PolicyError> {
        check_names(files)?;
        let about: About = toml::from_str(need(files, "bundle.toml")?)
            .map_err(|error| bad_toml("bundle.toml", &error))?;
        let settings = match files.get("settings.json") {
            Some(bytes) => json::parse(bytes, "settings.json")?,
            None => json!({}),
        };
        if let Some(name) = about.rego_v0.iter().find(|name| !files.contains_key(*name)) {
            return Err(PolicyError::BadFile {
                file: "bundle.toml".into(),
                fault: format!("names `{}`, which is not there", shown(name)),
                hint: "correct `rego_v0`",
            });
        }
        let mut sources = Vec::new();
        let mut cases = Vec::new();
        for file in files.keys().filter(|name| name.ends_with(".rego")) {
            let v0 = about.rego_v0.contains(file);
            sources.push(Source {
                file,
                text: need(files, file)?,
                v0,
            });
            let beside = format!("{}.cases.toml", file.trim_end_matches(".rego"));
            let text = need(files, &beside)?;
            cases.push(CaseFile::parse(&beside, text)?);
        }
        check_settings(&settings)?;
        let redaction = Redaction::parse(settings.pointer(REDACT))?;
        let rego = Rego::load(&sources, &settings)?;
        let bundle = Self {
            name: about.name,
            version: about.version,
            rego,
            settings,
            cases,
            redaction,
        };
        cases::first_failure(bundle.test())?;
        Ok(bundle)
    }

    /// Runs every case again, for `cloister policy test`.
    #[must_use]
    pub fn test(&self) -> Vec<CaseResult> {
        self.cases
            .iter()
            .flat_map(|file| file.run(&self.rego, &self.settings))
            .collect()
    }

    /// Which lines of the rules the cases reach, for `cloister policy test`.
    #[must_use]
    pub fn coverage(&self) -> Vec<Coverage> {
        cases::coverage(&self.cases, &self.rego, &self.settings)
    }

    pub(crate) fn cases(&self) -> &[CaseFile] {
        &self.cases
    }

    /// The rules over these settings laid over the bundle's own.
    pub(crate) fn rego_with(&self, settings: &Value) -> Result<Rego, PolicyError> {
        let over = cases::merged(&self.settings, settings);
        self.rego.with_settings(&over)
    }

    /// What becomes of a file that would be replaced where a rule answers and no person: the setting `unattended.replace`.
    #[must_use]
    pub fn replacing(&self) -> Replacing {
        match self.settings.pointer("/unattended/replace") {
            Some(Value::Bool(true)) => Replacing::Released,
            _ => Replacing::Waits,
        }
    }

    /// How many days a home keeps what a release replaced, for `cloister undo`: the setting `undo.days`, or 7. 0 keeps nothing.
    #[must_use]
    pub fn undo_days(&self) -> u64 {
        let set = self.settings.pointer(UNDO_DAYS).and_then(Value::as_u64);
        set.unwrap_or(LIMITS.undo_days_default)
    }

    /// What exports of the ledger leave out beside what has a known form: the setting `redact`.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bundle's version; counts up.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }
}

/// The settings that are read in Rust have the shape that they are read in; the rules look at theirs themselves.
fn check_settings(settings: &Value) -> Result<(), PolicyError> {
    match settings.pointer(UNDO_DAYS).map(Value::as_u64) {
        None => Ok(()),
        Some(Some(days)) if days <= LIMITS.undo_days => Ok(()),
        Some(_) => Err(PolicyError::BadFile {
            file: "settings.json".into(),
            fault: format!(
                "has an `undo.days` that is no number from 0 to {}",
                LIMITS.undo_days
            ),
            hint: "say for how many days a home keeps what a release replaced",
        }),
    }
}

fn check_names(files: &BTreeMap<String, Vec<u8>>) -> Result<(), PolicyError> {
    if files.len() > LIMITS.bundle_files {
        let hint = "a bundle has a handful of files";
        return Err(PolicyError::BadFile {
            file: "bundle.toml".into(),
            fault: format!("lies among {} files", files.len()),
            hint,
        });
    }
    for (name, bytes) in files {
        if bytes.len() > LIMITS.bundle_file {
            return Err(PolicyError::TooLarge {
                what: shown(name),
                got: bytes.len(),
                limit: LIMITS.bundle_file,
            });
        }
        let rules =
            |name: &str, end: &str| name.strip_suffix(end).map(|stem| format!("{stem}.rego"));
        let known = match rules(name, ".cases.toml") {
            Some(beside) => files.contains_key(&beside),
            None => {
                name == "bundle.toml"
                    || name == "settings.json"
                    || [".rego", ".md", ".sig"]
                        .iter()
                        .any(|end| name.ends_with(end))
            }
        };
        if !known {
            // A rule file with a mistyped name would silently not count.
            return Err(PolicyError::BadFile {
                file: shown(name),
                fault: "belongs to no rule of the bundle".into(),
                hint: "a bundle holds `bundle.toml`, `settings.json`, and `NAME.rego` with `NAME.cases.toml`",
            });
        }
    }
    Ok(())
}

fn need<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'a str, PolicyError> {
    let bad = |fault: &str, hint| PolicyError::BadFile {
        file: shown(name),
        fault: fault.into(),
        hint,
    };
    let bytes = files.get(name).ok_or_else(|| {
        bad("is not there", "every bundle has a `bundle.toml`, and every `NAME.rego` a `NAME.cases.toml` that shows what it decides")
    })?;
    std::str::from_utf8(bytes).map_err(|_| bad("is not UTF-8", "save it as UTF-8"))
}

pub(crate) fn bad_toml(file: &str, error: &toml::de::Error) -> PolicyError {
    PolicyError::BadFile {
        file: file.into(),
        fault: format!("is not usable TOML: {}", shown(error.message())),
        hint: "compare it with the shipped bundle's",
    }
}
