//! Every byte of every file counts, and so does the order of everything. With the defences off (an honest ledger under the same
//! roots) each of these would be `Sound`: `writer::what_was_written_is_sound` is the twin.

use cloister_attest::*;

use crate::kit::{
    self, FakeTpm, Folder, START, bad_seq, begin, begin_unattested, resign, resume, roots,
};

#[test]
fn every_byte_of_every_file_counts() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let starts: Vec<usize> = whole
        .lines()
        .iter()
        .scan(0, |at, line| Some(std::mem::replace(at, *at + line.len())))
        .collect();
    for at in 0..whole.entries.len() {
        let mut changed = whole.clone();
        changed.entries[at] ^= 1 << (at % 8);
        let report = changed.verify(&roots);
        assert_eq!(report.exit_code(), 1, "byte {at}: {report}");
        let (line, found) = (
            starts.partition_point(|start| *start <= at) as u64 - 1,
            bad_seq(&report),
        );
        // A newline that is no more joins its line to the next; the fault is in the line it ended.
        assert_eq!(found, Some(line), "byte {at}: {report}");
        let Verdict::Tampered { byte, file, .. } = report.verdict() else {
            unreachable!()
        };
        assert_eq!(
            (*byte, file.as_str()),
            (starts[usize::try_from(line).unwrap()] as u64, ENTRIES_FILE)
        );
    }
    for at in 0..whole.checkpoint.as_ref().unwrap().len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed.checkpoint.as_mut().unwrap()[at] ^= 1 << bit;
            let report = changed.verify(&roots);
            assert_eq!(
                report.exit_code(),
                1,
                "checkpoint byte {at} bit {bit}: {report}"
            );
        }
    }
    let torn = whole.others.keys().next().unwrap();
    for at in 0..whole.others[torn].len() {
        let mut changed = whole.clone();
        changed.others.get_mut(torn).unwrap()[at] ^= 1 << (at % 8);
        let report = changed.verify(&roots);
        assert_eq!(report.exit_code(), 1, "torn byte {at}: {report}");
    }
}

#[test]
fn every_entry_stands_where_it_stood() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let lines = whole.lines();
    let check = |what: &str, k: usize, changed: Vec<Vec<u8>>, first_bad: usize| {
        let report = whole.with_lines(&changed).verify(&roots);
        assert_eq!(report.exit_code(), 1, "{what} {k}: {report}");
        assert_eq!(
            bad_seq(&report),
            Some(first_bad as u64),
            "{what} {k}: {report}"
        );
    };
    for k in 0..lines.len() {
        let mut deleted = lines.clone();
        deleted.remove(k);
        check("deleted", k, deleted, k);
        let mut doubled = lines.clone();
        doubled.insert(k, lines[k].clone());
        check("doubled", k, doubled, k + 1);
        let mut inserted = lines.clone();
        inserted.insert(k, lines[(k + 5) % lines.len()].clone());
        check("inserted", k, inserted, k);
        for other in k + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(k, other);
            check("swapped", k, swapped, k);
        }
        check("cut after", k, lines[..k].to_vec(), k);
    }
}

#[test]
fn no_truncation_goes_unseen() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    for length in 0..whole.entries.len() {
        let mut cut = whole.clone();
        cut.entries.truncate(length);
        assert_eq!(cut.verify(&roots).exit_code(), 1, "{length} bytes left");
    }
    // Who takes the checkpoint away too leaves a ledger that nobody vouches for to its end.
    for k in 0..whole.lines().len() {
        let cut = Folder {
            checkpoint: None,
            ..whole.with_lines(&whole.lines()[..k])
        };
        assert_ne!(
            cut.verify(&roots).exit_code(),
            0,
            "{k} entries left, no checkpoint"
        );
    }
    let mut unclosed = whole;
    unclosed.checkpoint = None;
    assert_eq!(unclosed.verify(&roots).exit_code(), 2);
}

