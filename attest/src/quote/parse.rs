//! Reads TPM structures: big-endian, length-prefixed, nothing left over. Never panics on hostile bytes. Pure.

/// TPM_GENERATED_VALUE, TPM 2.0 part 2 section 6.2: the TPM made this structure. A restricted key signs nothing else that begins so.
const GENERATED: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_QUOTE, section 6.9.
const ST_ATTEST_QUOTE: u16 = 0x8018;
/// TPM_ST_ATTEST_NV, section 6.9.
const ST_ATTEST_NV: u16 = 0x8014;
/// TPM_ALG_SHA256, section 6.3.
pub(super) const ALG_SHA256: u16 = 0x000b;

/// Takes big-endian fields off the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or("a TPM structure ends too early")?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, &'static str> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, &'static str> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or("a TPM structure ends too early")?;
        self.0 = rest;
        Ok(head)
    }

    /// A TPM2B: two bytes of length, then so many.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn finish(self) -> Result<(), &'static str> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err("a TPM structure has bytes left over")
        }
    }
}

/// What matters of a `TPMS_ATTEST` that holds a quote.
pub(super) struct QuoteInfo<'a> {
    pub(super) extra_data: &'a [u8],
    pub(super) reset_count: u32,
    pub(super) restart_count: u32,
    /// Indices in the SHA-256 bank, ascending.
    pub(super) selected: Vec<u8>,
    pub(super) pcr_digest: &'a [u8],
}

impl<'a> QuoteInfo<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != GENERATED {
            return Err("the quote was not made by a TPM (wrong magic)");
        }
        if reader.u16()? != ST_ATTEST_QUOTE {
            return Err("the attestation is not a quote (wrong type)");
        }
        reader.sized()?; // qualified signer: follows from the key and its hierarchy
        let extra_data = reader.sized()?;
        reader.take(8)?; // clock: runs on between resets, may step back after a power cut
        let (reset_count, restart_count) = (reader.u32()?, reader.u32()?);
        reader.take(1 + 8)?; // safe flag, firmware version
        let selected = selection(&mut reader)?;
        let pcr_digest = reader.sized()?;
        reader.finish()?;
        Ok(Self {
            extra_data,
            reset_count,
            restart_count,
            selected,
            pcr_digest,
        })
    }
}

/// What matters of a `TPMS_ATTEST` that certifies an NV index.
pub(crate) struct CertifyInfo<'a> {
    pub(crate) extra_data: &'a [u8],
    pub(crate) index_name: &'a [u8],
    pub(crate) offset: u16,
    pub(crate) contents: &'a [u8],
}

impl<'a> CertifyInfo<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != GENERATED {
            return Err("the certificate was not made by a TPM (wrong magic)");
        }
        if reader.u16()? != ST_ATTEST_NV {
            return Err("the attestation is not of a counter (wrong type)");
        }
        reader.sized()?; // qualified signer, as in a quote
        let extra_data = reader.sized()?;
        reader.take(8 + 4 + 4 + 1 + 8)?; // clock, resets and firmware: the session's quote speaks of them
        let index_name = reader.sized()?;
        let offset = reader.u16()?;
        let contents = reader.sized()?;
        reader.finish()?;
        Ok(Self {
            extra_data,
            index_name,
            offset,
            contents,
        })
    }
}

/// `TPML_PCR_SELECTION` with exactly one bank, SHA-256 (CVE-2024-29039: what is selected must be looked at).
fn selection(reader: &mut Reader<'_>) -> Result<Vec<u8>, &'static str> {
    if reader.u32()? != 1 || reader.u16()? != ALG_SHA256 {
        return Err("the quote is not over the SHA-256 bank alone");
    }
    let length = reader.u8()?;
    if length > 4 {
        return Err("the quote's PCR selection is too long");
    }
    let bitmap = reader.take(usize::from(length))?;
    let bits = bitmap
        .iter()
        .zip([0_u8, 8, 16, 24])
        .flat_map(|(byte, base)| {
            (0..8_u8)
                .filter(move |bit| byte >> bit & 1 == 1)
                .map(move |bit| base | bit)
        });
    Ok(bits.collect())
}
