//! What a session claims to be, and what vouches for it (SPEC.md sections 6 and 7). Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::LIMITS;
use crate::canon;
use crate::digest::Digest;
use crate::error::AttestError;
use crate::hex;
use crate::keys::{AdminPublic, SessionKey, SessionPublic};
use crate::quote::Quote;

const EVIDENCE_PROTO: &str = "cloister-evidence/v1";
const BINDING_DOMAIN: &[u8] = b"session-binding/v1\0";
const EVIDENCE_DOMAIN: &[u8] = b"cloister-evidence/v1\0";
const SESSION_ID_DOMAIN: &[u8] = b"cloister-session-id/v1\0";

/// Milliseconds since 1970-01-01T00:00:00Z, by the clock of the device; the caller passes it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// A moment.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Its milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for UnixMillis {
    fn from(millis: u64) -> Self {
        Self(millis)
    }
}

/// Name of a session: the first 8 bytes, in hex, of a hash of its public key. A name, not a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 8]);

impl SessionId {
    /// The name that goes with a key.
    pub fn of(public: &SessionPublic) -> Self {
        let digest = Digest::of_parts(&[SESSION_ID_DOMAIN, public.as_bytes()]);
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        hex::decode_array(text)
            .map(Self)
            .ok_or_else(|| AttestError::Notation {
                what: "session id",
                text: text.to_owned(),
            })
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Bytes chosen by an auditor so that evidence cannot be older than their question. 1 to 64 bytes, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(Vec<u8>);

impl Challenge {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Challenge {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        hex::decode(text)
            .filter(|bytes| !bytes.is_empty() && bytes.len() <= LIMITS.challenge)
            .map(Self)
            .ok_or_else(|| AttestError::Notation {
                what: "challenge",
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Serialize for Challenge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Challenge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What a session is attested with; fixed for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Attestation {
    /// Nothing vouches for the session but itself.
    #[serde(rename = "none")]
    None,
    /// A TPM in software: binds the session, proves no device.
    #[serde(rename = "tpm2-software")]
    Tpm2Software,
    /// A TPM of its own.
    #[serde(rename = "tpm2-hardware")]
    Tpm2Hardware,
}

impl Attestation {
    /// `none`, `tpm2-software` or `tpm2-hardware`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpm2Software => "tpm2-software",
            Self::Tpm2Hardware => "tpm2-hardware",
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a ledger stands: how many entries, and the hash of the last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// Hash of the last line; [`Digest::ZERO`] for an empty ledger.
    pub head: Digest,
    /// Entries.
    pub size: u64,
}

/// What a session binds itself to, apart from its key and the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The admin's key, under which the policy, the tools and the model were taken for theirs.
    pub admin: AdminPublic,
    /// The running binary.
    pub runtime: Digest,
    /// The model's file.
    pub model: Digest,
    /// The policy bundle.
    pub policy: Digest,
    /// The manifest.
    pub manifest: Digest,
    /// The tools' lock.
    pub tools: Digest,
    /// After this nothing new is started under the session.
    pub not_after: UnixMillis,
    /// The auditor's, when there is one.
    pub challenge: Option<Challenge>,
    /// Name of the device, as enrolled.
    pub device: String,
}

/// What a session is bound by: the version of its entries, as its statement names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Protocol {
    /// One key signs from the session's start to its end.
    #[serde(rename = "cloister-session/v1")]
    OneKey,
    /// The key changes, and each is wiped as it hands over.
    #[serde(rename = "cloister-session/v2")]
    Epochs,
    /// The same, and contents are committed to.
    #[serde(rename = "cloister-session/v3")]
    Salted,
}

/// What a session claims to be. The TPM quotes its hash; the session's own key signs the entry that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    admin: AdminPublic,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
    device: String,
    ledger: LedgerHead,
    manifest: Digest,
    model: Digest,
    not_after: UnixMillis,
    policy: Digest,
    proto: Protocol,
    runtime: Digest,
    session_id: SessionId,
    session_pub: SessionPublic,
    tools: Digest,
}

impl Statement {
    /// The statement of a session that is about to begin on a ledger that stands at `ledger`.
    pub fn new(public: SessionPublic, ledger: LedgerHead, binding: Binding) -> Self {
        let Binding {
            admin,
            runtime,
            model,
            policy,
            manifest,
            tools,
            not_after,
            challenge,
            device,
        } = binding;
        Self {
            admin,
            challenge,
            device,
            ledger,
            manifest,
            model,
            not_after,
            policy,
            proto: Protocol::Salted,
            runtime,
            session_id: SessionId::of(&public),
            session_pub: public,
            tools,
        }
    }

    /// What the TPM is given as qualifying data: SHA-256 of `session-binding/v1`, a zero byte and the canonical statement.
    ///
    /// # Errors
    /// When a number of the statement is not below 2^53.
    pub fn qualifying(&self) -> Result<Digest, AttestError> {
        Ok(Digest::of_parts(&[
            BINDING_DOMAIN,
            &canon::write("the statement", self)?,
        ]))
    }

    /// The session's name.
    pub fn session(&self) -> SessionId {
        self.session_id
    }

    /// What the session stood on.
    pub fn binding(&self) -> Binding {
        Binding {
            admin: self.admin,
            runtime: self.runtime,
            model: self.model,
            policy: self.policy,
            manifest: self.manifest,
            tools: self.tools,
            not_after: self.not_after,
            challenge: self.challenge.clone(),
            device: self.device.clone(),
        }
    }

    /// The session's key.
    pub fn public(&self) -> &SessionPublic {
        &self.session_pub
    }

    /// Where the ledger stood.
    pub fn ledger(&self) -> LedgerHead {
        self.ledger
    }

    /// The end of the session's time.
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }

    /// The auditor's challenge, when there was one.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// The admin's key that the session took for its root.
    pub fn admin(&self) -> &AdminPublic {
        &self.admin
    }

    /// Name of the device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What else it binds, by name: binary, model, policy, manifest, tools.
    pub fn pins(&self) -> [(&'static str, Digest); 5] {
        [
            ("runtime", self.runtime),
            ("model", self.model),
            ("policy", self.policy),
            ("manifest", self.manifest),
            ("tools", self.tools),
        ]
    }

    /// The version that the session's entries have.
    pub(crate) fn version(&self) -> u64 {
        match self.proto {
            Protocol::OneKey => 1,
            Protocol::Epochs => 2,
            Protocol::Salted => 3,
        }
    }

    /// What a reader can say of a statement by itself.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        (self.session_id != SessionId::of(&self.session_pub))
            .then_some("the session's name is not its key's")
    }
}

/// What vouches for a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Evidence {
    /// Nothing, and why.
    #[serde(rename = "none")]
    None {
        /// No TPM, no permission, policy says so.
        reason: String,
    },
    /// A quote by a TPM in software.
    #[serde(rename = "tpm2-software")]
    Tpm2Software {
        /// The quote.
        quote: Quote,
    },
    /// A quote by a TPM of its own.
    #[serde(rename = "tpm2-hardware")]
    Tpm2Hardware {
        /// The quote.
        quote: Quote,
    },
}

impl Evidence {
    /// Which of the three.
    pub const fn attestation(&self) -> Attestation {
        match self {
            Self::None { .. } => Attestation::None,
            Self::Tpm2Software { .. } => Attestation::Tpm2Software,
            Self::Tpm2Hardware { .. } => Attestation::Tpm2Hardware,
        }
    }

