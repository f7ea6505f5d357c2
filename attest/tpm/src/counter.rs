//! The counter that anchors a home's ledger: an NV index that only rises, and certificates of its value (SPEC.md section 14). Touches the TPM.

use cloister_attest::{Anchor, COUNTERS, Digest, attestation_key_name, counter_name};

use crate::error::TpmError;
use crate::key;
use crate::wire::{Answer, Command, OWNER, Wire};

/// Command codes, TPM 2.0 part 2 section 6.5.2.
const NV_DEFINE_SPACE: u32 = 0x12a;
const CREATE_PRIMARY: u32 = 0x131;
const NV_INCREMENT: u32 = 0x134;
const NV_READ: u32 = 0x14e;
const FLUSH_CONTEXT: u32 = 0x165;
const NV_READ_PUBLIC: u32 = 0x169;
const NV_CERTIFY: u32 = 0x184;
/// `TPM_RC_HANDLE` for the first handle: there is no such index (part 2 section 6.6).
const NO_SUCH_INDEX: u32 = 0x18b;
/// `TPM_ALG_SHA256`, `TPM_ALG_NULL`, `TPM_ALG_ECDSA`, part 2 section 6.3.
const ALG_SHA256: u16 = 0x000b;
const ALG_NULL: u16 = 0x0010;
const ALG_ECDSA: u16 = 0x0018;
/// `TPMA_NV`: AUTHWRITE, COUNTER, AUTHREAD, NO_DA. The empty password is enough to raise and to read it; nothing lowers it.
const ATTRIBUTES: u32 = 0x0204_0014;
/// Size of a counter, bytes.
const SIZE: u16 = 8;

/// A home's counter, and the attestation key that certifies it.
pub struct Counter {
    wire: Wire,
    index: u32,
}

/// A certificate, and the key that made it.
pub struct Certified {
    /// The certificate.
    pub anchor: Anchor,
    /// The attestation key's public area.
    pub ak_public: Vec<u8>,
}

/// A counter that was made, and where it stood then: nobody has raised it for as long as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its NV index.
    pub index: u32,
    /// Its first value.
    pub value: u64,
}

impl Counter {
    /// Makes a counter at the first index that is free, and gives it its first value.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM has no room, or its owner hierarchy wants a password.
    pub fn define(tcti: &str) -> Result<Made, TpmError> {
        let mut wire = Wire::open(tcti)?;
        for index in COUNTERS {
            if public(&mut wire, index)?.is_some() {
                continue;
            }
            let public = [
                index.to_be_bytes().as_slice(),
                &ALG_SHA256.to_be_bytes(),
                &ATTRIBUTES.to_be_bytes(),
                &0_u16.to_be_bytes(), // no policy
                &SIZE.to_be_bytes(),
            ]
            .concat();
            let define = Command::new(NV_DEFINE_SPACE).authorised(OWNER);
            wire.send(&define.sized(&[]).sized(&public))?;
            let mut counter = Self { wire, index };
            counter.raise()?;
            let value = counter.value()?;
            return Ok(Made { index, value });
        }
        Err(TpmError::unexpected("a free index for a counter"))
    }

    /// Whether a counter that was made is still there, by its name and value, and nobody has used it.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM cannot be asked.
    pub fn is_unused(tcti: &str, made: Made) -> Result<bool, TpmError> {
        let mut wire = Wire::open(tcti)?;
        let Some(mut answer) = public(&mut wire, made.index)? else {
            return Ok(false);
        };
        answer.sized()?; // the public area, of which the name is a hash
        if answer.sized()? != counter_name(made.index) {
            return Ok(false);
        }
        let index = made.index;
        let value = Self { wire, index }.value()?;
        Ok(value == made.value)
    }

    /// The counter at `index`.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM cannot be reached.
    pub fn open(tcti: &str, index: u32) -> Result<Self, TpmError> {
        let wire = Wire::open(tcti)?;
        Ok(Self { wire, index })
    }

    /// Where it stands.
    ///
    /// # Errors
    /// [`TpmError::Code`] when it is gone.
    pub fn value(&mut self) -> Result<u64, TpmError> {
        let read = Command::new(NV_READ)
            .authorised(self.index)
            .handle(self.index);
        let mut answer = self.wire.send(&read.u16(SIZE).u16(0))?;
        answer.u32()?; // length of the parameters
        let bytes = answer.sized()?.try_into();
        bytes
            .map(u64::from_be_bytes)
            .map_err(|_| TpmError::unexpected("a counter of 8 bytes"))
    }

    /// Raises it by one and has its value certified over `qualifying`.
    ///
    /// # Errors
    /// [`TpmError`]; the counter may have been raised all the same.
    pub fn raise_and_certify(&mut self, qualifying: &Digest) -> Result<Anchor, TpmError> {
        self.raise()?;
        self.certify(qualifying).map(|certified| certified.anchor)
    }

    /// Has its value certified over `qualifying`, as it is.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn certify(&mut self, qualifying: &Digest) -> Result<Certified, TpmError> {
        let (handle, ak_public) = self.attestation_key()?;
        let certified = self.certify_by(handle, qualifying);
        // Flushed whatever happened: without a resource manager three forgotten keys fill the TPM.
        let flush = Command::new(FLUSH_CONTEXT).u32(handle);
        self.wire.send(&flush)?;
        Ok(Certified {
            anchor: certified?,
            ak_public,
        })
    }

    fn raise(&mut self) -> Result<(), TpmError> {
        let raise = Command::new(NV_INCREMENT)
            .authorised(self.index)
            .handle(self.index);
        self.wire.send(&raise).map(drop)
    }

    /// The same key as the quotes' (`key.rs`), on this way to the TPM: handles do not cross from one to another.
    fn attestation_key(&mut self) -> Result<(u32, Vec<u8>), TpmError> {
        const NO_SECRET: [u8; 4] = [0; 4]; // neither a password nor data of ours
        let create = Command::new(CREATE_PRIMARY).authorised(OWNER);
        let create = create.sized(&NO_SECRET).sized(&key::template_bytes()?);
        let mut answer = self.wire.send(&create.sized(&[]).u32(0))?;
        let handle = answer.u32()?;
        answer.u32()?; // length of the parameters
        let public = answer.sized()?;
        attestation_key_name(&public).map_err(TpmError::Answer)?;
        Ok((handle, public))
    }

    fn certify_by(&mut self, key: u32, qualifying: &Digest) -> Result<Anchor, TpmError> {
        let certify = Command::new(NV_CERTIFY)
            .authorised(key)
            .authorised(self.index)
            .handle(self.index)
            .sized(qualifying.as_bytes())
            .u16(ALG_NULL); // the key's own scheme
        let mut answer = self.wire.send(&certify.u16(SIZE).u16(0))?;
        answer.u32()?; // length of the parameters
        let attest = answer.sized()?;
        if (answer.u16()?, answer.u16()?) != (ALG_ECDSA, ALG_SHA256) {
            return Err(TpmError::unexpected("an ECDSA signature"));
        }
        let (r, s) = (
            key::padded(&answer.sized()?)?,
            key::padded(&answer.sized()?)?,
        );
        Ok(Anchor::new(attest, r, s))
    }
}

/// What the TPM says of an index, if it is not free.
fn public(wire: &mut Wire, index: u32) -> Result<Option<Answer>, TpmError> {
    match wire.send(&Command::new(NV_READ_PUBLIC).handle(index)) {
        Err(TpmError::Code {
            code: NO_SUCH_INDEX,
        }) => Ok(None),
        answer => answer.map(Some),
    }
}
