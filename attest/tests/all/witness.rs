//! A witness signs one history and never an older end of it; a verifier holds a ledger against what was cosigned. Each refusal has its twin in which nothing but
//! the defence differs.

use std::collections::BTreeMap;

use cloister_attest::*;
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::forge::checkpoint_of_version_1;
use crate::kit::{self, FakeTpm, Folder, START, begin, begin_unattested, resume, roots};

/// When the first note was cosigned, unix seconds.
const MONDAY: u64 = START / 1000;

fn witness(name: &str, seed: u8) -> WitnessKey {
    WitnessKey::from_random(name, Zeroizing::new([seed; 32])).unwrap()
}

pub(crate) fn office() -> WitnessKey {
    witness("office", 7)
}

fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

/// A ledger after each of its sessions, the first of which asks `first`.
fn grown(tpm: &FakeTpm, first: &str) -> Vec<Folder> {
    let (mut storage, mut folders) = (Memory::default(), Vec::new());
    for seed in 1..4_u8 {
        let now = START + u64::from(seed) * 1_000;
        let mut ledger = begin(resume(storage), seed, tpm, now);
        let intent = first.to_owned();
        let request = Body::Request(Request { intent });
        ledger.note(request, now.into()).unwrap();
        let ended = ledger.end("done".to_owned(), (now + 100).into()).unwrap();
        storage = ended.into_storage();
        folders.push(Folder::of(&storage));
    }
    folders
}

fn checkpoint(folder: &Folder) -> &[u8] {
    folder.checkpoint.as_deref().unwrap()
}

/// What the home asks for: that it goes on from this note or checkpoint, or, without one, its first entry.
fn asked(folder: &Folder, since: Option<&[u8]>, tpm: &FakeTpm) -> WitnessRequest {
    let checkpoint = checkpoint(folder);
    let proof = match since {
        Some(since) => prove_extends(&folder.entries, checkpoint, since).unwrap(),
        None => prove(&folder.entries, checkpoint, 0).unwrap(),
    };
    let (report, request) = WitnessRequest::read(&proof, &roots(tpm));
    assert_eq!(report.exit_code(), 0, "{report}");
    request.unwrap()
}

fn cosigned(key: &WitnessKey, folder: &Folder, time: u64) -> Vec<u8> {
    let request = asked(folder, None, &FakeTpm::new(5));
    request.cosign(key, None, at(time)).unwrap().into_bytes()
}

/// What the office gives back for this ledger on a Monday.
pub(crate) fn office_note(folder: &Folder) -> Vec<u8> {
    cosigned(&office(), folder, MONDAY)
}

fn with_note(folder: &Folder, note: &[u8]) -> Folder {
    let mut folder = folder.clone();
    folder.others.insert(cosigned_name(note), note.to_vec());
    folder
}

fn pinned(tpm: &FakeTpm) -> Roots {
    roots(tpm).witnessed_by(office().witness().clone())
}