#[test]
fn foreign_and_missing_files_are_named() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let mut foreign = whole.clone();
    foreign.others.insert("notes.txt".to_owned(), b"x".to_vec());
    let report = foreign.verify(&roots);
    assert!(
        matches!(report.verdict(), Verdict::Tampered { file, .. } if file == "notes.txt"),
        "{report}"
    );
    let mut missing = whole.clone();
    missing.others.clear();
    assert_eq!(missing.verify(&roots).exit_code(), 1);
    let mut early = whole;
    let extra = b"{\"torn";
    early.others.insert(
        format!("torn-{}.bin", Digest::of(extra).hex()),
        extra.to_vec(),
    );
    assert_eq!(early.verify(&roots).exit_code(), 2);
}

#[test]
fn signing_again_with_the_right_key_is_the_format() {
    let tpm = FakeTpm::new(5);
    let whole = Folder::of(&kit::ledger(&tpm));
    // The twin: nothing changed, the right key, and the bytes are the same. So the forgeries below fail for what they forge.
    assert_eq!(resign(&whole, 16, |_| {}, 3).entries, whole.entries);
}

#[test]
fn a_rewritten_history_does_not_hold() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let lie = |value: &mut serde_json::Value| value["ts"] = (START + 2_000).into();
    let other_key = resign(&whole, 17, lie, 77).verify(&roots);
    assert_eq!(
        (other_key.exit_code(), bad_seq(&other_key)),
        (1, Some(17)),
        "{other_key}"
    );
    // With the session's own key still in memory the chain is right again; the checkpoint is not.
    let own_key = resign(&whole, 17, lie, 3).verify(&roots);
    assert_eq!(own_key.exit_code(), 1, "{own_key}");
    // Someone without the TPM begins the last session anew under a key of their own.
    let public = kit::session_key(77).public();
    let new_key = |value: &mut serde_json::Value| {
        let statement = &mut value["body"]["statement"];
        statement["session_pub"] = public.to_string().into();
        statement["session_id"] = SessionId::of(&public).to_string().into();
        value["session"] = SessionId::of(&public).to_string().into();
    };
    let report = resign(&whole, 15, new_key, 77).verify(&roots);
    assert_eq!(
        (report.exit_code(), bad_seq(&report)),
        (1, Some(15)),
        "{report}"
    );
    assert!(report.to_string().contains("another statement"), "{report}");
}

#[test]
fn every_pin_of_the_statement_is_quoted() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    for field in [
        "runtime",
        "model",
        "policy",
        "manifest",
        "tools",
        "device",
        "not_after",
        "challenge",
    ] {
        let change = |value: &mut serde_json::Value| {
            value["body"]["statement"][field] = match field {
                "not_after" => (kit::NOT_AFTER + 1).into(),
                "challenge" => "00ff".into(),
                "device" => "desk-8".into(),
                _ => Digest::of("another").to_string().into(),
            };
        };
        let report = resign(&whole, 0, change, 1).verify(&roots);
        assert_eq!(
            (report.exit_code(), bad_seq(&report)),
            (1, Some(0)),
            "{field}: {report}"
        );
    }
}

#[test]
fn pieces_of_other_ledgers_do_not_fit() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let storage = begin(resume(Memory::default()), 41, &tpm, START)
        .end("done".to_owned(), START.into())
        .unwrap()
        .into_storage();
    let other = Folder::of(&storage);
    let spliced = whole
        .with_lines(&[whole.lines(), other.lines()].concat())
        .verify(&roots);
    assert_eq!((spliced.exit_code(), bad_seq(&spliced)), (1, Some(18)));
    let checkpoint = Folder {
        checkpoint: other.checkpoint.clone(),
        ..whole.clone()
    }
    .verify(&roots);
    assert_eq!(checkpoint.exit_code(), 1);
    // An older checkpoint of the same ledger: true, but it does not say where the ledger ends.
    let older = Folder::of(&first_session(&tpm)).checkpoint;
    let report = Folder {
        checkpoint: older,
        ..whole
    }
    .verify(&roots);
    assert_eq!(report.exit_code(), 2, "{report}");
}

