//! Enrolment over two trips of a stick (`attest/SPEC.md` section 18): the device's side, which has the TPM, and the admin's, which has the key.

use std::path::{Path, PathBuf};

use cloister_attest::{AdminKey, Attestation, EnrolledKey, Purpose, Roots, hex, seal, unseal};
use cloister_enrol::{
    Answer, Challenge, Checked, Drawn, EnrolError, Makers, Moment, Pending, Request, Trusting,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Desk, counter, device_name};
use crate::clock;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::random;
use crate::trust;

/// What is read of a document, bytes: none is longer than 64 KiB.
const DOCUMENT_READ: u64 = 1 << 17;
/// What is read of a file of certificates, bytes. 4 MiB: the makers of all TPMs are some two hundred certificates.
const CERTIFICATES_READ: u64 = 4 << 20;

/// Where the admin's side puts what travels, and what stays.
pub(super) struct Kept<'a> {
    pub(super) out: &'a Path,
    pub(super) keep: &'a Path,
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Failure {
        let kind = match error {
            EnrolError::Malformed { .. } | EnrolError::NoCertificate => Kind::Failed,
            _ => Kind::Integrity,
        };
        Failure::new(kind, &error).hint(error.hint())
    }
}

/// The admin's key, if it is the one that the roots name: whoever changes the roots decides whom a verifier believes.
pub(super) fn admin(home: &Home, roots: &Roots) -> Result<AdminKey, Failure> {
    let key = home.admin_key()?;
    if key.public() == *roots.admin() {
        return Ok(key);
    }
    let file = home.admin_key_file();
    let what = format!("`{}` is not the key that the roots name", file.display());
    Err(Failure::new(Kind::Integrity, what))
}

/// Adds a key to the home's roots; one in software is then accepted as such.
pub(super) fn add(key: EnrolledKey, home: &Home, roots: Roots) -> Result<(), Failure> {
    let roots = match key.kind() {
        Attestation::Tpm2Software => roots.accepting_software(),
        _ => roots,
    };
    let text = roots.enrolling(key).to_json().map_err(Failure::failed)?;
    disk::replace(&home.roots_file(), text.as_bytes())
}

/// Device: what the TPM says of itself.
pub(super) fn request(out: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let roots = home.roots()?;
    let mut tpm = trust::open(desk.tcti.as_deref()).map_err(Failure::failed)?;
    let endorsement = tpm
        .endorsement()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let ak = tpm
        .attestation_key()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let trust::Enrolment { key, uncounted, .. } = counter::enrolment(tpm, home, &roots, desk)?;
    let certified = endorsement.certificate.is_some();
    let shown = fingerprint(&endorsement.public);
    let request = Request::new(
        device_name(),
        key.kind(),
        ak.public_area().to_vec(),
        endorsement.public,
    )
    .certified(endorsement.certificate)
    .anchored_by(key.counter());
    disk::replace(out, request.to_text()?.as_bytes())?;
    desk.document(&json!({"request": out, "certificate": certified, "ek": shown}));
    let without = match certified {
        true => "with its maker's certificate",
        false => "without a certificate: the admin has to compare it here",
    };
    desk.answer(format!(
        "wrote `{}`{}; endorsement key {shown}, {without}; the admin runs `cloister attest challenge`",
        out.display(),
        trust::told(uncounted)
    ));
    Ok(())
}

/// What a person compares of an endorsement key: the hash in its name.
fn fingerprint(public_area: &[u8]) -> String {
    cloister_attest::Digest::of(public_area).to_string()
}

/// Admin: whom to trust; nobody where the admin knows the key in person.
pub(super) fn makers(trusted: &[PathBuf], between: &[PathBuf]) -> Result<Option<Makers>, Failure> {
    if trusted.is_empty() {
        return Ok(None);
    }
    let read = |file: &PathBuf| disk::read_bounded(file, CERTIFICATES_READ);
    let makers = trusted.iter().try_fold(Makers::default(), |makers, file| {
        Ok::<_, Failure>(makers.trusting(&read(file)?)?)
    })?;
    let makers = between.iter().try_fold(makers, |makers, file| {
        Ok::<_, Failure>(makers.over(&read(file)?)?)
    })?;
    Ok(Some(makers))
}

