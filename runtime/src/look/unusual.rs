//! What a person should look at first: what these effects have that most do not.

use std::path::Path;

use cloister_policies::Rule;
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Change, Effect, Effects};

use crate::counted::counted_in;

/// Effects from which on they are many: more than fit on a screen with the question.
const MANY: usize = 16;
/// So many times as large as what it replaces is unusual: a document grows by less in a day.
const LARGER: u64 = 4;
/// Rules of a policy that are about names which somebody else chose begin so.
const SINK: &str = "sink.";

/// Letters of alphabets that hold look-alikes of Latin ones: Greek, Cyrillic, Armenian, Cherokee, Lisu, mathematical and full-width letters.
const LOOK_ALIKES: [(char, char); 8] = [
    ('\u{370}', '\u{3ff}'),
    ('\u{400}', '\u{52f}'),
    ('\u{531}', '\u{58f}'),
    ('\u{13a0}', '\u{13ff}'),
    ('\u{a4d0}', '\u{a4ff}'),
    ('\u{ab70}', '\u{abbf}'),
    ('\u{ff21}', '\u{ff5a}'),
    ('\u{1d400}', '\u{1d7ff}'),
];

/// What stands at a path now: its length, if anything does.
pub(super) type Standing<'a> = &'a dyn Fn(&Path) -> Option<u64>;

/// A line for each thing that is unusual about `effects`, which a call made that rules ask about for these reasons.
pub(super) fn about(effects: &Effects, reasons: &[Rule], standing: Standing<'_>) -> Vec<String> {
    let all = effects.list();
    let sinks = reasons.iter().filter(|by| by.rule.starts_with(SINK));
    let many = (all.len() > MANY).then(|| format!("many files at once: {}", all.len()));
    let each = all.iter().filter_map(|effect| larger(effect, standing));
    let found = [
        many,
        new_folders(all, standing),
        two_alphabets(all),
        hiding(all),
    ];
    let sinks = sinks.map(|by| by.reason.clone());
    sinks
        .chain(found.into_iter().flatten())
        .chain(each)
        .collect()
}

fn new_folders(all: &[Effect], standing: Standing<'_>) -> Option<String> {
    let mut new: Vec<&Path> = all
        .iter()
        .filter(|effect| !matches!(effect.change(), Change::Delete { .. }))
        .filter_map(|effect| effect.path().parent())
        .filter(|folder| standing(folder).is_none())
        .collect();
    new.sort_unstable();
    new.dedup();
    let first = escape(&new.first()?.to_string_lossy(), Lines::Escape);
    Some(format!("{}: {first}", counted_in(&new, "new folder")))
}

fn two_alphabets(all: &[Effect]) -> Option<String> {
    let odd: Vec<&Effect> = all.iter().filter(|e| mixed(e.name())).collect();
    let first = spelled(odd.first()?.name());
    let which = counted_in(&odd, "name");
    Some(format!("{which} with letters of two alphabets: {first}"))
}

fn hiding(all: &[Effect]) -> Option<String> {
    let hides = |effect: &&Effect| escape(effect.name(), Lines::Escape) != effect.name();
    let odd: Vec<&Effect> = all.iter().filter(hides).collect();
    let first = escape(odd.first()?.name(), Lines::Escape);
    let which = counted_in(&odd, "name");
    Some(format!(
        "{which} with characters that hide or move: {first}"
    ))
}

fn larger(effect: &Effect, standing: Standing<'_>) -> Option<String> {
    let Change::Replace { path, .. } = effect.change() else {
        return None;
    };
    let before = standing(path)?;
    (effect.bytes() / LARGER > before).then(|| {
        let name = escape(effect.name(), Lines::Escape);
        format!(
            "much larger than before: {name}, {before} to {} bytes",
            effect.bytes()
        )
    })
}

fn look_alike(c: char) -> bool {
    LOOK_ALIKES
        .iter()
        .any(|(from, to)| (*from..=*to).contains(&c))
}

