//! Hostile text in every format: a row stays one line, its fields stay its fields, and nothing is lost that was not redacted.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn entry(text: &str) -> Value {
    json!({ "att": "none", "body": { "about": text, "text": text }, "kind": "note", "prev": Digest::ZERO, "seq": 7, "session": "7fd9b06246d6953d", "ts": 1_800_000_000_123_u64, "v": 1 })
}

fn row<'a>(entry: &'a Value, device: &'a str) -> Row<'a> {
    Row {
        entry,
        line: Digest::ZERO,
        log: Digest::ZERO,
        device,
        checkpoint: Some(8),
        rules: Digest::ZERO,
        redacted: 0,
    }
}

/// What ends, moves or hides part of a line.
fn hostile() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "|",
        "=",
        "\\",
        "\"",
        "]",
        "\n",
        "\r",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        " cs1=x",
        "CEF:0|",
    ]);
    prop::collection::vec(
        prop_oneof![odd.prop_map(str::to_owned), any::<String>()],
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

/// Splits at `separator` where no backslash stands before it.
fn unescaped(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for character in text.chars() {
        if character == separator && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
        escaped = character == '\\' && !escaped;
    }
    parts
}

/// What stands for itself once a backslash and what follows it are one character.
fn unquoted(text: &str) -> String {
    let (mut out, mut characters) = (String::new(), text.chars());
    while let Some(character) = characters.next() {
        out.extend(match character {
            '\\' => characters.next(),
            other => Some(other),
        });
    }
    out
}

/// The extension of a row of CEF, read as its specification has it: a key reaches back from an equals sign to the blank before it.
fn read_cef(extension: &str) -> Vec<(String, String)> {
    let parts = unescaped(extension, '=');
    let mut key = parts.first().cloned().unwrap_or_default();
    let mut fields = Vec::new();
    for (at, part) in parts.iter().enumerate().skip(1) {
        let last = at + 1 == parts.len();
        let (value, next) = if last {
            (part.as_str(), "")
        } else {
            part.rsplit_once(' ').unwrap()
        };
        fields.push((
            std::mem::replace(&mut key, next.to_owned()),
            unquoted(value),
        ));
    }
    fields
}

proptest! {
    #[test]
    fn a_row_of_cef_has_eight_fields_and_its_own_keys(text in hostile(), device in hostile()) {
        let row = cef::row(&row(&entry(&text), &device));
        prop_assert_eq!(row.lines().count(), 1);
        let moves = row.contains(['\n', '\r', '\u{1b}', '\u{202e}']);
        prop_assert!(!moves);
        let fields = unescaped(&row, '|');
        prop_assert!(fields.len() >= 8 && fields[0] == "CEF:0");
        let extension = fields[7..].join("|");
        // As many equals signs that are not escaped as there are keys.
        prop_assert_eq!(unescaped(&extension, '=').len() - 1, 16);
        let read = read_cef(&extension);
        let value = |key: &str| read.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        prop_assert_eq!(value("dvchost"), Some(plain(&device)));
        prop_assert_eq!(value("msg"), Some(plain(&entry(&text)["body"].to_string())));
        prop_assert_eq!(value("cn2"), Some("8".to_owned()));
    }

    #[test]
    fn a_row_of_syslog_has_one_element_and_seven_parameters(text in hostile(), device in hostile()) {
        let row = syslog::row(&row(&entry(&text), &device));
        prop_assert_eq!(row.lines().count(), 1);
        let head: Vec<&str> = row.splitn(7, ' ').collect();
        prop_assert_eq!(head[0], "<110>1");
        prop_assert_eq!(head[1], "2027-01-15T08:00:00.123Z");
        prop_assert!(head[2].bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(&head[3..6], &["cloister", "-", "note"]);
        let element = unescaped(head[6], ']');
        prop_assert!(element[0].starts_with("[cloister@32473 "));
        prop_assert_eq!(unescaped(&element[0], '"').len() - 1, 14);
        let told = element[1].starts_with(" \u{feff}a note: ");
        prop_assert!(told, "{}", element[1]);
        // A `]` of the message splits it again; it is not escaped there, and joins to what it was.
        let (_, message) = row.split_once("] \u{feff}a note: ").unwrap();
        prop_assert_eq!(message, plain(&entry(&text)["body"].to_string()));
    }

    #[test]
    fn what_is_not_redacted_arrives_as_it_was(text in hostile()) {
        let entry = entry(&text);
        let exported = ocsf::row(&row(&entry, "desk"));
        prop_assert_eq!(&exported["unmapped"]["body"], &entry["body"]);
        let line = in_json(&exported);
        prop_assert_eq!(&line, &plain(&line));
        prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), exported);
    }

    #[test]
    fn nothing_on_a_page_is_markup_but_our_own(text in hostile()) {
        let hostile = format!("<script>alert(1)</script><img src=x onerror='{text}'>\" style=\"{text}");
        let entries = [json!({"kind": "request", "session": "s", "seq": 0, "ts": 0, "body": {"intent": hostile}})];
        let tags = |entries: &[Value]| {
            let page = page::Session { entries, verdict: "sound", redacted: 0 }.page();
            let moves = page.contains(['\u{1b}', '\u{202e}', '\r']);
            (page.matches('<').count(), page.matches('>').count(), page.matches('"').count(), moves)
        };
        let plain = [json!({"kind": "request", "session": "s", "seq": 0, "ts": 0, "body": {"intent": "sum up"}})];
        let (found, expected) = (tags(&entries), tags(&plain));
        prop_assert_eq!(found, expected);
        prop_assert!(!found.3);
    }
}
