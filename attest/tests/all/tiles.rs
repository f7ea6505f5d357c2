//! A folder of tiles says what its ledger says, whatever its size; a changed, missing or foreign file in it is noticed. Each attack has its twin that passes.

use std::collections::BTreeMap;
use std::io;

use cloister_attest::*;
use proptest::prelude::*;

use crate::epochs;
use crate::kit::{self, FakeTpm, Folder, START, bad_seq, begin, resign, resume, roots};
use crate::witness;

/// Files by their paths.
pub(crate) type Laid = BTreeMap<String, Vec<u8>>;

pub(crate) fn laid(folder: &Folder) -> Laid {
    tiles(folder.files()).unwrap().collect()
}

pub(crate) fn judged(laid: &Laid, roots: &Roots) -> Report {
    let (tiles, mut others): (Laid, Laid) = laid
        .clone()
        .into_iter()
        .partition(|(path, _)| path.starts_with("tile/"));
    let folder = TileFolder {
        checkpoint: others.remove(CHECKPOINT_FILE),
        others,
        tiles: tiles.keys().cloned().collect(),
        read: |path: &str, most: u64| {
            let bytes = tiles.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(bytes[..bytes.len().min(most as usize)].to_vec())
        },
    };
    verify_tiles(folder, roots, None).unwrap()
}

/// The file and the offset of what is wrong.
fn place(report: &Report) -> (&str, u64) {
    match report.verdict() {
        Verdict::Tampered { file, byte, .. } => (file, *byte),
        other => panic!("{other:?}"),
    }
}

fn tpm() -> FakeTpm {
    FakeTpm::new(5)
}

/// One session of this many notes, a tenth of a second apart.
fn session(notes: u64) -> Folder {
    epochs::session(&tpm(), notes, 100)
}

/// The ledger after each of these sessions, the second of which has so many notes.
fn grown(notes: u64) -> [Folder; 2] {
    let mut first = begin(resume(Memory::default()), 1, &tpm(), START);
    kit::story(&mut first, START);
    let first = first.end("done".to_owned(), (START + 100).into()).unwrap();
    let storage = first.into_storage();
    let before = Folder::of(&storage);
    let mut second = begin(resume(storage), 2, &tpm(), START + 1_000);
    for n in 0..notes {
        let text = format!("note {n}");
        let about = "count".to_owned();
        let note = Body::Note(Note { about, text });
        second.note(note, (START + 1_000 + n).into()).unwrap();
    }
    let end = (START + 1_000 + notes).into();
    let second = second.end("done".to_owned(), end).unwrap();
    [before, Folder::of(&second.into_storage())]
}

/// With a line that C2SP's bundles have no room for.
fn long() -> Folder {
    let mut ledger = begin(resume(Memory::default()), 1, &tpm(), START);
    for length in [1, 1 << 16, 2] {
        let intent = "x".repeat(length);
        let request = Body::Request(Request { intent });
        ledger.note(request, START.into()).unwrap();
    }
    let ended = ledger.end("done".to_owned(), START.into()).unwrap();
    Folder::of(&ended.into_storage())
}

/// The vectors: `ok`, `bad` and `unanchored` say the verdict.
pub(crate) fn cases() -> BTreeMap<&'static str, Laid> {
    let mut all = changed(&laid(&Folder::of(&kit::ledger(&tpm()))));
    all.extend(grown_vectors());
    all.insert("ok_tiles_long_line", laid(&long()));
    all.insert("ok_tiles_two_bundles", laid(&session(260)));
    // The width of its last bundle is that of the lengths in `entries32`.
    all.insert("ok_tiles_of_32", laid(&session(30)));
    all
}

