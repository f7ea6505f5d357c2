//! The endorsement key: a key of one of two templates, so that its TPM decrypts credentials with it and nothing else. Pure; reads hostile bytes.

use cloister_attest::Digest;

use crate::error::EnrolError;

/// What every key of template L-1 begins with (TCG EK Credential Profile 2.5, B.3.3): RSA, named by SHA-256, attributes fixedTPM, fixedParent, sensitiveDataOrigin,
/// adminWithPolicy, restricted and decrypt, policy A, AES-128-CFB, no scheme, 2,048 bits, the usual exponent; then the modulus and its length.
const RSA_2048: &[&[u8]] = &[
    &[0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20],
    &POLICY_A,
    &[0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10],
    &[0x08, 0x00, 0, 0, 0, 0, 0x01, 0x00],
];
/// The same of template L-2 (B.3.4): ECC on P-256 without a key derivation; then the length of x.
const ECC_P256: &[&[u8]] = &[
    &[0x00, 0x23, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20],
    &POLICY_A,
    &[0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10],
    &[0x00, 0x03, 0x00, 0x10, 0x00, 0x20],
];
/// TPM2_PolicySecret of the endorsement hierarchy.
const POLICY_A: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];
/// SubjectPublicKeyInfo up to the modulus: rsaEncryption, and an INTEGER whose first byte keeps it positive.
const RSA_SPKI: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
/// What follows the modulus: 65537.
const RSA_EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
/// SubjectPublicKeyInfo up to the coordinates: id-ecPublicKey on prime256v1, an uncompressed point.
const ECC_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// An endorsement key of a template that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementKey {
    public_area: Vec<u8>,
    pub(crate) public: Public,
}

/// What is different from TPM to TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Public {
    Rsa(Box<[u8; 256]>),
    P256 { x: [u8; 32], y: [u8; 32] },
}

impl EndorsementKey {
    /// Reads a `TPMT_PUBLIC`.
    ///
    /// # Errors
    /// [`EnrolError::Endorsement`] when it is of no template that we know, byte for byte.
    pub fn parse(public_area: &[u8]) -> Result<Self, EnrolError> {
        let public = rsa(public_area).or_else(|| p256(public_area));
        let public = public.ok_or(EnrolError::Endorsement(
            "it is not of the template for rsa 2048 or for p-256",
        ))?;
        Ok(Self {
            public_area: public_area.to_vec(),
            public,
        })
    }

    /// Its name: `000b` and the SHA-256 of its public area.
    pub fn name(&self) -> Vec<u8> {
        let digest = Digest::of(&self.public_area);
        [[0x00, 0x0b].as_slice(), digest.as_bytes()].concat()
    }

    /// The same key as a certificate has it, DER. There is one way to write it.
    pub(crate) fn subject_public_key_info(&self) -> Vec<u8> {
        match &self.public {
            Public::Rsa(modulus) => [&RSA_SPKI, modulus.as_slice(), &RSA_EXPONENT].concat(),
            Public::P256 { x, y } => [&ECC_SPKI, x.as_slice(), y].concat(),
        }
    }
}

fn rsa(public_area: &[u8]) -> Option<Public> {
    let modulus: [u8; 256] = public_area
        .strip_prefix(RSA_2048.concat().as_slice())?
        .try_into()
        .ok()?;
    // Of 2,048 bits and odd: else it is no modulus, and arithmetic with it not what it seems.
    let whole = modulus.first()? & 0x80 != 0 && modulus.last()? & 1 == 1;
    whole.then(|| Public::Rsa(Box::new(modulus)))
}

fn p256(public_area: &[u8]) -> Option<Public> {
    let rest = public_area.strip_prefix(ECC_P256.concat().as_slice())?;
    let (x, rest) = rest.split_first_chunk::<32>()?;
    let y: [u8; 32] = rest.strip_prefix(&[0x00, 0x20])?.try_into().ok()?;
    let point = [[4].as_slice(), x, &y].concat();
    p256::PublicKey::from_sec1_bytes(&point).ok()?;
    Some(Public::P256 { x: *x, y })
}
