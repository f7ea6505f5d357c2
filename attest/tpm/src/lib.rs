//! The TPM: an attestation key that is made anew from the TPM's own seed each session, and quotes by it. Touches the TPM, nothing else.
//!
//! The only crate that links `tss-esapi` and with it the TSS libraries. Nothing is stored but the counter that anchors a home's ledger (`counter.rs`). Objects
//! are flushed after use, so a TPM without a resource manager works too.
//!
//! The TSS libraries print on standard error unless the environment says `TSS2_LOG=all+none`. That must be set before
//! the process starts; setting it later is `unsafe` and not ours to do.

mod counter;
mod endorsement;
mod error;
mod key;
mod wire;

use std::fs::OpenOptions;
use std::str::FromStr;

use cloister_attest::{Attestation, Digest, PcrSelection, PcrValue, Quote, attestation_key_name};
use tss_esapi::Context;
use tss_esapi::constants::PropertyTag;
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{
    Attest, AttestInfo, Data, PcrSelectionList, PcrSlot, Signature, SignatureScheme,
};
use tss_esapi::tcti_ldr::TctiNameConf;
use tss_esapi::traits::Marshall;

pub use counter::{Certified, Counter, Made};
pub use endorsement::Endorsement;
pub use error::TpmError;

/// Where the kernel's resource manager puts the TPM.
pub const DEFAULT_TCTI: &str = "device:/dev/tpmrm0";

/// How often a quote is taken again because a PCR changed between the quote and the reading of its values. Boot is over
/// when we run, so once is rare and three times in a row means that something extends PCRs all the time.
const ATTEMPTS: usize = 3;

/// PCRs a TPM returns in one reading: `TPML_DIGEST` holds 8 (TPM 2.0 part 2 section 10.9.4).
const PCRS_AT_ONCE: usize = 8;

/// Makers of TPMs of their own, chips and firmware, by their id in the TCG's vendor registry. Whoever is not listed (`IBM` is
/// what swtpm says, `MSFT` Hyper-V, `VMW ` VMware, `GOOG` and `AMZN` clouds) counts as software: the cautious way to be wrong.
const HARDWARE: [&[u8; 4]; 21] = [
    b"AMD\0", b"ATML", b"BRCM", b"CROS", b"CSCO", b"FLYS", b"HPE\0", b"HPI\0", b"IFX\0", b"INTC",
    b"LEN\0", b"NSG\0", b"NSM ", b"NTC\0", b"NTZ\0", b"QCOM", b"ROCC", b"SMSC", b"STM ", b"TXN\0",
    b"WEC\0",
];

/// A TPM, opened.
pub struct Tpm {
    tcti: String,
    context: Context,
}

/// An attestation key as an admin enrols it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationKey {
    public: Vec<u8>,
    name: Vec<u8>,
}

impl AttestationKey {
    /// Its public area, `TPMT_PUBLIC`.
    pub fn public_area(&self) -> &[u8] {
        &self.public
    }

