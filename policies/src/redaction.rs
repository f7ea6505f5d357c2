//! What a policy has taken out of exports beside what has a known form: texts of its own patterns, and names of people from a list.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::error::{PolicyError, shown};
use crate::limits::LIMITS;

/// Each rule, the list of names last.
#[derive(Debug, Clone, Default)]
pub struct Redaction(Vec<Own>);

/// One rule of a policy's own.
#[derive(Debug, Clone)]
pub struct Own {
    /// What stands in the text's place.
    word: String,
    regex: Regex,
    form: Form,
}

/// What else must hold of what a rule's expression fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing.
    Pattern,
    /// It stands by itself: no letter, mark or digit goes on from it. In a file's name `_` and `-` part words as blanks do.
    Name,
}

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
    pub fn rules(&self) -> impl Iterator<Item = &Own> {
        self.0.iter()
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
                1..=32 if name.bytes().all(plain) => rule(name, &pattern, Form::Pattern),
                _ => Err(bad(&format!(
                    "calls a pattern `{}`: 1 to 32 of a-z, 0-9 and `-` are a name",
                    shown(&name)
                ))),
            }
        });
        let names = setting
            .names
            .iter()
            .map(|name| rule(NAME.to_owned(), &of_name(name), Form::Name));
        patterns
            .chain(names)
            .collect::<Result<_, _>>()
            .map(Redaction)
    }
}

impl Own {
    /// The text without what this rule finds, and how often it found something. Letters are the same however their dots and accents are written; a
    /// text with a name in it comes back composed (Unicode's NFC), any other as it was.
    #[must_use]
    pub fn redacted(&self, text: String) -> (String, usize) {
        let Self { word, regex, form } = self;
        let found = match form {
            Form::Pattern => taken_out(&text, regex, word, |_, _, most| Some(most)),
            Form::Name => {
                let composed: String = text.nfc().collect();
                taken_out(&composed, regex, word, |before, from, most| {
                    stands(before, from, most).then_some(most)
                })
            }
        };
        found.unwrap_or((text, 0))
    }
}

/// The text with `[word]` in the place of what `regex` finds, and how often; nothing where it finds nothing. `length` is told what stands before
/// what was found, what stands from there on, and how many bytes of that have the form, and says how many of them are to go, if any are: where
/// none are, it is looked again from the next character, for what was found may hide what begins within it.
pub fn taken_out(
    text: &str,
    regex: &Regex,
    word: &str,
    length: impl Fn(&str, &str, usize) -> Option<usize>,
) -> Option<(String, usize)> {
    let (mut out, mut count, mut copied, mut at) = (String::new(), 0_usize, 0, 0);
    while at <= text.len()
        && let Some(found) = regex.find_at(text, at)
    {
        let (before, from) = text.split_at_checked(found.start())?;
        at = match length(before, from, found.len()) {
            Some(length) if length > 0 => {
                count = count.saturating_add(1);
                out.push_str(before.get(copied..).unwrap_or_default());
                out.push_str(&format!("[{word}]"));
                copied = before.len().saturating_add(length);
                copied
            }
            _ => {
                let next = from.chars().next().map_or(1, char::len_utf8);
                before.len().saturating_add(next)
            }
        };
    }
    (count > 0).then(|| (out + text.get(copied..).unwrap_or_default(), count))
}

/// For the digest that an export names its rules by.
impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, regex, form } = self;
        write!(f, "{word}\t{regex}\t{form:?}")
    }
}

/// Whether no word goes on over either end of the first `most` bytes of `from`.
fn stands(before: &str, from: &str, most: usize) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || is_combining_mark(c));
    let Some((within, after)) = from.split_at_checked(most) else {
        return false;
    };
    let (before, after) = (before.chars().next_back(), after.chars().next());
    let (first, last) = (within.chars().next(), within.chars().next_back());
    !(goes_on(before) && goes_on(first) || goes_on(last) && goes_on(after))
}

fn rule(word: String, pattern: &str, form: Form) -> Result<Own, PolicyError> {
    let said = shown(pattern);
    if pattern.chars().count() > LIMITS.redact_pattern {
        return Err(bad(&format!("has a pattern that is too long: `{said}`")));
    }
    let regex = Regex::new(pattern)
        .map_err(|_| bad(&format!("has `{said}`, which is no regular expression")))?;
    match regex.is_match("") {
        true => Err(bad(&format!(
            "has `{said}`, which fits nothing at all, so everywhere"
        ))),
        false => Ok(Own { word, regex, form }),
    }
}

/// A name's words, in whatever case and with whatever between them that parts words in texts and in names of files.
fn of_name(name: &str) -> String {
    let composed: String = name.nfc().collect();
    let parts = |c: char| c.is_whitespace() || matches!(c, '_' | '.' | '-');
    let words = composed.split(parts).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(regex::escape).collect();
    format!("(?i){}", words.join(r"[\s\p{Pd}\p{Pc}.]+"))
}

fn bad(fault: &str) -> PolicyError {
    PolicyError::BadFile {
        file: "settings.json".into(),
        fault: format!("has a wrong `redact`: it {fault}"),
        hint: "`redact` has `patterns`, regular expressions by the word that takes their place, and `names`, a list",
    }
}
