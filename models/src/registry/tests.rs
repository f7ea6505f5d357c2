//! Pins, locks and what is refused.

use std::ops::ControlFlow;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::{Progress, Unwatched};

fn name(text: &str) -> ModelName {
    ModelName::parse(text).unwrap()
}

fn pin(text: &str, bytes: &[u8]) -> Pin {
    Pin::new(name(text), ModelDigest::of(bytes), bytes.len() as u64, None).unwrap()
}

#[test]
fn a_lock_prints_sorted_and_reads_back() {
    let source = Some("Org/Repo@main file.gguf".to_owned());
    let second = Pin::new(name("b.2"), ModelDigest::of(b"b"), 1, source).unwrap();
    let lock = Lock::default().pin(second).pin(pin("a_1", b"aa"));
    let text = lock.print().unwrap();
    expect![[r#"
        [[model]]
        name = "a_1"
        sha256 = "961b6dd3ede3cb8ecbaacbd68de040cd78eb2ed5889130cceb4c49268ea4d506"
        bytes = 2

        [[model]]
        name = "b.2"
        sha256 = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
        bytes = 1
        source = "Org/Repo@main file.gguf"
        default = true
    "#]]
    .assert_eq(&text);
    assert_eq!(Lock::parse(&text).unwrap(), lock);
}

#[test]
fn the_first_pin_is_the_default_until_another_is_named() {
    let lock = Lock::default().pin(pin("one", b"1")).pin(pin("two", b"2"));
    assert_eq!(lock.default_pin().unwrap().name(), &name("one"));
    let lock = lock.with_default(&name("two")).unwrap();
    assert_eq!(lock.default_pin().unwrap().name(), &name("two"));
    let lock = lock.remove(&name("two")).unwrap();
    assert!(lock.default_pin().is_none());
    assert!(
        lock.get(&name("two")).is_err()
            && lock.clone().with_default(&name("two")).is_err()
            && lock.remove(&name("two")).is_err()
    );
}

#[test]
fn a_lock_that_says_more_or_less_is_refused() {
    let hex = ModelDigest::of(b"").to_string();
    let entry = |name: &str, more: &str| {
        format!("[[model]]\nname = \"{name}\"\nsha256 = \"{hex}\"\nbytes = 1\n{more}\n")
    };
    assert!(Lock::parse(&entry("a", "")).is_ok());
    let faults = [
        entry("a", "colour = 1"),
        entry("a", "") + &entry("a", ""),
        entry("a", "default = true") + &entry("b", "default = true"),
        entry("../a", ""),
        entry("A", ""),
        entry(".a", ""),
        entry("", ""),
        entry(&"a".repeat(65), ""),
        entry("a", "source = \"two\\nlines\""),
        entry("a", "").replace("bytes = 1", "bytes = 0"),
        entry("a", "").replace("bytes = 1", "bytes = -1"),
        entry("a", "").replace("bytes = 1\n", ""),
        entry("a", "").replace(&hex, &hex.to_uppercase()),
        entry("a", "").replace(&hex, "00"),
        "top = 1".to_owned(),
        "#".repeat(LIMITS.lock + 1),
    ];
    for fault in faults {
        assert!(Lock::parse(&fault).is_err(), "{fault:.200}");
    }
}

/// A pin of these bytes with both digests.
fn quick(text: &str, bytes: &[u8]) -> Pin {
    Pin::of(name(text), &Sums::of(bytes)).unwrap()
}

#[test]
fn both_digests_stand_in_the_lock_and_one_of_an_earlier_version_has_the_one() {
    let lock = Lock::default()
        .pin(quick("new", b"abc"))
        .pin(pin("old", b"abc"));
    let text = lock.print().unwrap();
    // FIPS 180-2, appendix B.1; the test vectors of BLAKE3's `b3sum` for the same three bytes.
    expect![[r#"
        [[model]]
        name = "new"
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        bytes = 3
        default = true

        [[model]]
        name = "old"
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        bytes = 3
    "#]]
    .assert_eq(&text);
    assert_eq!(Lock::parse(&text).unwrap(), lock);
    for fault in ["6437B3AC", "", "6437b3ac00"] {
        assert!(Lock::parse(&text.replace("6437b3ac", fault)).is_err());
    }
}

/// The pin of an earlier version, and that of today.
fn both(text: &str, bytes: &[u8]) -> [Pin; 2] {
    [pin(text, bytes), quick(text, bytes)]
}

#[test]
fn a_changed_byte_is_refused_by_whichever_digest_is_pinned() {
    let right = vec![7; 3 * LIMITS.chunk + 5];
    for at in [0, LIMITS.chunk, right.len() - 1] {
        let mut changed = right.clone();
        changed[at] ^= 1;
        for (pin, kind) in both("m", &right).into_iter().zip(["SHA-256", "BLAKE3"]) {
            let refused = pin
                .read(&mut &changed[..], &mut Unwatched, all)
                .unwrap_err();
            assert!(matches!(refused, ModelError::WrongHash { .. }));
            let told = format!("model `m` has {kind} ");
            assert!(refused.to_string().starts_with(&told), "{refused}");
            assert!(pin.verify(&mut &changed[..], &mut Unwatched).is_err());
        }
        // Nothing else keeps them from being read.
        for pin in both("m", &changed) {
            let read = pin.read(&mut &changed[..], &mut Unwatched, all);
            assert!(read.unwrap() == changed);
        }
    }
}

#[test]
fn a_digest_that_is_not_of_these_bytes_is_found() {
    let (right, other) = (Sums::of(b"weights"), Sums::of(b"weightz"));
    let pinned = |sha256, blake3| {
        let sums = Sums {
            sha256,
            blake3,
            ..right
        };
        Pin::of(name("m"), &sums).unwrap()
    };
    let read = |pin: &Pin| pin.read(&mut &b"weights"[..], &mut Unwatched, all);
    let verified = |pin: &Pin| pin.verify(&mut &b"weights"[..], &mut Unwatched);
    let wrong = pinned(right.sha256, other.blake3);
    assert!(matches!(read(&wrong), Err(ModelError::WrongHash { .. })));
    assert!(matches!(
        verified(&wrong),
        Err(ModelError::WrongHash { .. })
    ));
    // A start asks the quick one alone and trusts who signed both; `verify` trusts neither.
    let wrong = pinned(other.sha256, right.blake3);
    assert!(read(&wrong).is_ok());
    assert!(matches!(
        verified(&wrong),
        Err(ModelError::WrongHash { .. })
    ));
    assert!(verified(&pinned(right.sha256, right.blake3)).is_ok());
}

/// All that a reader of the pinned bytes is given.
fn all(bytes: &mut Hashed<'_>, _: &mut dyn Watch) -> Result<Vec<u8>, ModelError> {
    let mut seen = Vec::new();
    let read = bytes.read_to_end(&mut seen);
    read.map(|_| seen)
        .map_err(|source| ModelError::Read { source })
}

#[test]
fn the_bytes_that_were_hashed_are_the_bytes_that_are_loaded() {
    for pin in both("m", b"weights") {
        assert_eq!(
            pin.read(&mut &b"weights"[..], &mut Unwatched, all).unwrap(),
            b"weights"
        );
        // Whatever was made of other bytes, and however much of them was looked at, nobody gets it.
        for looked_at in 0..=8 {
            for other in [&b"Weights"[..], b"weightz"] {
                let made = pin.read(&mut { other }, &mut Unwatched, |bytes, _| {
                    let mut seen = Vec::new();
                    bytes.take(looked_at).read_to_end(&mut seen).unwrap();
                    Ok(seen)
                });
                assert!(matches!(made, Err(ModelError::WrongHash { .. })));
            }
        }
    }
}

#[test]
fn a_fault_counts_only_in_the_pinned_bytes() {
    let faulty = |_: &mut Hashed<'_>, _: &mut dyn Watch| Err::<(), _>(ModelError::NothingRead);
    for pin in both("m", b"weights") {
        let right = pin.read(&mut &b"weights"[..], &mut Unwatched, faulty);
        assert!(matches!(right, Err(ModelError::NothingRead)));
        let wrong = pin.read(&mut &b"Weights"[..], &mut Unwatched, faulty);
        assert!(matches!(wrong, Err(ModelError::WrongHash { .. })));
        let cut = pin.read(&mut &b"weight"[..], &mut Unwatched, faulty);
        assert!(matches!(cut, Err(ModelError::WrongLength { .. })));
    }
}

#[test]
fn an_interruption_ends_the_reading() {
    let mut reader = &b"weights"[..];
    let stopped = pin("m", b"weights").read(&mut reader, &mut Unwatched, |bytes, _| {
        bytes.read_exact(&mut [0; 3]).unwrap();
        Err::<(), _>(ModelError::Interrupted)
    });
    assert!(matches!(stopped, Err(ModelError::Interrupted)));
    assert_eq!(reader, b"ghts");
}

#[test]
fn an_interruption_is_heard_after_a_fault() {
    let bytes = vec![7; 3 * LIMITS.chunk];
    let mut reader = &bytes[..];
    let mut stop = |_: Progress| ControlFlow::Break(());
    let stopped = pin("m", &bytes).read(&mut reader, &mut stop, |_, _| {
        Err::<(), _>(ModelError::NothingRead)
    });
    assert!(matches!(stopped, Err(ModelError::Interrupted)));
    assert_eq!(reader.len(), 2 * LIMITS.chunk);
}

#[test]
fn other_bytes_are_refused_with_both_digests() {
    let error = pin("m", b"weights")
        .verify(&mut &b"Weights"[..], &mut Unwatched)
        .unwrap_err();
    expect![
        "model `m` has SHA-256 147ec15498661dd98b2128a1fa230b4838f66d6b66dea64847dc55ac7d88a130"
    ]
    .assert_eq(error.to_string().split(',').next().unwrap());
    assert!(
        error
            .to_string()
            .contains(&ModelDigest::of(b"weights").to_string())
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_reader_is_hashed_as_it_is_read() {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut seen = Vec::new();
    let mut watch = |progress: Progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    };
    let total = bytes.len() as u64;
    let sums = Sums::read(&mut &bytes[..], total, &mut watch).unwrap();
    assert_eq!(sums, Sums::of(&bytes));
    assert_eq!((sums.sha256, sums.bytes), (ModelDigest::of(&bytes), total));
    assert_eq!(
        seen,
        [1 << 20, 2 << 20, 3_000_000].map(|done| Progress::Load { done, total })
    );
    pin("m", &bytes)
        .verify(&mut &bytes[..], &mut Unwatched)
        .unwrap();
}

#[test]
fn a_file_that_is_longer_or_shorter_is_refused() {
    for pin in both("m", b"weights") {
        for mut wrong in [&b"weight"[..], b"weightss", b""] {
            assert!(matches!(
                pin.read(&mut wrong, &mut Unwatched, all),
                Err(ModelError::WrongLength { .. })
            ));
        }
        let mut endless = std::io::repeat(0); // read no further than one byte beyond the pin
        assert!(matches!(
            pin.read(&mut endless, &mut Unwatched, all),
            Err(ModelError::WrongLength { got: 8, .. })
        ));
        let verified = pin.verify(&mut std::io::repeat(0), &mut Unwatched);
        assert!(matches!(
            verified,
            Err(ModelError::WrongLength { got: 8, .. })
        ));
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = Lock::parse(&text);
        let _ = ModelName::parse(&text);
        let _ = ModelDigest::parse(&text);
    }

    #[test]
    fn any_lock_reads_back(names in prop::collection::btree_set("[a-z0-9_-][a-z0-9._-]{0,20}", 0..6), source in "[ -~]{0,40}") {
        let lock = names.iter().fold(Lock::default(), |lock, text| {
            let source = Some(source.clone());
            let pin = Pin::new(name(text), ModelDigest::of(text.as_bytes()), 1, source).unwrap();
            let blake3 = text.contains('-').then(|| Sums::of(text.as_bytes()).blake3);
            lock.pin(Pin { blake3, ..pin })
        });
        prop_assert_eq!(Lock::parse(&lock.print().unwrap()).unwrap(), lock);
    }
}
