//! Forged and mismatched quotes, each a class of its own with a name and the reason for which it is refused: `testdata/quotes.jsonl`, on which `check.py` is
//! run too. All but the signature's own are signed by the enrolled key, so that nothing but the forgery is wrong.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read and write their data in files"
)]

use cloister_attest::*;
use serde_json::{Value, json};

use crate::kit::{self, Certificate, FakeTpm, Folder, Forge, START, begin, resume};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/quotes.jsonl");
const HARDWARE: &str = "tpm2-hardware";
/// The order of P-256, from which on r and s are none.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const NOT_THE_KEY: &str = "not the attestation key's";
const CUT: &str = "ends too early";

/// A ledger whose last line is the start of a session that the quote is to vouch for.
struct Class {
    name: String,
    /// Part of what is said of it.
    why: &'static str,
    entries: Vec<u8>,
}

/// What is made of the honest quote.
struct Forger {
    tpm: FakeTpm,
    honest: Forge,
}

impl Forger {
    fn new() -> Self {
        let tpm = FakeTpm::new(5);
        let qualifying = statement().qualifying().unwrap();
        let honest = tpm.forge(&qualifying, &[0, 2, 4, 7]);
        Self { tpm, honest }
    }

    /// The quote of `forge`, signed.
    fn signed(&self, forge: Forge) -> Value {
        json!(self.tpm.sign(forge))
    }

    fn forged(&self, change: impl FnOnce(&mut Forge)) -> Value {
        let mut forge = self.honest.clone();
        change(&mut forge);
        self.signed(forge)
    }

    /// The honest structure with a change to its bytes, signed.
    fn attested(&self, change: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut attest = self.honest.attest();
        change(&mut attest);
        json!(self.tpm.sign_raw(&self.honest, attest))
    }

    /// The honest quote with a change to the hex digits of one field.
    fn edited(&self, field: &str, change: impl FnOnce(&mut String)) -> Value {
        let mut quote = self.signed(self.honest.clone());
        let mut digits = quote[field].as_str().unwrap().to_owned();
        change(&mut digits);
        quote[field] = digits.into();
        quote
    }
}

fn statement() -> Statement {
    statement_of(1, kit::binding(None))
}

fn statement_of(seed: u8, binding: Binding) -> Statement {
    let head = LedgerHead {
        head: Digest::ZERO,
        size: 0,
    };
    Statement::new(kit::session_key(seed).public(), head, binding)
}

/// A ledger of one entry, in which `quote` is to vouch for the statement.
fn start(statement: &Statement, kind: &str, quote: Value) -> Vec<u8> {
    let ledger = begin(resume(Memory::default()), 1, &FakeTpm::new(5), START);
    let mut line: Value = serde_json::from_slice(ledger.storage().files().entries).unwrap();
    line["att"] = kind.into();
    line["body"]["statement"] = json!(statement);
    line["body"]["evidence"] = json!({"kind": kind, "quote": quote});
    kit::sign_line(line, 1)
}

fn class(name: impl Into<String>, why: &'static str, quote: Value) -> Class {
    Class {
        name: name.into(),
        why,
        entries: start(&statement(), HARDWARE, quote),
    }
}

