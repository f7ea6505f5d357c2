//! A proof holds for its entry, or its two checkpoints, and nothing else. With a path that is not looked at, or a signature that is not, each
//! forgery below would be as sound as its twin. Some are kept in `testdata/`, for other readers.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read and write their data in files"
)]

use std::collections::BTreeMap;
use std::path::Path;

use cloister_attest::*;
use serde_json::{Value, json};

use crate::epochs;
use crate::forge::checkpoint_of_version_1;
use crate::kit::{self, FakeTpm, Folder, START, begin, begin_unattested, resume, roots};

fn proof(folder: &Folder, seq: u64) -> Value {
    let checkpoint = folder.checkpoint.as_ref().unwrap();
    let line = prove(&folder.entries, checkpoint, seq).unwrap();
    serde_json::from_slice(&line).unwrap()
}

fn bytes(proof: &Value) -> Vec<u8> {
    let line = serde_json_canonicalizer::to_vec(proof).unwrap();
    [line.as_slice(), b"\n"].concat()
}

fn judged(proof: &Value, roots: &Roots) -> Report {
    verify_proof(&bytes(proof), roots, None)
}

fn shown(proof: &Value) -> Vec<u64> {
    let shown = proof["shown"].as_array().unwrap();
    let seq = |shown: &Value| -> u64 {
        let line: Value = serde_json::from_str(shown["line"].as_str().unwrap()).unwrap();
        line["seq"].as_u64().unwrap()
    };
    shown.iter().map(seq).collect()
}

/// A ledger of this story, and each checkpoint that it had: of one session, of two, of three.
fn grown(tpm: &FakeTpm) -> (Folder, Vec<Vec<u8>>) {
    let (mut storage, mut checkpoints) = (Memory::default(), Vec::new());
    for seed in 1..4_u8 {
        let now = START + u64::from(seed) * 1_000;
        let mut ledger = begin(resume(storage), seed, tpm, now);
        kit::story(&mut ledger, now);
        let ended = ledger.end("done".to_owned(), (now + 100).into()).unwrap();
        storage = ended.into_storage();
        checkpoints.push(storage.files().checkpoint.unwrap());
    }
    (Folder::of(&storage), checkpoints)
}

#[test]
fn every_entry_can_be_proven() {
    let tpm = FakeTpm::new(5);
    for whole in [
        Folder::of(&kit::ledger(&tpm)),
        epochs::session(&tpm, 4, 599_999),
    ] {
        let of = whole.lines().len();
        for (seq, line) in whole.lines().iter().enumerate() {
            let report = judged(&proof(&whole, seq as u64), &roots(&tpm));
            assert_eq!(report.verdict(), &Verdict::Sound, "{seq}: {report}");
            let said = serde_json::to_value(&report).unwrap();
            let line = std::str::from_utf8(line).unwrap().trim_end();
            assert_eq!(said["proves"], json!({"seq": seq, "of": of, "line": line}));
        }
        let beyond = prove(
            &whole.entries,
            whole.checkpoint.as_ref().unwrap(),
            of as u64,
        );
        assert!(matches!(beyond, Err(AttestError::NotProven { .. })));
    }
}

#[test]
fn what_the_keys_follow_from_is_shown_and_nothing_else() {
    let tpm = FakeTpm::new(5);
    let three = Folder::of(&kit::ledger(&tpm)); // starts at 0, 12, 15
    let long = epochs::session(&tpm, 600, 1); // hand-overs at 255 and 511
    for (folder, seq, expected) in [
        (&three, 0, vec![0, 15]),
        (&three, 8, vec![0, 8, 15]),
        (&three, 13, vec![12, 13, 15]),
        (&three, 15, vec![15]),
        (&three, 17, vec![15, 17]),
        (&long, 3, vec![0, 3, 255, 511]),
        (&long, 511, vec![0, 255, 511]),
        (&long, 603, vec![0, 255, 511, 603]),
    ] {
        let proof = proof(folder, seq);
        assert_eq!(shown(&proof), expected, "{seq}");
        let report = judged(&proof, &roots(&tpm));
        assert_eq!(report.verdict(), &Verdict::Sound, "{seq}: {report}");
    }
}

#[test]
fn an_entry_is_proven_after_the_ledger_went_on() {
    let tpm = FakeTpm::new(5);
    let first = begin(resume(Memory::default()), 1, &tpm, START);
    let first = first.end("done".to_owned(), START.into()).unwrap();
    let mut running = begin(resume(first.into_storage()), 2, &tpm, START + 1);
    kit::story(&mut running, START + 1);
    // The checkpoint is still the first session's, and counts its two entries.
    let folder = Folder::of(running.storage());
    let report = judged(&proof(&folder, 1), &roots(&tpm));
    assert_eq!(report.verdict(), &Verdict::Sound);
    let checkpoint = folder.checkpoint.as_ref().unwrap();
    assert!(prove(&folder.entries, checkpoint, 2).is_err());
}

