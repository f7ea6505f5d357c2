//! The folders in `testdata/`, named by the fault: `ok_`, `bad_` and `unanchored_` say the verdict, `expected.txt` the words.
//! `UPDATE_TESTDATA=1 cargo test` writes them anew but for those of older versions, which nothing writes any more; `check.py`, a second
//! verifier in another language, is held to the same folders.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read and write their data in files"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloister_attest::*;

use crate::anchors;
use crate::epochs;
use crate::forge::checkpoint_of_version_1;
use crate::forgeries::with_software;
use crate::kit::{
    self, FakeTpm, Folder, START, begin, begin_bound, begin_unattested, resign, resume,
};
use crate::tiles;
use crate::vouching;
use crate::witness;

fn testdata() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"))
}

/// A ledger as version 1 wrote it.
const VERSION_1: &str = "ok_version_1";
/// One as version 2 did.
const VERSION_2: &str = "ok_version_2";
/// One that each of them wrote a part of.
const VERSIONS_1_AND_2: &str = "ok_version_1_goes_on_as_2";
/// What is never written anew.
const KEPT: [&str; 3] = [VERSION_1, VERSION_2, VERSIONS_1_AND_2];

/// Seed of the TPM that has a counter.
const COUNTING: u8 = 8;

fn cases(tpm: &FakeTpm) -> BTreeMap<&'static str, Folder> {
    let whole = Folder::of(&kit::ledger(tpm));
    let mut all = edited(&whole);
    all.extend(rearranged(&whole));
    all.extend(other_files(&whole));
    all.extend(unanchored(&whole));
    all.extend(honestly_signed(tpm));
    all.extend(misread(&whole));
    all.extend(remembered(&whole));
    all.extend(versions(tpm, &whole));
    all.extend(committed(tpm, &whole));
    all.extend(keyed(tpm));
    all.extend(anchored(&FakeTpm::new(COUNTING)));
    all.extend(witness::cases(tpm));
    all.insert("ok_three_sessions", whole);
    all
}

/// One entry's text is changed.
fn edited(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let edited = |k: usize, from: &str, to: &str| {
        let mut lines = whole.lines();
        let line = String::from_utf8(lines[k].clone()).unwrap();
        lines[k] = line.replacen(from, to, 1).into_bytes();
        whole.with_lines(&lines)
    };
    let (model, other) = (Digest::of("model").hex(), Digest::of("other").hex());
    BTreeMap::from([
        ("bad_changed_intent", edited(1, "sum up q4", "sum up q3")),
        ("bad_signature", edited(9, "\"sig\":\"", "\"sig\":\"00")),
        ("bad_statement_model", edited(0, &model, &other)),
        (
            "bad_not_canonical",
            edited(17, "\"seq\":17", "\"seq\":17.0"),
        ),
    ])
}

/// Whole entries are missing or stand elsewhere.
fn rearranged(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let lines = whole.lines();
    let without = |k: usize| whole.with_lines(&[&lines[..k], &lines[k + 1..]].concat());
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    BTreeMap::from([
        ("bad_gap_in_sequence", without(5)),
        ("bad_missing_last_entry", without(17)),
        ("bad_missing_recovery", without(16)),
        ("bad_swapped_entries", whole.with_lines(&swapped)),
    ])
}

/// The entries are whole; a file beside them is not as it should be.
fn other_files(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let mut foreign = whole.clone();
    foreign
        .others
        .insert("readme".to_owned(), b"hello".to_vec());
    let torn_line_gone = Folder {
        others: BTreeMap::new(),
        ..whole.clone()
    };
    let text = String::from_utf8(whole.checkpoint.clone().unwrap()).unwrap();
    let resized = Folder {
        checkpoint: Some(text.replacen("\n18\n", "\n17\n", 1).into_bytes()),
        ..whole.clone()
    };
    let old_form = Folder {
        checkpoint: Some(checkpoint_of_version_1(&whole.lines(), 3)),
        ..whole.clone()
    };
    BTreeMap::from([
        ("bad_checkpoint_version", old_form),
        ("bad_foreign_file", foreign),
        ("bad_missing_torn_line", torn_line_gone),
        ("bad_checkpoint_size", resized),
    ])
}

