//! Which keys are enrolled, evidence files, and the roots. Forged quotes stand in `forgeries.rs`.

use cloister_attest::*;

use crate::kit::{self, AK_ATTRIBUTES, FakeTpm};

fn statement() -> Statement {
    let head = LedgerHead {
        head: Digest::ZERO,
        size: 0,
    };
    Statement::new(kit::session_key(1).public(), head, kit::binding(None))
}

fn report(quote: Quote, roots: &Roots) -> Report {
    let bytes = SessionEvidence::write(
        statement(),
        Evidence::Tpm2Hardware { quote },
        &kit::session_key(1),
    )
    .unwrap();
    verify_evidence(&bytes, roots, None)
}

#[test]
fn an_honest_quote_is_sound() {
    let tpm = FakeTpm::new(5);
    let quote = tpm.quote(&statement().qualifying().unwrap());
    assert_eq!(report(quote, &kit::roots(&tpm)).verdict(), &Verdict::Sound);
}

#[test]
fn keys_that_sign_other_things_are_refused() {
    let tpm = FakeTpm::new(5);
    let cases = [
        ("restricted", AK_ATTRIBUTES & !(1 << 16), 0x0018, 0x000b, 3),
        ("restricted", AK_ATTRIBUTES & !(1 << 1), 0x0018, 0x000b, 3),
        ("restricted", AK_ATTRIBUTES & !(1 << 4), 0x0018, 0x000b, 3),
        ("restricted", AK_ATTRIBUTES & !(1 << 5), 0x0018, 0x000b, 3),
        ("restricted", AK_ATTRIBUTES & !(1 << 18), 0x0018, 0x000b, 3),
        ("decrypt", AK_ATTRIBUTES | 1 << 17, 0x0018, 0x000b, 3),
        ("ECDSA", AK_ATTRIBUTES, 0x001a, 0x000b, 3),
        ("ECDSA", AK_ATTRIBUTES, 0x0018, 0x0004, 3),
        ("P-256", AK_ATTRIBUTES, 0x0018, 0x000b, 4),
    ];
    for (why, attributes, scheme, hash, curve) in cases {
        let public = tpm.public_with(attributes, scheme, hash, curve);
        let enrolled = EnrolledKey::pinned_in_person(
            "d".to_owned(),
            public,
            Attestation::Tpm2Hardware,
            PcrSelection::boot(),
        );
        let refused = |error: &AttestError| matches!(error, AttestError::Evidence(what) if what.contains(why));
        assert!(enrolled.as_ref().is_err_and(refused), "{why}: {enrolled:?}");
    }
}

#[test]
fn every_byte_of_an_evidence_file_counts() {
    let tpm = FakeTpm::new(5);
    let quote = tpm.quote(&statement().qualifying().unwrap());
    let whole = SessionEvidence::write(
        statement(),
        Evidence::Tpm2Hardware { quote },
        &kit::session_key(1),
    )
    .unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        assert_eq!(
            verify_evidence(&changed, &kit::roots(&tpm), None).exit_code(),
            1,
            "byte {at}"
        );
    }
    assert_eq!(
        verify_evidence(&whole, &kit::roots(&tpm), None).exit_code(),
        0
    );
    assert_eq!(
        verify_evidence(&whole, &kit::roots(&tpm), Some(&"aa".parse().unwrap())).exit_code(),
        2
    );
}

#[test]
fn roots_are_read_strictly() {
    let roots = kit::roots(&FakeTpm::new(5)).accepting_software();
    let text = roots.to_json().unwrap();
    assert_eq!(Roots::parse(text.as_bytes()).unwrap(), roots);
    assert!(roots.accepts(Attestation::Tpm2Software) && roots.accepts(Attestation::Tpm2Hardware));
    for (what, from, to) in [
        ("unknown key", "\"v\": 1", "\"v\": 1, \"x\": 1"),
        ("twice", "\"v\": 1", "\"v\": 1, \"v\": 1"),
        ("version", "\"v\": 1", "\"v\": 2"),
        ("none", "\"tpm2-hardware\"", "\"none\""),
        ("how", "pinned-in-person", "trust-me"),
        ("name", "\"name\": \"000b", "\"name\": \"000c"),
        ("pcr", "            7\n", "            24\n"),
    ] {
        let changed = text.replacen(from, to, 1);
        // The selection is spread over lines by the pretty printer; its indentation is not this test's business.
        let changed = if changed == text {
            text.replacen("7\n", "24\n", 1)
        } else {
            changed
        };
        assert_ne!(changed, text, "{what}");
        assert!(Roots::parse(changed.as_bytes()).is_err(), "{what}");
    }
}
