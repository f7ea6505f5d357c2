//! The binary as an auditor runs it: exit codes, words, JSON, and single-byte changes on disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test's helpers fail as tests do"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn testdata() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"))
}

fn run(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloister-verify"))
        .args(arguments)
        .output()
        .unwrap()
}

fn verify(path: &Path, more: &[&str]) -> (i32, String) {
    verify_by(&testdata().join("roots.json"), path, more)
}

fn verify_by(roots: &Path, path: &Path, more: &[&str]) -> (i32, String) {
    let mut arguments = vec![path, Path::new("--roots"), roots];
    arguments.extend(more.iter().map(Path::new));
    let output = run(&arguments);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn each_folder_of_the_test_data_is_judged() {
    let mut seen = 0;
    for item in std::fs::read_dir(testdata())
        .unwrap()
        .map(Result::unwrap)
        .filter(|item| item.path().is_dir())
    {
        let name = item.file_name().into_string().unwrap();
        let ledger = tempfile::tempdir().unwrap();
        // A folder without files is not kept by git.
        let kept = item.path().join("ledger");
        let own = item.path().join("roots.json");
        let roots = if own.is_file() {
            own
        } else {
            testdata().join("roots.json")
        };
        let folder = if kept.is_dir() { &kept } else { ledger.path() };
        let (code, text) = verify_by(&roots, folder, &[]);
        let want = match name.split_once('_').unwrap().0 {
            "ok" => 0,
            "bad" => 1,
            _ => 2,
        };
        assert_eq!(code, want, "{name}: {text}");
        assert_eq!(
            text,
            std::fs::read_to_string(item.path().join("expected.txt")).unwrap(),
            "{name}"
        );
        seen += 1;
    }
    assert!(seen >= 19, "{seen}");
}

#[test]
fn json_is_one_document() {
    let (code, text) = verify(&testdata().join("bad_changed_intent/ledger"), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &json["verdict"], &json["seq"]),
        (1, &"tampered".into(), &1.into())
    );
    assert_eq!(
        (&json["file"], json["byte"].is_u64()),
        (&"entries.jsonl".into(), true)
    );
    let (code, text) = verify(&testdata().join("ok_three_sessions/ledger"), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &json["verdict"], &json["entries"]),
        (0, &"sound".into(), &18.into())
    );
}

#[test]
fn a_challenge_that_was_not_answered_is_not_sound() {
    let ledger = testdata().join("ok_three_sessions/ledger");
    assert_eq!(verify(&ledger, &["--challenge", "c0ffee"]).0, 2);
    assert_eq!(verify(&ledger, &["--challenge", "COFFEE"]).0, 64);
}

#[test]
fn a_file_of_entries_alone_is_not_anchored() {
    let entries = testdata().join("ok_three_sessions/ledger/entries.jsonl");
    // Its torn line is missing as well, so that it is not even whole.
    assert_eq!(verify(&entries, &[]).0, 1);
    assert_eq!(
        verify(
            &testdata().join("unanchored_running_session/ledger/entries.jsonl"),
            &[]
        )
        .0,
        2
    );
    assert_eq!(verify(&testdata().join("roots.json"), &[]).0, 1);
}

#[test]
fn missing_roots_and_missing_ledgers_have_their_codes() {
    let ledger = testdata().join("ok_three_sessions/ledger");
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let bad = folder.path().join("roots.json");
    std::fs::copy(ledger.join("checkpoint"), &bad).unwrap();
    for roots in [&nowhere, &bad] {
        let output = run(&[&ledger, Path::new("--roots"), roots]);
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.stdout.is_empty() && said.contains("\nhint: "),
            "{said}"
        );
    }
    assert_eq!(verify(&nowhere, &[]).0, 66);
    assert_eq!(run(&[&ledger]).status.code(), Some(64));
}