/// Nothing is wrong, and something is missing that would vouch for it.
fn unanchored(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let none = begin_unattested(resume(Memory::default()), 1, START)
        .end("done".to_owned(), START.into())
        .unwrap();
    let unclosed = Folder {
        checkpoint: None,
        ..whole.clone()
    };
    let running = Folder {
        checkpoint: None,
        ..whole.with_lines(&whole.lines()[..4])
    };
    let mut torn = running.clone();
    torn.entries.extend_from_slice(b"{\"att\"");
    let empty = Folder {
        entries: Vec::new(),
        checkpoint: None,
        others: BTreeMap::new(),
    };
    BTreeMap::from([
        ("unanchored_no_checkpoint", unclosed),
        ("unanchored_running_session", running),
        ("unanchored_torn_line", torn),
        ("unanchored_not_attested", Folder::of(&none.into_storage())),
        ("unanchored_empty", empty),
    ])
}

/// Every signature and quote holds; what was signed is not what the roots want.
fn honestly_signed(tpm: &FakeTpm) -> BTreeMap<&'static str, Folder> {
    let end = |ledger: Ledger<Memory>| {
        let ended = ledger.end("done".to_owned(), (START + 100).into()).unwrap();
        Folder::of(&ended.into_storage())
    };
    let empty = || resume(Memory::default());
    let other = kit::binding_of_another_admin();
    let mut swapped = begin_bound(empty(), 1, tpm, START, other);
    kit::story(&mut swapped, START);
    let mut unsaid = begin(empty(), 1, tpm, START);
    let effects = Digest::of("effects");
    unsaid
        .note(Body::Release(Release { effects }), START.into())
        .unwrap();
    let mut discarded = begin(empty(), 1, tpm, START);
    for body in [kit::discard(Some("/w/a.txt")), kit::discard(None)] {
        discarded.note(body, START.into()).unwrap();
    }
    let mut reads = begin(empty(), 1, tpm, START);
    for body in reading_twice() {
        reads.note(body, START.into()).unwrap();
    }
    BTreeMap::from([
        ("bad_other_admin", end(swapped)),
        ("ok_discard", end(discarded)),
        ("ok_read_twice_changed", end(reads)),
        ("unanchored_release_unsaid", end(unsaid)),
    ])
}

/// A file that changed between two readings, one that was handed over and not read, and one whose bytes were known before.
fn reading_twice() -> [Body; 2] {
    let resource = |path: &str, sha256| Resource {
        op: "read".to_owned(),
        path: path.to_owned(),
        sha256,
    };
    let mut read = vec![
        kit::read("/w/a", "old"),
        kit::read("/w/a", "new"),
        kit::read("/w/c", "c"),
    ];
    read.sort();
    let known = Some(Digest::of("c"));
    [
        Body::CallIntent(CallIntent {
            step: "$1".to_owned(),
            tool: "sheet.describe".to_owned(),
            component: Digest::of("wasm"),
            args: kit::committed("{}"),
            resources: vec![
                resource("/w/a", None),
                resource("/w/b", None),
                resource("/w/c", known),
            ],
        }),
        Body::CallOutcome(CallOutcome {
            step: "$1".to_owned(),
            outcome: "returned".to_owned(),
            output: None,
            read: Some(read),
        }),
    ]
}

/// The session's own key signs an outcome that says it read what its intent was not handed, or says it in a second way.
fn misread(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let said = |change: &dyn Fn(&mut serde_json::Value)| {
        resign(whole, OUTCOME, |value| change(&mut value["body"]), 1)
    };
    let other = Digest::of("other").to_string();
    BTreeMap::from([
        (
            "bad_read_not_handed_over",
            said(&|body| body["read"][0]["path"] = "b.xlsx".into()),
        ),
        (
            "bad_read_other_bytes",
            said(&|body| body["read"][0]["sha256"] = other.as_str().into()),
        ),
        (
            "bad_read_of_another_step",
            said(&|body| body["step"] = "$2".into()),
        ),
        (
            "bad_read_named_twice",
            said(&|body| {
                let file = body["read"][0].clone();
                body["read"].as_array_mut().unwrap().push(file);
            }),
        ),
        (
            "bad_read_unsaid",
            said(&|body| drop(body.as_object_mut().unwrap().remove("read"))),
        ),
    ])
}

