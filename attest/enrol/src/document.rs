//! What travels: request, challenge, answer; and what the admin keeps meanwhile. Pure; reads hostile bytes.

use cloister_attest::{Attestation, Digest, EnrolledKey, PcrSelection, attestation_key_name, hex};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::certificate::{Makers, Moment};
use crate::credential::{Credential, Drawn, make_credential};
use crate::endorsement::EndorsementKey;
use crate::error::EnrolError;

/// Longest document, bytes. 64 KiB: a request with a certificate of 4 KiB is some 10 KiB.
const LONGEST: usize = 64 << 10;
/// Stands before the request's digest in what the answer proves.
const ANSWER_DOMAIN: &[u8] = b"enrolment-answer/v1\0";

fn read<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, EnrolError> {
    let malformed = |why: String| EnrolError::Malformed { what, why };
    if bytes.len() > LONGEST {
        return Err(malformed("it is too long".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
}

fn write<T: Serialize>(what: &'static str, value: &T) -> Result<String, EnrolError> {
    let text = serde_json::to_string(value).map_err(|error| EnrolError::Malformed {
        what,
        why: error.to_string(),
    })?;
    Ok(text + "\n")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum RequestProto {
    #[serde(rename = "cloister-enrolment-request/v1")]
    V1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ChallengeProto {
    #[serde(rename = "cloister-enrolment-challenge/v1")]
    V1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AnswerProto {
    #[serde(rename = "cloister-enrolment-answer/v1")]
    V1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum PendingProto {
    #[serde(rename = "cloister-enrolment-pending/v1")]
    V1,
}

/// What a device asks: that its attestation key be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    proto: RequestProto,
    device: String,
    kind: Attestation,
    #[serde(with = "hex::bytes")]
    ak: Vec<u8>,
    #[serde(with = "hex::bytes")]
    ek: Vec<u8>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "hex::some_bytes"
    )]
    certificate: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u32>,
}

impl Request {
    /// A request for the key with public area `ak`, in the TPM of `ek`.
    pub fn new(device: String, kind: Attestation, ak: Vec<u8>, ek: Vec<u8>) -> Self {
        Self {
            proto: RequestProto::V1,
            device,
            kind,
            ak,
            ek,
            certificate: None,
            counter: None,
        }
    }

    /// The same, with what the maker says of `ek`, where the TPM has it.
    pub fn certified(self, certificate: Option<Vec<u8>>) -> Self {
        Self {
            certificate,
            ..self
        }
    }

    /// The same, with the counter that anchors the home's sessions, where there is one.
    pub fn anchored_by(self, counter: Option<u32>) -> Self {
        Self { counter, ..self }
    }

    /// Its text, one line.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_text(&self) -> Result<String, EnrolError> {
        write("request", self)
    }
}

/// What a request stands on.
#[derive(Debug, Clone, Copy)]
pub enum Trusting<'a> {
    /// A certificate by one of these, at this moment.
    Makers(&'a Makers, Moment),
    /// The admin, who knows the endorsement key from the device itself.
    InPerson,
}

/// A request that may be challenged.
#[derive(Debug)]
pub struct Checked {
    request: Vec<u8>,
    entry: EnrolledKey,
    ek: EndorsementKey,
}

impl Checked {
    /// Reads a request and checks all that can be checked of it without its TPM.
    ///
    /// # Errors
    /// [`EnrolError`], whatever is first.
    pub fn read(bytes: &[u8], trusting: Trusting<'_>) -> Result<Self, EnrolError> {
        let request: Request = read("request", bytes)?;
        attestation_key_name(&request.ak).map_err(EnrolError::Attestation)?;
        let ek = EndorsementKey::parse(&request.ek)?;
        let endorsed = match (trusting, &request.certificate) {
            (Trusting::InPerson, _) => None,
            (Trusting::Makers(..), None) => return Err(EnrolError::NoCertificate),
            (Trusting::Makers(makers, at), Some(certificate)) => {
                makers.vouch(certificate, &ek, at)?;
                Some(ek.name())
            }
        };
        let Request {
            device,
            kind,
            ak,
            counter,
            ..
        } = request;
        let pinned = EnrolledKey::pinned_in_person(device, ak, kind, PcrSelection::boot());
        let entry = pinned
            .and_then(|key| endorsed.map_or(Ok(key.clone()), |ek| key.activated(ek)))
            .and_then(|key| counter.map_or(Ok(key.clone()), |index| key.anchored_by(index)))
            .map_err(EnrolError::Attestation)?;
        let request = bytes.to_vec();
        Ok(Self { request, entry, ek })
    }

    /// What would be enrolled.
    pub fn entry(&self) -> &EnrolledKey {
        &self.entry
    }

    /// The endorsement key, to be compared with what the device shows of its own.
    pub fn endorsement(&self) -> &EndorsementKey {
        &self.ek
    }

    /// Makes what goes to the device, and what the admin keeps until it answers.
    ///
    /// # Errors
    /// As [`make_credential`].
    pub fn challenge(self, drawn: &Drawn) -> Result<(Challenge, Pending), EnrolError> {
        let request = Digest::of(&self.request);
        let Credential {
            id_object,
            encrypted_secret,
        } = make_credential(&self.ek, self.entry.name(), drawn)?;
        let challenge = Challenge {
            proto: ChallengeProto::V1,
            request,
            credential: id_object,
            secret: encrypted_secret,
        };
        let pending = Pending {
            proto: PendingProto::V1,
            request,
            entry: self.entry,
            secret: drawn.secret.to_vec(),
        };
        Ok((challenge, pending))
    }
}

/// What only the right TPM can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    proto: ChallengeProto,
    request: Digest,
    #[serde(with = "hex::bytes")]
    credential: Vec<u8>,
    #[serde(with = "hex::bytes")]
    secret: Vec<u8>,
}

impl Challenge {
    /// Reads one.
    ///
    /// # Errors
    /// [`EnrolError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, EnrolError> {
        read("challenge", bytes)
    }

    /// Its text, one line.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_text(&self) -> Result<String, EnrolError> {
        write("challenge", self)
    }

    /// What the TPM is given.
    pub fn credential(&self) -> Credential {
        Credential {
            id_object: self.credential.clone(),
            encrypted_secret: self.secret.clone(),
        }
    }

    /// The answer of whoever knows the secret.
    pub fn answer(&self, secret: &[u8]) -> Answer {
        let mac = mac(secret, &self.request).map(|mac| mac.finalize().into_bytes().to_vec());
        Answer {
            proto: AnswerProto::V1,
            request: self.request,
            mac: mac.unwrap_or_default(),
        }
    }
}