/// One file is changed, missing or foreign.
fn changed(whole: &Laid) -> BTreeMap<&'static str, Laid> {
    const BUNDLE: &str = "tile/entries/000.p/18";
    const HASHES: &str = "tile/0/000.p/18";
    let change = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut laid = whole.clone();
        change(laid.get_mut(path).unwrap());
        laid
    };
    let without = |path: &str| {
        let mut laid = whole.clone();
        laid.remove(path).unwrap();
        laid
    };
    let with = |path: &str, bytes: &[u8]| {
        let mut laid = whole.clone();
        assert!(laid.insert(path.to_owned(), bytes.to_vec()).is_none());
        laid
    };
    let asked_otherwise = |bytes: &mut Vec<u8>| {
        let quarter = bytes.windows(9).position(|part| part == b"sum up q4");
        bytes[quarter.unwrap() + 8] = b'3';
    };
    let version_1 = include_bytes!("../../testdata/ok_version_1/ledger/checkpoint");
    let old = |bytes: &mut Vec<u8>| *bytes = version_1.to_vec();
    let note = witness::office_note(&Folder::of(&kit::ledger(&tpm())));
    let mut noted = with(&cosigned_name(&note), &note);
    noted.remove(CHECKPOINT_FILE);
    let mut untorn = whole.clone();
    untorn.retain(|path, _| !path.starts_with("torn-"));
    BTreeMap::from([
        (
            "bad_tiles_bundle_cut",
            change(BUNDLE, &|bytes| _ = bytes.pop()),
        ),
        ("bad_tiles_bundle_missing", without(BUNDLE)),
        (
            "bad_tiles_checkpoint_version",
            change(CHECKPOINT_FILE, &old),
        ),
        ("bad_tiles_entry_changed", change(BUNDLE, &asked_otherwise)),
        (
            "bad_tiles_foreign_file",
            with("tile/entries/readme", b"hello"),
        ),
        (
            "bad_tiles_foreign_tile",
            with("tile/entries32/000.p/3", b"hello"),
        ),
        (
            "bad_tiles_hash_changed",
            change(HASHES, &|bytes| bytes[100] ^= 1),
        ),
        ("bad_tiles_hashes_missing", without(HASHES)),
        ("bad_tiles_note_without_checkpoint", noted),
        ("bad_tiles_torn_line_missing", untorn),
        ("ok_tiles", whole.clone()),
        ("unanchored_tiles_being_written", with(TILES_SCRATCH, b"{")),
        ("unanchored_tiles_no_checkpoint", without(CHECKPOINT_FILE)),
    ])
}

/// A folder that has grown once.
fn grown_vectors() -> BTreeMap<&'static str, Laid> {
    let [before, after] = grown(6).map(|folder| laid(&folder));
    let mut both = after.clone();
    both.extend(before.clone());
    let cut_off = both.clone();
    both.extend(after);
    let mut parted = both.clone();
    parted.get_mut("tile/0/000.p/12").unwrap()[40] ^= 1;
    BTreeMap::from([
        ("bad_tiles_earlier_differs", parted),
        ("ok_tiles_grown", both),
        ("unanchored_tiles_cut_off", cut_off),
    ])
}

/// What the ledger's verdict is, but for the entries after its checkpoint, is that of its tiles.
#[test]
fn tiles_of_a_ledger_say_what_it_says() {
    let roots = roots(&tpm());
    for folder in [
        Folder::of(&kit::ledger(&tpm())),
        long(),
        session(5),
        session(700),
    ] {
        let (ledger, tiles) = (folder.verify(&roots), judged(&laid(&folder), &roots));
        assert_eq!(ledger.exit_code(), 0, "{ledger}");
        assert_eq!(tiles, ledger);
    }
}