/// Where the first session's consent stands.
const CONSENT: usize = 7;

/// The session's own key signs an answer that an earlier one gave.
fn remembers(value: &mut serde_json::Value) {
    value["body"]["by"] = "remembered".into();
    value["body"]["rule"] = "c0123456789".into();
}

fn remembered(whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let unnamed = |value: &mut serde_json::Value| value["body"]["by"] = "remembered".into();
    let sessions = whole.lines();
    let first = sessions.iter().position(|line| ends(line)).unwrap() + 1;
    let one = Folder {
        checkpoint: None,
        others: BTreeMap::new(),
        ..whole.with_lines(&sessions[..first])
    };
    BTreeMap::from([
        ("bad_remembered_unnamed", resign(whole, CONSENT, unnamed, 1)),
        ("unanchored_remembered", resign(&one, CONSENT, remembers, 1)),
    ])
}

fn ends(line: &[u8]) -> bool {
    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
    value["kind"] == "session-end"
}

/// Old entries are read, in sessions of their own that come first.
fn versions(tpm: &FakeTpm, whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let kept = |name: &str| read(&testdata().join(name)).0;
    let (one, two) = (kept(VERSION_1), kept(VERSION_2));
    let version =
        |of: &Folder, k: usize, v: u64, seed| resign(of, k, |value| value["v"] = v.into(), seed);
    let says_read = |value: &mut serde_json::Value| value["body"]["read"] = serde_json::json!([]);
    BTreeMap::from([
        (VERSIONS_1_AND_2, kept(VERSIONS_1_AND_2)),
        ("ok_version_1_goes_on_as_3", goes_on(tpm, &one)),
        ("ok_version_2_goes_on_as_3", goes_on(tpm, &two)),
        ("bad_version_goes_back", version(whole, 15, 1, 3)),
        ("bad_version_changes_within", version(whole, 17, 1, 3)),
        ("bad_version_unknown", version(whole, 15, 4, 3)),
        ("bad_version_1_says_read", resign(&one, 5, says_read, 1)),
        (
            "bad_version_1_remembers",
            resign(&one, CONSENT, remembers, 1),
        ),
        (
            "bad_version_2_commits",
            resign(&two, INTENT, |value| value["body"]["args"] = salted(), 1),
        ),
        (
            "bad_version_2_says_open",
            resign(
                &two,
                PLAN,
                |value| value["body"]["steps"][0]["open"] = serde_json::json!(["a"]),
                1,
            ),
        ),
        ("bad_version_2_shreds", resign(&two, NOTE, shreds, 1)),
        (VERSION_1, one),
        (VERSION_2, two),
    ])
}

/// One session more, as it is written now.
fn goes_on(tpm: &FakeTpm, old: &Folder) -> Folder {
    let mut storage = Memory::default();
    storage.append(&old.entries).unwrap();
    let checkpoint = old
        .checkpoint
        .clone()
        .map(|bytes| (CHECKPOINT_FILE.to_owned(), bytes));
    for (name, bytes) in old.others.clone().into_iter().chain(checkpoint) {
        storage.replace(&name, &bytes).unwrap();
    }
    let mut next = begin(resume(storage), 4, tpm, START + 3_000);
    kit::story(&mut next, START + 3_000);
    let next = next.end("done".to_owned(), (START + 3_100).into()).unwrap();
    Folder::of(&next.into_storage())
}

/// Where the first session's plan, its intent, its outcome and its note stand.
const PLAN: usize = 2;
const INTENT: usize = 4;
const OUTCOME: usize = 5;
const NOTE: usize = 10;

fn salted() -> serde_json::Value {
    kit::committed("{}").to_string().into()
}

fn shreds(value: &mut serde_json::Value) {
    value["kind"] = "shred".into();
    value["body"] = serde_json::json!({"session": value["session"]});
}

