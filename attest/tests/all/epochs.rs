//! Key epochs: who takes the machine gets the key of the open epoch, and cannot rewrite what earlier keys signed.

use cloister_attest::*;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::kit::{self, FakeTpm, Folder, START, bad_seq, begin, resume, roots};

const TEN_MINUTES: u64 = 600_000;

/// The seed of a session's key in an epoch, from the seed of its first: derived here as SPEC.md section 13 says.
pub(crate) fn seed_of(first: u8, epoch: u64) -> [u8; 32] {
    (0..epoch).fold([first; 32], |seed, _| {
        *Digest::of_parts(&[b"cloister-epoch/v1\0", &seed]).as_bytes()
    })
}

fn note(n: u64) -> Body {
    Body::Note(Note {
        about: "count".to_owned(),
        text: n.to_string(),
    })
}

/// One session that writes a note every `every` milliseconds, ended.
pub(crate) fn session(tpm: &FakeTpm, notes: u64, every: u64) -> Folder {
    let mut ledger = begin(resume(Memory::default()), 1, tpm, START);
    for n in 1..=notes {
        ledger.note(note(n), (START + n * every).into()).unwrap();
    }
    let ended = ledger.end("done".to_owned(), (START + notes * every).into());
    Folder::of(&ended.unwrap().into_storage())
}

fn rotations(folder: &Folder) -> Vec<u64> {
    (0..)
        .zip(folder.lines())
        .filter(|(_, line)| parsed(line)["kind"] == "rotate")
        .map(|(seq, _)| seq)
        .collect()
}

