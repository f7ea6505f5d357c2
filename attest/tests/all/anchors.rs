//! Anchors in a TPM's counter: what was cut off, put back or written anew past one is noticed, with every key of the session in hand.

use cloister_attest::*;

use crate::kit::{self, COUNTER, Certificate, FakeTpm, Folder, START, bad_seq, begin, resume};

/// What a forger does to a certificate before the TPM signs it.
type Change = fn(&mut Certificate);

const MINUTES: u64 = 60_000;

fn roots(tpm: &FakeTpm) -> Roots {
    Roots::new(kit::admin().public()).enrolling(enrolled(tpm))
}

pub(crate) fn enrolled(tpm: &FakeTpm) -> EnrolledKey {
    let key = tpm.enrolled(Attestation::Tpm2Hardware);
    key.anchored_by(COUNTER).unwrap()
}

fn anchor(ledger: &mut Ledger<Memory>, tpm: &FakeTpm, value: u64, now: u64) {
    let certify = |over: &Digest| Ok::<_, AttestError>(tpm.certify(over, value));
    ledger.anchor(now.into(), certify).unwrap();
}

fn note(ledger: &mut Ledger<Memory>, now: u64) {
    let note = Note {
        about: "x".to_owned(),
        text: "y".to_owned(),
    };
    ledger.note(Body::Note(note), now.into()).unwrap();
}

/// A session anchored at `first` and the value after it, with three notes between.
fn session(storage: Memory, tpm: &FakeTpm, seed: u8, first: u64) -> Memory {
    let mut ledger = running(storage, tpm, seed, first);
    anchor(&mut ledger, tpm, first + 1, START + 9);
    let ended = ledger.end("done".to_owned(), (START + 9).into());
    ended.unwrap().into_storage()
}

fn running(storage: Memory, tpm: &FakeTpm, seed: u8, first: u64) -> Ledger<Memory> {
    let mut ledger = begin(resume(storage), seed, tpm, START);
    anchor(&mut ledger, tpm, first, START);
    (1..4).for_each(|tick| note(&mut ledger, START + tick));
    ledger
}

fn answer(tpm: &FakeTpm, value: u64) -> (Challenge, Vec<u8>) {
    let challenge: Challenge = "c0ffee".parse().unwrap();
    let anchor = tpm.certify(&CounterAnswer::qualifying(&challenge), value);
    let bytes = CounterAnswer::write(tpm.public(), challenge.clone(), anchor).unwrap();
    (challenge, bytes)
}

fn asked(folder: &Folder, tpm: &FakeTpm, value: u64) -> Report {
    let (challenge, bytes) = answer(tpm, value);
    answered(folder, &roots(tpm), &challenge, &bytes)
}

fn answered(folder: &Folder, roots: &Roots, challenge: &Challenge, bytes: &[u8]) -> Report {
    verify_answer(folder.files(), roots, challenge, bytes).unwrap()
}

pub(crate) fn two_sessions(tpm: &FakeTpm) -> Folder {
    Folder::of(&session(session(Memory::default(), tpm, 1, 7), tpm, 2, 9))
}

/// The counter was raised once more than the ledger says, while a session was cut short.
pub(crate) fn lost_increment(tpm: &FakeTpm) -> Folder {
    let cut = running(Memory::default(), tpm, 1, 7).storage().clone();
    Folder::of(&session(cut, tpm, 2, 9))
}

/// A session that began with an anchor and ended without one.
pub(crate) fn unanchored_end(tpm: &FakeTpm) -> Folder {
    let ledger = running(Memory::default(), tpm, 1, 7);
    let ended = ledger.end("done".to_owned(), (START + 9).into()).unwrap();
    Folder::of(&ended.into_storage())
}

/// The writer goes on from an older copy of the disk, with the session's key and the TPM at hand.
pub(crate) fn rewound(tpm: &FakeTpm) -> Folder {
    let mut ledger = begin(resume(Memory::default()), 1, tpm, START);
    anchor(&mut ledger, tpm, 7, START);
    let lines = Folder::of(&session(Memory::default(), tpm, 1, 7)).lines();
    // Everything after the first anchor is written anew by the same key; the counter stood at 8 and can only go on.
    note(&mut ledger, START + 1);
    let folder = Folder::of(ledger.storage());
    let head = LedgerHead {
        head: kit::hash(&folder.lines()[2]),
        size: 3,
    };
    let over = kit::over_ledger(&kit::hash(&lines[0]), head);
    let anchor = tpm.certify(&over, 9);
    let last = kit::sign_body(&folder, "anchor", &anchor, START + 2, 1);
    let mut lines = folder.lines();
    lines.push(last);
    folder.with_lines(&lines)
}