/// The key's public area, field by field: `TPMT_PUBLIC`.
fn keys(forger: &Forger) -> Vec<Class> {
    let kind = "not an elliptic curve key named by SHA-256";
    let (others, signs) = ("not restricted to signing", "sign with ECDSA and SHA-256");
    let fields: [(&str, &str, usize, &[u8]); 17] = [
        ("ak_of_rsa", kind, 0, &[0, 1]),
        ("ak_named_by_sha1", kind, 2, &[0, 4]),
        ("ak_not_fixed_to_its_tpm", others, 7, &[0x70]),
        ("ak_not_fixed_to_its_parent", others, 7, &[0x62]),
        ("ak_from_outside_the_tpm", others, 7, &[0x52]),
        ("ak_not_restricted", others, 5, &[4]),
        ("ak_that_does_not_sign", others, 5, &[1]),
        ("ak_that_decrypts", "may also decrypt", 5, &[7]),
        ("ak_with_a_cipher", signs, 10, &[0, 6]),
        ("ak_of_ecdaa", signs, 12, &[0, 0x1a]),
        ("ak_without_a_scheme", signs, 12, &[0, 0x10]),
        ("ak_signing_sha1", signs, 14, &[0, 4]),
        ("ak_signing_sha384", signs, 14, &[0, 12]),
        ("ak_on_p384", "not on P-256", 16, &[0, 4]),
        ("ak_with_a_kdf", "not on P-256", 18, &[0, 0x20]),
        ("ak_with_a_long_coordinate", "too long", 20, &[0, 33]),
        ("ak_off_the_curve", "no point of P-256", 56, &[0; 32]),
    ];
    let mut all = Vec::new();
    for (name, why, at, bytes) in fields {
        let change = |forge: &mut Forge| forge.public[at..at + bytes.len()].copy_from_slice(bytes);
        all.push(class(name, why, forger.forged(change)));
    }
    let cut = forger.forged(|forge| forge.public.truncate(80));
    let empty = forger.forged(|forge| forge.public.clear());
    let longer = forger.forged(|forge| forge.public.push(0));
    all.push(class("ak_cut_off", CUT, cut));
    all.push(class("ak_empty", CUT, empty));
    all.push(class("ak_with_more_bytes", "bytes left over", longer));
    all
}

fn signatures(forger: &Forger) -> Vec<Class> {
    let sig = |change: &dyn Fn(&mut String)| forger.edited("sig", change);
    let (zero, malformed) = ("0".repeat(64), "malformed");
    let twice = Digest::of(forger.honest.attest());
    let over_hash = forger
        .tpm
        .sign_raw(&forger.honest, twice.as_bytes().to_vec());
    let over_hash = json!(over_hash)["sig"].as_str().unwrap().to_owned();
    let by_stranger = json!(FakeTpm::new(6).sign(forger.honest.clone()));
    let of_stranger = forger.forged(|forge| forge.public = FakeTpm::new(6).public());
    vec![
        class(
            "sig_r_zero",
            malformed,
            sig(&|sig| sig.replace_range(..64, &zero)),
        ),
        class(
            "sig_s_zero",
            malformed,
            sig(&|sig| sig.replace_range(64.., &zero)),
        ),
        class(
            "sig_r_of_the_order",
            malformed,
            sig(&|sig| sig.replace_range(..64, ORDER)),
        ),
        class(
            "sig_s_of_the_order",
            malformed,
            sig(&|sig| sig.replace_range(64.., ORDER)),
        ),
        class("sig_short", malformed, sig(&|sig| sig.truncate(126))),
        class("sig_long", malformed, sig(&|sig| sig.push_str("00"))),
        class("sig_empty", malformed, sig(&String::clear)),
        class(
            "sig_halves_swapped",
            NOT_THE_KEY,
            sig(&|sig| *sig = format!("{}{}", &sig[64..], &sig[..64])),
        ),
        class(
            "sig_over_the_hash_of_the_hash",
            NOT_THE_KEY,
            sig(&|sig| sig.clone_from(&over_hash)),
        ),
        class("sig_of_another_tpm", NOT_THE_KEY, by_stranger),
        class("ak_of_another_tpm", NOT_THE_KEY, of_stranger),
    ]
}

