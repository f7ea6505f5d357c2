//! Constraints over a small vocabulary of our own: every byte, a few longer tokens, one end token. Needs no model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const END: u32 = 256;

fn vocabulary() -> Vocabulary {
    let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    words.push(b"\xFF<|end|>".to_vec());
    for longer in [
        "Da", "Date", " (", "paid", "../", "\\u00", "\":\"", "sheet", "e (", "{\"", "\n",
    ] {
        words.push(longer.as_bytes().to_vec());
    }
    Vocabulary::from_words(words, &[END]).unwrap()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Everything that can be decoded under a constraint, by following every token of every mask.
fn everything(constraint: &Constraint, vocabulary: &Vocabulary) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![constraint.start(vocabulary).unwrap()];
    while let Some(mut matcher) = open.pop() {
        if matcher.finished() {
            found.insert(String::from_utf8(matcher.output().to_vec()).unwrap());
            continue;
        }
        let tokens: Vec<u32> = matcher.mask().unwrap().tokens().collect();
        for token in tokens {
            let mut next = matcher.clone();
            next.commit(token).unwrap();
            if seen.insert((next.output().to_vec(), next.finished())) {
                open.push(next);
            }
        }
    }
    found
}

/// Spells a text byte by byte and then ends the turn; the output if the constraint went along to the end.
fn spell(constraint: &Constraint, vocabulary: &Vocabulary, text: &str) -> Option<Vec<u8>> {
    let mut matcher = constraint.start(vocabulary).unwrap();
    for byte in text.bytes() {
        if matcher.finished() {
            return None;
        }
        matcher.commit(u32::from(byte)).ok()?;
    }
    if !matcher.finished() {
        matcher.commit(END).ok()?;
    }
    matcher.finished().then(|| matcher.output().to_vec())
}

const NAMES: &[&str] = &[
    "Date",
    "Date (paid)",
    "Da",
    "reports/q4.xlsx",
    "O\"Brien & Söhne.xlsx",
    "größe 日本 😀",
    "a\\x41\\u0041 // /x/ \"i",
];

#[test]
fn a_choice_is_exactly_its_alternatives() {
    let vocabulary = vocabulary();
    let wanted: BTreeSet<String> = owned(NAMES).into_iter().collect();
    for end in [
        End::Turn,
        End::With("\n".to_owned()),
        End::With("\"}".to_owned()),
    ] {
        let constraint = Constraint::one_of(&owned(NAMES), end).unwrap();
        assert_eq!(everything(&constraint, &vocabulary), wanted);
    }
}

#[test]
fn what_is_no_alternative_is_not_spelled() {
    let vocabulary = vocabulary();
    let choice = Constraint::one_of(&owned(&["sheet", "a/b.txt"]), End::Turn).unwrap();
    let anything = Constraint::regex("(?s:.*)").unwrap(); // the twin: without the choice each of these goes through
    for text in [
        "../a/b.txt",
        "a/../b.txt",
        "shee",
        "sheets",
        "heet",
        "\\u0073heet",
        "Sheet",
        " sheet",
        "sheet ",
        "a/b.txt\0",
        "",
    ] {
        assert_eq!(spell(&choice, &vocabulary, text), None, "{text:?}");
        assert_eq!(
            spell(&anything, &vocabulary, text),
            Some(text.as_bytes().to_vec()),
            "{text:?}"
        );
    }
}