#[test]
fn an_anchored_ledger_is_sound_and_the_newest() {
    let tpm = FakeTpm::new(5);
    let folder = two_sessions(&tpm);
    let report = folder.verify(&roots(&tpm));
    assert_eq!(report.verdict(), &Verdict::Sound, "{report}");
    assert_eq!(asked(&folder, &tpm, 10).verdict(), &Verdict::Sound);
    // Without a counter in the roots the ledger is judged as before.
    assert_eq!(folder.verify(&kit::roots(&tpm)).exit_code(), 0);
}

#[test]
fn every_truncation_past_an_anchor_is_seen_against_the_counter() {
    let tpm = FakeTpm::new(5);
    let folder = two_sessions(&tpm);
    let lines = folder.lines();
    for length in 0..lines.len() {
        // The attacker takes the checkpoint away. Anchors stand at 1, 5, 8 and 12; from 9 on the cut looks like a crash.
        let cut = Folder {
            checkpoint: None,
            ..folder.with_lines(&lines[..length])
        };
        let report = asked(&cut, &tpm, 10);
        let code = if (2..9).contains(&length) { 1 } else { 2 };
        assert_eq!(report.exit_code(), code, "cut to {length}: {report}");
        if code == 1 {
            assert_eq!(bad_seq(&report), Some(length as u64));
        }
    }
    let old = Folder::of(&session(Memory::default(), &tpm, 1, 7));
    assert_eq!(old.verify(&roots(&tpm)).exit_code(), 0, "sound by itself");
    let report = asked(&old, &tpm, 10);
    assert_eq!(bad_seq(&report), Some(7), "{report}");
}

#[test]
fn a_history_written_anew_past_an_anchor_does_not_hold_even_with_the_key() {
    let tpm = FakeTpm::new(5);
    let report = rewound(&tpm).verify(&roots(&tpm));
    assert_eq!(bad_seq(&report), Some(3), "{report}");
    assert!(report.to_string().contains("were cut off"), "{report}");
}

#[test]
fn a_lost_increment_is_never_forgotten() {
    let tpm = FakeTpm::new(5);
    let folder = lost_increment(&tpm);
    let report = folder.verify(&roots(&tpm));
    assert_eq!(report.exit_code(), 2, "{report}");
    assert!(report.to_string().contains("without an anchor"), "{report}");
    // Two at once are no crash: our own writer refuses, and so does the reader.
    let cut = running(Memory::default(), &tpm, 1, 7).storage().clone();
    let mut ledger = begin(resume(cut), 2, &tpm, START);
    let two = |over: &Digest| Ok::<_, AttestError>(tpm.certify(over, 10));
    let refused = ledger.anchor(START.into(), two).unwrap_err();
    assert!(refused.to_string().contains("were cut off"), "{refused}");
}

#[test]
fn a_session_that_is_not_anchored_throughout_is_doubted() {
    let tpm = FakeTpm::new(5);
    let doubted = |folder: &Folder| {
        let report = folder.verify(&roots(&tpm));
        assert_eq!(report.exit_code(), 2, "{report}");
        report.to_string().contains("not anchored throughout")
    };
    assert!(doubted(&unanchored_end(&tpm)));
    // No anchor at its start.
    let first = session(Memory::default(), &tpm, 1, 7);
    let mut second = begin(resume(first), 2, &tpm, START);
    note(&mut second, START);
    anchor(&mut second, &tpm, 9, START);
    let ended = second.end("done".to_owned(), START.into()).unwrap();
    assert!(doubted(&Folder::of(&ended.into_storage())));
    // 15 minutes and a millisecond, and 1,025 places, without one.
    for (notes, last) in [(1, 15 * MINUTES + 1), (1025, 0)] {
        let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
        anchor(&mut ledger, &tpm, 7, START);
        assert!(!ledger.anchor_due((START + 15 * MINUTES - 1).into()));
        (0..notes).for_each(|_| note(&mut ledger, START + last));
        assert!(ledger.anchor_due((START + last).into()));
        anchor(&mut ledger, &tpm, 8, START + last);
        let ended = ledger.end("done".to_owned(), (START + last).into());
        let folder = Folder::of(&ended.unwrap().into_storage());
        assert!(doubted(&folder), "{notes} notes");
    }
    // A key with a counter that was never used.
    let plain = Folder::of(&kit::ledger(&tpm));
    assert_eq!(plain.verify(&kit::roots(&tpm)).exit_code(), 0);
    let report = plain.verify(&roots(&tpm));
    assert_eq!(report.exit_code(), 2, "{report}");
}