/// What stands for arguments and outputs: section 20. The session's own key signs it.
fn committed(tpm: &FakeTpm, whole: &Folder) -> BTreeMap<&'static str, Folder> {
    let plain = Digest::of("{}").to_string();
    let said = |k: usize, change: &dyn Fn(&mut serde_json::Value)| {
        resign(whole, k, |value| change(&mut value["body"]), 1)
    };
    let mut shredding = begin(resume(kit::ledger(tpm)), 4, tpm, START + 3_000);
    let session = SessionId::of(&kit::session_key(1).public());
    shredding
        .note(Body::Shred(Shred { session }), (START + 3_001).into())
        .unwrap();
    let shredded = shredding
        .end("done".to_owned(), (START + 3_100).into())
        .unwrap();
    BTreeMap::from([
        (
            "bad_args_digest",
            said(INTENT, &|body| body["args"] = plain.as_str().into()),
        ),
        (
            "bad_output_digest",
            said(OUTCOME, &|body| body["output"] = plain.as_str().into()),
        ),
        (
            "bad_plan_other_args",
            said(PLAN, &|body| {
                body["steps"][0]["args"] = kit::committed("[]").to_string().into();
            }),
        ),
        (
            "bad_plan_nothing_open",
            said(PLAN, &|body| {
                drop(body["steps"][0].as_object_mut().unwrap().remove("open"))
            }),
        ),
        (
            "bad_plan_other_tool",
            said(PLAN, &|body| body["steps"][0]["tool"] = "a.b".into()),
        ),
        ("ok_shredded", Folder::of(&shredded.into_storage())),
    ])
}

/// Sessions by another TPM, whose counter is enrolled too: section 14.
fn anchored(tpm: &FakeTpm) -> BTreeMap<&'static str, Folder> {
    BTreeMap::from([
        ("bad_anchor_rewound", anchors::rewound(tpm)),
        ("ok_anchored", anchors::two_sessions(tpm)),
        ("unanchored_lost_increment", anchors::lost_increment(tpm)),
        ("unanchored_no_last_anchor", anchors::unanchored_end(tpm)),
    ])
}

/// Who signs when: section 13.
fn keyed(tpm: &FakeTpm) -> BTreeMap<&'static str, Folder> {
    let epochs = epochs::session(tpm, 4, 599_999);
    BTreeMap::from([
        ("bad_back_to_one_key", epochs::back_to_one_key(tpm, 1)),
        ("bad_epoch_skipped", epochs::skipped(&epochs)),
        ("bad_key_signs_too_long", epochs::too_long(&epochs)),
        ("bad_statement_version", epochs::back_to_one_key(tpm, 3)),
        ("bad_unsigned_hand_over", vouching::unsigned_hand_over(tpm)),
        ("bad_unsigned_start", vouching::unsigned_start(tpm)),
        ("unanchored_vouched_for_later", vouching::vouched_for(tpm)),
        ("ok_epochs", epochs),
    ])
}

/// The twin of `bad_checkpoint_version`: over entries of version 1, such a checkpoint is the one that was written.
#[test]
fn a_checkpoint_of_version_1_is_known_where_it_belongs() {
    let (old, _) = read(&testdata().join(VERSION_1));
    let made = checkpoint_of_version_1(&old.lines(), 3);
    assert_eq!(Some(made), old.checkpoint);
}