#[test]
fn a_witness_signs_what_goes_on_from_its_last_note_and_nothing_else() {
    let (tpm, key) = (FakeTpm::new(5), office());
    let (one, other) = (grown(&tpm, "one"), grown(&tpm, "other"));
    let first = asked(&one[0], None, &tpm)
        .cosign(&key, None, at(MONDAY))
        .unwrap();
    let first = first.as_bytes();
    let second = asked(&one[1], Some(first), &tpm);
    let note = second.cosign(&key, Some(first), at(MONDAY + 9)).unwrap();
    let found = Cosigned::parse(note.as_bytes()).unwrap();
    assert!(found.is_by(key.witness()));
    assert_eq!((found.size(), found.time()), (6, at(MONDAY + 9)));
    let last = Some(note.as_bytes());
    // Twins of each: the same request, by a witness that never saw this ledger.
    let third = asked(&one[2], last, &tpm);
    for (what, request, now) in [
        ("not from its note", asked(&one[2], None, &tpm), MONDAY + 10),
        (
            "from an older note",
            asked(&one[2], Some(first), &tpm),
            MONDAY + 10,
        ),
        (
            "back to an older end",
            asked(&one[0], Some(first), &tpm),
            MONDAY + 10,
        ),
        (
            "a fork, from its own note",
            asked(&other[2], Some(checkpoint(&other[1])), &tpm),
            MONDAY + 10,
        ),
        (
            "a clock that went back",
            asked(&one[2], last, &tpm),
            MONDAY + 8,
        ),
    ] {
        let refused = request.cosign(&key, last, at(now));
        let parted = matches!(refused, Err(AttestError::Parted { size: 6, .. }));
        assert!(parted, "{what}: {refused:?}");
        assert!(request.cosign(&key, None, at(now)).is_ok(), "{what}");
    }
    assert!(third.cosign(&key, last, at(MONDAY + 9)).is_ok());
    // The same end once more, later: a fresh word about the same.
    let again = asked(&one[1], last, &tpm);
    assert!(again.cosign(&key, last, at(MONDAY + 20)).is_ok());
    // A last note that is not its own is no last note.
    let theirs = second
        .cosign(&witness("office", 8), None, at(MONDAY))
        .unwrap();
    let forged = third.cosign(&key, Some(theirs.as_bytes()), at(MONDAY + 9));
    assert!(matches!(forged, Err(AttestError::Malformed { .. })));
}

/// Two histories that share their first session, by the keys of both.
fn forked(tpm: &FakeTpm) -> (Folder, Folder, Folder) {
    let first = begin(resume(Memory::default()), 1, tpm, START);
    let first = first.end("done".to_owned(), (START + 1).into()).unwrap();
    let shared = first.into_storage();
    let branch = |intent: &str| {
        let mut ledger = begin(resume(shared.clone()), 2, tpm, START + 2);
        let intent = intent.to_owned();
        let request = Body::Request(Request { intent });
        ledger.note(request, (START + 3).into()).unwrap();
        let ended = ledger.end("done".to_owned(), (START + 4).into()).unwrap();
        Folder::of(&ended.into_storage())
    };
    (Folder::of(&shared), branch("one"), branch("other"))
}