#[test]
fn each_forged_certificate_is_refused_for_its_own_reason() {
    let tpm = FakeTpm::new(5);
    let roots = roots(&tpm);
    let folder = two_sessions(&tpm);
    let cases: [(&str, Change); 12] = [
        ("wrong magic", |of| of.magic ^= 1),
        ("wrong type", |of| of.kind = 0x8018),
        ("over something else", |of| of.extra[0] ^= 1),
        ("over something else", |of| of.extra.clear()),
        ("over something else", |of| of.extra.push(0)),
        ("no whole counter", |of| of.offset = 1),
        ("no whole counter", |of| of.contents.truncate(7)),
        ("no whole counter", |of| of.contents.push(0)),
        ("bytes left over", |of| of.trailing.push(0)),
        ("another counter", |of| of.name = counter_name(COUNTER + 1)),
        ("another counter", |of| of.name.clear()),
        ("another counter", |of| of.name[2] ^= 1),
    ];
    let (challenge, _) = answer(&tpm, 10);
    for (why, change) in cases {
        let mut certificate = Certificate::of(&CounterAnswer::qualifying(&challenge), 10);
        change(&mut certificate);
        let bytes = kit::raw_answer(&tpm, &challenge, &certificate);
        let report = answered(&folder, &roots, &challenge, &bytes);
        assert_eq!(report.exit_code(), 1, "{why}: {report}");
        let why = why.replace("another counter", "another counter than");
        assert!(report.to_string().contains(&why), "{why}: {report}");
    }
    // By another TPM, to another challenge, older than the ledger.
    let report = asked(&folder, &FakeTpm::new(6), 10);
    assert_eq!(report.exit_code(), 2, "{report}");
    let (_, other) = answer(&tpm, 10);
    let report = answered(&folder, &roots, &"aa".parse().unwrap(), &other);
    assert!(report.to_string().contains("another challenge"), "{report}");
    assert_eq!(asked(&folder, &tpm, 9).exit_code(), 1);
    assert_eq!(asked(&folder, &tpm, 11).exit_code(), 1);
}

#[test]
fn the_writer_takes_no_certificate_that_is_not_of_this_place() {
    let tpm = FakeTpm::new(5);
    let mut ledger = running(Memory::default(), &tpm, 1, 7);
    let mut refused = |make: &dyn Fn(&Digest) -> Anchor| {
        let certify = |over: &Digest| Ok::<_, AttestError>(make(over));
        ledger
            .anchor((START + 9).into(), certify)
            .unwrap_err()
            .to_string()
    };
    let elsewhere = refused(&|_| tpm.certify(&Digest::of("elsewhere"), 8));
    assert!(elsewhere.contains("over something else"), "{elsewhere}");
    let stranger = refused(&|over| FakeTpm::new(6).certify(over, 8));
    assert!(stranger.contains("not certified by"), "{stranger}");
    for value in [6, 7, 9] {
        let other = refused(&|over| tpm.certify(over, value));
        assert!(other.contains("the TPM's counter says"), "{other}");
    }
    anchor(&mut ledger, &tpm, 8, START + 9);
}

#[test]
fn a_ledger_that_was_put_back_takes_no_session() {
    let tpm = FakeTpm::new(5);
    let key = attestation_key_name(&tpm.public()).unwrap();
    let ended = || resume(session(Memory::default(), &tpm, 1, 7));
    let cut = || resume(running(Memory::default(), &tpm, 1, 7).storage().clone());
    assert!(ended().expect_counter(&key, 8).is_ok());
    assert!(cut().expect_counter(&key, 7).is_ok());
    assert!(
        cut().expect_counter(&key, 8).is_ok(),
        "a crash may lose one"
    );
    for refused in [
        ended().expect_counter(&key, 9),
        ended().expect_counter(&key, 7),
        cut().expect_counter(&key, 9),
        cut().expect_counter(&key, 6),
    ] {
        assert!(matches!(refused, Err(AttestError::RolledBack { .. })));
    }
    // Another key has no anchors here.
    assert!(ended().expect_counter(b"other", 99).is_ok());
}
