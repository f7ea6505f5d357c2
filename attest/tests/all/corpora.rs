//! Test vectors by others: RFC 8785 by its author, Ed25519 edge cases by C2SP. Skipped, and said so, where the corpora are absent.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their data from files"
)]

use std::path::PathBuf;

use cloister_attest::SessionPublic;

fn corpora() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora"));
    let found = std::env::var_os("CLOISTER_CORPORA").map_or(beside, PathBuf::from);
    if found.is_dir() {
        return Some(found);
    }
    println!("skipped: no corpora at `{}`", found.display());
    None
}

#[test]
fn canonical_json_is_that_of_rfc_8785() {
    let Some(corpora) = corpora() else { return };
    let (input, output) = (corpora.join("jcs/input"), corpora.join("jcs/output"));
    let mut seen = 0;
    for file in std::fs::read_dir(&input).unwrap() {
        let name = file.unwrap().file_name();
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(input.join(&name)).unwrap()).unwrap();
        let canonical = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(
            canonical,
            std::fs::read(output.join(&name)).unwrap(),
            "{name:?}"
        );
        seen += 1;
    }
    assert!(seen >= 6, "{seen} vectors");
}

/// Of the edge cases, strict verification takes none with a small-order key or R; ordinary verification takes some of them,
/// which is the twin that shows that the strictness is what refuses.
#[test]
fn small_order_keys_and_points_sign_nothing() {
    let Some(corpora) = corpora() else { return };
    let text = std::fs::read(corpora.join("ed25519/ed25519vectors.json")).unwrap();
    let vectors: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let (mut loosely, mut strictly, mut keys) = (0, 0, 0);
    for vector in &vectors {
        let bytes = |field: &str| -> Vec<u8> {
            let digits = vector[field].as_str().unwrap();
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        };
        let flagged = |flag: &str| {
            vector["flags"]
                .as_array()
                .is_some_and(|flags| flags.iter().any(|found| found == flag))
        };
        let text = format!("ed25519:{}", vector["key"].as_str().unwrap());
        let readable = text.parse::<SessionPublic>().is_ok();
        keys += u32::from(readable);
        assert!(
            !(readable && (flagged("low_order_A") || flagged("non_canonical_A"))),
            "{vector}"
        );
        let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&bytes("key").try_into().unwrap())
        else {
            continue;
        };
        let signature = ed25519_dalek::Signature::from_bytes(&bytes("sig").try_into().unwrap());
        let message = vector["msg"].as_str().unwrap().as_bytes();
        let strict = readable && key.verify_strict(message, &signature).is_ok();
        assert!(
            !(strict && (flagged("low_order_R") || flagged("non_canonical_R"))),
            "{vector}"
        );
        strictly += u32::from(strict);
        loosely += u32::from(ed25519_dalek::Verifier::verify(&key, message, &signature).is_ok());
    }
    assert!(
        strictly < loosely,
        "{strictly} of {loosely} hold, {keys} keys can be read"
    );
}