fn first_session(tpm: &FakeTpm) -> Memory {
    let mut first = begin(resume(Memory::default()), 1, tpm, START);
    kit::story(&mut first, START);
    first
        .end("done".to_owned(), (START + 100).into())
        .unwrap()
        .into_storage()
}

#[test]
fn a_rollback_is_seen_by_who_asks_a_question() {
    let tpm = FakeTpm::new(5);
    let roots = roots(&tpm);
    let old = first_session(&tpm);
    // Disk and checkpoint rolled back together: sound by itself, which SPEC.md section 12 says.
    assert_eq!(Folder::of(&old).verify(&roots).exit_code(), 0);
    let challenge: Challenge = "c0ffee".parse().unwrap();
    assert_eq!(
        verify(old.files(), &roots, Some(&challenge))
            .unwrap()
            .exit_code(),
        2
    );
    let resumed = resume(old);
    let key = kit::session_key(2);
    let statement = Statement::new(
        key.public(),
        resumed.head(),
        kit::binding(Some(challenge.clone())),
    );
    let evidence = Evidence::Tpm2Hardware {
        quote: tpm.quote(&statement.qualifying().unwrap()),
    };
    let ledger = resumed
        .begin(key, kit::start(statement, evidence), (START + 200).into())
        .unwrap();
    let storage = ledger
        .end("done".to_owned(), (START + 201).into())
        .unwrap()
        .into_storage();
    assert_eq!(
        verify(storage.files(), &roots, Some(&challenge))
            .unwrap()
            .exit_code(),
        0
    );
}

/// A home whose admin key was swapped, with policy and locks signed anew by it: the device, its TPM and every signature are honest.
/// The twin, under the key of the roots, is sound; so is the very attack when the roots are the attacker's.
#[test]
fn a_session_under_another_admins_key_is_tampered_with() {
    let tpm = FakeTpm::new(5);
    let other = kit::binding_of_another_admin();
    let attackers = Roots::new(other.admin).enrolling(tpm.enrolled(Attestation::Tpm2Hardware));
    let run = |binding: Binding| {
        let ledger = kit::begin_bound(resume(Memory::default()), 1, &tpm, START, binding);
        let ended = ledger.end("done".to_owned(), (START + 9).into()).unwrap();
        Folder::of(&ended.into_storage())
    };
    let (same, swapped) = (run(kit::binding(None)), run(other.clone()));
    assert_eq!(same.verify(&roots(&tpm)).verdict(), &Verdict::Sound);
    assert_eq!(swapped.verify(&attackers).verdict(), &Verdict::Sound);
    let report = swapped.verify(&roots(&tpm));
    let Verdict::Tampered {
        seq: Some(0), what, ..
    } = report.verdict()
    else {
        panic!("{report}");
    };
    assert_eq!(what, "the session was run under another admin's key");

    let key = kit::session_key(1);
    let none = Evidence::None {
        reason: "no TPM".to_owned(),
    };
    for (binding, code) in [(kit::binding(None), 2), (other, 1)] {
        let resumed = resume(Memory::default());
        let statement = Statement::new(key.public(), resumed.head(), binding);
        let evidence = SessionEvidence::write(statement, none.clone(), &key).unwrap();
        let report = verify_evidence(&evidence, &roots(&tpm), None);
        assert_eq!(report.exit_code(), code, "attested by nothing: {report}");
    }
}

#[test]
fn unattested_and_unknown_devices_are_not_sound() {
    let (tpm, stranger) = (FakeTpm::new(5), FakeTpm::new(6));
    let end = |ledger: Ledger<Memory>| {
        ledger
            .end("done".to_owned(), (START + 9).into())
            .unwrap()
            .into_storage()
    };
    let none = end(begin_unattested(resume(Memory::default()), 1, START));
    assert_eq!(Folder::of(&none).verify(&roots(&tpm)).exit_code(), 2);
    let unknown = end(begin(resume(Memory::default()), 1, &stranger, START));
    assert_eq!(Folder::of(&unknown).verify(&roots(&tpm)).exit_code(), 2);
    let known = end(begin(resume(Memory::default()), 1, &tpm, START));
    assert_eq!(Folder::of(&known).verify(&roots(&tpm)).exit_code(), 0);
    let as_software =
        Roots::new(kit::admin().public()).enrolling(tpm.enrolled(Attestation::Tpm2Software));
    assert_eq!(
        Folder::of(&known).verify(&as_software).exit_code(),
        1,
        "it says hardware and is enrolled as software"
    );
}

