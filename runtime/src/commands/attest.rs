//! `cloister attest`: what the TPM is, and pinning its key in person.

use std::path::Path;

use cloister_attest::{Challenge, CounterAnswer};
use serde_json::json;

use super::{Desk, counter, enrol};
use crate::cli;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;
use crate::trust::{self, Trust};

pub(crate) fn run(command: &cli::Attest, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Attest::Status => status(home, desk),
        cli::Attest::Enroll { request: None } => enroll(home, desk),
        cli::Attest::Enroll { request: Some(out) } => enrol::request(out, home, desk),
        cli::Attest::Challenge {
            request,
            makers,
            between,
            out,
            keep,
            ..
        } => {
            let trusted = enrol::makers(makers, between)?;
            enrol::challenge(request, trusted.as_ref(), enrol::Kept { out, keep }, desk)
        }
        cli::Attest::Activate { challenge, out } => enrol::activate(challenge, out, desk),
        cli::Attest::Accept { answer, keep, out } => {
            enrol::accept(answer, enrol::Kept { out, keep }, home, desk)
        }
        cli::Attest::Install { enrolment } => enrol::install(enrolment, home, desk),
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
    enrol::admin(home, &roots)?;
    let tpm = trust::open(desk.tcti.as_deref()).map_err(Failure::failed)?;
    let trust::Enrolment { key, uncounted, .. } = counter::enrolment(tpm, home, &roots, desk)?;
    let kind = key.kind();
    enrol::add(key, home, roots)?;
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
