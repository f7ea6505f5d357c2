//! A TPM 2.0 quote over PCRs, and its check without a TPM (SPEC.md section 7). Pure; reads hostile bytes.

mod parse;
mod public;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::AttestError;
use crate::hex;
use parse::QuoteInfo;

pub(crate) use parse::CertifyInfo;
pub use public::attestation_key_name;

/// Which PCRs of the SHA-256 bank are quoted: a non-empty ascending list of indices below 24.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct PcrSelection(Vec<u8>);

impl PcrSelection {
    /// A selection, in any order.
    ///
    /// # Errors
    /// [`AttestError::Notation`] when it is empty, repeats or names an index above 23.
    pub fn new(indices: &[u8]) -> Result<Self, AttestError> {
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.is_empty()
            || sorted.len() != indices.len()
            || sorted.iter().any(|index| *index > 23)
        {
            return Err(AttestError::Notation {
                what: "pcr selection",
                text: format!("{indices:?}"),
            });
        }
        Ok(Self(sorted))
    }

    /// PCRs 0, 2, 4 and 7: firmware, option ROMs, boot loader and Secure Boot state.
    pub fn boot() -> Self {
        Self(vec![0, 2, 4, 7])
    }

    /// The indices, ascending.
    pub fn indices(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for PcrSelection {
    type Error = AttestError;

    fn try_from(indices: Vec<u8>) -> Result<Self, AttestError> {
        let selection = Self::new(&indices)?;
        if selection.0 != indices {
            return Err(AttestError::Notation {
                what: "pcr selection",
                text: format!("{indices:?}"),
            });
        }
        Ok(selection)
    }
}

impl From<PcrSelection> for Vec<u8> {
    fn from(selection: PcrSelection) -> Self {
        selection.0
    }
}

/// One PCR of the SHA-256 bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcrValue {
    /// Its index.
    pub index: u8,
    /// Its value; not a hash of ours, but 32 bytes all the same.
    pub sha256: Digest,
}

/// A quote as a TPM made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The attestation key's `TPMT_PUBLIC`, TPM 2.0 part 2 section 12.2.4.
    #[serde(with = "hex::bytes")]
    ak: Vec<u8>,
    /// `TPMS_ATTEST`, section 10.12.12.
    #[serde(with = "hex::bytes")]
    attest: Vec<u8>,
    /// The values that the quoted digest is over.
    pcrs: Vec<PcrValue>,
    /// ECDSA signature over SHA-256 of `attest`: r and s, 32 bytes each.
    #[serde(with = "hex::bytes")]
    sig: Vec<u8>,
}

/// What a checked quote says; that its key is enrolled remains to be checked.
pub(crate) struct Quoted {
    /// Name of the attestation key: its algorithm and the hash of its public area.
    pub(crate) name: Vec<u8>,
    /// How often the TPM was reset, and since then resumed.
    pub(crate) resets: (u32, u32),
}

impl Quote {
    /// A quote from what the TPM gave: public area, attestation structure, signature (each number padded to 32 bytes) and PCR values in ascending order.
    pub fn new(
        ak_public: Vec<u8>,
        attest: Vec<u8>,
        r: [u8; 32],
        s: [u8; 32],
        pcrs: Vec<PcrValue>,
    ) -> Self {
        Self {
            ak: ak_public,
            attest,
            pcrs,
            sig: [r, s].concat(),
        }
    }

    /// The attestation key's public area.
    pub fn ak_public(&self) -> &[u8] {
        &self.ak
    }

    /// The PCR values carried.
    pub fn pcrs(&self) -> &[PcrValue] {
        &self.pcrs
    }

    /// Checks all that can be checked without the roots: the key's attributes, its signature, that this is a quote made
    /// by a TPM over exactly `qualifying`, and that the digest is over the PCR values carried.
    pub(crate) fn check(&self, qualifying: &Digest) -> Result<Quoted, &'static str> {
        let key = public::parse(&self.ak)?;
        check_signature(&key.point, &self.attest, &self.sig)?;
        let info = QuoteInfo::parse(&self.attest)?;
        if info.extra_data != qualifying.as_bytes() {
            return Err("the quote is over another statement");
        }
        self.check_pcrs(&info)?;
        Ok(Quoted {
            name: key.name,
            resets: (info.reset_count, info.restart_count),
        })
    }

    fn check_pcrs(&self, info: &QuoteInfo<'_>) -> Result<(), &'static str> {
        if !self
            .pcrs
            .iter()
            .map(|pcr| pcr.index)
            .eq(info.selected.iter().copied())
        {
            return Err("the quote selects other PCRs than it carries");
        }
        let values: Vec<&[u8]> = self
            .pcrs
            .iter()
            .map(|pcr| pcr.sha256.as_bytes().as_slice())
            .collect();
        if Digest::of_parts(&values).as_bytes() != info.pcr_digest {
            return Err("the quoted digest is not that of the PCR values carried");
        }
        Ok(())
    }
}

/// Whether the attestation key with this public area signed `attest`.
pub(crate) fn signed(ak_public: &[u8], attest: &[u8], sig: &[u8]) -> Result<(), &'static str> {
    check_signature(&public::parse(ak_public)?.point, attest, sig)
}

fn check_signature(point: &[u8; 65], attest: &[u8], sig: &[u8]) -> Result<(), &'static str> {
    let key = VerifyingKey::from_sec1_bytes(point)
        .map_err(|_| "the attestation key is no point of P-256")?;
    let signature = Signature::from_slice(sig).map_err(|_| "the quote's signature is malformed")?;
    key.verify_prehash(Digest::of(attest).as_bytes(), &signature)
        .map_err(|_| "the quote's signature is not the attestation key's")
}
