//! What of an entry does not leave: addresses and numbers of people, wherever in a text they stand. Digests, keys and names of fields are left alone.
//! Rules find what has a form; a name of a person has none, and is not found.

use cloister_attest::Digest;
use regex::{Captures, Regex};
use serde_json::Value;

use crate::failure::Failure;

/// What is looked for: a name, a pattern, and what must hold of the digits and letters that were found.
type Rule = (&'static str, &'static str, Check);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    None,
    /// ISO 7064, mod 97-10, as ISO 13616 has it.
    Mod97,
    /// ISO/IEC 7812-1, annex B.
    Luhn,
    /// Eight to fifteen digits (ITU-T E.164).
    Digits,
}

const RULES: [Rule; 4] = [
    (
        "e-mail",
        r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+",
        Check::None,
    ),
    (
        "iban",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        Check::Mod97,
    ),
    ("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", Check::Luhn),
    (
        "phone",
        r"(?:\+|\b00?)[1-9](?:[ ()/.-]{0,2}[0-9]){6,14}\b",
        Check::Digits,
    ),
];

/// The rules, ready to be applied.
pub(crate) struct Rules(Vec<(Rule, Regex)>);

impl Rules {
    pub(crate) fn new() -> Result<Self, Failure> {
        let compiled = RULES.map(|rule| Regex::new(rule.1).map(|regex| (rule, regex)));
        let rules = compiled.into_iter().collect::<Result<_, _>>();
        rules
            .map(Self)
            .map_err(|error| Failure::failed(format!("a redaction rule is malformed: {error}")))
    }

    /// Names the rule set in what it was applied to.
    pub(crate) fn digest(&self) -> Digest {
        let line =
            |((name, pattern, check), _): &(Rule, Regex)| format!("{name}\t{pattern}\t{check:?}\n");
        Digest::of(self.0.iter().map(line).collect::<String>())
    }

    /// The value with every text redacted, and how often something was.
    pub(crate) fn apply(&self, value: Value) -> (Value, usize) {
        let mut count = 0;
        (self.value(value, &mut count), count)
    }

    fn value(&self, value: Value, count: &mut usize) -> Value {
        match value {
            Value::String(text) if is_digest(&text) => Value::String(text),
            Value::String(text) => Value::String(self.text(text, count)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.value(item, count))
                .collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, self.value(value, count)))
                .collect(),
            other => other,
        }
    }

    fn text(&self, text: String, count: &mut usize) -> String {
        self.0.iter().fold(text, |text, ((name, _, check), regex)| {
            let replaced = regex.replace_all(&text, |found: &Captures<'_>| {
                let found = found.get(0).map_or("", |found| found.as_str());
                if check.holds(found) {
                    *count += 1;
                    format!("[{name}]")
                } else {
                    found.to_owned()
                }
            });
            replaced.into_owned()
        })
    }
}

impl Check {
    fn holds(self, found: &str) -> bool {
        let digits = || found.chars().filter_map(|character| character.to_digit(10));
        match self {
            Self::None => true,
            Self::Digits => (8..=15).contains(&digits().count()),
            Self::Luhn => {
                let doubled = |(place, digit): (usize, u32)| match (place % 2, digit * 2) {
                    (0, _) => digit,
                    (_, twice) => twice / 10 + twice % 10,
                };
                let reversed: Vec<u32> = digits().collect();
                let sum: u32 = reversed.into_iter().rev().enumerate().map(doubled).sum();
                sum.is_multiple_of(10)
            }
            Self::Mod97 => {
                let bare: Vec<char> = found
                    .chars()
                    .filter(|character| *character != ' ')
                    .collect();
                let (country, rest) = bare.split_at(bare.len().min(4));
                let number = rest
                    .iter()
                    .chain(country)
                    .filter_map(|character| character.to_digit(36));
                let remainder = number.fold(0_u32, |remainder, digit| {
                    let shifted = if digit < 10 {
                        remainder * 10
                    } else {
                        remainder * 100
                    };
                    (shifted + digit) % 97
                });
                (15..=34).contains(&bare.len()) && remainder == 1
            }
        }
    }
}

/// Hex, with or without the name of what it is: numbers in it mean nothing to anybody.
fn is_digest(text: &str) -> bool {
    let hex = text.split_once(':').map_or(text, |(_, hex)| hex);
    hex.len() >= 16
        && hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(text: &str) -> String {
        let (value, _) = Rules::new().unwrap().apply(json!(text));
        value.as_str().unwrap().to_owned()
    }

    #[test]
    fn what_has_the_form_and_the_check_digits_is_taken_out() {
        for (text, expected) in [
            (
                "write to anna.o'neil+q4@example.co.uk now",
                "write to [e-mail] now",
            ),
            ("an jörg@müller.de", "an [e-mail]"),
            (
                "pay DE89 3704 0044 0532 0130 00, please",
                "pay [iban], please",
            ),
            ("GB82WEST12345698765432", "[iban]"),
            ("card 4111 1111 1111 1111.", "card [card]."),
            ("5500-0000-0000-0004", "[card]"),
            (
                "call +49 (30) 901820 or 0043 1 58858",
                "call [phone] or [phone]",
            ),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "GB82 WEST 1234 5698 7654 33",
            "4111 1111 1111 1112",
            "from 2025-10-01 to 2025-12-31",
            "invoice 2025-0042 of 1,234.50",
            "sheet@",
            "report.xlsx",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn digests_and_names_of_fields_are_left_alone() {
        let value = json!({"a@example.com": "sha256:4111111111111111411111111111111141111111111111114111111111111111", "n": 4_111_111_111_111_111_u64});
        assert_eq!(Rules::new().unwrap().apply(value.clone()), (value, 0));
    }
}
