//! One entry of the ledger: one line of canonical JSON, chained and signed (SPEC.md sections 3 to 5). Pure.

pub(crate) mod body;

use serde::{Deserialize, Serialize};

use crate::canon;
use crate::contents::ContentHash;
use crate::digest::Digest;
use crate::entry::body::Body;
use crate::error::AttestError;
use crate::evidence::{Attestation, SessionId, UnixMillis};
use crate::hex;
use crate::keys::{SessionKey, SessionPublic};

/// Version of the entry format that is written.
pub(crate) const VERSION: u64 = 3;
/// The first version that commits to arguments and outputs instead of naming their digests.
pub(crate) const SALTED: u64 = 3;
/// The oldest version that is read: it says nothing of what calls read.
pub(crate) const OLDEST: u64 = 1;
/// Stands before the signed bytes, so that a session's signature on anything else is none on an entry.
const DOMAIN: &[u8] = b"cloister-entry/v1\0";

/// One entry, without its signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// What the session is attested with; fixed for the session and repeated in every entry.
    pub att: Attestation,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
    /// Hash of the line before; [`Digest::ZERO`] for the first.
    pub prev: Digest,
    /// Number of the entry in this ledger, from 0.
    pub seq: u64,
    /// The session that wrote it.
    pub session: SessionId,
    /// When, by the clock of the device. Never goes back within a session.
    pub ts: UnixMillis,
    /// Version of the format; the same throughout a session.
    pub v: u64,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    #[serde(flatten)]
    entry: Entry,
    sig: Signature,
}

/// 64 bytes as 128 hex digits.
#[derive(Clone, Copy)]
struct Signature([u8; 64]);

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode_array(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a signature is 128 hex digits"))
    }
}

/// An entry as read: canonical, but its signature not yet checked.
pub(crate) struct Unchecked {
    pub(crate) entry: Entry,
    signature: Signature,
}

impl Unchecked {
    /// Reads one line, without its newline.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, AttestError> {
        let Signed { entry, sig } = canon::read("the entry", line)?;
        Ok(Self {
            entry,
            signature: sig,
        })
    }

    /// Whether `public` signed this entry.
    pub(crate) fn is_signed_by(&self, public: &SessionPublic) -> bool {
        let bytes = self.entry.signed_bytes();
        bytes.is_ok_and(|bytes| public.signed(&bytes, &self.signature.0))
    }
}

impl Entry {
    /// Reads one line as written in `entries.jsonl`, without its newline, for showing and exporting.
    /// That it is signed and in its place is [`crate::verify()`]'s business, not ours.
    ///
    /// # Errors
    /// When the line is not canonical or not an entry.
    pub fn parse(line: &[u8]) -> Result<Self, AttestError> {
        Unchecked::parse(line).map(|unchecked| unchecked.entry)
    }

    /// Hash of a line without its newline: what the next entry's `prev` and a checkpoint's head are (SPEC.md section 4).
    #[must_use]
    pub fn hash(line: &[u8]) -> Digest {
        line_hash(line)
    }

    /// What its version allows it to say, and how.
    pub(crate) fn check_form(&self) -> Result<(), String> {
        let salted = self.v >= SALTED;
        let as_it_should =
            |(_, hash): &(String, ContentHash)| matches!(hash, ContentHash::Salted(_)) == salted;
        let contents = self.body.contents();
        if let Some((what, hash)) = contents.iter().find(|one| !as_it_should(one)) {
            return Err(format!(
                "version {} does not name the {what} `{hash}`",
                self.v
            ));
        }
        match &self.body {
            Body::Shred(_) if !salted => {
                Err(format!("contents are destroyed in version {}", self.v))
            }
            Body::Plan(plan) if !salted && plan.steps.iter().any(|step| !step.open.is_empty()) => {
                Err(format!(
                    "a plan of version {} that says what is open",
                    self.v
                ))
            }
            Body::Plan(plan) if salted && !plan.holds() => {
                Err("the plan's hash is not that of its steps".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The line, signed, without its newline.
    pub(crate) fn sign(self, key: &SessionKey) -> Result<Vec<u8>, AttestError> {
        let sig = Signature(key.sign(&self.signed_bytes()?));
        canon::write("the entry", &Signed { entry: self, sig })
    }

    fn signed_bytes(&self) -> Result<Vec<u8>, AttestError> {
        Ok([DOMAIN, &canon::write("the entry", self)?].concat())
    }
}

/// Hash of a line without its newline: an RFC 6962 section 2.1 leaf, so that a tree can be laid over the same ledger.
pub(crate) fn line_hash(line: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], line])
}
