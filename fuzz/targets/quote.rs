//! A quote's structure, signed by the enrolled key so that the parser behind the signatures sees it; and a public area.
#![no_main]

#[path = "../../attest/tests/all/kit.rs"]
#[allow(dead_code, reason = "attest's tests use the rest")]
mod kit;

use cloister_attest::{
    Digest, Evidence, LedgerHead, SessionEvidence, Statement, attestation_key_name, verify_evidence,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = attestation_key_name(bytes);
    let (tpm, key) = (kit::FakeTpm::new(5), kit::session_key(1));
    let head = LedgerHead {
        head: Digest::ZERO,
        size: 0,
    };
    let statement = Statement::new(key.public(), head, kit::binding(None));
    let forge = tpm.forge(&statement.qualifying().unwrap(), &[0, 2, 4, 7]);
    let quote = tpm.sign_raw(&forge, bytes.to_vec());
    let file = SessionEvidence::write(statement, Evidence::Tpm2Hardware { quote }, &key).unwrap();
    let sound = verify_evidence(&file, &kit::roots(&tpm), None).exit_code() == 0;
    // What the key signs is not of another kind and not about another statement.
    let about = statement_digest();
    assert!(!sound || bytes.windows(about.len()).any(|part| part == about));
});

fn statement_digest() -> Vec<u8> {
    let head = LedgerHead {
        head: Digest::ZERO,
        size: 0,
    };
    let statement = Statement::new(kit::session_key(1).public(), head, kit::binding(None));
    statement.qualifying().unwrap().as_bytes().to_vec()
}