/// Admin: checks a request and makes its challenge. The secret is kept before the challenge can be given away.
pub(super) fn challenge(
    request: &Path,
    makers: Option<&Makers>,
    Kept { out, keep }: Kept<'_>,
    desk: &Desk,
) -> Result<(), Failure> {
    let bytes = disk::read_bounded(request, DOCUMENT_READ)?;
    let now = Moment::from_unix(clock::millis() / 1000);
    let trusting = makers.map_or(Trusting::InPerson, |makers| Trusting::Makers(makers, now));
    let checked = Checked::read(&bytes, trusting)?;
    let entry = checked.entry();
    let (device, kind, how) = (entry.device().to_owned(), entry.kind(), entry.how());
    let ek = format!(
        "sha256:{}",
        hex::encode(checked.endorsement().name().get(2..).unwrap_or_default())
    );
    let (challenge, pending) = checked.challenge(&drawn()?)?;
    disk::replace(keep, pending.to_text()?.as_bytes())?;
    disk::replace(out, challenge.to_text()?.as_bytes())?;
    desk.document(&json!({"device": device, "kind": kind.name(), "how": how, "ek": ek, "challenge": out, "kept": keep}));
    desk.answer(format!(
        "the request of `{device}` ({kind}, {how}) holds, endorsement key {ek}; the device answers `{}`, and `{}` stays here",
        out.display(),
        keep.display()
    ));
    Ok(())
}

fn drawn() -> Result<Drawn, Failure> {
    Ok(Drawn {
        secret: random::bytes()?,
        seed: random::bytes()?,
        lot: random::bytes()?,
    })
}

/// Device: has the TPM give the secret out, and shows that it did.
pub(super) fn activate(challenge: &Path, out: &Path, desk: &Desk) -> Result<(), Failure> {
    let challenge = Challenge::read(&disk::read_bounded(challenge, DOCUMENT_READ)?)?;
    let credential = challenge.credential();
    let mut tpm = trust::open(desk.tcti.as_deref()).map_err(Failure::failed)?;
    let secret = tpm.activate(&credential.id_object, &credential.encrypted_secret);
    let secret = secret.map(Zeroizing::new).map_err(|error| {
        Failure::new(
            Kind::Integrity,
            format!("the challenge is not for this TPM and its attestation key: {error}"),
        )
        .hint("begin again with `cloister attest enroll --request FILE`".to_owned())
    })?;
    disk::replace(out, challenge.answer(&secret).to_text()?.as_bytes())?;
    desk.document(&json!({"answer": out}));
    desk.answer(format!(
        "wrote `{}`; the admin runs `cloister attest accept`",
        out.display()
    ));
    Ok(())
}

/// Admin: signs what was answered. The challenge is forgotten before, so that no answer counts twice.
pub(super) fn accept(
    answer: &Path,
    Kept { out, keep }: Kept<'_>,
    home: &Home,
    desk: &Desk,
) -> Result<(), Failure> {
    let answer = Answer::read(&disk::read_bounded(answer, DOCUMENT_READ)?)?;
    let pending = Pending::read(&disk::read_bounded(keep, DOCUMENT_READ)?)?;
    let roots = home.roots()?;
    let key = admin(home, &roots)?;
    let entry = pending.answered(&answer)?;
    disk::remove(keep)?;
    let (device, kind, how) = (entry.device().to_owned(), entry.kind(), entry.how());
    let sealed = seal(&entry.to_json()?, Purpose::Enrolment, &key);
    disk::replace(out, sealed.as_bytes())?;
    add(entry, home, roots)?;
    desk.document(
        &json!({"device": device, "enrolled": kind.name(), "how": how, "enrolment": out}),
    );
    desk.answer(format!(
        "enrolled `{device}` ({kind}, {how}); `{}` goes to the device, and `{}` to the auditor anew",
        out.display(),
        home.roots_file().display()
    ));
    Ok(())
}

/// Device: takes in what the admin of this home signed for this machine's key.
pub(super) fn install(enrolment: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let roots = home.roots()?;
    let bytes = disk::read_bounded(enrolment, DOCUMENT_READ)?;
    let text = String::from_utf8_lossy(&bytes);
    let body = unseal(&text, Purpose::Enrolment, roots.admin())?;
    let entry = EnrolledKey::from_json(body)?;
    let mut tpm = trust::open(desk.tcti.as_deref()).map_err(Failure::failed)?;
    let own = tpm
        .attestation_key()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    if own.name() != entry.name() {
        let what = format!(
            "the enrolment is of another machine's key, `{}`",
            entry.device()
        );
        return Err(Failure::new(Kind::Integrity, what));
    }
    let (kind, how) = (entry.kind(), entry.how());
    add(entry, home, roots)?;
    desk.document(&json!({"enrolled": kind.name(), "how": how}));
    desk.answer(format!(
        "this machine's attestation key is enrolled ({kind}, {how})"
    ));
    Ok(())
}
