//! Bytes from anywhere: readers answer, and never panic.

use std::collections::BTreeMap;

use cloister_attest::*;
use proptest::prelude::*;

use crate::kit::{self, FakeTpm, Folder};

fn some_change() -> impl Strategy<Value = (prop::sample::Index, Vec<u8>, usize)> {
    (
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 0..8),
        0..8_usize,
    )
}

/// Replaces `remove` bytes at some place by others.
fn splice(bytes: &[u8], (at, insert, remove): &(prop::sample::Index, Vec<u8>, usize)) -> Vec<u8> {
    let at = at.index(bytes.len());
    let end = (at + remove).min(bytes.len());
    [&bytes[..at], insert, &bytes[end..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(entries: Vec<u8>, checkpoint: Option<Vec<u8>>, name: String, other: Vec<u8>) {
        let roots = kit::roots(&FakeTpm::new(5));
        let folder = Folder { entries, checkpoint, others: BTreeMap::from([(name, other)]) };
        prop_assert_ne!(folder.verify(&roots).exit_code(), 0);
        prop_assert_ne!(verify_evidence(&folder.entries, &roots, None).exit_code(), 0);
        prop_assert_eq!(verify_proof(&folder.entries, &roots, None).exit_code(), 1);
        prop_assert!(Roots::parse(&folder.entries).is_err());
        prop_assert!(attestation_key_name(&folder.entries).is_err());
    }

    #[test]
    fn any_splice_is_caught(change in some_change()) {
        let tpm = FakeTpm::new(5);
        let whole = Folder::of(&kit::ledger(&tpm));
        let changed = Folder { entries: splice(&whole.entries, &change), ..whole.clone() };
        if changed.entries != whole.entries {
            prop_assert_ne!(changed.verify(&kit::roots(&tpm)).exit_code(), 0);
        }
        let proof = prove(&whole.entries, whole.checkpoint.as_ref().unwrap(), 5).unwrap();
        let changed = splice(&proof, &change);
        if changed != proof {
            prop_assert_eq!(verify_proof(&changed, &kit::roots(&tpm), None).exit_code(), 1);
        }
    }

    #[test]
    fn any_change_to_a_key_or_a_quote_is_answered(change in some_change()) {
        let tpm = FakeTpm::new(5);
        let public = tpm.public();
        let changed = splice(&public, &change);
        if changed != public {
            let names = (attestation_key_name(&changed).ok(), attestation_key_name(&public).unwrap());
            prop_assert_ne!(names.0, Some(names.1));
        }
        let head = LedgerHead { head: Digest::ZERO, size: 0 };
        let statement = Statement::new(kit::session_key(1).public(), head, kit::binding(None));
        let forge = tpm.forge(&statement.qualifying().unwrap(), &[0, 2, 4, 7]);
        // The changed structure is signed too, so that the parser behind the signature sees it.
        let attest = splice(&forge.attest(), &change);
        let quote = tpm.sign_raw(&forge, attest.clone());
        let bytes = SessionEvidence::write(statement, Evidence::Tpm2Hardware { quote }, &kit::session_key(1)).unwrap();
        let report = verify_evidence(&bytes, &kit::roots(&tpm), None);
        prop_assert!(report.exit_code() <= 1);
    }
}

#[test]
fn deep_and_long_lines_are_answered() {
    let roots = kit::roots(&FakeTpm::new(5));
    for entries in [
        vec![b'['; 3 << 20],
        [vec![b'['; 1 << 19], b"\n".to_vec()].concat(),
        vec![b'\n'; 10],
        vec![0; 100],
    ] {
        let folder = Folder {
            entries,
            checkpoint: None,
            others: BTreeMap::new(),
        };
        assert_ne!(folder.verify(&roots).exit_code(), 0);
    }
}