#[test]
fn no_file_of_a_folder_of_tiles_can_be_changed_or_cut_or_taken_away() {
    let roots = roots(&tpm());
    for folder in [Folder::of(&kit::ledger(&tpm())), session(260)] {
        let whole = laid(&folder);
        let changes = |length: usize| (0..length).step_by(1 + length / 50);
        for (path, bytes) in &whole {
            let with = |bytes: Vec<u8>| {
                let mut laid = whole.clone();
                laid.insert(path.clone(), bytes);
                judged(&laid, &roots).exit_code()
            };
            for at in changes(bytes.len()) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                assert_eq!(with(flipped), 1, "`{path}` at {at}");
                assert_eq!(with(bytes[..at].to_vec()), 1, "`{path}` cut to {at}");
            }
            assert_eq!(
                with([bytes.as_slice(), b"\n"].concat()),
                1,
                "`{path}` and more"
            );
            let mut laid = whole.clone();
            laid.remove(path);
            let code = if path == CHECKPOINT_FILE { 2 } else { 1 };
            assert_eq!(judged(&laid, &roots).exit_code(), code, "no `{path}`");
        }
        assert_eq!(judged(&whole, &roots).exit_code(), 0);
    }
}

/// An entry that is changed is named, and where it lies; so is a tile, where its first wrong hash does.
#[test]
fn what_was_changed_is_named() {
    let (roots, whole) = (roots(&tpm()), laid(&session(300)));
    let (bundle, hashes) = ("tile/entries/001.p/47", "tile/0/001.p/47");
    let changed = |path: &str, at: usize| {
        let mut laid = whole.clone();
        laid.get_mut(path).unwrap()[at] ^= 1;
        judged(&laid, &roots)
    };
    let first = u16::from_be_bytes(whole[bundle][..2].try_into().unwrap()) as usize;
    let report = changed(bundle, 2 + first + 2 + 50);
    assert_eq!(
        (bad_seq(&report), place(&report)),
        (Some(257), (bundle, 2 + first as u64))
    );
    let report = changed(hashes, 100);
    assert_eq!((bad_seq(&report), place(&report)), (None, (hashes, 96)));
    let report = changed("tile/1/000.p/1", 31);
    assert_eq!(
        (bad_seq(&report), place(&report)),
        (None, ("tile/1/000.p/1", 0))
    );
    let mut laid = whole.clone();
    laid.remove("tile/entries/000");
    let report = judged(&laid, &roots);
    assert_eq!(
        (bad_seq(&report), place(&report)),
        (Some(0), ("tile/entries/000", 0))
    );
}

/// Whoever makes every tile anew over a changed entry has still not the session's key, nor the checkpoint's.
#[test]
fn tiles_that_agree_with_each_other_are_not_believed() {
    let (roots, whole) = (roots(&tpm()), Folder::of(&kit::ledger(&tpm())));
    let mut lines = whole.lines();
    let line = String::from_utf8(lines[1].clone()).unwrap();
    lines[1] = line.replace("sum up q4", "sum up q3").into_bytes();
    let report = judged(&laid(&whole.with_lines(&lines)), &roots);
    let (seq, (file, _)) = (bad_seq(&report), place(&report));
    assert_eq!((seq, file), (Some(1), "tile/entries/000.p/18"));
    // With the session's key but not the checkpoint's signature over another root.
    let resigned = resign(
        &session(3),
        1,
        |value| value["body"]["text"] = "other".into(),
        1,
    );
    let report = judged(&laid(&resigned), &roots);
    assert_eq!(place(&report), (CHECKPOINT_FILE, 0), "{report}");
}

/// Growing leaves what is there, and a reader of either end finds its tiles; tiles of another history do not stand among them.
#[test]
fn a_folder_that_grew_holds_both_ends() {
    let roots = roots(&tpm());
    let [before, after] = grown(300).map(|folder| laid(&folder));
    let mut both = before.clone();
    both.extend(after.clone());
    assert_eq!(judged(&both, &roots), judged(&after, &roots));
    assert_eq!(judged(&both, &roots).exit_code(), 0);
    let kept = both.insert(CHECKPOINT_FILE.to_owned(), before[CHECKPOINT_FILE].clone());
    assert_eq!(judged(&both, &roots).exit_code(), 2); // written, and not yet counted
    both.insert(CHECKPOINT_FILE.to_owned(), kept.unwrap());
    for path in ["tile/0/000.p/12", "tile/entries/000.p/12"] {
        let mut parted = both.clone();
        parted.get_mut(path).unwrap()[40] ^= 1;
        let report = judged(&parted, &roots);
        assert_eq!((bad_seq(&report), place(&report).0), (None, path));
        parted.remove(path);
        assert_eq!(judged(&parted, &roots).exit_code(), 0);
    }
}

