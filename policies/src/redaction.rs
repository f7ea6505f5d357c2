//! What a policy has taken out of exports beside what has a known form: texts of its own patterns, and names of people from a list.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{PolicyError, shown};
use crate::limits::LIMITS;

/// Each rule by the word that stands in the text's place, the list of names last.
#[derive(Debug, Clone, Default)]
pub struct Redaction(Vec<(String, Regex)>);

/// The setting `redact`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Setting {
    patterns: BTreeMap<String, String>,
    names: Vec<String>,
}

/// What stands in the place of a name from the list.
const NAME: &str = "name";

impl Redaction {
    /// The rules, in the order in which they are applied.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Regex)> {
        self.0.iter().map(|(name, regex)| (name.as_str(), regex))
    }

    /// Read the setting; nothing is redacted where it is not there.
    pub(crate) fn parse(setting: Option<&Value>) -> Result<Redaction, PolicyError> {
        let setting = match setting {
            None => Setting::default(),
            Some(value) if !value.is_object() => return Err(bad("is no object")),
            Some(value) => Setting::deserialize(value).map_err(|e| bad(&e.to_string()))?,
        };
        let count = setting.patterns.len().saturating_add(setting.names.len());
        if count > LIMITS.redact_rules {
            return Err(bad(&format!("has {count} rules")));
        }
        let patterns = setting.patterns.into_iter().map(|(name, pattern)| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            match name.len() {
                1..=32 if name.bytes().all(plain) => Ok((name, pattern)),
                _ => Err(bad(&format!(
                    "calls a pattern `{}`: 1 to 32 of a-z, 0-9 and `-` are a name",
                    shown(&name)
                ))),
            }
        });
        let names = setting
            .names
            .iter()
            .map(|name| Ok((NAME.to_owned(), of_name(name))));
        patterns
            .chain(names)
            .map(rule)
            .collect::<Result<_, _>>()
            .map(Redaction)
    }
}

fn rule(rule: Result<(String, String), PolicyError>) -> Result<(String, Regex), PolicyError> {
    let (name, pattern) = rule?;
    let said = shown(&pattern);
    if pattern.chars().count() > LIMITS.redact_pattern {
        return Err(bad(&format!("has a pattern that is too long: `{said}`")));
    }
    let regex = Regex::new(&pattern)
        .map_err(|_| bad(&format!("has `{said}`, which is no regular expression")))?;
    match regex.is_match("") {
        true => Err(bad(&format!(
            "has `{said}`, which fits nothing at all, so everywhere"
        ))),
        false => Ok((name, regex)),
    }
}

/// A name as whole words, in whatever case and with whatever blanks between them.
fn of_name(name: &str) -> String {
    let words: Vec<String> = name.split_whitespace().map(regex::escape).collect();
    let edge = |c: Option<char>| {
        if c.is_some_and(char::is_alphanumeric) {
            r"\b"
        } else {
            ""
        }
    };
    let (first, last) = (
        edge(name.trim().chars().next()),
        edge(name.trim().chars().last()),
    );
    format!("(?i){first}{}{last}", words.join(r"\s+"))
}

fn bad(fault: &str) -> PolicyError {
    PolicyError::BadFile {
        file: "settings.json".into(),
        fault: format!("has a wrong `redact`: it {fault}"),
        hint: "`redact` has `patterns`, regular expressions by the word that takes their place, and `names`, a list",
    }
}