/// A small generator (Knuth's MMIX constants), so that a failure names a change that can be made again.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn two_hundred_single_byte_changes_are_caught() {
    let ledger = testdata().join("ok_three_sessions/ledger");
    let copy = tempfile::tempdir().unwrap();
    let names: Vec<_> = std::fs::read_dir(&ledger)
        .unwrap()
        .map(|item| item.unwrap().file_name())
        .collect();
    for name in &names {
        std::fs::copy(ledger.join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(
        verify(copy.path(), &[]).0,
        0,
        "the twin: an unchanged copy is sound"
    );
    let mut state = 2026;
    for round in 0..200 {
        let path = copy.path().join(&names[next(&mut state) % names.len()]);
        let whole = std::fs::read(&path).unwrap();
        let (at, flip) = (
            next(&mut state) % whole.len(),
            u8::try_from(next(&mut state) % 255 + 1).unwrap(),
        );
        let mut changed = whole.clone();
        changed[at] ^= flip;
        put(&path, &changed);
        let (code, text) = verify(copy.path(), &[]);
        assert_eq!(
            code,
            1,
            "round {round}, `{}` byte {at} xor {flip}: {text}",
            path.display()
        );
        put(&path, &whole);
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is the forger")]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// The twin is the name itself, which holds a second verdict in red and a character that turns the line around.
#[cfg(unix)]
#[test]
fn a_files_name_adds_no_line_and_no_colour() {
    let name = "x\nsound       every entry is whole\u{1b}[31m\u{202e}";
    let ledger = tempfile::tempdir().unwrap();
    put(&ledger.path().join(name), b"x");
    let (code, text) = verify(ledger.path(), &[]);
    assert_eq!((code, text.lines().count()), (1, 2), "{text}");
    assert!(name.lines().count() == 2 && text.contains("`x\\nsound "));
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    let roots = testdata().join("roots.json");
    let nowhere = ledger.path().join("nowhere").join(name);
    let output = run(&[&nowhere, Path::new("--roots"), &roots]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(66), 2));
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
}

#[cfg(unix)]
#[test]
fn links_and_folders_in_a_ledger_are_foreign() {
    let ledger = testdata().join("ok_three_sessions/ledger");
    let copy = tempfile::tempdir().unwrap();
    for item in std::fs::read_dir(&ledger).unwrap().map(Result::unwrap) {
        std::fs::copy(item.path(), copy.path().join(item.file_name())).unwrap();
    }
    std::fs::create_dir(copy.path().join("more")).unwrap();
    assert_eq!(verify(copy.path(), &[]).0, 1);
    std::fs::remove_dir(copy.path().join("more")).unwrap();
    assert_eq!(verify(copy.path(), &[]).0, 0);
    std::os::unix::fs::symlink("checkpoint", copy.path().join("link")).unwrap();
    assert_eq!(verify(copy.path(), &[]).0, 1);
}

/// What `cloister --json audit content 4` would print of the ledger in the test data, with these fields otherwise.
fn shown(folder: &Path, changed: &[(&str, serde_json::Value)]) -> PathBuf {
    let line = std::fs::read_to_string(testdata().join("ok_three_sessions/ledger/entries.jsonl"));
    let entry = line.unwrap().lines().nth(4).unwrap().to_owned();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    let mut content = serde_json::json!({"what": "args of $1", "commitment": entry["body"]["args"], "salt": "07".repeat(32), "content": "{}"});
    let mut document = serde_json::json!({"seq": 4, "session": entry["session"]});
    for (field, value) in changed {
        let of = if document.get(field).is_some() {
            &mut document
        } else {
            &mut content
        };
        of[*field] = value.clone();
    }
    document["contents"] = serde_json::json!([content]);
    let file = folder.join("content.json");
    put(&file, document.to_string().as_bytes());
    file
}

#[test]
fn an_opened_content_is_held_against_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = testdata().join("ok_three_sessions/ledger");
    let judged = |changed: &[(&str, serde_json::Value)], path: &Path| {
        let file = shown(folder.path(), changed);
        verify(path, &["--content", file.to_str().unwrap()])
    };
    let (code, text) = judged(&[], &ledger);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("is what entry 4 commits to"), "{text}");
    let (code, text) = judged(&[], &ledger.join("entries.jsonl"));
    assert_eq!(code, 1, "the torn line is missing: {text}");
    assert!(text.contains("is what entry 4 commits to"), "{text}");
    let other = format!("commit:{}", "0".repeat(64));
    for changed in [
        ("content", "[]".into()),
        ("content", "{} ".into()),
        ("salt", "08".repeat(32).into()),
        ("salt", "".into()),
        ("commitment", other.into()),
        ("what", "output of $1".into()),
        ("seq", 5.into()),
        ("seq", 99.into()),
        ("session", "0123456789abcdef".into()),
    ] {
        let (code, text) = judged(std::slice::from_ref(&changed), &ledger);
        assert_eq!(code, 1, "{changed:?}: {text}");
        assert!(
            text.starts_with("sound ") && text.contains("is NOT what"),
            "{text}"
        );
    }
    // Entries from the first bad one on commit to nothing.
    let bad = testdata().join("bad_changed_intent/ledger");
    let (code, text) = judged(&[], &bad);
    assert!(code == 1 && text.contains("is NOT what"), "{text}");
    for path in ["ok_tiles/ledger", "ok-proof-entry.json"] {
        assert_eq!(judged(&[], &testdata().join(path)).0, 66, "{path}");
    }
}

#[test]
fn the_document_says_what_was_held() {
    let folder = tempfile::tempdir().unwrap();
    let file = shown(folder.path(), &[]);
    let ledger = testdata().join("ok_three_sessions/ledger");
    let (code, text) = verify(&ledger, &["--json", "--content", file.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["contents"][0]["holds"]), (0, &true.into()));
    assert_eq!(json["contents"][0]["seq"], 4);
}
