//! A TPM made of a P-256 key: quotes and certificates of a counter, each field of which can be forged. Deterministic.

use cloister_attest::*;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};

use super::DEVICE;

/// What goes into a quote; each field can be forged.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) magic: u32,
    pub(crate) kind: u16,
    pub(crate) extra: Vec<u8>,
    pub(crate) resets: u32,
    pub(crate) restarts: u32,
    pub(crate) bank: u16,
    pub(crate) banks: u32,
    pub(crate) bitmap: Vec<u8>,
    pub(crate) pcr_digest: Vec<u8>,
    pub(crate) trailing: Vec<u8>,
    pub(crate) pcrs: Vec<PcrValue>,
    pub(crate) public: Vec<u8>,
}

pub(crate) struct FakeTpm {
    key: SigningKey,
    pub(crate) resets: u32,
    pub(crate) restarts: u32,
}

pub(crate) const AK_ATTRIBUTES: u32 = 0x0005_0472;

impl FakeTpm {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            resets: 3,
            restarts: 0,
        }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.public_with(AK_ATTRIBUTES, 0x0018, 0x000b, 3)
    }

    pub(crate) fn public_with(
        &self,
        attributes: u32,
        scheme: u16,
        hash: u16,
        curve: u16,
    ) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_bytes();
        let uncompressed = if point.len() == 65 {
            point.to_vec()
        } else {
            self.key
                .verifying_key()
                .to_sec1_point(false)
                .as_bytes()
                .to_vec()
        };
        let mut out = Vec::new();
        out.extend(0x0023_u16.to_be_bytes());
        out.extend(0x000b_u16.to_be_bytes());
        out.extend(attributes.to_be_bytes());
        out.extend(0_u16.to_be_bytes());
        for field in [0x0010, scheme, hash, curve, 0x0010] {
            out.extend(u16::to_be_bytes(field));
        }
        for half in uncompressed[1..].chunks(32) {
            out.extend(32_u16.to_be_bytes());
            out.extend(half);
        }
        out
    }

    pub(crate) fn forge(&self, qualifying: &Digest, indices: &[u8]) -> Forge {
        let pcrs: Vec<PcrValue> = indices
            .iter()
            .map(|index| PcrValue {
                index: *index,
                sha256: Digest::of([*index]),
            })
            .collect();
        let values: Vec<&[u8]> = pcrs
            .iter()
            .map(|pcr| pcr.sha256.as_bytes().as_slice())
            .collect();
        let mut bitmap = vec![0_u8; 3];
        for index in indices {
            bitmap[usize::from(index / 8)] |= 1 << (index % 8);
        }
        Forge {
            magic: 0xff54_4347,
            kind: 0x8018,
            extra: qualifying.as_bytes().to_vec(),
            resets: self.resets,
            restarts: self.restarts,
            bank: 0x000b,
            banks: 1,
            bitmap,
            pcr_digest: Digest::of_parts(&values).as_bytes().to_vec(),
            trailing: Vec::new(),
            pcrs,
            public: self.public(),
        }
    }

    /// Signs what was forged, with the real key.
    pub(crate) fn sign(&self, forge: Forge) -> Quote {
        let attest = forge.attest();
        self.sign_raw(&forge, attest)
    }

    /// Signs `attest`, whatever it is.
    pub(crate) fn sign_raw(&self, forge: &Forge, attest: Vec<u8>) -> Quote {
        let signature: Signature = self
            .key
            .sign_prehash(Digest::of(&attest).as_bytes())
            .unwrap();
        let (r, s) = signature.split_bytes();
        Quote::new(
            forge.public.clone(),
            attest,
            r.into(),
            s.into(),
            forge.pcrs.clone(),
        )
    }

    pub(crate) fn quote(&self, qualifying: &Digest) -> Quote {
        self.sign(self.forge(qualifying, &[0, 2, 4, 7]))
    }

    /// The counter of [`COUNTER`] certified at `value`, as a TPM would.
    pub(crate) fn certify(&self, qualifying: &Digest, value: u64) -> Anchor {
        self.certify_forged(&Certificate::of(qualifying, value))
    }

    pub(crate) fn certify_forged(&self, certificate: &Certificate) -> Anchor {
        let attest = certificate.attest();
        let signature: Signature = self
            .key
            .sign_prehash(Digest::of(&attest).as_bytes())
            .unwrap();
        let (r, s) = signature.split_bytes();
        Anchor::new(attest, r.into(), s.into())
    }

    pub(crate) fn enrolled(&self, kind: Attestation) -> EnrolledKey {
        EnrolledKey::pinned_in_person(DEVICE.to_owned(), self.public(), kind, PcrSelection::boot())
            .unwrap()
    }
}

/// What goes into a counter's certificate; each field can be forged.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) magic: u32,
    pub(crate) kind: u16,
    pub(crate) extra: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) offset: u16,
    pub(crate) contents: Vec<u8>,
    pub(crate) trailing: Vec<u8>,
}

/// The fake TPM's counter.
pub(crate) const COUNTER: u32 = 0x0180_c107;

impl Certificate {
    pub(crate) fn of(qualifying: &Digest, value: u64) -> Self {
        Self {
            magic: 0xff54_4347,
            kind: 0x8014,
            extra: qualifying.as_bytes().to_vec(),
            name: counter_name(COUNTER),
            offset: 0,
            contents: value.to_be_bytes().to_vec(),
            trailing: Vec::new(),
        }
    }

    fn attest(&self) -> Vec<u8> {
        let sized = |bytes: &[u8]| {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            [length.as_slice(), bytes].concat()
        };
        [
            self.magic.to_be_bytes().as_slice(),
            &self.kind.to_be_bytes(),
            &sized(&[7; 34]),
            &sized(&self.extra),
            &[0; 25],
            &sized(&self.name),
            &self.offset.to_be_bytes(),
            &sized(&self.contents),
            &self.trailing,
        ]
        .concat()
    }
}

impl Forge {
    pub(crate) fn attest(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.magic.to_be_bytes());
        out.extend(self.kind.to_be_bytes());
        out.extend(34_u16.to_be_bytes());
        out.extend([0x00, 0x0b]);
        out.extend([7; 32]);
        out.extend(u16::try_from(self.extra.len()).unwrap().to_be_bytes());
        out.extend(&self.extra);
        out.extend(123_456_u64.to_be_bytes());
        out.extend(self.resets.to_be_bytes());
        out.extend(self.restarts.to_be_bytes());
        out.push(1);
        out.extend(1_u64.to_be_bytes());
        out.extend(self.banks.to_be_bytes());
        for _ in 0..self.banks {
            out.extend(self.bank.to_be_bytes());
            out.push(u8::try_from(self.bitmap.len()).unwrap());
            out.extend(&self.bitmap);
        }
        out.extend(u16::try_from(self.pcr_digest.len()).unwrap().to_be_bytes());
        out.extend(&self.pcr_digest);
        out.extend(&self.trailing);
        out
    }
}
