//! What of an entry does not leave: addresses and numbers of people, wherever in a text they stand. Digests, keys and names of fields are left alone.
//! Rules find what has a form; a name of a person has none, and is found where the policy lists it.

use cloister_attest::Digest;
use cloister_policies::{Own, Redaction, taken_out};
use regex::Regex;
use serde_json::Value;

use super::numbers::{self, IBAN_LENGTHS};
use crate::failure::Failure;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    None,
    Iban,
    Card,
    Phone,
}

/// Between digits people write blanks, no-break ones too, and hyphens. A pattern takes more than a number can have, since words and other numbers
/// may follow it: the check says where it ends.
const KNOWN: [(&str, &str, Check); 4] = [
    (
        "e-mail",
        r"[\p{L}\p{M}\p{N}._%+'-]+@[\p{L}\p{M}\p{N}-]+(?:\.[\p{L}\p{M}\p{N}-]+)+",
        Check::None,
    ),
    (
        "iban",
        r"[A-Za-z]{2}[0-9]{2}(?:[ \u{a0}\u{202f}-]?[A-Za-z0-9]){11,30}",
        Check::Iban,
    ),
    (
        "card",
        r"[0-9](?:[ \u{a0}\u{202f}-]?[0-9]){12,18}",
        Check::Card,
    ),
    (
        "phone",
        r"(?:\+|00?)[1-9](?:[ \u{a0}\u{202f}()/.-]{0,2}[0-9]){6,14}",
        Check::Phone,
    ),
];

/// One rule: what stands in the place of what was found, and what must hold of that.
struct Rule {
    name: &'static str,
    regex: Regex,
    check: Check,
}

/// The rules, ready to be applied: the known forms, and then what the policy has of its own.
pub(crate) struct Rules {
    known: Vec<Rule>,
    own: Vec<Own>,
}

impl Rules {
    pub(crate) fn new(own: &Redaction) -> Result<Self, Failure> {
        let known = KNOWN.map(|(name, pattern, check)| {
            let regex = Regex::new(pattern).map_err(|error| {
                Failure::failed(format!("a redaction rule is malformed: {error}"))
            })?;
            Ok(Rule { name, regex, check })
        });
        Ok(Self {
            known: known.into_iter().collect::<Result<_, Failure>>()?,
            own: own.rules().cloned().collect(),
        })
    }

    /// Names the rule set in what it was applied to.
    pub(crate) fn digest(&self) -> Digest {
        let line = |Rule { name, regex, check }: &Rule| format!("{name}\t{regex}\t{check:?}\n");
        let known = self.known.iter().map(line);
        let lines: String = known
            .chain(self.own.iter().map(|own| format!("{own}\n")))
            .collect();
        Digest::of(lines + IBAN_LENGTHS)
    }

    /// The value with every text redacted, and how often something was.
    pub(crate) fn apply(&self, value: Value) -> (Value, usize) {
        let mut count = 0;
        (self.value(value, &mut count), count)
    }

    fn value(&self, value: Value, count: &mut usize) -> Value {
        match value {
            Value::String(text) if is_ours(&text) => Value::String(text),
            Value::String(text) => Value::String(self.text(text, count)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.value(item, count))
                .collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| match (name.as_str(), value) {
                    // The name of a session is the hash of its key.
                    ("session" | "session_id", value) => (name, value),
                    (_, value) => (name, self.value(value, count)),
                })
                .collect(),
            other => other,
        }
    }

    fn text(&self, text: String, count: &mut usize) -> String {
        let mut counted = |(text, found): (String, usize)| {
            *count += found;
            text
        };
        let known = self.known.iter().fold(text, |text, rule| {
            let length = |before: &str, from: &str, most| rule.check.length(before, from, most);
            let found = taken_out(&text, &rule.regex, rule.name, length);
            found.map_or(text, &mut counted)
        });
        let own = self.own.iter();
        own.fold(known, |text, own| counted(own.redacted(text)))
    }
}

