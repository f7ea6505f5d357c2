//! A TPM counter's certificate over where a ledger stands, or over an auditor's challenge (SPEC.md section 14). Pure; reads hostile bytes.

use serde::{Deserialize, Serialize};

use crate::LIMITS;
use crate::canon;
use crate::checkpoint::{self, Said, Sum};
use crate::digest::Digest;
use crate::error::AttestError;
use crate::evidence::{Challenge, LedgerHead};
use crate::hex;
use crate::quote::{self, CertifyInfo};

const ANCHOR_DOMAIN: &[u8] = b"audit-anchor/v1\0";
const CHALLENGE_DOMAIN: &[u8] = b"counter-challenge/v1\0";
const ANSWER_PROTO: &str = "cloister-counter/v1";

/// TPM_ALG_SHA256, TPM 2.0 part 2 section 6.3.
const ALG_SHA256: u16 = 0x000b;
/// `TPMA_NV` of the counter once it has a value: AUTHWRITE, COUNTER, AUTHREAD, NO_DA, WRITTEN (part 2 section 13.4).
const ATTRIBUTES: u32 = 0x2204_0014;
/// Size of a counter, bytes.
const SIZE: u16 = 8;

/// A counter's value, certified by the attestation key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// `TPMS_ATTEST` of type NV.
    #[serde(with = "hex::bytes")]
    attest: Vec<u8>,
    /// ECDSA signature over SHA-256 of `attest`: r and s, 32 bytes each.
    #[serde(with = "hex::bytes")]
    sig: Vec<u8>,
}

/// What a certificate says, once it is known to be over what was asked; whose it is remains to be checked.
pub(crate) struct Counted {
    /// Name of the counter.
    pub(crate) counter: Vec<u8>,
    pub(crate) value: u64,
}

impl Anchor {
    /// A certificate as the TPM gave it, each number of the signature padded to 32 bytes.
    pub fn new(attest: Vec<u8>, r: [u8; 32], s: [u8; 32]) -> Self {
        Self {
            attest,
            sig: [r, s].concat(),
        }
    }

    /// What it says, if it certifies a whole counter over `qualifying`.
    pub(crate) fn read(&self, qualifying: &Digest) -> Result<Counted, &'static str> {
        let info = CertifyInfo::parse(&self.attest)?;
        if info.extra_data != qualifying.as_bytes() {
            return Err("the counter is certified over something else");
        }
        let value = info.contents.try_into().map(u64::from_be_bytes);
        match (info.offset, value) {
            (0, Ok(value)) => Ok(Counted {
                counter: info.index_name.to_vec(),
                value,
            }),
            _ => Err("what is certified is no whole counter"),
        }
    }

    /// Whether the key with this public area signed it.
    pub(crate) fn signed_by(&self, ak_public: &[u8]) -> Result<(), &'static str> {
        quote::signed(ak_public, &self.attest, &self.sig)
            .map_err(|_| "the counter is not certified by the session's attestation key")
    }
}

/// What an anchor certifies: where a ledger stands whose first line has the hash `log`. By its head, which the anchor's entry names too.
pub(crate) fn over_ledger(log: &Digest, at: LedgerHead) -> Digest {
    let said = Said {
        log: *log,
        size: at.size,
        sum: Sum::Head(at.head),
    };
    Digest::of_parts(&[ANCHOR_DOMAIN, checkpoint::note(&said).as_bytes()])
}

/// Name of the counter at an NV index: its name algorithm and the hash of its public area, TPM 2.0 part 1 section 16.
pub fn counter_name(index: u32) -> Vec<u8> {
    let hash = Digest::of_parts(&[
        &index.to_be_bytes(),
        &ALG_SHA256.to_be_bytes(),
        &ATTRIBUTES.to_be_bytes(),
        &0_u16.to_be_bytes(), // no policy
        &SIZE.to_be_bytes(),
    ]);
    [ALG_SHA256.to_be_bytes().as_slice(), hash.as_bytes()].concat()
}

/// A device's answer to an auditor's challenge: where its counter stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterAnswer {
    #[serde(with = "hex::bytes")]
    ak: Vec<u8>,
    #[serde(with = "hex::bytes")]
    attest: Vec<u8>,
    challenge: Challenge,
    proto: String,
    #[serde(with = "hex::bytes")]
    sig: Vec<u8>,
}

impl CounterAnswer {
    /// What the TPM is given as qualifying data.
    pub fn qualifying(challenge: &Challenge) -> Digest {
        Digest::of_parts(&[CHALLENGE_DOMAIN, challenge.as_bytes()])
    }

    /// The canonical bytes of an answer.
    ///
    /// # Errors
    /// [`AttestError::Evidence`] when the certificate is over something else, or not by the key.
    pub fn write(
        ak: Vec<u8>,
        challenge: Challenge,
        anchor: Anchor,
    ) -> Result<Vec<u8>, AttestError> {
        anchor
            .read(&Self::qualifying(&challenge))
            .and_then(|_| anchor.signed_by(&ak))
            .map_err(|why| AttestError::Evidence(why.to_owned()))?;
        let Anchor { attest, sig } = anchor;
        let answer = Self {
            ak,
            attest,
            challenge,
            proto: ANSWER_PROTO.to_owned(),
            sig,
        };
        canon::write("the answer", &answer)
    }

    /// Reads an answer; that its key is enrolled is the verifier's business. Gives the key's name and what the counter says.
    pub(crate) fn read(
        bytes: &[u8],
        challenge: &Challenge,
    ) -> Result<(Vec<u8>, Counted), AttestError> {
        let malformed = |why: &str| AttestError::Malformed {
            what: "the answer",
            why: why.to_owned(),
        };
        if bytes.len() > LIMITS.document {
            return Err(malformed("it is too long"));
        }
        let this: Self = canon::read("the answer", bytes)?;
        if this.proto != ANSWER_PROTO {
            return Err(malformed("it is of another protocol"));
        }
        if this.challenge != *challenge {
            return Err(malformed("it answers another challenge"));
        }
        let anchor = Anchor {
            attest: this.attest,
            sig: this.sig,
        };
        let counted = anchor
            .read(&Self::qualifying(challenge))
            .map_err(malformed)?;
        anchor.signed_by(&this.ak).map_err(malformed)?;
        Ok((quote::attestation_key_name(&this.ak)?, counted))
    }
}