#[test]
fn a_ledger_without_a_tree_or_an_end_has_no_tiles() {
    let refused = |folder: &Folder| {
        let refused = tiles(folder.files()).map(drop).unwrap_err();
        assert!(
            matches!(refused, AttestError::NotProven { .. }),
            "{refused}"
        );
    };
    let whole = session(3);
    let checkpoint = None;
    refused(&Folder {
        checkpoint,
        ..whole.clone()
    });
    refused(&whole.with_lines(&whole.lines()[..3]));
    let old = crate::forge::checkpoint_of_version_1(&whole.lines(), 1);
    let checkpoint = Some(old);
    refused(&Folder {
        checkpoint,
        ..whole
    });
}

/// The key that other programs are given is the one of the checkpoint's signature, after hand-overs too.
#[test]
fn the_checkpoints_key_is_named_as_c2sp_has_it() {
    for notes in [3, 300] {
        let folder = session(notes);
        let checkpoint = folder.checkpoint.as_deref().unwrap();
        let text = checkpoint_key(&folder.entries, checkpoint).unwrap();
        let (name, rest) = text.split_once('+').unwrap();
        let (id, key) = rest.split_once('+').unwrap();
        let key = <base64ct::Base64 as base64ct::Encoding>::decode_vec(key).unwrap();
        let key: [u8; 33] = key.try_into().unwrap();
        let note = std::str::from_utf8(checkpoint).unwrap();
        let (said, signed) = note.split_once("\n\n").unwrap();
        let (signer, blob) = signed.trim_end()["\u{2014} ".len()..]
            .split_once(' ')
            .unwrap();
        let blob = <base64ct::Base64 as base64ct::Encoding>::decode_vec(blob).unwrap();
        assert_eq!((signer, key[0]), (name, 1));
        let hash = Digest::of_parts(&[name.as_bytes(), b"\n", &key]).hex();
        assert_eq!((&hash[..8], hex::encode(&blob[..4]).as_str()), (id, id));
        let public = ed25519_dalek::VerifyingKey::from_bytes(key[1..].try_into().unwrap()).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&blob[4..]).unwrap();
        let message = format!("{said}\n");
        public
            .verify_strict(message.as_bytes(), &signature)
            .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_of_any_length_has_sound_tiles(notes in 0_u64..800, bits: u64, at: prop::sample::Index, file: prop::sample::Index) {
        let (roots, mut laid) = (roots(&tpm()), laid(&session(notes)));
        prop_assert_eq!(judged(&laid, &roots).exit_code(), 0);
        let path = laid.keys().nth(file.index(laid.len())).unwrap().clone();
        let bytes = laid.get_mut(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << (bits % 8);
        prop_assert_eq!(judged(&laid, &roots).exit_code(), 1, "`{}` at {}", path, at);
    }

    #[test]
    fn any_bytes_among_tiles_are_answered(checkpoint: Option<Vec<u8>>, path in "tile/(0|1|entries|entries32)/(x00[01]/)?00[01](\\.p/[0-9]{1,3})?", bytes: Vec<u8>, name: String, other: Vec<u8>) {
        let mut laid = Laid::from([(path, bytes), (name, other)]);
        laid.extend(checkpoint.map(|bytes| (CHECKPOINT_FILE.to_owned(), bytes)));
        prop_assert_ne!(judged(&laid, &roots(&tpm())).exit_code(), 0);
    }
}