/// `TPMS_ATTEST`, field by field.
fn structures(forger: &Forger) -> Vec<Class> {
    let mut all = vec![class(
        "magic_of_no_tpm",
        "wrong magic",
        forger.forged(|forge| forge.magic += 1),
    )];
    for (name, kind) in [
        ("certifies_nv", 0x8014),
        ("certifies_a_command_audit", 0x8015),
        ("certifies_a_session_audit", 0x8016),
        ("certifies_an_object", 0x8017),
        ("certifies_a_time", 0x8019),
        ("certifies_a_creation", 0x801a),
    ] {
        all.push(class(
            name,
            "wrong type",
            forger.forged(|forge| forge.kind = kind),
        ));
    }
    let certificate = Certificate::of(&statement().qualifying().unwrap(), 7);
    let counter = json!(forger.tpm.certify_forged(&certificate));
    let mut as_quote = forger.signed(forger.honest.clone());
    as_quote["attest"] = counter["attest"].clone();
    as_quote["sig"] = counter["sig"].clone();
    all.push(class(
        "counter_certified_over_the_statement",
        "wrong type",
        as_quote,
    ));
    for (field, at) in [
        ("magic", 2),
        ("type", 5),
        ("signer", 20),
        ("extra_data", 60),
        ("clock", 80),
        ("reset_count", 86),
        ("restart_count", 90),
        ("safe", 92),
        ("firmware", 97),
        ("selection_count", 103),
        ("bank", 106),
        ("bitmap", 109),
        ("digest", 130),
    ] {
        let cut = forger.attested(|attest| attest.truncate(at));
        all.push(class(format!("cut_in_{field}"), CUT, cut));
    }
    let longer = forger.attested(|attest| attest.push(0));
    all.push(class("attest_with_more_bytes", "bytes left over", longer));
    // What is not compared with anything is signed all the same.
    for (field, at) in [
        ("signer", 10),
        ("clock", 76),
        ("reset_count", 87),
        ("restart_count", 91),
        ("safe", 92),
        ("firmware", 100),
    ] {
        let mut quote = forger.signed(forger.honest.clone());
        quote["attest"] = forger.attested(|attest| attest[at] ^= 1)["attest"].clone();
        all.push(class(
            format!("{field}_changed_after_signing"),
            NOT_THE_KEY,
            quote,
        ));
    }
    all
}

/// What is quoted: the statement and the PCRs.
fn contents(forger: &Forger) -> Vec<Class> {
    let mut all = bound(forger);
    all.extend(selected(forger));
    all.extend(valued(forger));
    all.extend(enrolled(forger));
    all
}

/// What the quote is over, and in which bank.
fn bound(forger: &Forger) -> Vec<Class> {
    let (other, bank) = ("over another statement", "not over the SHA-256 bank alone");
    let forged = |change: fn(&mut Forge)| forger.forged(change);
    vec![
        class(
            "extra_data_changed",
            other,
            forged(|forge| forge.extra[31] ^= 1),
        ),
        class(
            "extra_data_empty",
            other,
            forged(|forge| forge.extra.clear()),
        ),
        class(
            "extra_data_short",
            other,
            forged(|forge| forge.extra.truncate(31)),
        ),
        class(
            "extra_data_long",
            other,
            forged(|forge| forge.extra.push(0)),
        ),
        class("bank_of_sha1", bank, forged(|forge| forge.bank = 4)),
        class("no_bank", bank, forged(|forge| forge.banks = 0)),
        class("two_banks", bank, forged(|forge| forge.banks = 2)),
    ]
}

/// Which PCRs it selects, and which it carries.
fn selected(forger: &Forger) -> Vec<Class> {
    let selects = "selects other PCRs than it carries";
    let forged = |change: fn(&mut Forge)| forger.forged(change);
    vec![
        class(
            "bitmap_too_long",
            "selection is too long",
            forged(|forge| forge.bitmap.extend([0, 0])),
        ),
        class(
            "bitmap_empty",
            selects,
            forged(|forge| forge.bitmap.clear()),
        ),
        class(
            "selects_more",
            selects,
            forged(|forge| forge.bitmap[1] |= 1),
        ),
        class(
            "carries_fewer",
            selects,
            forged(|forge| forge.pcrs.truncate(3)),
        ),
        class(
            "carries_one_twice",
            selects,
            forged(|forge| forge.pcrs.push(forge.pcrs[3])),
        ),
        class(
            "carries_out_of_order",
            selects,
            forged(|forge| forge.pcrs.swap(0, 1)),
        ),
    ]
}

