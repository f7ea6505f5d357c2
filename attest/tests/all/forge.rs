//! A checkpoint as version 1 of the entries had it, made independently of the crate, which writes none any more.

use base64ct::{Base64, Encoding};
use cloister_attest::{Digest, SessionId};
use ed25519_dalek::{Signer, SigningKey};

use crate::kit::hash;

/// Over these lines, signed by the session of `seed`'s key.
pub(crate) fn checkpoint_of_version_1(lines: &[Vec<u8>], seed: u8) -> Vec<u8> {
    let (first, last) = (hash(&lines[0]), hash(&lines[lines.len() - 1]));
    let head = Base64::encode_string(last.as_bytes());
    let note = format!(
        "cloister-ledger/v1/{}\n{}\n{head}\n",
        first.hex(),
        lines.len()
    );
    let public = crate::kit::session_key(seed).public();
    let name = format!("session-{}", SessionId::of(&public));
    let id = Digest::of_parts(&[name.as_bytes(), b"\n\x01", public.as_bytes()]);
    let key = SigningKey::from_bytes(&[seed; 32]);
    let blob = [&id.as_bytes()[..4], &key.sign(note.as_bytes()).to_bytes()].concat();
    format!("{note}\n\u{2014} {name} {}\n", Base64::encode_string(&blob)).into_bytes()
}
