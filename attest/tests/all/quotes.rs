//! Forged and mismatched quotes, each signed by the real key so that nothing but the forgery is wrong, and evidence files.

use cloister_attest::*;

use crate::kit::{self, AK_ATTRIBUTES, FakeTpm, Forge};

/// What a forger does to a quote before the TPM signs it.
type Change = Box<dyn Fn(&mut Forge)>;

const PCRS: [u8; 4] = [0, 2, 4, 7];

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

fn what(report: &Report) -> String {
    match report.verdict() {
        Verdict::Tampered { what, .. } => what.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_honest_quote_is_sound() {
    let tpm = FakeTpm::new(5);
    let quote = tpm.quote(&statement().qualifying().unwrap());
    assert_eq!(report(quote, &kit::roots(&tpm)).verdict(), &Verdict::Sound);
}

#[test]
fn each_forgery_is_refused_for_its_own_reason() {
    let tpm = FakeTpm::new(5);
    let stranger = FakeTpm::new(6);
    let qualifying = statement().qualifying().unwrap();
    let cases: Vec<(&str, Change)> = vec![
        ("wrong magic", Box::new(|forge| forge.magic = 0xff54_4348)),
        ("wrong type", Box::new(|forge| forge.kind = 0x8014)),
        ("wrong type", Box::new(|forge| forge.kind = 0x8017)),
        ("another statement", Box::new(|forge| forge.extra[0] ^= 1)),
        ("another statement", Box::new(|forge| forge.extra.clear())),
        ("another statement", Box::new(|forge| forge.extra.push(0))),
        ("SHA-256 bank", Box::new(|forge| forge.bank = 0x0004)),
        ("SHA-256 bank", Box::new(|forge| forge.banks = 0)),
        ("SHA-256 bank", Box::new(|forge| forge.banks = 2)),
        (
            "selection is too long",
            Box::new(|forge| forge.bitmap = vec![0x95, 0, 0, 0, 0]),
        ),
        (
            "selects other PCRs",
            Box::new(|forge| forge.bitmap = vec![0, 0, 0]),
        ),
        ("selects other PCRs", Box::new(|forge| forge.bitmap[1] |= 1)),
        (
            "selects other PCRs",
            Box::new(|forge| forge.pcrs.truncate(3)),
        ),
        (
            "selects other PCRs",
            Box::new(|forge| forge.pcrs.swap(0, 1)),
        ),
        (
            "not that of the PCR values",
            Box::new(|forge| forge.pcrs[0].sha256 = Digest::of("evil")),
        ),
        (
            "not that of the PCR values",
            Box::new(|forge| forge.pcr_digest[31] ^= 1),
        ),
        (
            "not that of the PCR values",
            Box::new(|forge| forge.pcr_digest.clear()),
        ),
        ("bytes left over", Box::new(|forge| forge.trailing.push(0))),
        (
            "not the attestation key's",
            Box::new(move |forge| forge.public = stranger.public()),
        ),
    ];
    for (why, change) in cases {
        let mut forge = tpm.forge(&qualifying, &PCRS);
        change(&mut forge);
        let report = report(tpm.sign(forge), &kit::roots(&tpm));
        assert_eq!(report.exit_code(), 1, "{why}");
        assert!(
            what(&report).contains(why),
            "expected `{why}`, got `{}`",
            what(&report)
        );
    }
}

#[test]
fn keys_that_sign_other_things_are_refused() {
    let tpm = FakeTpm::new(5);
    let qualifying = statement().qualifying().unwrap();
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
            public.clone(),
            Attestation::Tpm2Hardware,
            PcrSelection::boot(),
        );
        assert!(matches!(enrolled, Err(AttestError::Evidence(_))), "{why}");
        let mut forge = tpm.forge(&qualifying, &PCRS);
        forge.public = public;
        let report = report(tpm.sign(forge), &kit::roots(&tpm));
        assert!(
            what(&report).contains(why),
            "expected `{why}`, got `{}`",
            what(&report)
        );
    }
}

#[test]
fn the_enrolled_selection_and_device_are_exact() {
    let tpm = FakeTpm::new(5);
    let qualifying = statement().qualifying().unwrap();
    for pcrs in [&[0, 2, 4][..], &[0, 2, 4, 7, 23], &[16]] {
        let report = report(tpm.sign(tpm.forge(&qualifying, pcrs)), &kit::roots(&tpm));
        assert!(
            what(&report).contains("other PCRs than those enrolled"),
            "{report}"
        );
    }
    let elsewhere = EnrolledKey::pinned_in_person(
        "desk-8".to_owned(),
        tpm.public(),
        Attestation::Tpm2Hardware,
        PcrSelection::boot(),
    )
    .unwrap();
    let roots = Roots::new(kit::admin().public()).enrolling(elsewhere);
    assert_eq!(report(tpm.quote(&qualifying), &roots).exit_code(), 1);
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