/// Their values, and the digest of these.
fn valued(forger: &Forger) -> Vec<Class> {
    let digest = "not that of the PCR values";
    let forged = |change: fn(&mut Forge)| forger.forged(change);
    vec![
        class(
            "value_changed",
            digest,
            forged(|forge| forge.pcrs[0].sha256 = Digest::of("evil")),
        ),
        class(
            "values_swapped",
            digest,
            forged(|forge| {
                let first = forge.pcrs[0].sha256;
                forge.pcrs[0].sha256 = forge.pcrs[1].sha256;
                forge.pcrs[1].sha256 = first;
            }),
        ),
        class(
            "digest_changed",
            digest,
            forged(|forge| forge.pcr_digest[31] ^= 1),
        ),
        class(
            "digest_empty",
            digest,
            forged(|forge| forge.pcr_digest.clear()),
        ),
        class(
            "digest_long",
            digest,
            forged(|forge| forge.pcr_digest.push(0)),
        ),
    ]
}

/// Other PCRs than those that the roots name.
fn enrolled(forger: &Forger) -> Vec<Class> {
    let qualifying = statement().qualifying().unwrap();
    let others = [
        ("fewer_pcrs_than_enrolled", &[0, 2, 4][..]),
        ("more_pcrs_than_enrolled", &[0, 2, 4, 7, 23]),
        ("other_pcrs_than_enrolled", &[16]),
        ("no_pcrs", &[]),
    ];
    let quoted = others.into_iter().map(|(name, pcrs)| {
        let quote = forger.signed(forger.tpm.forge(&qualifying, pcrs));
        class(name, "other PCRs than those enrolled", quote)
    });
    quoted.collect()
}

/// Honest quotes, of something else.
fn elsewhere(forger: &Forger) -> Vec<Class> {
    let other = "over another statement";
    let over = |statement: &Statement| json!(forger.tpm.quote(&statement.qualifying().unwrap()));
    let challenge = "c0ffee".parse().unwrap();
    let moved = LedgerHead {
        head: Digest::of("elsewhere"),
        size: 7,
    };
    let moved = Statement::new(kit::session_key(1).public(), moved, kit::binding(None));
    let renamed = Binding {
        device: "desk-8".to_owned(),
        ..kit::binding(None)
    };
    let renamed = statement_of(1, renamed);
    let (mine, software) = (statement(), FakeTpm::new(9));
    let by_software = json!(software.quote(&mine.qualifying().unwrap()));
    let named = |name: &str, why, entries| Class {
        name: name.to_owned(),
        why,
        entries,
    };
    vec![
        class(
            "of_another_session",
            other,
            over(&statement_of(2, kit::binding(None))),
        ),
        class("of_another_place", other, over(&moved)),
        class(
            "of_another_challenge",
            other,
            over(&statement_of(1, kit::binding(Some(challenge)))),
        ),
        class(
            "of_another_admin",
            other,
            over(&statement_of(1, kit::binding_of_another_admin())),
        ),
        named(
            "device_renamed",
            "its key is that of",
            start(&renamed, HARDWARE, over(&renamed)),
        ),
        named(
            "hardware_said_to_be_software",
            "its key is enrolled as `tpm2-hardware`",
            start(&mine, "tpm2-software", over(&mine)),
        ),
        class(
            "software_said_to_be_hardware",
            "its key is enrolled as `tpm2-software`",
            by_software,
        ),
        named(
            "reset_less_often_than_before",
            "reset less often",
            again(|tpm| tpm.resets -= 1),
        ),
        named(
            "restarted_less_often_than_before",
            "reset less often",
            again(|tpm| tpm.restarts -= 1),
        ),
    ]
}

