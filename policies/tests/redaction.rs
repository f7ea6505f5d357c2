//! Names that a policy lists, as texts and names of files write them.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use cloister_policies::{Bundle, Own, shipped};

fn rules(settings: &str) -> Vec<Own> {
    let mut files = shipped();
    files.insert("settings.json".into(), settings.as_bytes().to_vec());
    files.retain(|name, _| !name.contains(".rego") && !name.contains(".cases"));
    let bundle = Bundle::load(&files).unwrap();
    bundle.redaction().rules().cloned().collect()
}

/// It went on for ever at the first such place.
#[test]
fn a_pattern_that_fits_a_place_and_no_text_takes_nothing_out() {
    let [rule] = &rules(r#"{"redact": {"patterns": {"edge": "\\b"}}}"#)[..] else {
        panic!("one rule");
    };
    let text = "für Anna 7".to_owned();
    assert_eq!(rule.redacted(text.clone()), (text, 0));
}

#[test]
fn a_listed_name_is_found_as_names_of_files_write_it() {
    let rules = rules(
        r#"{"redact": {"names": ["Anna Schmidt", "Schmidt", "Jo\u0308rg Müller", "Lê-Thị"]}}"#,
    );
    let left = |text: &str| {
        let none = (text.to_owned(), 0);
        rules.iter().fold(none, |(text, count), rule| {
            let (text, found) = rule.redacted(text);
            (text, count + found)
        })
    };
    for (text, expected, count) in [
        ("rechnung_Anna Schmidt.pdf", "rechnung_[name].pdf", 1),
        ("Anna_Schmidt.xlsx", "[name].xlsx", 1),
        ("anna-schmidt.pdf", "[name].pdf", 1),
        ("Anna\u{2011}Schmidt, ANNA.SCHMIDT", "[name], [name]", 2),
        ("Schmidt_2025.xlsx", "[name]_2025.xlsx", 1),
        ("2025_schmidt", "2025_[name]", 1),
        ("Jörg Müller.pdf", "[name].pdf", 1),
        ("Jo\u{308}rg_Mu\u{308}ller.pdf", "[name].pdf", 1),
        ("Le\u{302}_Thi\u{323}, LÊ THỊ", "[name], [name]", 2),
        // A longer word is another; what follows it may be the name again.
        ("Schmidtke Schmidt", "Schmidtke [name]", 1),
        (
            "Anna Schmidts, Goldschmidt, Schmidt2",
            "Anna Schmidts, Goldschmidt, Schmidt2",
            0,
        ),
        ("Jörg Mu\u{308}llers", "Jörg Mu\u{308}llers", 0),
        ("Schmidt\u{301}", "Schmidt\u{301}", 0),
    ] {
        assert_eq!(left(text), (expected.to_owned(), count), "{text}");
    }
}