    /// The quote, when there is one.
    pub const fn quote(&self) -> Option<&Quote> {
        match self {
            Self::None { .. } => None,
            Self::Tpm2Software { quote } | Self::Tpm2Hardware { quote } => Some(quote),
        }
    }
}

/// A session's evidence as a file of its own, without a ledger: `cloister attest evidence --out FILE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEvidence {
    evidence: Evidence,
    proto: String,
    sig: String,
    statement: Statement,
}

impl SessionEvidence {
    /// The canonical bytes of an evidence file, signed by the session's key as proof that it holds it.
    ///
    /// # Errors
    /// When `key` is not the statement's, or the statement cannot be written.
    pub fn write(
        statement: Statement,
        evidence: Evidence,
        key: &SessionKey,
    ) -> Result<Vec<u8>, AttestError> {
        if statement.session_pub != key.public() {
            return Err(AttestError::Evidence(
                "the statement is another session's".to_owned(),
            ));
        }
        let sig = hex::encode(&key.sign(&signed_bytes(&statement, &evidence)?));
        canon::write(
            "the evidence",
            &Self {
                evidence,
                proto: EVIDENCE_PROTO.to_owned(),
                sig,
                statement,
            },
        )
    }

    /// Reads an evidence file and checks what it says of itself: canonical, of this protocol, signed by the session's key.
    /// That the quote holds and its key is enrolled is [`crate::verify_evidence`]'s business.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, AttestError> {
        let malformed = |why: &str| AttestError::Malformed {
            what: "the evidence",
            why: why.to_owned(),
        };
        if bytes.len() > LIMITS.document {
            return Err(malformed("it is too long"));
        }
        let this: Self = canon::read("the evidence", bytes)?;
        if this.proto != EVIDENCE_PROTO {
            return Err(malformed("it is of another protocol"));
        }
        if let Some(fault) = this.statement.fault() {
            return Err(malformed(fault));
        }
        let signature = hex::decode_array(&this.sig)
            .ok_or_else(|| malformed("its signature is not 128 hex digits"))?;
        if !this
            .statement
            .session_pub
            .signed(&signed_bytes(&this.statement, &this.evidence)?, &signature)
        {
            return Err(malformed("its signature is not the session key's"));
        }
        Ok(this)
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What vouches for it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

fn signed_bytes(statement: &Statement, evidence: &Evidence) -> Result<Vec<u8>, AttestError> {
    let both = serde_json::json!({ "evidence": evidence, "statement": statement });
    Ok([EVIDENCE_DOMAIN, &canon::write("the evidence", &both)?].concat())
}
