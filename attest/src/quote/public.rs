//! Reads an attestation key's public area and refuses keys that could sign something that is no quote. Pure.

use super::parse::{ALG_SHA256, Reader};
use crate::digest::Digest;
use crate::error::AttestError;

/// An attestation key that may only sign what its TPM made.
pub(super) struct AttestationKey {
    /// Name: the name algorithm and the hash of the public area, TPM 2.0 part 1 section 16.
    pub(super) name: Vec<u8>,
    /// Uncompressed SEC1 point.
    pub(super) point: [u8; 65],
}

const ALG_ECC: u16 = 0x0023;
const ALG_ECDSA: u16 = 0x0018;
const ALG_NULL: u16 = 0x0010;
const CURVE_P256: u16 = 0x0003;

/// TPMA_OBJECT, TPM 2.0 part 2 section 8.3.
const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// The name of an attestation key, as TPM tools print it in hex: `000b` and the SHA-256 of its public area (`TPMT_PUBLIC`).
///
/// # Errors
/// [`AttestError::Evidence`] when the key could sign something that is no quote, or is not ECDSA on P-256 with SHA-256.
pub fn attestation_key_name(public_area: &[u8]) -> Result<Vec<u8>, AttestError> {
    parse(public_area)
        .map(|key| key.name)
        .map_err(|why| AttestError::Evidence(why.to_owned()))
}

pub(super) fn parse(bytes: &[u8]) -> Result<AttestationKey, &'static str> {
    let mut reader = Reader::new(bytes);
    if (reader.u16()?, reader.u16()?) != (ALG_ECC, ALG_SHA256) {
        return Err("the attestation key is not an elliptic curve key named by SHA-256");
    }
    attributes(reader.u32()?)?;
    reader.sized()?; // authorisation policy: says who may use the key, not what it signs
    let (symmetric, scheme, hash) = (reader.u16()?, reader.u16()?, reader.u16()?);
    if (symmetric, scheme, hash) != (ALG_NULL, ALG_ECDSA, ALG_SHA256) {
        return Err("the attestation key does not sign with ECDSA and SHA-256");
    }
    if (reader.u16()?, reader.u16()?) != (CURVE_P256, ALG_NULL) {
        return Err("the attestation key is not on P-256");
    }
    let (x, y) = (coordinate(reader.sized()?)?, coordinate(reader.sized()?)?);
    reader.finish()?;
    let mut point = [4_u8; 65];
    for (to, from) in point.iter_mut().skip(1).zip(x.into_iter().chain(y)) {
        *to = from;
    }
    let name = [
        ALG_SHA256.to_be_bytes().as_slice(),
        Digest::of(bytes).as_bytes(),
    ]
    .concat();
    Ok(AttestationKey { name, point })
}

fn attributes(attributes: u32) -> Result<(), &'static str> {
    const WANTED: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | SIGN;
    if attributes & WANTED != WANTED {
        return Err("the attestation key is not restricted to signing what its own TPM made");
    }
    if attributes & DECRYPT != 0 {
        return Err("the attestation key may also decrypt");
    }
    Ok(())
}

/// A coordinate of at most 32 bytes; some TPMs leave out leading zeros.
fn coordinate(bytes: &[u8]) -> Result<[u8; 32], &'static str> {
    let missing = 32_usize
        .checked_sub(bytes.len())
        .ok_or("a coordinate of the attestation key is too long")?;
    let mut padded = [0_u8; 32];
    for (to, from) in padded.iter_mut().skip(missing).zip(bytes) {
        *to = *from;
    }
    Ok(padded)
}