#[test]
fn of_two_histories_it_signs_one() {
    let (tpm, key) = (FakeTpm::new(5), office());
    let (shared, one, other) = forked(&tpm);
    let first = cosigned(&key, &shared, MONDAY);
    let note = asked(&one, Some(&first), &tpm).cosign(&key, Some(&first), at(MONDAY + 1));
    let note = note.unwrap().into_bytes();
    let same_size = asked(&other, Some(checkpoint(&other)), &tpm);
    let refused = same_size.cosign(&key, Some(&note), at(MONDAY + 2));
    let Err(AttestError::Parted { why, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(why.contains("two histories"), "{why}");
    let from_before = asked(&other, Some(&first), &tpm);
    assert!(
        from_before
            .cosign(&key, Some(&note), at(MONDAY + 2))
            .is_err()
    );
    assert!(prove_extends(&other.entries, checkpoint(&other), &note).is_err());
    // The verifier that has the note sees the other history for what it is; without it, each is sound.
    assert_eq!(other.verify(&roots(&tpm)).exit_code(), 0);
    let report = with_note(&other, &note).verify(&roots(&tpm));
    assert_eq!(report.exit_code(), 1, "{report}");
    assert_eq!(with_note(&one, &note).verify(&pinned(&tpm)).exit_code(), 0);
}

#[test]
fn a_ledger_that_was_cut_is_seen_against_its_note() {
    let tpm = FakeTpm::new(5);
    let grown = grown(&tpm, "one");
    let note = cosigned(&office(), &grown[1], MONDAY);
    for (folder, code) in [(&grown[0], 1), (&grown[1], 0), (&grown[2], 0)] {
        assert_eq!(
            folder.verify(&roots(&tpm)).exit_code(),
            0,
            "without the note"
        );
        let report = with_note(folder, &note).verify(&pinned(&tpm));
        assert_eq!(report.exit_code(), code, "{report}");
        let compared = compare(
            Kept::Checkpoint::<&[u8]>(note.clone()),
            folder.entries.as_slice(),
        );
        assert_eq!(compared.unwrap().agrees(), code == 0);
    }
    let cut = with_note(&grown[0], &note);
    assert_eq!(kit::bad_seq(&cut.verify(&pinned(&tpm))), Some(3));
    let written = Memory::default();
    let resumed = Ledger::resume(cut.files(), written);
    assert!(matches!(resumed, Err(AttestError::Tampered { .. })));
}

#[test]
fn the_report_says_up_to_where_and_since_when() {
    let tpm = FakeTpm::new(5);
    let grown = grown(&tpm, "one");
    let mut whole = grown[2].clone();
    for (n, time) in [(0, MONDAY), (1, MONDAY + 86_400)] {
        whole = with_note(&whole, &cosigned(&office(), &grown[n], time));
    }
    whole = with_note(&whole, &cosigned(&witness("lab", 8), &grown[2], MONDAY));
    let report = whole.verify(&pinned(&tpm));
    assert_eq!(report.verdict(), &Verdict::Sound);
    let said = serde_json::to_value(&report).unwrap();
    let key = office().witness().to_string();
    let expected = serde_json::json!([{"witness": key, "entries": 6, "since": MONDAY + 86_400}]);
    assert_eq!(said["witnessed"], expected);
    let words = "witnessed by `office`: the first 6 entries, since 2027-01-16T08:00:00Z\n";
    assert!(report.to_string().ends_with(words), "{report}");
    // Of one size the older note says more.
    let later = with_note(&whole, &cosigned(&office(), &grown[1], MONDAY + 99));
    let said = serde_json::to_value(later.verify(&pinned(&tpm))).unwrap();
    assert_eq!(said["witnessed"][0]["since"], MONDAY + 99);
}

#[test]
fn a_pinned_witness_that_was_never_asked_or_did_not_sign_is_not_vouching() {
    let tpm = FakeTpm::new(5);
    let whole = grown(&tpm, "one").pop().unwrap();
    assert_eq!(whole.verify(&pinned(&tpm)).exit_code(), 2);
    let note = String::from_utf8(cosigned(&office(), &whole, MONDAY)).unwrap();
    let other = String::from_utf8(cosigned(&office(), &whole, MONDAY + 1)).unwrap();
    // The time of one and the signature of the other.
    let (line, theirs) = (blob(&note), blob(&other));
    let mixed = [&line[..12], &theirs[12..]].concat();
    let forged = with_blob(&note, &mixed);
    let folder = with_note(&whole, forged.as_bytes());
    assert_eq!(folder.verify(&pinned(&tpm)).exit_code(), 1);
    assert_eq!(
        folder.verify(&roots(&tpm)).exit_code(),
        0,
        "the twin: nobody is pinned"
    );
    let same_name = with_note(&whole, &cosigned(&witness("office", 8), &whole, MONDAY));
    assert_eq!(same_name.verify(&pinned(&tpm)).exit_code(), 2);
}

/// The bytes of a note's last line.
fn blob(note: &str) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    let line = note.lines().last().unwrap();
    Base64::decode_vec(line.rsplit(' ').next().unwrap()).unwrap()
}

fn with_blob(note: &str, blob: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    let (rest, _) = note.trim_end().rsplit_once(' ').unwrap();
    format!("{rest} {}\n", Base64::encode_string(blob))
}

#[test]
fn every_byte_of_a_note_counts() {
    let tpm = FakeTpm::new(5);
    let whole = grown(&tpm, "one").pop().unwrap();
    let note = cosigned(&office(), &whole, MONDAY);
    for at in 0..note.len() {
        let mut changed = note.clone();
        changed[at] ^= 1 << (at % 7);
        let moved = with_note(&whole, &changed).verify(&pinned(&tpm));
        // A changed name or id is another, unpinned witness's: nothing it says is taken for the pinned one's.
        assert_ne!(moved.exit_code(), 0, "byte {at}: {moved}");
        let mut kept = whole.clone();
        kept.others.insert(cosigned_name(&note), changed);
        assert_eq!(kept.verify(&pinned(&tpm)).exit_code(), 1, "byte {at}");
    }
}

#[test]
fn only_what_holds_is_asked_for() {
    let (tpm, stranger) = (FakeTpm::new(5), FakeTpm::new(6));
    let none = begin_unattested(resume(Memory::default()), 1, START);
    let none = none.end("done".to_owned(), START.into()).unwrap();
    let none = Folder::of(&none.into_storage());
    let unknown = grown(&stranger, "one").remove(0);
    for (folder, code) in [(none, 2), (unknown, 2)] {
        let proof = prove(&folder.entries, checkpoint(&folder), 0).unwrap();
        let (report, _) = WitnessRequest::read(&proof, &roots(&tpm));
        assert_eq!(report.exit_code(), code, "{report}");
        for at in (0..proof.len()).step_by(7) {
            let mut changed = proof.clone();
            changed[at] ^= 1 << (at % 8);
            let (report, request) = WitnessRequest::read(&changed, &roots(&tpm));
            assert_eq!(
                (report.exit_code(), request.is_none()),
                (1, true),
                "byte {at}"
            );
        }
    }
}

/// C2SP's own formats, put together here from its pages with nothing of the crate's.
#[test]
fn a_note_and_a_key_are_as_c2sp_has_them() {
    use base64ct::{Base64, Encoding};
    use ed25519_dalek::{Signature, SigningKey, Verifier};
    let tpm = FakeTpm::new(5);
    let whole = grown(&tpm, "one").remove(0);
    let note = String::from_utf8(cosigned(&office(), &whole, MONDAY)).unwrap();
    let public = SigningKey::from_bytes(&[7; 32]).verifying_key();
    let id = Digest::of_parts(&[b"office\n\x04", public.as_bytes()]);
    let id = &id.as_bytes()[..4];
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = Base64::encode_string(&[&[4], public.as_bytes().as_slice()].concat());
    assert_eq!(
        office().witness().to_string(),
        format!("office+{hex}+{key}")
    );
    let blob = blob(&note);
    assert_eq!(&blob[..4], id);
    assert_eq!(blob[4..12], MONDAY.to_be_bytes());
    let text = String::from_utf8(whole.checkpoint.clone().unwrap()).unwrap();
    assert!(note.starts_with(&text));
    let (signed, _) = text.split_once("\n\n").unwrap();
    let message = format!("cosignature/v1\ntime {MONDAY}\n{signed}\n");
    let signature = Signature::from_slice(&blob[12..]).unwrap();
    public.verify(message.as_bytes(), &signature).unwrap();
}

#[test]
fn a_key_has_one_text() {
    let key = office();
    let (public, private) = (key.witness().to_string(), key.to_text());
    assert_eq!(&public.parse::<Witness>().unwrap(), key.witness());
    let again = WitnessKey::from_text(&private).unwrap();
    assert_eq!(again.witness(), key.witness());
    for name in ["", "a b", "a+b", "ä", "a\n", &"x".repeat(65)] {
        let made = WitnessKey::from_random(name, Zeroizing::new([1; 32]));
        assert!(made.is_err(), "{name:?}");
    }
    for at in 0..public.len() {
        let mut changed = public.clone().into_bytes();
        changed[at] ^= 1;
        let text = String::from_utf8(changed).unwrap();
        assert!(text.parse::<Witness>().is_err(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, text: String) {
        prop_assert!(Cosigned::parse(&bytes).is_err());
        prop_assert!(text.parse::<Witness>().is_err());
        prop_assert!(WitnessKey::from_text(&text).is_err());
        prop_assert!(WitnessRequest::read(&bytes, &roots(&FakeTpm::new(5))).1.is_none());
        let whole = grown(&FakeTpm::new(5), "one").remove(0);
        prop_assert_eq!(with_note(&whole, &bytes).verify(&roots(&FakeTpm::new(5))).exit_code(), 1);
    }

    /// Whatever a witness is asked, in whatever order, its notes are of one history and each counts as many entries as the one before, or more.
    #[test]
    fn notes_never_go_back_or_aside(requests in prop::collection::vec((0..3_usize, 0..4_usize, any::<bool>(), 0..3_u64), 1..12)) {
        let (tpm, key) = (FakeTpm::new(5), office());
        let (shared, one, other) = forked(&tpm);
        let mut last: Option<Vec<u8>> = None;
        for (to, since, on_one, tick) in requests {
            let branch = if on_one { &one } else { &other };
            let to = [&shared, branch, branch][to];
            let sinces = [None, Some(checkpoint(&shared)), Some(checkpoint(&one)), Some(checkpoint(&other))];
            let proof = match sinces[since] {
                None => prove(&to.entries, checkpoint(to), 0),
                Some(since) => prove_extends(&to.entries, checkpoint(to), since),
            };
            let Ok(proof) = proof else { continue };
            let request = WitnessRequest::read(&proof, &roots(&tpm)).1.unwrap();
            let Ok(note) = request.cosign(&key, last.as_deref(), at(MONDAY + tick)) else { continue };
            if let Some(before) = &last {
                let (before_note, now) = (Cosigned::parse(before).unwrap(), Cosigned::parse(note.as_bytes()).unwrap());
                prop_assert!(now.size() >= before_note.size() && now.time() >= before_note.time());
                prop_assert!(prove_extends(&to.entries, checkpoint(to), before).is_ok());
            }
            last = Some(note.into_bytes());
        }
    }
}

/// Vectors, for other readers: `_witnessed` in a name pins the witness `office`.
pub(crate) fn cases(tpm: &FakeTpm) -> BTreeMap<&'static str, Folder> {
    let grown = grown(tpm, "one");
    let note = |folder, time| cosigned(&office(), folder, time);
    let twice = with_note(&grown[2], &note(&grown[0], MONDAY));
    let twice = with_note(&twice, &note(&grown[1], MONDAY + 86_400));
    let cut = with_note(&grown[0], &note(&grown[1], MONDAY));
    let (_, one, other) = forked(tpm);
    let fork = with_note(&other, &note(&one, MONDAY));
    let forged = |part: std::ops::Range<usize>| {
        let (text, later) = (note(&grown[2], MONDAY), note(&grown[2], MONDAY + 1));
        let (text, later) = (
            String::from_utf8(text).unwrap(),
            String::from_utf8(later).unwrap(),
        );
        let mut mixed = blob(&text);
        mixed[part.clone()].copy_from_slice(&blob(&later)[part]);
        with_note(&grown[2], with_blob(&text, &mixed).as_bytes())
    };
    let mut renamed = grown[2].clone();
    let other_name = format!("cosigned-{}", Digest::ZERO.hex());
    renamed.others.insert(other_name, note(&grown[2], MONDAY));
    let old = checkpoint_of_version_1(&grown[2].lines(), 3);
    let line = note(&grown[2], MONDAY);
    let line = String::from_utf8(line).unwrap();
    let old = [&old[..], line.lines().last().unwrap().as_bytes(), b"\n"].concat();
    let stranger = with_note(
        &grown[2],
        &cosigned(&witness("office", 8), &grown[2], MONDAY),
    );
    BTreeMap::from([
        ("ok_witnessed", twice),
        ("bad_witnessed_cut", cut),
        ("bad_witnessed_fork", fork),
        ("bad_witnessed_other_time", forged(4..12)),
        ("bad_witnessed_other_signature", forged(12..76)),
        ("bad_witnessed_other_file_name", renamed),
        ("bad_witnessed_version_1", with_note(&grown[2], &old)),
        ("unanchored_witnessed_by_another_key", stranger.clone()),
        ("unanchored_witnessed_by_nobody", grown[2].clone()),
        ("ok_cosigned_by_an_unknown_key", stranger),
    ])
}