#[test]
fn a_tpm_reset_less_often_than_before_is_another_state() {
    let (mut tpm, roots) = (FakeTpm::new(5), roots(&FakeTpm::new(5)));
    let first = begin(resume(Memory::default()), 1, &tpm, START)
        .end("done".to_owned(), START.into())
        .unwrap();
    let storage = first.into_storage();
    for (resets, code) in [(3, 0), (4, 0), (2, 1)] {
        tpm.resets = resets;
        let second = begin(resume(storage.clone()), 2, &tpm, START + 1);
        let storage = second
            .end("done".to_owned(), (START + 2).into())
            .unwrap()
            .into_storage();
        assert_eq!(
            Folder::of(&storage).verify(&roots).exit_code(),
            code,
            "{resets} resets"
        );
    }
}

#[test]
fn the_report_names_the_sessions_that_an_enrolled_key_attests() {
    let (tpm, other) = (FakeTpm::new(5), FakeTpm::new(6));
    let roots = roots(&tpm);
    let ended = |ledger: Ledger<Memory>, at: u64| {
        let closed = ledger.end("done".to_owned(), at.into()).unwrap();
        closed.into_storage()
    };
    let mut storage = ended(begin(resume(Memory::default()), 1, &tpm, START), START);
    storage = ended(
        kit::begin_unattested(resume(storage), 2, START + 1),
        START + 1,
    );
    storage = ended(begin(resume(storage), 3, &other, START + 2), START + 2);
    storage = ended(begin(resume(storage), 4, &tpm, START + 3), START + 3);
    let report = Folder::of(&storage).verify(&roots);
    assert_eq!((report.sessions(), report.attested()), (4, 2), "{report}");
    let named: Vec<u64> = (0..report.entries() + 1)
        .filter(|first| report.attests(*first))
        .collect();
    assert_eq!(named, [0, 6], "each session has two entries");
}

#[test]
fn a_second_spelling_is_not_the_same_entry() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), Folder::of(&kit::ledger(&tpm)));
    let text = String::from_utf8(whole.lines()[17].clone()).unwrap();
    for (what, from, to) in [
        ("space", "\"seq\":17", "\"seq\": 17"),
        ("float", "\"seq\":17", "\"seq\":17.0"),
        ("exponent", "\"seq\":17", "\"seq\":1.7e1"),
        ("twice the key", "\"seq\":17", "\"seq\":17,\"seq\":17"),
        (
            "twice the key in a body",
            "\"outcome\":\"done\"",
            "\"outcome\":\"done\",\"outcome\":\"done\"",
        ),
        (
            "escape",
            "\"outcome\":\"done\"",
            "\"outcome\":\"\\u0064one\"",
        ),
        ("unknown key", "\"seq\":17", "\"rev\":1,\"seq\":17"),
        (
            "unknown key in a body",
            "\"outcome\":\"done\"",
            "\"note\":\"x\",\"outcome\":\"done\"",
        ),
        ("carriage return", "\n", "\r\n"),
        ("upper case", "\"prev\":\"sha256:", "\"prev\":\"SHA256:"),
    ] {
        assert!(text.contains(from), "{what}");
        let mut lines = whole.lines();
        lines[17] = text.replacen(from, to, 1).into_bytes();
        let report = whole.with_lines(&lines).verify(&roots);
        assert_eq!(
            (report.exit_code(), bad_seq(&report)),
            (1, Some(17)),
            "{what}: {report}"
        );
    }
}
