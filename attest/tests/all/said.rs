//! A session that ends says how everything went that it began, or is doubted; and what a report quotes is only text.

use cloister_attest::*;

use crate::kit::{self, FakeTpm, Folder, START, begin, resume, roots};

fn intent(step: &str) -> Body {
    Body::CallIntent(CallIntent {
        step: step.to_owned(),
        tool: "sheet.summarize".to_owned(),
        component: Digest::of("wasm"),
        args: kit::committed("{}"),
        resources: Vec::new(),
    })
}

fn outcome(step: &str, outcome: &str) -> Body {
    Body::CallOutcome(CallOutcome {
        step: step.to_owned(),
        outcome: outcome.to_owned(),
        output: None,
        read: Some(Vec::new()),
    })
}

fn release() -> Body {
    let effects = Digest::of("effects");
    Body::Release(Release { effects })
}

fn released(effects: &str) -> Body {
    Body::Released(Released {
        effects: Digest::of(effects),
        files: Vec::new(),
    })
}

fn interrupted() -> Body {
    Body::Interrupted(Interrupted {
        stage: "tool".to_owned(),
        reason: "signal".to_owned(),
    })
}

fn refusal() -> Body {
    Body::Refusal(Refusal {
        what: "release".to_owned(),
        rule: "consent".to_owned(),
        reason: "declined".to_owned(),
    })
}

/// What is said of a session that wrote these entries, from number 1 on, and ended.
fn verdict(bodies: Vec<Body>) -> Verdict {
    let tpm = FakeTpm::new(5);
    let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
    for body in bodies {
        ledger.note(body, START.into()).unwrap();
    }
    let ended = ledger.end("failed".to_owned(), START.into()).unwrap();
    let report = Folder::of(&ended.into_storage()).verify(&roots(&tpm));
    report.verdict().clone()
}

#[test]
fn whatever_was_said_is_sound() {
    for said in [
        vec![intent("$1"), outcome("$1", "returned")],
        vec![intent("$1"), outcome("$1", "trapped"), refusal()],
        vec![intent("$1"), outcome("$1", "interrupted"), interrupted()],
        vec![intent("$1"), interrupted()],
        vec![release(), interrupted()],
        vec![release(), released("effects")],
        vec![refusal()],
        vec![kit::discard(None)],
    ] {
        assert_eq!(verdict(said.clone()), Verdict::Sound, "{said:?}");
    }
}

/// The twins with their outcomes are sound, above.
#[test]
fn an_intent_of_which_nothing_is_said_is_doubted_by_number() {
    for (unsaid, seqs) in [
        (vec![intent("$1")], vec![1]),
        (vec![release(), refusal()], vec![1]),
        (vec![release(), released("others")], vec![1]),
        (vec![intent("$1"), outcome("$2", "returned")], vec![1]),
        (vec![interrupted(), intent("$1")], vec![2]),
        (vec![intent("$1"), interrupted(), release()], vec![3]),
        (vec![intent("$1"), release()], vec![1, 2]),
    ] {
        let id = SessionId::of(&kit::session_key(1).public());
        let why = seqs
            .iter()
            .map(|seq| format!("session {id} ended and never said how entry {seq} went"))
            .collect();
        assert_eq!(
            verdict(unsaid.clone()),
            Verdict::Unanchored { why },
            "{unsaid:?}"
        );
    }
}

/// The recovery speaks for a session without an end, interrupted or not: it names the open intent, and all is sound.
#[test]
fn a_session_without_an_end_is_the_recoverys_to_speak_of() {
    let tpm = FakeTpm::new(5);
    let mut cut_off = begin(resume(Memory::default()), 1, &tpm, START);
    for body in [intent("$1"), interrupted()] {
        cut_off.note(body, START.into()).unwrap();
    }
    let next = begin(resume(cut_off.storage().clone()), 2, &tpm, START);
    let ended = next.end("done".to_owned(), START.into()).unwrap();
    let folder = Folder::of(&ended.into_storage());
    assert_eq!(folder.verify(&roots(&tpm)).verdict(), &Verdict::Sound);
    let line = String::from_utf8(folder.lines()[4].clone()).unwrap();
    assert!(line.contains(r#""kind":"recovery""#) && line.contains(r#""open":[1]"#));
}

/// The twin is the verdict's own field, which keeps the name as it is.
#[test]
fn a_report_quotes_a_files_name_on_its_own_line_only() {
    let tpm = FakeTpm::new(5);
    let name = "x\nsound       every entry is whole\u{1b}[31m\u{202e}";
    let mut folder = Folder::of(&kit::ledger(&tpm));
    folder.others.insert(name.to_owned(), b"x".to_vec());
    let report = folder.verify(&roots(&tpm));
    let Verdict::Tampered { file, .. } = report.verdict() else {
        panic!("{report}");
    };
    assert_eq!(file, name);
    let shown = report.to_string();
    assert_eq!(shown.lines().count(), 2, "{shown:?}");
    assert!(shown.contains(r"`x\nsound       every entry is whole\u{1b}[31m\u{202e}`"));
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

/// An entry's own words come back in a parser's complaint, as those of an unknown field do.
#[test]
fn a_report_quotes_an_entrys_words_on_its_own_line_only() {
    let tpm = FakeTpm::new(5);
    let whole = Folder::of(&kit::ledger(&tpm));
    let mut lines = whole.lines();
    let line = String::from_utf8(lines[1].clone()).unwrap();
    let evil = r#""intent":"x","\nsound\u001b[31m":"#;
    lines[1] = line.replacen(r#""intent":"#, evil, 1).into_bytes();
    let report = whole.with_lines(&lines).verify(&roots(&tpm));
    let Verdict::Tampered { what, .. } = report.verdict() else {
        panic!("{report}");
    };
    assert!(what.contains("\nsound\u{1b}[31m"), "{what:?}");
    let shown = report.to_string();
    assert!(
        shown.lines().count() == 2 && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
}