impl Check {
    /// How many bytes at the beginning of `from`, of the `most` that have the form, are to go.
    fn length(self, before: &str, from: &str, most: usize) -> Option<usize> {
        match self {
            Self::None => Some(most),
            _ if numbers::within_hex(before, from) => None,
            Self::Iban => numbers::iban(before, from, most),
            Self::Card => numbers::card(before, from, most),
            Self::Phone => numbers::phone(before, from, most),
        }
    }
}

/// A digest, a commitment or a public key in the one notation of the ledger (`attest/SPEC.md`, section 1).
fn is_ours(text: &str) -> bool {
    let hex = text
        .strip_prefix("sha256:")
        .or_else(|| text.strip_prefix("commit:"))
        .or_else(|| text.strip_prefix("ed25519:"));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(numbers::is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(text: &str) -> String {
        let (value, _) = Rules::new(&Redaction::default())
            .unwrap()
            .apply(json!(text));
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
            // The same as a Mac names files: letters and their dots apart.
            ("an jo\u{308}rg@mu\u{308}ller.de", "an [e-mail]"),
            ("ruf 06.12.25.34.56 an", "ruf [phone] an"),
            (
                "pay DE89 3704 0044 0532 0130 00, please",
                "pay [iban], please",
            ),
            ("GB82WEST12345698765432", "[iban]"),
            ("card 4111 1111 1111 1111.", "card [card]."),
            ("5500-0000-0000-0004", "[card]"),
            ("4111111111111111", "[card]"),
            ("card:4111111111111111", "card:[card]"),
            ("visa_4111111111111111_x", "visa_[card]_x"),
            ("Karte4111111111111111EUR", "Karte[card]EUR"),
            (
                "for 7 4111\u{a0}1111\u{a0}1111\u{a0}1111 4 times",
                "for 7 [card] 4 times",
            ),
            ("4111 1111 1111 1111 5500 0000 0000 0004", "[card] [card]"),
            ("DE89370400440532013000 EUR 500", "[iban] EUR 500"),
            ("de89 3704 0044 0532 0130 00 by friday", "[iban] by friday"),
            ("DE00 1234 DE89 3704 0044 0532 0130 00", "DE00 1234 [iban]"),
            ("IBAN_GB82-WEST-1234-5698-7654-32X", "IBAN_[iban]X"),
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
            "vom 01.10.2025 bis 31.12.2025",
            "01/10/2025",
            "sha256:4111111111111111411111111111111141111111111111114111111111111111 is pinned",
            "commit:4111111111111111411111111111111141111111111111114111111111111111 is kept",
            "invoice 2025-0042 of 1,234.50",
            "sheet@",
            "report.xlsx",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    /// A policy's own rules find whatever they like, and these must arrive whole all the same.
    #[test]
    fn what_the_ledger_binds_with_is_left_alone_and_nothing_that_is_longer() {
        for prefix in ["sha256", "commit", "ed25519"] {
            assert!(is_ours(&format!("{prefix}:{}", "0f".repeat(32))));
            assert!(!is_ours(&format!("{prefix}:{}", "0f".repeat(33))));
        }
    }

    #[test]
    fn digests_and_names_of_fields_are_left_alone() {
        let value = json!({"a@example.com": "sha256:4111111111111111411111111111111141111111111111114111111111111111", "n": 4_111_111_111_111_111_u64});
        assert_eq!(
            Rules::new(&Redaction::default())
                .unwrap()
                .apply(value.clone()),
            (value, 0)
        );
        let session = json!({"session": "4111111111111111"});
        assert_eq!(
            Rules::new(&Redaction::default())
                .unwrap()
                .apply(session.clone()),
            (session, 0)
        );
    }

    /// Four numbers that the rules know.
    const NUMBERS: [&str; 4] = [
        "anna@example.org",
        "DE89370400440532013000",
        "4111111111111111",
        "+4930901820",
    ];

    proptest::proptest! {
        #[test]
        fn words_around_it_hide_nothing(before in "[A-Za-z0-9]{0,6}[ ,:;_]", known in proptest::sample::select(NUMBERS.to_vec()), after in "[ ,;:_][A-Za-z0-9 ]{0,20}") {
            let text = redacted(&format!("{before}{known}{after}"));
            proptest::prop_assert!(!text.contains(known), "{}", text);
        }
    }
}
