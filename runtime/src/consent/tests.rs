//! The question under hostile names, as a terminal shows it.

use std::num::NonZeroU16;

use cloister_tools::{Effect, Effects};
use serde_json::json;

use super::*;
use crate::look::tests::{pages_of, read_back};

const QUESTION: &str = "Release? [y]es, [n]o, [d]iff, [e]xplain: ";

/// Names that try to clear the screen, move the cursor, answer the question, read backwards, hide, pass for another, or push the rest away.
fn names() -> Vec<String> {
    let tricks = [
        "\u{1b}[2J\u{1b}[1;1Hnothing would change",
        "\u{1b}]0;title\u{7}\u{1b}[8m",
        "\u{9b}2Jx\u{90}q\u{9c}",
        "a\r\nRelease? [y]es, [n]o: y",
        "a\u{8}\u{8}\u{8}\u{7f}\u{b}\u{c}",
        "invoice\u{202e}xslx.exe",
        "\u{2066}\u{2067}a\u{2069}",
        "pay\u{200b}roll\u{feff}.xlsx",
        "p\u{430}yroll.xlsx",
        "\u{ff41}dmin.xlsx",
        "表表表表",
        "\u{2028}line\u{2029}",
        "\t\t\t\t",
        "blank\u{3164}\u{2800}\u{a0}",
    ];
    let stacked = format!("z{}", "\u{489}".repeat(3000));
    let long = ["x", "表", " ", "\u{1b}[31m"].map(|piece| piece.repeat(10_000 / piece.len()));
    let all = tricks.iter().map(|t| (*t).to_owned());
    let all: Vec<String> = all.chain([stacked]).chain(long).collect();
    (0..200)
        .map(|n| format!("{n}{}", all[n % all.len()]))
        .collect()
}

fn effects(names: &[String]) -> Effects {
    let digest = cloister_attest::Digest::of("x");
    let effect = |(at, name): (usize, &String)| -> Effect {
        serde_json::from_value(json!({
            "id": format!("q{at:010}"), "call": "$1", "tool": "files.move", "name": name,
            "change": {"op": "create", "path": format!("/f/{name}")}, "digest": digest, "bytes": 1, "sources": [name], "ground": "/f",
        }))
        .unwrap()
    };
    Effects::gather(names.iter().enumerate().map(effect)).unwrap()
}

/// What stands on a terminal after `text`, row by row, and the cursor's row.
fn on_terminal(text: &str, (rows, columns): (u16, u16)) -> (Vec<String>, usize) {
    let side = |length| NonZeroU16::new(length).unwrap();
    let mut terminal = vt100::Parser::new(side(rows), side(columns), 0);
    terminal.process(text.replace('\n', "\r\n").as_bytes());
    let screen = terminal.screen();
    let shown = screen.rows(0, columns).collect();
    (shown, usize::from(screen.cursor_position().0))
}

#[test]
fn the_question_and_what_is_unusual_stay_on_the_screen_whatever_files_are_called() {
    let names = names();
    for some in [&names[..], &names[..1], &names[14..16], &names[15..19]] {
        let pages = pages_of(&effects(some));
        for (rows, columns) in [(24, 80), (10, 40), (50, 200)] {
            let size = Size::new(usize::from(rows), usize::from(columns));
            let opening = opening(&pages.summary, "diff", size);
            let (shown, cursor) = on_terminal(&format!("{opening}{QUESTION}"), (rows, columns));
            let asked = shown.iter().position(|row| row.starts_with("Release?"));
            assert_eq!(
                asked.map(|row| row + QUESTION.len() / usize::from(columns)),
                Some(cursor),
                "{shown:#?}"
            );
            let first = opening.trim_start().lines().next().unwrap();
            assert!(shown.iter().any(|row| row == first), "{shown:#?}");
            let counted = format!("what would change: {} created", some.len());
            assert!(columns < 80 || first.starts_with(&counted), "{first}");
            if some.len() == names.len() {
                assert!(
                    shown
                        .iter()
                        .any(|row| row.contains("unusual: many files at once: 200")),
                    "{shown:#?}"
                );
            }
            assert_eq!(
                shown
                    .iter()
                    .filter(|row| row.starts_with("Release?"))
                    .count(),
                1
            );
            let odd = |c: char| cloister_tools::names::deceptive(c);
            assert!(
                !shown.iter().any(|row| row.trim_end().chars().any(odd)),
                "{shown:#?}"
            );
        }
    }
}