/// Each line that is shown, in turn: another, twice, gone, moved, with another's path or none; another claim; another checkpoint.
#[test]
fn no_other_entry_or_place_is_proven() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let long = epochs::session(&tpm, 4, 599_999); // hand-overs at 2 and 5
    for (folder, seq, other) in [(&whole, 8, 9), (&long, 4, 3)] {
        let (sound, other) = (proof(folder, seq), proof(folder, other));
        let forged = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut forged = sound.clone();
            change(&mut forged);
            let report = judged(&forged, &roots);
            assert_eq!(report.exit_code(), 1, "{what}: {report}");
        };
        let list = sound["shown"].as_array().unwrap();
        for k in 0..list.len() {
            let at = |forged: &mut Value, change: &dyn Fn(&mut Vec<Value>)| {
                change(forged["shown"].as_array_mut().unwrap());
            };
            forged("gone", &|f| at(f, &|shown| drop(shown.remove(k))));
            forged("twice", &|f| at(f, &|s| s.insert(k, s[k].clone())));
            forged("moved", &|f| at(f, &|s| s.swap(k, (k + 1) % list.len())));
            forged("no path", &|f| f["shown"][k]["path"] = json!([]));
            for part in ["line", "path"] {
                let by = &other["shown"][1];
                let by = if list[k] == *by { &list[0] } else { by };
                forged(part, &|f| f["shown"][k][part] = by[part].clone());
            }
        }
        forged("another claim", &|f| f["proves"] = other["proves"].clone());
        forged("a claim not shown", &|f| f["proves"]["entry"] = 1.into());
        let old = String::from_utf8(checkpoint_of_version_1(&folder.lines(), 3)).unwrap();
        forged("no tree", &|f| f["checkpoint"] = old.as_str().into());
        let text = sound["checkpoint"].as_str().unwrap();
        let [_, size, ..] = text.lines().collect::<Vec<_>>()[..] else {
            unreachable!()
        };
        let shorter = text.replacen(&format!("\n{size}\n"), "\n7\n", 1);
        forged("shorter", &|f| f["checkpoint"] = shorter.as_str().into());
    }
}

/// Each key follows from the one before it: without a hand-over, what the next one signed is nobody's.
#[test]
fn a_hand_over_that_is_not_shown_leaves_no_key() {
    let tpm = FakeTpm::new(5);
    let (roots, long) = (roots(&tpm), epochs::session(&tpm, 4, 599_999));
    let cases = [
        (7, 1, Some(5)),
        (7, 2, Some(7)),
        (1, 2, Some(5)),
        (1, 3, None),
    ];
    for (seq, hidden, named) in cases {
        let mut proof = proof(&long, seq);
        proof["shown"].as_array_mut().unwrap().remove(hidden);
        let report = judged(&proof, &roots);
        assert_eq!(report.exit_code(), 1, "{report}");
        let found = kit::bad_seq(&report);
        assert_eq!(found, named, "{seq} without {hidden}: {report}");
    }
}

#[test]
fn a_longer_ledger_is_shown_to_begin_with_each_shorter_one() {
    let tpm = FakeTpm::new(5);
    let (roots, (whole, checkpoints)) = (roots(&tpm), grown(&tpm));
    let last = checkpoints.last().unwrap();
    for earlier in &checkpoints {
        let line = prove_extends(&whole.entries, last, earlier).unwrap();
        let report = verify_proof(&line, &roots, None);
        assert_eq!(report.verdict(), &Verdict::Sound, "{report}");
        let said = serde_json::to_value(&report).unwrap();
        let text = std::str::from_utf8(earlier).unwrap();
        assert_eq!(said["proves"]["earlier"], text);
        let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(said["proves"]["entries"], size);
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1 << (at % 8);
            let report = verify_proof(&changed, &roots, None);
            assert_eq!(report.exit_code(), 1, "byte {at}: {report}");
        }
    }
}