/// A session, and one after it by the same TPM in another state.
fn again(change: fn(&mut FakeTpm)) -> Vec<u8> {
    let mut tpm = FakeTpm::new(5);
    tpm.restarts = 1;
    let first = begin(resume(Memory::default()), 1, &tpm, START);
    let ended = first.end("done".to_owned(), (START + 1).into()).unwrap();
    change(&mut tpm);
    let second = begin(resume(ended.into_storage()), 2, &tpm, START + 2);
    second.storage().files().entries.to_vec()
}

fn forged() -> Vec<Class> {
    let forger = Forger::new();
    let all = [keys, signatures, structures, contents, elsewhere];
    all.iter().flat_map(|classes| classes(&forger)).collect()
}

/// Twins, in which nothing is wrong but that the session has not ended; and one by a key that nobody enrolled.
fn not_forged() -> Vec<Class> {
    let forger = Forger::new();
    let unended = "has not ended";
    let elsewhen = forger.attested(|attest| [10, 76, 100].iter().for_each(|at| attest[*at] ^= 1));
    let stranger = json!(FakeTpm::new(6).quote(&statement().qualifying().unwrap()));
    vec![
        class("ok_honest", unended, forger.signed(forger.honest.clone())),
        class("ok_other_signer_clock_and_firmware", unended, elsewhen),
        class("unattested_not_enrolled", "not enrolled", stranger),
    ]
}

/// The roots of the vectors: of two TPMs, one in software, and the one that has a counter.
pub(crate) fn with_software(roots: Roots) -> Roots {
    let key = EnrolledKey::pinned_in_person(
        kit::DEVICE.to_owned(),
        FakeTpm::new(9).public(),
        Attestation::Tpm2Software,
        PcrSelection::boot(),
    );
    roots.enrolling(key.unwrap())
}

fn judged(class: &Class, roots: &Roots) -> Report {
    let folder = Folder {
        entries: class.entries.clone(),
        checkpoint: None,
        others: Default::default(),
    };
    folder.verify(roots)
}

fn vector(class: &Class, verdict: &str) -> String {
    let entries = String::from_utf8(class.entries.clone()).unwrap();
    json!({"entries": entries, "name": class.name, "verdict": verdict, "why": class.why})
        .to_string()
}

#[test]
fn each_class_of_forged_quotes_is_refused_for_its_own_reason() {
    let roots = with_software(kit::roots(&FakeTpm::new(5)));
    let (forged, twins) = (forged(), not_forged());
    for class in &forged {
        let report = judged(class, &roots);
        let Verdict::Tampered { seq, what, .. } = report.verdict() else {
            panic!("{}: {report}", class.name);
        };
        let last = class.entries.iter().filter(|byte| **byte == b'\n').count() - 1;
        assert_eq!(*seq, Some(last as u64), "{}: {report}", class.name);
        assert!(
            what.contains(class.why),
            "{}: `{what}`, expected `{}`",
            class.name,
            class.why
        );
    }
    for twin in &twins {
        let report = judged(twin, &roots);
        assert_eq!(report.exit_code(), 2, "{}: {report}", twin.name);
        assert!(
            report.to_string().contains(twin.why),
            "{}: {report}",
            twin.name
        );
    }
    let names: std::collections::BTreeSet<&str> =
        forged.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names.len(), forged.len(), "a name twice");
    println!("{} classes of forged quotes", names.len());
    assert!(names.len() >= 80, "{} classes", names.len());
    let forged = forged.iter().map(|class| vector(class, "tampered"));
    let made: Vec<String> = forged
        .chain(twins.iter().map(|twin| vector(twin, "unanchored")))
        .collect();
    let made = made.join("\n") + "\n";
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(FILE).unwrap(), made);
}