#[test]
fn each_folder_is_judged_as_its_name_says() {
    let tpm = FakeTpm::new(5);
    let counting = anchors::enrolled(&FakeTpm::new(COUNTING));
    let (roots, cases) = (
        with_software(kit::roots(&tpm).enrolling(counting)),
        cases(&tpm),
    );
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        for item in std::fs::read_dir(testdata()).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() && !KEPT.iter().any(|kept| path.ends_with(kept)) {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
        std::fs::write(testdata().join("roots.json"), roots.to_json().unwrap()).unwrap();
        cases.iter().for_each(|(name, folder)| {
            write(&testdata().join(name), folder, &roots_of(name, &roots))
        });
    }
    let roots = Roots::parse(&std::fs::read(testdata().join("roots.json")).unwrap()).unwrap();
    for (name, made) in &cases {
        let (kept, expected) = read(&testdata().join(name));
        let roots = roots_of(name, &roots);
        let report = kept.verify(&roots);
        assert_eq!(report.exit_code(), code_of(name), "{name}: {report}");
        assert_eq!(report.to_string(), expected, "{name}");
        // The writer still writes what it wrote: a change of format shows here first.
        assert_eq!(made.entries, kept.entries, "{name}");
        assert_eq!(made.checkpoint, kept.checkpoint, "{name}");
    }
    each_folder_of_tiles_is_judged_as_its_name_says(&roots);
    let kept = std::fs::read_dir(testdata())
        .unwrap()
        .filter(|item| item.as_ref().unwrap().path().is_dir())
        .count();
    let known = cases.len() + tiles::cases().len();
    assert_eq!(kept, known, "folders without a test");
}

fn each_folder_of_tiles_is_judged_as_its_name_says(roots: &Roots) {
    for (name, made) in tiles::cases() {
        let path = testdata().join(name);
        let report = tiles::judged(&made, roots);
        if std::env::var_os("UPDATE_TESTDATA").is_some() {
            for (file, bytes) in &made {
                let file = path.join("ledger").join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, bytes).unwrap();
            }
            std::fs::write(path.join("expected.txt"), report.to_string()).unwrap();
        }
        assert_eq!(report.exit_code(), code_of(name), "{name}: {report}");
        let expected = std::fs::read_to_string(path.join("expected.txt")).unwrap();
        assert_eq!(report.to_string(), expected, "{name}");
        for (file, bytes) in &made {
            let kept = std::fs::read(path.join("ledger").join(file)).unwrap();
            assert!(kept == *bytes, "`{file}` of {name}");
        }
    }
}

/// The exit code that a folder's name stands for.
fn code_of(name: &str) -> u8 {
    match name.split_once('_').unwrap().0 {
        "ok" => 0,
        "bad" => 1,
        _ => 2,
    }
}

/// A folder that is named for a witness is judged by roots that pin it, which lie beside its ledger.
fn roots_of(name: &str, roots: &Roots) -> Roots {
    let path = testdata().join(name).join("roots.json");
    if !name.contains("_witnessed") {
        assert!(!path.exists(), "{name}");
        return roots.clone();
    }
    let pinned = roots
        .clone()
        .witnessed_by(witness::office().witness().clone());
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        std::fs::create_dir_all(testdata().join(name)).unwrap();
        std::fs::write(&path, pinned.to_json().unwrap()).unwrap();
    }
    let kept = Roots::parse(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(kept, pinned, "{name}");
    kept
}

fn write(path: &Path, folder: &Folder, roots: &Roots) {
    std::fs::create_dir_all(path.join("ledger")).unwrap();
    std::fs::write(path.join("expected.txt"), folder.verify(roots).to_string()).unwrap();
    std::fs::write(path.join("ledger").join(ENTRIES_FILE), &folder.entries).unwrap();
    if let Some(checkpoint) = &folder.checkpoint {
        std::fs::write(path.join("ledger").join(CHECKPOINT_FILE), checkpoint).unwrap();
    }
    for (name, bytes) in &folder.others {
        std::fs::write(path.join("ledger").join(name), bytes).unwrap();
    }
}

fn read(path: &Path) -> (Folder, String) {
    let mut files: BTreeMap<String, Vec<u8>> = std::fs::read_dir(path.join("ledger"))
        .unwrap()
        .map(|item| item.unwrap())
        .map(|item| {
            (
                item.file_name().into_string().unwrap(),
                std::fs::read(item.path()).unwrap(),
            )
        })
        .collect();
    let entries = files.remove(ENTRIES_FILE).unwrap_or_default();
    let checkpoint = files.remove(CHECKPOINT_FILE);
    (
        Folder {
            entries,
            checkpoint,
            others: files,
        },
        std::fs::read_to_string(path.join("expected.txt")).unwrap(),
    )
}