    /// Its name: `000b` and the SHA-256 of its public area.
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Tpm {
    /// Opens the TPM that `tcti` names: `device:/dev/tpmrm0`, or `swtpm:host=127.0.0.1,port=2321`.
    ///
    /// # Errors
    /// [`TpmError::Name`], [`TpmError::Device`] when the device is missing or not ours to open, [`TpmError::Tss`].
    pub fn open(tcti: &str) -> Result<Self, TpmError> {
        if let Some(path) = tcti.strip_prefix("device:") {
            // Asked first, since the TSS libraries answer a missing permission with a code and lines on standard error.
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(|source| TpmError::Device {
                    path: path.to_owned(),
                    source,
                })?;
        }
        let name = TctiNameConf::from_str(tcti).map_err(|_| TpmError::Name {
            tcti: tcti.to_owned(),
        })?;
        let context = Context::new(name).map_err(TpmError::doing("open the TPM"))?;
        Ok(Self {
            tcti: tcti.to_owned(),
            context,
        })
    }

    /// Makes a counter for one more home, or takes one that was made and that nobody has used.
    ///
    /// # Errors
    /// As [`Counter::define`].
    pub fn new_counter(self, unused: Option<Made>) -> Result<Made, TpmError> {
        let Self { tcti, context } = self;
        drop(context); // a simulator talks to one at a time
        match unused {
            Some(made) if Counter::is_unused(&tcti, made)? => Ok(made),
            _ => Counter::define(&tcti),
        }
    }

    /// The home's counter at `index`.
    ///
    /// # Errors
    /// As [`Counter::open`].
    pub fn into_counter(self, index: u32) -> Result<Counter, TpmError> {
        let Self { tcti, context } = self;
        drop(context);
        Counter::open(&tcti, index)
    }

    /// Whether this is a TPM of its own or one in software, by who says to have made it.
    ///
    /// # Errors
    /// [`TpmError::Tss`].
    pub fn kind(&mut self) -> Result<Attestation, TpmError> {
        let maker = self
            .context
            .get_tpm_property(PropertyTag::Manufacturer)
            .map_err(TpmError::doing("ask who made the TPM"))?
            .unwrap_or_default();
        Ok(kind_by_maker(maker.to_be_bytes()))
    }

    /// The attestation key, as to be enrolled. The same each time, until the TPM's owner clears it.
    ///
    /// # Errors
    /// [`TpmError::Tss`].
    pub fn attestation_key(&mut self) -> Result<AttestationKey, TpmError> {
        let (handle, public) = key::create(&mut self.context)?;
        key::flush(&mut self.context, handle)?;
        let name = attestation_key_name(&public).map_err(TpmError::Answer)?;
        Ok(AttestationKey { public, name })
    }

    /// The endorsement key, with the maker's certificate where the TPM has one.
    ///
    /// # Errors
    /// [`TpmError::Tss`].
    pub fn endorsement(&mut self) -> Result<Endorsement, TpmError> {
        endorsement::find(&mut self.context)
    }

    /// The secret of a credential (`TPMS_ID_OBJECT`, and what is encrypted to the endorsement key), if it was made for this TPM and its attestation key.
    ///
    /// # Errors
    /// [`TpmError::Tss`], also when it was made for others.
    pub fn activate(&mut self, id_object: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, TpmError> {
        endorsement::activate(&mut self.context, id_object, encrypted)
    }

    /// Quotes `pcrs` of the SHA-256 bank over `qualifying`, which is a statement's [`cloister_attest::Statement::qualifying`].
    ///
    /// # Errors
    /// [`TpmError::Tss`], [`TpmError::Pcrs`] when the TPM lacks a PCR or one keeps changing.
    pub fn quote(&mut self, qualifying: &Digest, pcrs: &PcrSelection) -> Result<Quote, TpmError> {
        let (handle, public) = key::create(&mut self.context)?;
        let quoted = self.quote_steadily(handle, qualifying, pcrs);
        // Flushed whatever happened: without a resource manager three forgotten keys fill the TPM.
        key::flush(&mut self.context, handle)?;
        let Quoted {
            attest,
            r,
            s,
            values,
        } = quoted?;
        Ok(Quote::new(public, attest, r, s, values))
    }

    fn quote_steadily(
        &mut self,
        key: KeyHandle,
        qualifying: &Digest,
        pcrs: &PcrSelection,
    ) -> Result<Quoted, TpmError> {
        for _ in 0..ATTEMPTS {
            let (attest, signature) = self.quote_once(key, qualifying, pcrs)?;
            let values = self.read(pcrs)?;
            let parts: Vec<&[u8]> = values
                .iter()
                .map(|value| value.sha256.as_bytes().as_slice())
                .collect();
            let AttestInfo::Quote { info } = attest.attested() else {
                return Err(TpmError::unexpected("a quote"));
            };
            if info.pcr_digest().as_slice() == Digest::of_parts(&parts).as_bytes() {
                let attest = attest
                    .marshall()
                    .map_err(TpmError::doing("read the quote"))?;
                let (r, s) = key::scalars(&signature)?;
                return Ok(Quoted {
                    attest,
                    r,
                    s,
                    values,
                });
            }
        }
        Err(TpmError::Pcrs {
            why: "they change all the time",
        })
    }

    fn quote_once(
        &mut self,
        key: KeyHandle,
        qualifying: &Digest,
        pcrs: &PcrSelection,
    ) -> Result<(Attest, Signature), TpmError> {
        let failed = TpmError::doing("quote");
        let data =
            Data::try_from(qualifying.as_bytes().as_slice()).map_err(TpmError::doing("quote"))?;
        let selection = select(pcrs.indices())?;
        self.context
            .execute_with_session(Some(key::NO_PASSWORD), |context| {
                context.quote(key, data, SignatureScheme::Null, selection)
            })
            .map_err(failed)
    }

    fn read(&mut self, pcrs: &PcrSelection) -> Result<Vec<PcrValue>, TpmError> {
        let mut values = Vec::new();
        for indices in pcrs.indices().chunks(PCRS_AT_ONCE) {
            let selection = select(indices)?;
            let (_, _, digests) = self
                .context
                .execute_without_session(|context| context.pcr_read(selection))
                .map_err(TpmError::doing("read the PCRs"))?;
            if digests.len() != indices.len() {
                return Err(TpmError::Pcrs {
                    why: "the TPM has no SHA-256 bank with all of them",
                });
            }
            for (index, digest) in indices.iter().zip(digests.value()) {
                let bytes = digest
                    .as_slice()
                    .try_into()
                    .map_err(|_| TpmError::unexpected("a SHA-256 PCR"))?;
                values.push(PcrValue {
                    index: *index,
                    sha256: Digest::from_bytes(bytes),
                });
            }
        }
        Ok(values)
    }
}

struct Quoted {
    attest: Vec<u8>,
    r: [u8; 32],
    s: [u8; 32],
    values: Vec<PcrValue>,
}

fn select(indices: &[u8]) -> Result<PcrSelectionList, TpmError> {
    let slots = indices
        .iter()
        .map(|index| PcrSlot::try_from(1_u32.checked_shl(u32::from(*index)).unwrap_or_default()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(TpmError::doing("select the PCRs"))?;
    PcrSelectionList::builder()
        .with_selection(HashingAlgorithm::Sha256, &slots)
        .build()
        .map_err(TpmError::doing("select the PCRs"))
}

fn kind_by_maker(maker: [u8; 4]) -> Attestation {
    // Makers pad their id with zeros or with blanks, and not always as registered.
    let id = |bytes: &[u8; 4]| bytes.map(|byte| if byte == 0 { b' ' } else { byte });
    let known = HARDWARE.iter().any(|hardware| id(hardware) == id(&maker));
    if known {
        Attestation::Tpm2Hardware
    } else {
        Attestation::Tpm2Software
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_makers_count_as_hardware() {
        for maker in [b"INTC", b"IFX\0", b"IFX ", b"STM ", b"AMD\0"] {
            assert_eq!(
                kind_by_maker(*maker),
                Attestation::Tpm2Hardware,
                "{maker:?}"
            );
        }
        for maker in [
            b"IBM\0",
            b"MSFT",
            b"VMW ",
            b"GOOG",
            b"SW  ",
            b"\0\0\0\0",
            b"????",
        ] {
            assert_eq!(
                kind_by_maker(*maker),
                Attestation::Tpm2Software,
                "{maker:?}"
            );
        }
    }

    #[test]
    fn a_missing_device_is_named_with_a_hint() {
        let Err(error) = Tpm::open("device:/dev/no-such-tpm") else {
            panic!("there is no such device")
        };
        assert!(error.to_string().contains("`/dev/no-such-tpm`"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("TPM")));
        assert!(matches!(Tpm::open("nonsense"), Err(TpmError::Name { .. })));
    }
}
