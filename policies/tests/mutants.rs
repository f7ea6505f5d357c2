//! Whether the shipped cases notice: of all small changes to the shipped rules, nearly every one must make a case fail.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use cloister_policies::{Bundle, PolicyError, PolicyFiles, shipped};

/// Of a hundred changes, so many are noticed at least. The others change nothing that a case could see.
const NOTICED: usize = 95;

/// What is put in the place of what, once at each place where it stands.
const SWAPS: [(&str, &str); 17] = [
    (" == ", " != "),
    (" != ", " == "),
    (" > ", " >= "),
    (" > ", " < "),
    (" <= ", " < "),
    (" <= ", " >= "),
    ("> 0", "> 1"),
    ("> 1", "> 2"),
    ("== 0", "== 1"),
    ("!= 2", "!= 3"),
    (" true", " false"),
    (" false", " true"),
    ("not ", ""),
    ("\"decision\": \"permit\"", "\"decision\": \"ask\""),
    ("\"decision\": \"permit\"", "\"decision\": \"forbid\""),
    ("\"decision\": \"ask\"", "\"decision\": \"permit\""),
    ("\"decision\": \"forbid\"", "\"decision\": \"ask\""),
];

/// A changed rule file, and what was changed in it.
struct Mutant {
    what: String,
    text: String,
}

fn code(line: &str) -> &str {
    line.split(" #").next().unwrap()
}

fn mutants(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (how, new) in changes(line) {
            let each = lines.iter().enumerate();
            let left =
                each.filter_map(|(n, line)| if n == at { new.as_deref() } else { Some(line) });
            all.push(Mutant {
                what: format!("{}: {} [{how}]", at + 1, line.trim()),
                text: left.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    all
}

/// Each small change to a line: what it is, and what then stands there, if anything.
fn changes(line: &str) -> Vec<(String, Option<String>)> {
    // A reason is for people: no case looks at its words.
    if ["#", "\"reason\":"]
        .iter()
        .any(|start| line.trim_start().starts_with(start))
    {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (from, to) in SWAPS {
        for (place, _) in code(line).match_indices(from) {
            let (before, rest) = line.split_at(place);
            let after = rest.strip_prefix(from).unwrap();
            let new = format!("{before}{to}{after}");
            all.push((format!("{from} -> {to}"), Some(new)));
        }
    }
    // A condition that is not asked any more.
    if line.starts_with('\t') && !line.contains("\"rule\"") && !line.contains("\"reason\"") {
        all.push(("removed".to_owned(), None));
    }
    all.extend(without_members(line));
    all
}

/// The line with one member less in a set of texts.
fn without_members(line: &str) -> Vec<(String, Option<String>)> {
    let set = line
        .split_once('{')
        .filter(|_| line.contains("\", \""))
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (inside, after))) = set else {
        return Vec::new();
    };
    let members: Vec<&str> = inside.split(", ").collect();
    let texts = members
        .iter()
        .filter(|m| m.starts_with('"') && m.ends_with('"'));
    let without = |gone: &&str| {
        let left: Vec<&str> = members.iter().copied().filter(|m| m != gone).collect();
        let new = format!("{before}{{{}}}{after}", left.join(", "));
        (format!("without {gone}"), Some(new))
    };
    texts.map(without).collect()
}

/// A rule file with its cases and the settings, and nothing else.
fn alone(name: &str, text: &str) -> PolicyFiles {
    let mut files = shipped();
    let cases = name.replace(".rego", ".cases.toml");
    files.retain(|file, _| {
        ["bundle.toml", "settings.json", cases.as_str()].contains(&file.as_str())
    });
    files.insert(name.to_owned(), text.as_bytes().to_vec());
    files
}

#[test]
fn nearly_every_change_of_a_shipped_rule_is_noticed_by_a_case() {
    let (mut noticed, mut survivors) = (0, Vec::new());
    for (name, bytes) in shipped().iter().filter(|(name, _)| name.ends_with(".rego")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(Bundle::load(&alone(name, &text)).is_ok(), "{name} alone");
        for Mutant { what, text } in mutants(&text) {
            match Bundle::load(&alone(name, &text)) {
                Err(PolicyError::CaseFailed { .. }) => noticed += 1,
                Err(_) => {} // it does not compile, so nobody could run it
                Ok(_) => survivors.push(format!("{name}:{what}")),
            }
        }
    }
    let all = noticed + survivors.len();
    println!(
        "{noticed} of {all} changes noticed; not noticed:\n{}",
        survivors.join("\n")
    );
    assert!(all > 150, "only {all} changes were tried");
    assert!(
        noticed * 100 >= all * NOTICED,
        "{noticed} of {all} changes noticed; not noticed:\n{}",
        survivors.join("\n")
    );
}
