//! Whether a TPM vouches for this session: found once, then a value that everything else asks. Touches the TPM.

use std::path::Path;

use cloister_attest::{Attestation, EnrolledKey, Evidence, PcrSelection, Roots, Statement};
use cloister_attest_tpm::{DEFAULT_TCTI, Made, Tpm};
use cloister_policies::AttestationKind;

use crate::anchoring::Anchoring;
use crate::failure::{Failure, Kind};

/// What vouches for a session, fixed before it begins.
pub(crate) enum Trust {
    /// Nothing, and why.
    None(String),
    /// A TPM whose attestation key is enrolled in the trust roots.
    Tpm {
        tpm: Box<Tpm>,
        kind: Attestation,
        pcrs: PcrSelection,
        /// Name of its attestation key.
        key: Vec<u8>,
        /// NV index of the home's counter; a key enrolled by an older version has none.
        counter: Option<u32>,
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

    /// Have the TPM quote over the statement; what it gives besides will anchor the session.
    pub(crate) fn vouch(self, statement: &Statement) -> Result<(Evidence, Anchoring), Failure> {
        match self {
            Trust::None(reason) => Ok((Evidence::None { reason }, Anchoring::Absent)),
            Trust::Tpm {
                mut tpm,
                kind,
                pcrs,
                key,
                counter,
            } => {
                let qualifying = statement.qualifying().map_err(|e| unsaid(&e))?;
                let quote = tpm
                    .quote(&qualifying, &pcrs)
                    .map_err(|e| unsaid(&e).hint(e.hint()))?;
                let evidence = match kind {
                    Attestation::Tpm2Hardware => Evidence::Tpm2Hardware { quote },
                    _ => Evidence::Tpm2Software { quote },
                };
                let anchoring = match counter {
                    None => Anchoring::Absent,
                    Some(index) => Anchoring::By {
                        counter: tpm.into_counter(index).map_err(|e| unsaid(&e))?,
                        key,
                    },
                };
                Ok((evidence, anchoring))
            }
        }
    }
}

fn unsaid(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Integrity, format!("the TPM did not quote: {error}"))
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

/// An attestation key as it would be enrolled.
pub(crate) struct Enrolment {
    pub(crate) key: EnrolledKey,
    /// The counter, where the roots have none yet.
    pub(crate) made: Option<Made>,
    /// Why the home has no counter, if it has none.
    pub(crate) uncounted: Option<String>,
}

/// What is missing of an enrolment without a counter, for a person.
pub(crate) fn told(uncounted: Option<String>) -> String {
    uncounted.map_or_else(String::new, |why| {
        format!(", without a counter to anchor the ledger: {why}")
    })
}

/// Read the TPM's attestation key as it would be enrolled in `roots`, with the counter that it has there, or one that nobody has used: `unused`, if it still is,
/// or a new one.
pub(crate) fn enrolment(
    mut tpm: Tpm,
    device: &str,
    roots: &Roots,
    unused: Option<Made>,
) -> Result<Enrolment, Failure> {
    let kind = tpm.kind().map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let key = tpm
        .attestation_key()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let known = roots.keys().iter().find(|k| k.name() == key.name());
    let pinned = EnrolledKey::pinned_in_person(
        device.to_owned(),
        key.public_area().to_vec(),
        kind,
        PcrSelection::boot(),
    )
    .map_err(Failure::failed)?;
    let counted = |index| pinned.clone().anchored_by(index).map_err(Failure::failed);
    if let Some(index) = known.and_then(EnrolledKey::counter) {
        return Ok(Enrolment {
            key: counted(index)?,
            made: None,
            uncounted: None,
        });
    }
    match tpm.new_counter(unused) {
        Ok(made) => Ok(Enrolment {
            key: counted(made.index)?,
            made: Some(made),
            uncounted: None,
        }),
        Err(error) => Ok(Enrolment {
            key: pinned,
            made: None,
            uncounted: Some(error.to_string()),
        }),
    }
}

fn enrolled(mut tpm: Tpm, roots: &Roots) -> Result<Trust, String> {
    let kind = tpm.kind().map_err(|e| e.to_string())?;
    let key = tpm.attestation_key().map_err(|e| e.to_string())?;
    let known = roots.keys().iter().find(|k| k.name() == key.name());
    let known = known.ok_or("the TPM's attestation key is not enrolled in `keys/roots.json`: `cloister attest enroll` pins it")?;
    Ok(Trust::Tpm {
        tpm: Box::new(tpm),
        kind,
        pcrs: known.pcrs().clone(),
        key: key.name().to_vec(),
        counter: known.counter(),
    })
}