/// Two histories from one disk, each signed by the same session's keys and sound by itself.
#[test]
fn no_fork_is_shown_to_go_on() {
    let tpm = FakeTpm::new(5);
    let roots = roots(&tpm);
    let fork = |first: &str| {
        let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
        let text = first.to_owned();
        ledger
            .note(Body::Request(Request { intent: text }), START.into())
            .unwrap();
        let ended = ledger.end("done".to_owned(), START.into()).unwrap();
        let storage = ended.into_storage();
        let kept = storage.files().checkpoint.unwrap();
        let next = begin(resume(storage), 2, &tpm, START + 1);
        let ended = next.end("done".to_owned(), (START + 1).into()).unwrap();
        (Folder::of(&ended.into_storage()), kept)
    };
    let ((one, one_kept), (other, other_kept)) = (fork("one"), fork("other"));
    let proof = |folder: &Folder, kept: &[u8]| {
        let checkpoint = folder.checkpoint.as_ref().unwrap();
        prove_extends(&folder.entries, checkpoint, kept)
    };
    assert!(proof(&one, &other_kept).is_err());
    let mut swapped: Value = serde_json::from_slice(&proof(&one, &one_kept).unwrap()).unwrap();
    let theirs: Value = serde_json::from_slice(&proof(&other, &other_kept).unwrap()).unwrap();
    assert_eq!(judged(&swapped, &roots).exit_code(), 0);
    assert_eq!(judged(&theirs, &roots).exit_code(), 0);
    swapped["proves"]["extends"]["checkpoint"] = std::str::from_utf8(&other_kept).unwrap().into();
    assert_eq!(judged(&swapped, &roots).exit_code(), 1);
    swapped["proves"] = theirs["proves"].clone();
    assert_eq!(judged(&swapped, &roots).exit_code(), 1);
}

#[test]
fn every_byte_of_a_proof_counts() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let line = prove(&whole.entries, whole.checkpoint.as_ref().unwrap(), 5).unwrap();
    for at in 0..line.len() {
        let mut changed = line.clone();
        changed[at] ^= 1 << (at % 8);
        let report = verify_proof(&changed, &roots, None);
        assert_eq!(report.exit_code(), 1, "byte {at}: {report}");
        let cut = verify_proof(&line[..at], &roots, None);
        assert_eq!(cut.exit_code(), 1, "cut at {at}");
    }
}

/// Everything is signed and in its place, and the roots know nothing of it, or doubt it.
#[test]
fn a_proof_is_worth_what_its_sessions_are() {
    let (tpm, stranger) = (FakeTpm::new(5), FakeTpm::new(6));
    let end = |ledger: Ledger<Memory>| {
        let ended = ledger.end("done".to_owned(), (START + 9).into()).unwrap();
        Folder::of(&ended.into_storage())
    };
    let empty = || resume(Memory::default());
    let unknown = end(begin(empty(), 1, &stranger, START));
    let none = end(begin_unattested(empty(), 1, START));
    let other = kit::binding_of_another_admin();
    let swapped = end(kit::begin_bound(empty(), 1, &tpm, START, other));
    for (folder, code) in [(unknown, 2), (none, 2), (swapped, 1)] {
        let report = judged(&proof(&folder, 1), &roots(&tpm));
        assert_eq!(report.exit_code(), code, "{report}");
    }
}

/// Proofs by name: `ok-` and `bad-` say the verdict under `roots.json`.
fn cases(tpm: &FakeTpm) -> BTreeMap<&'static str, Vec<u8>> {
    let long = epochs::session(tpm, 4, 599_999);
    let (grown, checkpoints) = grown(tpm);
    let extends = prove_extends(&grown.entries, &checkpoints[2], &checkpoints[0]).unwrap();
    let mut another: Value = serde_json::from_slice(&extends).unwrap();
    let other = String::from_utf8(long.checkpoint.clone().unwrap()).unwrap();
    another["proves"]["extends"]["checkpoint"] = other.into();
    let entry = proof(&long, 4);
    let (mut swapped, mut no_hand_over) = (entry.clone(), entry.clone());
    swapped["shown"][2]["line"] = proof(&long, 3)["shown"][2]["line"].clone();
    swapped["proves"]["entry"] = 3.into();
    no_hand_over["shown"].as_array_mut().unwrap().remove(1);
    BTreeMap::from([
        ("ok-proof-entry.json", bytes(&entry)),
        ("ok-proof-extends.json", extends),
        ("bad-proof-another-entry.json", bytes(&swapped)),
        ("bad-proof-another-ledger.json", bytes(&another)),
        ("bad-proof-no-hand-over.json", bytes(&no_hand_over)),
    ])
}

/// As the folders of `vectors.rs`, and written anew as they are.
#[test]
fn the_kept_proofs_are_judged_as_their_names_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    let tpm = FakeTpm::new(5);
    for (name, made) in cases(&tpm) {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_TESTDATA").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        let report = verify_proof(&kept, &roots(&tpm), None);
        let code = u8::from(name.starts_with("bad-"));
        assert_eq!(report.exit_code(), code, "{name}: {report}");
        assert_eq!(made, kept, "{name}");
    }
}