fn parsed(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

/// Changes entry `from` and signs it and all that follow anew, each with the seed that `key` gives for it, and the checkpoint with the last.
pub(crate) fn rewrite(
    folder: &Folder,
    from: usize,
    change: impl Fn(&mut Value),
    key: impl Fn(usize) -> [u8; 32],
) -> Folder {
    let mut lines = folder.lines();
    let mut prev = lines[from - 1].clone();
    for (seq, line) in lines.iter_mut().enumerate().skip(from) {
        let mut value = parsed(line);
        if seq == from {
            change(&mut value);
        }
        value["prev"] = hash(&prev).to_string().into();
        *line = signed(value, &key(seq));
        prev.clone_from(line);
    }
    Folder {
        checkpoint: None,
        ..folder.with_lines(&lines)
    }
}

fn hash(line: &[u8]) -> Digest {
    Entry::hash(line.strip_suffix(b"\n").unwrap())
}

pub(crate) fn signed(mut value: Value, seed: &[u8; 32]) -> Vec<u8> {
    value.as_object_mut().unwrap().remove("sig");
    let unsigned = serde_json_canonicalizer::to_vec(&value).unwrap();
    let message = [b"cloister-entry/v1\0".as_slice(), &unsigned].concat();
    let signature = SigningKey::from_bytes(seed).sign(&message).to_bytes();
    let digits: String = signature.iter().map(|b| format!("{b:02x}")).collect();
    value["sig"] = digits.into();
    let line = serde_json_canonicalizer::to_vec(&value).unwrap();
    [line, b"\n".to_vec()].concat()
}

#[test]
fn a_key_signs_256_entries_and_hands_over() {
    let tpm = FakeTpm::new(5);
    let folder = session(&tpm, 600, 1);
    assert_eq!(rotations(&folder), [255, 511]);
    let report = folder.verify(&roots(&tpm));
    assert_eq!(report.verdict(), &Verdict::Sound, "{report}");
    assert_eq!(report.entries(), 604);
    // The next session takes it up: its reader knows the last key too.
    let resumed = Ledger::resume(folder.files(), Memory::default());
    assert_eq!(resumed.unwrap().head().size, 604);
}

#[test]
fn a_key_signs_for_ten_minutes_and_hands_over() {
    let tpm = FakeTpm::new(5);
    let folder = session(&tpm, 4, TEN_MINUTES - 1);
    // Entries 1 and 2 stand at 0:09 and 0:19 or so: the second is too late for the first key.
    assert_eq!(rotations(&folder), [2, 5]);
    assert_eq!(folder.verify(&roots(&tpm)).verdict(), &Verdict::Sound);
}

#[test]
fn a_stolen_key_rewrites_nothing_of_closed_epochs() {
    let tpm = FakeTpm::new(5);
    let roots = roots(&tpm);
    let folder = session(&tpm, 600, 1);
    let lie = |value: &mut Value| value["body"]["text"] = "a lie".into();
    let stolen = seed_of(1, 1);
    // In the epoch of the key, all it signed can be rewritten, and only an anchor or a checkpoint would show it: the forger is a good one.
    let open = rewrite(&folder, 300, lie, |seq| {
        seed_of(1, 1 + u64::from(seq > 511))
    });
    assert_eq!(open.verify(&roots).exit_code(), 2, "no checkpoint");
    for seq in 1..255 {
        let closed = rewrite(&folder, seq, lie, |_| stolen);
        assert_eq!(
            bad_seq(&closed.verify(&roots)),
            Some(seq as u64),
            "entry {seq}"
        );
    }
    // Nor does handing over to the stolen key, or from it, at another place.
    let usurped = rewrite(
        &folder,
        100,
        |value| {
            value["kind"] = "rotate".into();
            value["body"] = json!({"epoch": 1, "next": public(&stolen)});
        },
        |_| stolen,
    );
    assert_eq!(bad_seq(&usurped.verify(&roots)), Some(100));
}

#[test]
fn epochs_are_one_contiguous_row() {
    let tpm = FakeTpm::new(5);
    let roots = roots(&tpm);
    let folder = session(&tpm, 4, TEN_MINUTES - 1);
    let keys = |seq: usize| seed_of(1, [0, 0, 0, 1, 1, 1, 2, 2][seq]);
    let same = rewrite(&folder, 1, |_| {}, keys);
    assert_eq!(same.entries, folder.entries, "the forger signs as we do");
    let itself = public(&seed_of(1, 0));
    let wrong: [(usize, &str, Value); 4] = [
        (2, "epoch 2, expected 1", json!({"epoch": 2})),
        (5, "epoch 1, expected 2", json!({"epoch": 1})),
        (2, "to itself", json!({"next": itself})),
        (2, "epoch 0, expected 1", json!({"epoch": 0})),
    ];
    for (seq, why, fields) in wrong {
        let change = |value: &mut Value| {
            let body = value["body"].as_object_mut().unwrap();
            body.extend(fields.as_object().unwrap().clone());
        };
        let report = rewrite(&folder, seq, change, keys).verify(&roots);
        assert_eq!(bad_seq(&report), Some(seq as u64), "{why}");
        assert!(report.to_string().contains(why), "{report}");
    }
    assert_eq!(bad_seq(&too_long(&folder).verify(&roots)), Some(2));
    assert_eq!(bad_seq(&skipped(&folder).verify(&roots)), Some(2));
}

#[test]
fn a_session_of_one_key_follows_none_of_epochs() {
    let tpm = FakeTpm::new(5);
    for (v, why) in [
        (1, "version 1 of the entry format after version 3"),
        (
            3,
            "version 3 of the entry format, and a statement of version 1",
        ),
    ] {
        let report = back_to_one_key(&tpm, v).verify(&roots(&tpm));
        assert_eq!(bad_seq(&report), Some(3));
        assert!(report.to_string().contains(why), "{report}");
    }
    // By itself such a session is sound, and has no second key.
    let mut alone = one_key(&tpm, Digest::ZERO, 0, 1);
    let folder = |line: &[u8]| Folder {
        entries: line.to_vec(),
        checkpoint: None,
        others: std::collections::BTreeMap::new(),
    };
    assert_eq!(folder(&alone).verify(&roots(&tpm)).exit_code(), 2);
    let mut rotate = parsed(&alone);
    rotate["prev"] = hash(&alone).to_string().into();
    rotate["seq"] = 1.into();
    rotate["kind"] = "rotate".into();
    rotate["body"] = json!({"epoch": 1, "next": public(&seed_of(1, 1))});
    alone.extend(signed(rotate, &seed_of(1, 0)));
    assert_eq!(bad_seq(&folder(&alone).verify(&roots(&tpm))), Some(1));
}

/// A note where the first hand-over should stand, signed by the key that should have handed over.
pub(crate) fn too_long(folder: &Folder) -> Folder {
    let note = |value: &mut Value| {
        value["kind"] = "note".into();
        value["body"] = json!({"about": "count", "text": "2"});
    };
    rewrite(folder, 2, note, |_| seed_of(1, 0))
}

/// The first hand-over is to epoch 2.
pub(crate) fn skipped(folder: &Folder) -> Folder {
    let skip = |value: &mut Value| value["body"]["epoch"] = 2.into();
    rewrite(folder, 2, skip, |seq| seed_of(1, u64::from(seq > 2)))
}

/// A session with epochs, and after it one whose statement is of version 1, in entries of version `v`.
pub(crate) fn back_to_one_key(tpm: &FakeTpm, v: u64) -> Folder {
    let before = session(tpm, 1, 1);
    let mut lines = before.lines();
    let head = hash(&lines[2]);
    lines.push(one_key(tpm, head, 3, v));
    before.with_lines(&lines)
}

/// A `session-start` as version 1 wrote it, quoted and signed.
fn one_key(tpm: &FakeTpm, head: Digest, size: u64, v: u64) -> Vec<u8> {
    let mut start = parsed(&session(tpm, 1, 1).lines()[0]);
    let statement = &mut start["body"]["statement"];
    statement["proto"] = "cloister-session/v1".into();
    statement["ledger"] = json!({"head": head, "size": size});
    let canonical = serde_json_canonicalizer::to_vec(statement).unwrap();
    let qualifying = Digest::of_parts(&[b"session-binding/v1\0", &canonical]);
    start["body"]["evidence"]["quote"] = serde_json::to_value(tpm.quote(&qualifying)).unwrap();
    start["prev"] = head.to_string().into();
    start["seq"] = size.into();
    start["v"] = v.into();
    signed(start, &seed_of(1, 0))
}

fn public(seed: &[u8; 32]) -> String {
    let key = SigningKey::from_bytes(seed).verifying_key().to_bytes();
    let digits: String = key.iter().map(|b| format!("{b:02x}")).collect();
    format!("ed25519:{digits}")
}

#[test]
fn a_failed_hand_over_ends_the_ledger() {
    struct Full(Memory, u64);
    impl Storage for Full {
        fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            self.1 = self
                .1
                .checked_sub(1)
                .ok_or(std::io::ErrorKind::StorageFull)?;
            self.0.append(bytes)
        }
        fn sync(&mut self) -> std::io::Result<()> {
            self.0.sync()
        }
        fn cut(&mut self, length: u64) -> std::io::Result<()> {
            self.0.cut(length)
        }
        fn replace(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
            self.0.replace(name, bytes)
        }
    }
    let tpm = FakeTpm::new(5);
    let storage = Full(Memory::default(), 255); // the start and 254 notes, not the hand-over
    let resumed = Ledger::resume(Memory::default().files(), storage).unwrap();
    let mut ledger = kit::begin(resumed, 1, &tpm, START);
    for n in 1..255 {
        ledger.note(note(n), START.into()).unwrap();
    }
    let failed = ledger.note(note(255), START.into()).unwrap_err();
    assert!(matches!(failed, AttestError::Storage(_)), "{failed}");
    let after = ledger.note(note(256), START.into()).unwrap_err();
    assert!(matches!(after, AttestError::Poisoned), "{after}");
    let ended = ledger.end("done".to_owned(), START.into()).err().unwrap();
    assert!(matches!(ended, AttestError::Poisoned), "{ended}");
}
