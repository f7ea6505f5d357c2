//! Whether a TPM vouches for this session: found once, then a value that everything else asks. Touches the TPM.

use std::path::Path;

use cloister_attest::{Attestation, EnrolledKey, Evidence, PcrSelection, Roots, Statement};
use cloister_attest_tpm::{DEFAULT_TCTI, Tpm};
use cloister_policies::AttestationKind;

use crate::failure::{Failure, Kind};

/// What vouches for a session, fixed before it begins.
pub(crate) enum Trust {
    /// Nothing, and why.
    None(String),
    /// A TPM whose attestation key is enrolled in the trust roots.
    Tpm {
        tpm: Tpm,
        kind: Attestation,
        pcrs: PcrSelection,
    },
}

impl Trust {
    /// Look for the TPM and its enrolment. A missing TPM is a value; the policy says whether it will do.
    pub(crate) fn find(tcti: Option<&str>, roots: &Roots) -> Trust {
        match open(tcti) {
            Err(reason) => Trust::None(reason),
            Ok(tpm) => enrolled(tpm, roots).unwrap_or_else(Trust::None),
        }
    }

    pub(crate) fn attestation(&self) -> Attestation {
        match self {
            Trust::None(_) => Attestation::None,
            Trust::Tpm { kind, .. } => *kind,
        }
    }

    /// The same, as judgement names it.
    pub(crate) fn kind(&self) -> AttestationKind {
        match self.attestation() {
            Attestation::None => AttestationKind::None,
            Attestation::Tpm2Software => AttestationKind::Tpm2Software,
            Attestation::Tpm2Hardware => AttestationKind::Tpm2Hardware,
        }
    }

    /// Why there is nothing, for a person.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Trust::None(reason) => Some(reason),
            Trust::Tpm { .. } => None,
        }
    }

    /// Have the TPM quote over the statement.
    pub(crate) fn vouch(&mut self, statement: &Statement) -> Result<Evidence, Failure> {
        let integrity = |e: &dyn std::fmt::Display| {
            Failure::new(Kind::Integrity, format!("the TPM did not quote: {e}"))
        };
        match self {
            Trust::None(reason) => Ok(Evidence::None {
                reason: reason.clone(),
            }),
            Trust::Tpm { tpm, kind, pcrs } => {
                let qualifying = statement.qualifying().map_err(|e| integrity(&e))?;
                let quote = tpm
                    .quote(&qualifying, pcrs)
                    .map_err(|e| integrity(&e).hint(e.hint()))?;
                Ok(match kind {
                    Attestation::Tpm2Hardware => Evidence::Tpm2Hardware { quote },
                    _ => Evidence::Tpm2Software { quote },
                })
            }
        }
    }
}

/// Open the TPM that was named, or the machine's own where it has one.
pub(crate) fn open(tcti: Option<&str>) -> Result<Tpm, String> {
    let tcti = match tcti {
        Some("none") => return Err("no TPM is to be used (`none`)".to_owned()),
        Some(tcti) => tcti,
        None if Path::new("/dev/tpmrm0").exists() => DEFAULT_TCTI,
        None => return Err("this machine has no TPM (`/dev/tpmrm0` is not there)".to_owned()),
    };
    Tpm::open(tcti).map_err(|e| e.to_string())
}

/// Read the TPM's attestation key as it would be enrolled.
pub(crate) fn key_of(tpm: &mut Tpm, device: &str) -> Result<EnrolledKey, Failure> {
    let kind = tpm.kind().map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let key = tpm
        .attestation_key()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    EnrolledKey::pinned_in_person(
        device.to_owned(),
        key.public_area().to_vec(),
        kind,
        PcrSelection::boot(),
    )
    .map_err(Failure::failed)
}

fn enrolled(mut tpm: Tpm, roots: &Roots) -> Result<Trust, String> {
    let kind = tpm.kind().map_err(|e| e.to_string())?;
    let key = tpm.attestation_key().map_err(|e| e.to_string())?;
    let known = roots.keys().iter().find(|k| k.name() == key.name());
    let pcrs = known.map(|k| k.pcrs().clone()).ok_or("the TPM's attestation key is not enrolled in `keys/roots.json`: `cloister attest enroll` pins it")?;
    Ok(Trust::Tpm { tpm, kind, pcrs })
}