fn mac(secret: &[u8], request: &Digest) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(
        mac.chain_update(ANSWER_DOMAIN)
            .chain_update(request.as_bytes()),
    )
}

/// What shows that the TPM gave the secret out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    proto: AnswerProto,
    request: Digest,
    #[serde(with = "hex::bytes")]
    mac: Vec<u8>,
}

impl Answer {
    /// Reads one.
    ///
    /// # Errors
    /// [`EnrolError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, EnrolError> {
        read("answer", bytes)
    }

    /// Its text, one line.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_text(&self) -> Result<String, EnrolError> {
        write("answer", self)
    }
}

/// A challenge that waits for its answer, with its secret: it stays on the admin's machine.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    proto: PendingProto,
    request: Digest,
    entry: EnrolledKey,
    #[serde(with = "hex::bytes")]
    secret: Vec<u8>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl Pending {
    /// Reads what was kept.
    ///
    /// # Errors
    /// [`EnrolError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, EnrolError> {
        read("challenge that was kept", bytes)
    }

    /// Its text, one line; wiped when dropped.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_text(&self) -> Result<Zeroizing<String>, EnrolError> {
        write("challenge that was kept", self).map(Zeroizing::new)
    }

    /// What is to be enrolled, now that its TPM has answered. Whoever calls this forgets the challenge: it is answered once.
    ///
    /// # Errors
    /// [`EnrolError::Answer`].
    pub fn answered(self, answer: &Answer) -> Result<EnrolledKey, EnrolError> {
        if answer.request != self.request {
            return Err(EnrolError::Answer("it is to another challenge"));
        }
        let mac = mac(&self.secret, &self.request);
        // In the same time whatever differs: the answer is an attacker's to choose.
        let holds = mac.is_some_and(|mac| mac.verify_slice(&answer.mac).is_ok());
        match holds {
            true => Ok(self.entry.clone()),
            false => Err(EnrolError::Answer(
                "whoever gave it did not know the secret: the keys are not in one TPM",
            )),
        }
    }
}
