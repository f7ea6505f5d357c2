//! `cloister attest`: what the TPM is, and pinning its key in person.

use std::path::Path;

use cloister_attest::{Attestation, Challenge, CounterAnswer};
use serde_json::json;

use super::{Desk, device_name};
use crate::cli;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::trust::{self, Trust};

pub(crate) fn run(command: &cli::Attest, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Attest::Status => status(home, desk),
        cli::Attest::Enroll => enroll(home, desk),
        cli::Attest::Evidence { challenge, out } => evidence(challenge, out, home, desk),
    }
}

fn status(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let roots = home.roots()?;
    let trust = Trust::find(desk.tcti.as_deref(), &roots);
    desk.document(&json!({"attestation": trust.attestation().name(), "reason": trust.reason(), "enrolled": roots.keys().len()}));
    desk.answer(format!(
        "attestation {}{}",
        trust.attestation(),
        trust.reason().map(|r| format!(": {r}")).unwrap_or_default()
    ));
    Ok(())
}

/// Needs the admin's key at hand, since whoever changes the roots decides whom a verifier believes.
fn enroll(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let roots = home.roots()?;
    if home.admin_key()?.public() != *roots.admin() {
        return Err(Failure::new(
            Kind::Integrity,
            format!(
                "`{}` is not the key that the roots name",
                home.admin_key_file().display()
            ),
        ));
    }
    let tpm = trust::open(desk.tcti.as_deref()).map_err(Failure::failed)?;
    let trust::Enrolment { key, uncounted } = trust::enrolment(tpm, &device_name(), &roots)?;
    let kind = key.kind();
    let roots = if kind == Attestation::Tpm2Software {
        roots.accepting_software()
    } else {
        roots
    };
    let text = roots.enrolling(key).to_json().map_err(Failure::failed)?;
    disk::replace(&home.roots_file(), text.as_bytes())?;
    desk.document(&json!({"enrolled": kind.name()}));
    desk.answer(format!("enrolled this machine's attestation key ({kind}), pinned in person{}; give `{}` to the auditor anew", trust::told(uncounted), home.roots_file().display()));
    Ok(())
}

/// Where the counter stands now, certified over an auditor's challenge: with the ledger, it shows whether this is the newest one.
fn evidence(challenge: &Challenge, out: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let trust = Trust::find(desk.tcti.as_deref(), &home.roots()?);
    let mut counter = match trust {
        Trust::None(reason) => return Err(Failure::failed(reason)),
        Trust::Tpm { counter: None, .. } => {
            return Err(Failure::failed("this home has no counter in the TPM")
                .hint("`cloister attest enroll` makes one".to_owned()));
        }
        Trust::Tpm {
            tpm,
            counter: Some(index),
            ..
        } => tpm.into_counter(index).map_err(Failure::failed)?,
    };
    let certified = counter
        .certify(&CounterAnswer::qualifying(challenge))
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let answer = CounterAnswer::write(certified.ak_public, challenge.clone(), certified.anchor)?;
    disk::replace(out, &answer)?;
    desk.document(&json!({"evidence": out, "challenge": challenge.to_string()}));
    desk.answer(format!(
        "wrote `{}`; the auditor runs `cloister-verify LEDGER --roots ROOTS.json --challenge {challenge} --evidence {}`",
        out.display(),
        out.display()
    ));
    Ok(())
}