/// Not only files have names: the sheets, headings and cells of a new workbook come from documents too.
#[test]
fn the_question_stays_on_the_screen_whatever_sheets_headings_and_cells_are_called() {
    let names = names();
    let odd = |c: char| cloister_tools::names::deceptive(c);
    let one = ["report.xlsx".to_owned()];
    let summary = pages_of(&effects(&one)).summary;
    let (head, last) = summary.rsplit_once('\n').unwrap();
    let page = format!("{head}\n{}{last}", read_back(&names));
    for (n, name) in names.iter().enumerate() {
        let sheet = format!("    sheet `{}`, 1 row: {n}", escaped(name));
        assert!(page.contains(&sheet), "sheet and heading {n}");
        let begins = format!(
            "{n}{}",
            name.chars().nth(n.to_string().len()).map_or('x', |c| c)
        );
        let cell = escaped(&begins);
        assert!(page.contains(&format!(" {cell}")), "cell {n}");
    }
    for (rows, columns) in [(24, 80), (10, 40), (50, 200)] {
        let size = Size::new(usize::from(rows), usize::from(columns));
        let first = opening(&page, "diff", size);
        // Asked for in full, it scrolls by; the question comes after it.
        let in_full = format!("{first}{QUESTION}d\n\n{}\n", shown(&page));
        for text in [first, in_full] {
            let (seen, cursor) = on_terminal(&format!("{text}{QUESTION}"), (rows, columns));
            let asked = seen.iter().rposition(|row| row.starts_with("Release?"));
            let end = asked.map(|row| row + QUESTION.len() / usize::from(columns));
            assert_eq!(end, Some(cursor), "{seen:#?}");
            assert!(
                !seen.iter().any(|row| row.trim_end().chars().any(odd)),
                "{seen:#?}"
            );
        }
    }
}

fn escaped(name: &str) -> String {
    use cloister_tools::names::{Lines, escape};
    escape(name, Lines::Escape)
}

#[test]
fn without_the_defences_the_same_names_take_the_screen() {
    let names = names();
    let raw: Vec<String> = names.iter().map(|name| format!("  {name}  new")).collect();
    let text = format!(
        "\nwhat would change: 200 created\n{}\n{QUESTION}",
        raw.join("\n")
    );
    let (shown, _) = on_terminal(&text, (24, 80));
    assert!(
        !shown
            .iter()
            .any(|row| row.starts_with("what would change: 200")),
        "{shown:#?}"
    );
    let cleared = format!("\nwhat would change: 1 created\n{}\n", raw[0]);
    let (shown, _) = on_terminal(&cleared, (24, 80));
    assert!(shown[0].starts_with("nothing would change"), "{shown:#?}");
}

#[test]
fn an_answer_is_remembered_only_by_who_has_seen_what_it_covers() {
    let before = BTreeSet::from(["diff", "explain"]);
    assert_eq!(heard(REMEMBER, &before), Heard::Page(REMEMBER));
    assert_eq!(heard("r", &before), Heard::Page("r"));
    let after = BTreeSet::from([REMEMBER]);
    let lasts = |word| matches!(heard(word, &after), Heard::Answered(_, Lasting::Remembered));
    assert!(lasts(REMEMBER));
    for other in ["r", "y", "yes", "n", ""] {
        assert!(!lasts(other), "{other}");
    }
}

#[test]
fn pages_are_named_in_full_or_by_their_letter() {
    assert!(names_page("diff", "d") && names_page("diff", "diff"));
    for other in ["", "di", "e", "diffs"] {
        assert!(!names_page("diff", other), "{other}");
    }
}