#[test]
fn a_schema_admits_one_spelling_of_a_value() {
    let vocabulary = vocabulary();
    let schema = json!({"type": "object", "properties": {"tool": {"enum": ["sheet", "text"]}}, "required": ["tool"], "additionalProperties": false});
    let constraint = Constraint::json_schema(&schema).unwrap();
    let wanted: BTreeSet<String> = owned(&[r#"{"tool":"sheet"}"#, r#"{"tool":"text"}"#])
        .into_iter()
        .collect();
    assert_eq!(everything(&constraint, &vocabulary), wanted);
    for text in [
        r#"{"tool":"\u0073heet"}"#,
        r#"{"tool": "sheet"}"#,
        r#"{"tool":"files"}"#,
        r#"{"tool":"sheet","x":1}"#,
        r#"{"tool":"sheet"} "#,
    ] {
        assert_eq!(spell(&constraint, &vocabulary, text), None, "{text}");
    }
}

#[test]
fn a_schema_cannot_loosen_its_own_spelling() {
    let vocabulary = vocabulary();
    let schema =
        json!({"const": "a", "x-guidance": {"whitespace_flexible": true, "lenient": true}});
    let constraint = Constraint::json_schema(&schema).unwrap();
    assert_eq!(
        everything(&constraint, &vocabulary),
        BTreeSet::from(["\"a\"".to_owned()])
    );
}

#[test]
fn what_nothing_satisfies_is_refused() {
    let vocabulary = vocabulary();
    assert!(Constraint::one_of(&[], End::Turn).is_err());
    assert!(Constraint::one_of(&owned(&["a", ""]), End::Turn).is_err());
    assert!(Constraint::one_of(&owned(&["a"]), End::With(String::new())).is_err());
    assert!(Constraint::one_of(&owned(&["a\nb"]), End::With("\n".to_owned())).is_err());
    assert!(Constraint::one_of(&vec!["a".to_owned(); LIMITS.alternatives + 1], End::Turn).is_err());
    assert!(Constraint::json_schema(&json!(true)).is_err());
    assert!(Constraint::regex(&"a".repeat(LIMITS.grammar + 1)).is_err());
    let hopeless = [
        Constraint::json_schema(&json!({"enum": []})).unwrap(),
        Constraint::json_schema(&json!({"type": "nonsense"})).unwrap(),
        Constraint::regex("(").unwrap(),
        Constraint::regex(r"[^\s\S]").unwrap(),
        Constraint::lark("start: nowhere").unwrap(),
    ];
    for constraint in hopeless {
        let refused = constraint.start(&vocabulary).err();
        assert!(
            matches!(refused, Some(ModelError::Grammar { .. })),
            "{constraint:?}"
        );
    }
}

#[test]
fn a_grammar_beyond_the_fuel_is_refused() {
    let monster = (0..400)
        .map(|n| format!("({n}|.{{1,{n}}}x[a-z]{{2,500}}){{1,400}}"))
        .collect::<Vec<_>>()
        .join("&");
    let lark = format!("start: M\nM: /{}/", monster.replace('&', "/ & /"));
    assert!(
        Constraint::lark(&lark)
            .unwrap()
            .start(&vocabulary())
            .is_err()
    );
}

#[test]
fn forced_tokens_are_taken_at_once() {
    let vocabulary = vocabulary();
    let mut matcher = Constraint::one_of(&owned(&["Date (paid)"]), End::With("\n".to_owned()))
        .unwrap()
        .start(&vocabulary)
        .unwrap();
    let tokens = matcher.forced().unwrap();
    assert!(tokens.len() < "Date (paid)\n".len());
    assert!(matcher.finished());
    assert_eq!(matcher.output(), b"Date (paid)");
    assert_eq!(matcher.forced().unwrap(), Vec::<u32>::new());
}

#[test]
fn forced_tokens_stop_where_there_is_a_choice() {
    let vocabulary = vocabulary();
    let mut matcher = Constraint::one_of(&owned(&["q4-north", "q4-south"]), End::Turn)
        .unwrap()
        .start(&vocabulary)
        .unwrap();
    matcher.forced().unwrap();
    assert_eq!(matcher.output(), b"q4-");
    let mask = matcher.mask().unwrap();
    assert!(
        mask.allows(u32::from(b'n'))
            && mask.allows(u32::from(b's'))
            && !mask.allows(END)
            && !mask.allows(u32::MAX)
    );
    assert_eq!(mask.count(), 2);
}

#[test]
fn a_control_token_is_never_text() {
    let vocabulary = vocabulary();
    let mut matcher = Constraint::regex("(?s:.*)x")
        .unwrap()
        .start(&vocabulary)
        .unwrap();
    assert!(!matcher.mask().unwrap().allows(END));
    assert!(matcher.clone().commit(END).is_err());
    assert_eq!(
        spell(
            &Constraint::regex("(?s:.*)x").unwrap(),
            &vocabulary,
            "<|end|>x"
        )
        .unwrap(),
        b"<|end|>x"
    );
}

#[test]
fn a_vocabulary_beyond_the_trie_is_refused() {
    assert!(
        Vocabulary::from_words(vec![vec![b'a'; LIMITS.token + 1], b"e".to_vec()], &[1]).is_err()
    );
    assert!(Vocabulary::from_words(vec![b"a".to_vec()], &[1]).is_err());
    assert!(Vocabulary::from_words(vec![b"a".to_vec()], &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_list_of_texts_can_be_chosen_from(texts in prop::collection::vec("[^\0\n]{1,12}", 1..8)) {
        let vocabulary = vocabulary();
        for end in [End::Turn, End::With("\n".to_owned())] {
            let ending = if end == End::Turn { "" } else { "\n" };
            let constraint = Constraint::one_of(&texts, end).unwrap();
            for text in &texts {
                let got = spell(&constraint, &vocabulary, &format!("{text}{ending}"));
                prop_assert_eq!(got, Some(text.as_bytes().to_vec()));
            }
        }
    }
}
