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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::hex::decode;

    /// A quote by a TPM over PCR 16 and the value of that, from the tests of keylime 7.14.3 (Apache-2.0).
    const KEYLIME: &str = "ff54434780180022000b38b5c765a87a73fe6ee657a6dd8b7695b41938f994113a3d74263d9d2ea5033400144169354d35536a596a6e6b797634503769744831000000004c944ee6000000030000000001201910230016363600000001000b0300000100206d4d3749132f6257172164cd5ff3135f447973d4a5c84e018901f6753705b701";
    const PCR_16: &str = "d471c0674951f0ef075aecdd42fbefa6eca6019820add0bd222d1c4e6242ce6f";
    /// What a simulator answered to tpm2-tss's tests (`esys-quote`, `esys-nv-certify`, `esys-certify`, `esys-certify-creation`), as tpmstream 0.1.10 (BSD-2-Clause)
    /// recorded it: a quote over the banks of SHA-1 and SHA-256, an NV index of 20 bytes, a key, and how a key was made.
    const TWO_BANKS: &str = "ff54434780180022000b38f72d8d0e1667d4ae331d7ee27c669be1424c6b821dc70e2b16e9ff1215a22400000000000000000da5c23ef89693d2362c01457d1b44c90395fb00000002000b03000400000b030004000020f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b";
    const NV: &str = "ff54434780140022000ba51ff758f5c7b0eb8caae03027e68ed9e0162468d2e484b917c68fbd917a280100000000000000000d761f05ebc88a336f09012681db8c7f0a89a60022000b0e1aadabcad163a6ed7abb1965a6610a32b40eae941ada91c8c0500b34901764000000140001020304050607080900010203040506070809";
    const A_KEY: &str = "ff54434780170022000be55e3416d0d7262d00bec53a21b0ed62aeb5b003421eea48ae6296c6ebf151e700000000000000000c57e5f5c013b5919bed01f8eaf607f3031d060022000bc8742407694d32857832e57900eb1ba63f2e7f00c7de6df12671a2458a0b32fc0022000be55e3416d0d7262d00bec53a21b0ed62aeb5b003421eea48ae6296c6ebf151e7";
    const A_CREATION: &str = "ff544347801a0022000bc9967f4c49ad5dbfd0aeeae78adf446225e2ed2d68971972732a176bc50c172f00000000000000000c7524fa96f69c675338016328f756dab56fba0022000be7722ddf035c05c6abc5f82aa5cd70a156874259c1db310323d5405d4028f77d00205da041bac0ee3135aebb0cadfba497c6a1877fae832dd3d1f8f7a871b825e854";

    #[test]
    fn a_quote_of_another_project_is_read_as_it_reads_it() {
        let bytes = decode(KEYLIME).unwrap();
        let quote = QuoteInfo::parse(&bytes).unwrap();
        assert_eq!(quote.extra_data, b"Ai5M5SjYjnkyv4P7itH1");
        assert_eq!((quote.reset_count, quote.restart_count), (3, 0));
        assert_eq!(quote.selected, [16]);
        let value = decode(PCR_16).unwrap();
        assert_eq!(quote.pcr_digest, Digest::of(value).as_bytes());
    }

    #[test]
    fn what_other_projects_attest_besides_is_no_quote_and_no_counter() {
        let refused = |hex: &str| {
            let bytes = decode(hex).unwrap();
            let quote = QuoteInfo::parse(&bytes).map(drop);
            (quote, CertifyInfo::parse(&bytes).map(drop))
        };
        let (no_quote, no_counter) = (
            Err("the attestation is not a quote (wrong type)"),
            Err("the attestation is not of a counter (wrong type)"),
        );
        let two = Err("the quote is not over the SHA-256 bank alone");
        assert_eq!(refused(TWO_BANKS), (two, no_counter));
        assert_eq!(refused(KEYLIME), (Ok(()), no_counter));
        assert_eq!(refused(NV), (no_quote, Ok(())));
        assert_eq!(refused(A_KEY), (no_quote, no_counter));
        assert_eq!(refused(A_CREATION), (no_quote, no_counter));
    }

    #[test]
    fn an_index_that_another_project_certified_is_read() {
        let bytes = decode(NV).unwrap();
        let found = CertifyInfo::parse(&bytes).unwrap();
        assert_eq!((found.extra_data, found.offset), (&[][..], 0));
        assert_eq!(found.index_name.len(), 34);
        let twice: Vec<u8> = (0..10).chain(0..10).collect();
        assert_eq!(found.contents, twice);
    }

    #[test]
    fn a_structure_that_is_cut_or_goes_on_is_refused() {
        for hex in [KEYLIME, NV] {
            let whole = decode(hex).unwrap();
            let longer = [whole.as_slice(), &[0]].concat();
            let cut = (0..whole.len()).map(|at| &whole[..at]);
            for bytes in cut.chain([longer.as_slice()]) {
                assert!(QuoteInfo::parse(bytes).is_err());
                assert!(CertifyInfo::parse(bytes).is_err());
            }
        }
    }
}