/// Whether a word of the name has Latin letters and such as look like them.
fn mixed(name: &str) -> bool {
    name.split(|c: char| !c.is_alphabetic())
        .any(|word| word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(look_alike))
}

/// The name with every look-alike written out.
fn spelled(name: &str) -> String {
    let one = |c: char| match look_alike(c) {
        true => c.escape_unicode().to_string(),
        false => String::from(c),
    };
    escape(&name.chars().map(one).collect::<String>(), Lines::Escape)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn effect(name: &str, change: Value, bytes: u64) -> Effect {
        let digest = cloister_attest::Digest::of(name);
        serde_json::from_value(json!({
            "id": "q0123456789", "call": "$1", "tool": "files.move", "name": name, "change": change,
            "digest": digest, "bytes": bytes, "sources": [], "ground": "/f",
        }))
        .unwrap()
    }

    fn create(name: &str) -> Effect {
        effect(
            name,
            json!({"op": "create", "path": format!("/f/{name}")}),
            9,
        )
    }

    fn by(rule: &str, reason: &str) -> Rule {
        let [rule, reason] = [rule, reason].map(str::to_owned);
        Rule { rule, reason }
    }

    fn said(effects: Vec<Effect>, rule: &str) -> Vec<String> {
        said_for(effects, &[by(rule, "the name is from a.xlsx")])
    }

    fn said_for(effects: Vec<Effect>, reasons: &[Rule]) -> Vec<String> {
        let effects = Effects::gather(effects).unwrap();
        let there = ["/f", "/f/old.txt"].map(Path::new);
        let standing = |path: &Path| there.contains(&path).then_some(100);
        about(&effects, reasons, &standing)
    }

    #[test]
    fn what_is_usual_is_not_said() {
        assert!(
            said(
                vec![
                    create("report.xlsx"),
                    create("отчёт.xlsx"),
                    create("Ω 2.txt")
                ],
                "file.write.ask"
            )
            .is_empty()
        );
    }

    #[test]
    fn each_rule_about_names_of_others_has_its_line_wherever_it_stands() {
        let reasons = [
            by("file.write.ask", "it writes /f/a.txt"),
            by("sink.document", "save is \"a.txt\", taken from a.xlsx"),
            by("sink.tool", "title is \"b\", which a tool worked out"),
        ];
        let [_, document, tool] = reasons.each_ref().map(|by| by.reason.clone());
        let effects = vec![create("new/a.txt")];
        let lines = [document, tool, "1 new folder: /f/new".to_owned()];
        assert_eq!(said_for(effects, &reasons), lines);
    }

    #[test]
    fn each_unusual_thing_has_a_line() {
        let before = cloister_attest::Digest::of("x");
        let replace = |bytes| {
            effect(
                "old.txt",
                json!({"op": "replace", "path": "/f/old.txt", "before": before}),
                bytes,
            )
        };
        for (effects, rule, line) in [
            (
                vec![create("a.txt")],
                "sink.document",
                "the name is from a.xlsx",
            ),
            (
                vec![create("new/deep/a.txt")],
                "",
                "1 new folder: /f/new/deep",
            ),
            (
                vec![create("a/x"), create("a/y/z"), create("a/z")],
                "",
                "2 new folders: /f/a",
            ),
            (
                vec![create("p\u{430}yroll.xlsx")],
                "",
                "1 name with letters of two alphabets: p\\u{430}yroll.xlsx",
            ),
            (
                vec![create("a\u{202e}xslx.exe")],
                "",
                "1 name with characters that hide or move: a\\u{202e}xslx.exe",
            ),
            (
                vec![replace(500)],
                "",
                "much larger than before: old.txt, 100 to 500 bytes",
            ),
        ] {
            assert_eq!(said(effects, rule), [line]);
        }
        assert!(said(vec![replace(403)], "").is_empty());
        let many: Vec<Effect> = (0..17).map(|n| create(&format!("{n}.txt"))).collect();
        assert_eq!(said(many, ""), ["many files at once: 17"]);
    }
}
