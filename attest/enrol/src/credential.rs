//! TPM2_MakeCredential without a TPM: a secret that only the TPM with this endorsement key gives out, and only if it holds the key of this name too. TPM 2.0 part 1,
//! section 24 and annexes B.10.4 (RSA) and C.6.4 (ECC); all hashes SHA-256, all ciphers AES-128-CFB, as the templates say. Pure.

use aes::Aes128;
use cfb_mode::Encryptor;
use cfb_mode::cipher::KeyIvInit;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U64, U2048};
use hmac::{Hmac, KeyInit, Mac};
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::endorsement::{EndorsementKey, Public};
use crate::error::EnrolError;

/// The label of the seed, its zero counted (part 1, section 24).
const IDENTITY: &[u8] = b"IDENTITY\0";
/// Length of an OAEP message for 2,048 bits, without its first byte and the seed of 32.
const DB: usize = 223;

/// What is drawn by lot for one credential; wiped when dropped.
pub struct Drawn {
    /// What the device has to find out.
    pub secret: Zeroizing<[u8; 32]>,
    /// What the credential's keys are derived from; for P-256 it follows from the next.
    pub seed: Zeroizing<[u8; 32]>,
    /// The seed of OAEP, or the ephemeral key on P-256.
    pub lot: Zeroizing<[u8; 32]>,
}

/// What the device's TPM is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `TPMS_ID_OBJECT`.
    pub id_object: Vec<u8>,
    /// `TPM2B_ENCRYPTED_SECRET` without its length.
    pub encrypted_secret: Vec<u8>,
}

/// Makes a credential for the TPM with `ek`, and in it for the key that is named `name`.
///
/// # Errors
/// [`EnrolError::Endorsement`] when `drawn` is no key on P-256, which happens once in 2^32 times.
pub fn make_credential(
    ek: &EndorsementKey,
    name: &[u8],
    drawn: &Drawn,
) -> Result<Credential, EnrolError> {
    let (seed, encrypted_secret) = match &ek.public {
        Public::Rsa(modulus) => (drawn.seed.clone(), to_rsa(modulus, &drawn.seed, &drawn.lot)),
        Public::P256 { x, y } => shared(x, y, &drawn.lot)?,
    };
    let symmetric = kdfa(&seed, "STORAGE", name, 128);
    let integrity = kdfa(&seed, "INTEGRITY", &[], 256);
    let mut identity = [[0, 32].as_slice(), drawn.secret.as_slice()].concat(); // a TPM2B_DIGEST
    let (key, _) = symmetric
        .split_first_chunk::<16>()
        .unwrap_or((&[0; 16], &[]));
    Encryptor::<Aes128>::new(key.into(), &[0; 16].into()).encrypt(&mut identity);
    let outer = hmac(integrity.as_slice(), &[&identity, name]);
    Ok(Credential {
        id_object: [[0, 32].as_slice(), &outer, &identity].concat(),
        encrypted_secret,
    })
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // Sets a key of any length: longer ones are hashed, shorter ones padded.
    let mac = Hmac::<Sha256>::new_from_slice(key).ok();
    let mac = mac.map(|mac| parts.iter().fold(mac, |mac, part| mac.chain_update(part)));
    mac.map_or([0; 32], |mac| mac.finalize().into_bytes().into())
}

/// KDFa (part 1, section 11.4.10.2), of which one block is enough here; the first `bits` of it count.
fn kdfa(key: &[u8; 32], label: &str, context: &[u8], bits: u32) -> Zeroizing<[u8; 32]> {
    let parts: [&[u8]; 5] = [
        &[0, 0, 0, 1],
        label.as_bytes(),
        &[0],
        context,
        &bits.to_be_bytes(),
    ];
    Zeroizing::new(hmac(key, &parts))
}

/// The seed for a key on P-256, by an ephemeral one (KDFe, section 11.4.10.3), and the ephemeral's `TPMS_ECC_POINT`.
fn shared(
    x: &[u8; 32],
    y: &[u8; 32],
    lot: &[u8; 32],
) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>), EnrolError> {
    let refused = |_| EnrolError::Endorsement("no key can be agreed on with it");
    let theirs = [[4].as_slice(), x, y].concat();
    let theirs = p256::PublicKey::from_sec1_bytes(&theirs).map_err(refused)?;
    let ours = p256::SecretKey::from_slice(lot).map_err(refused)?;
    let agreed = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    let point = ours.public_key().to_sec1_point(false);
    let (Some(our_x), Some(our_y)) = (point.x(), point.y()) else {
        return Err(EnrolError::Endorsement("no key can be agreed on with it"));
    };
    let hashed = Sha256::new()
        .chain_update([0, 0, 0, 1])
        .chain_update(agreed.raw_secret_bytes())
        .chain_update(IDENTITY)
        .chain_update(our_x)
        .chain_update(x);
    let sent = [&[0, 32], our_x.as_slice(), &[0, 32], our_y].concat();
    Ok((Zeroizing::new(hashed.finalize().into()), sent))
}

/// RSAES-OAEP (RFC 8017 section 7.1.1) with SHA-256 and the TPM's label, of 32 bytes for 2,048 bits and the exponent 65537.
fn to_rsa(modulus: &[u8; 256], message: &[u8; 32], seed: &[u8; 32]) -> Vec<u8> {
    let mut db = Zeroizing::new([0; DB]);
    let end = [[1].as_slice(), message].concat();
    for (to, from) in db.iter_mut().zip(Sha256::digest(IDENTITY)) {
        *to = from;
    }
    for (to, from) in db.iter_mut().rev().zip(end.iter().rev()) {
        *to = *from;
    }
    mask(db.as_mut_slice(), seed);
    let mut masked_seed = *seed;
    mask(&mut masked_seed, db.as_slice());
    let encoded = [[0].as_slice(), &masked_seed, db.as_slice()].concat();
    let modulus = U2048::from_be_slice(modulus);
    let odd = Odd::new(modulus).into_option();
    let power = odd.map(|odd| {
        let params = FixedMontyParams::new_vartime(odd);
        let base = FixedMontyForm::new(&U2048::from_be_slice(&encoded), &params);
        base.pow(&U64::from_u64(65_537)).retrieve()
    });
    power.map_or_else(Vec::new, |power| power.to_be_bytes().as_ref().to_vec())
}

/// MGF1 (RFC 8017 annex B.2.1) over `bytes`.
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (block, counter) in bytes.chunks_mut(32).zip(0_u32..) {
        let hashed = Sha256::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes());
        for (byte, mask) in block.iter_mut().zip(hashed.finalize()) {
            *byte ^= mask;
        }
    }
}
