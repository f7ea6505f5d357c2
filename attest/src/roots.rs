//! What a verifier trusts, from a path that the auditor trusts: `roots.json` (SPEC.md section 10). Pure.

use serde::{Deserialize, Serialize};

use crate::LIMITS;
use crate::error::AttestError;
use crate::evidence::Attestation;
use crate::hex;
use crate::keys::AdminPublic;
use crate::quote::{PcrSelection, attestation_key_name};
use crate::witness::Witness;

/// An attestation key that the admin has enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "EnrolledWire", into = "EnrolledWire")]
pub struct EnrolledKey {
    wire: EnrolledWire,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolledWire {
    /// Name of the device, as in the sessions' statements.
    device: String,
    /// The key's name, in hex.
    #[serde(with = "hex::bytes")]
    name: Vec<u8>,
    /// Its public area, in hex.
    #[serde(with = "hex::bytes")]
    public: Vec<u8>,
    kind: Attestation,
    pcrs: PcrSelection,
    how: How,
    /// Name of the endorsement key that the maker of the TPM certified, in hex.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "hex::some_bytes"
    )]
    ek: Option<Vec<u8>>,
    /// NV index of the counter that anchors this home's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u32>,
}

/// NV indices that a home's counter may have; they lie in the owner's range, where firmware keeps nothing.
pub const COUNTERS: std::ops::RangeInclusive<u32> = 0x0180_c100..=0x0180_c1ff;

/// Length of a TPM's name by SHA-256, bytes.
const NAME: usize = 34;

fn malformed(error: &serde_json::Error) -> AttestError {
    AttestError::Malformed {
        what: "an enrolled key",
        why: error.to_string(),
    }
}

/// How the admin came to trust a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    /// The admin stood at the device and copied the key from it, or knows its endorsement key from there.
    PinnedInPerson,
    /// The TPM that the maker certified showed that the key is in it.
    CredentialActivated,
}

impl EnrolledKey {
    /// Pins a key that the admin copied from the device in person.
    ///
    /// # Errors
    /// [`AttestError::Evidence`] when the key could sign something that is no quote, or `kind` is `none`.
    pub fn pinned_in_person(
        device: String,
        public_area: Vec<u8>,
        kind: Attestation,
        pcrs: PcrSelection,
    ) -> Result<Self, AttestError> {
        let name = attestation_key_name(&public_area)?;
        EnrolledWire {
            device,
            name,
            public: public_area,
            kind,
            pcrs,
            how: How::PinnedInPerson,
            ek: None,
            counter: None,
        }
        .try_into()
    }

    /// The same key, by an answer of the TPM whose certified endorsement key has this name.
    ///
    /// # Errors
    /// [`AttestError::Evidence`] when it is no name.
    pub fn activated(self, ek: Vec<u8>) -> Result<Self, AttestError> {
        EnrolledWire {
            how: How::CredentialActivated,
            ek: Some(ek),
            ..self.wire
        }
        .try_into()
    }

    /// One line of JSON, as it stands in `roots.json` and in an enrolment that the admin signs.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_json(&self) -> Result<String, AttestError> {
        let text = serde_json::to_string(self).map_err(|error| malformed(&error))?;
        Ok(text + "\n")
    }

    /// Reads [`EnrolledKey::to_json`].
    ///
    /// # Errors
    /// [`AttestError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, AttestError> {
        serde_json::from_str(text).map_err(|error| malformed(&error))
    }

    /// How the admin came to trust it.
    pub fn how(&self) -> &'static str {
        match self.wire.how {
            How::PinnedInPerson => "pinned-in-person",
            How::CredentialActivated => "credential-activated",
        }
    }

    /// The same key, with the counter that anchors its sessions.
    ///
    /// # Errors
    /// [`AttestError::Evidence`] when the index is not in [`COUNTERS`].
    pub fn anchored_by(self, counter: u32) -> Result<Self, AttestError> {
        EnrolledWire {
            counter: Some(counter),
            ..self.wire
        }
        .try_into()
    }

    /// NV index of the counter that anchors its sessions, when there is one.
    pub fn counter(&self) -> Option<u32> {
        self.wire.counter
    }

    /// Name of the device.
    pub fn device(&self) -> &str {
        &self.wire.device
    }

    /// The key's name.
    pub fn name(&self) -> &[u8] {
        &self.wire.name
    }

    /// What stands behind it.
    pub fn kind(&self) -> Attestation {
        self.wire.kind
    }

    /// Which PCRs a quote by it must be over, exactly.
    pub fn pcrs(&self) -> &PcrSelection {
        &self.wire.pcrs
    }
}

impl TryFrom<EnrolledWire> for EnrolledKey {
    type Error = AttestError;

    fn try_from(wire: EnrolledWire) -> Result<Self, AttestError> {
        if attestation_key_name(&wire.public)? != wire.name {
            return Err(AttestError::Evidence(format!(
                "`{}` is not the name of its key",
                hex::encode(&wire.name)
            )));
        }
        if wire.counter.is_some_and(|index| !COUNTERS.contains(&index)) {
            return Err(AttestError::Evidence(
                "a counter's index is not one of ours".to_owned(),
            ));
        }
        let endorsed = wire
            .ek
            .as_ref()
            .map(|name| name.len() == NAME && name.starts_with(&[0, 0x0b]));
        if endorsed != (wire.how == How::CredentialActivated).then_some(true) {
            return Err(AttestError::Evidence(
                "the name of an endorsement key is missing, malformed, or out of place".to_owned(),
            ));
        }
        if wire.kind == Attestation::None {
            return Err(AttestError::Evidence(
                "an enrolled key cannot be of kind `none`".to_owned(),
            ));
        }
        Ok(Self { wire })
    }
}

impl From<EnrolledKey> for EnrolledWire {
    fn from(key: EnrolledKey) -> Self {
        key.wire
    }
}

/// What a verifier trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    wire: RootsWire,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootsWire {
    v: u64,
    admin: AdminPublic,
    /// Kinds of attestation that count as attested; `none` never does.
    accept: Vec<Attestation>,
    keys: Vec<EnrolledKey>,
    /// Witnesses whose cosignatures count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<Witness>,
}

impl Roots {
    /// Roots with no key enrolled yet, that accept TPMs of their own only.
    pub fn new(admin: AdminPublic) -> Self {
        Self {
            wire: RootsWire {
                v: 1,
                admin,
                accept: vec![Attestation::Tpm2Hardware],
                keys: Vec::new(),
                witnesses: Vec::new(),
            },
        }
    }

    /// The same roots with one more key; a key with the same name is replaced.
    pub fn enrolling(mut self, key: EnrolledKey) -> Self {
        self.wire.keys.retain(|other| other.name() != key.name());
        self.wire.keys.push(key);
        self
    }

    /// The same roots, that take quotes by TPMs in software for attested too.
    pub fn accepting_software(mut self) -> Self {
        if !self.accepts(Attestation::Tpm2Software) {
            self.wire.accept.push(Attestation::Tpm2Software);
        }
        self
    }

    /// The same roots, by which a ledger must be cosigned by this witness as well.
    pub fn witnessed_by(mut self, witness: Witness) -> Self {
        if !self.wire.witnesses.contains(&witness) {
            self.wire.witnesses.push(witness);
        }
        self
    }

    /// Reads `roots.json`. Unknown and repeated keys are refused.
    ///
    /// # Errors
    /// [`AttestError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let malformed = |why: String| AttestError::Malformed {
            what: "`roots.json`",
            why,
        };
        if bytes.len() > LIMITS.document {
            return Err(malformed("it is too long".to_owned()));
        }
        let wire: RootsWire =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if wire.v != 1 {
            return Err(malformed(format!("version {} is not known", wire.v)));
        }
        if wire.accept.contains(&Attestation::None) {
            return Err(malformed(
                "`none` cannot be accepted as attested".to_owned(),
            ));
        }
        Ok(Self { wire })
    }

    /// The text of `roots.json`.
    ///
    /// # Errors
    /// None in practice; serialisation is fallible by type.
    pub fn to_json(&self) -> Result<String, AttestError> {
        let text =
            serde_json::to_string_pretty(&self.wire).map_err(|error| AttestError::Malformed {
                what: "`roots.json`",
                why: error.to_string(),
            })?;
        Ok(text + "\n")
    }

    /// The admin's key.
    pub fn admin(&self) -> &AdminPublic {
        &self.wire.admin
    }

    /// The enrolled keys.
    pub fn keys(&self) -> &[EnrolledKey] {
        &self.wire.keys
    }

    /// The witnesses whose cosignatures count.
    pub fn witnesses(&self) -> &[Witness] {
        &self.wire.witnesses
    }

    /// Whether a session with this attestation counts as attested.
    pub fn accepts(&self, attestation: Attestation) -> bool {
        self.wire.accept.contains(&attestation)
    }

    pub(crate) fn key(&self, name: &[u8]) -> Option<&EnrolledKey> {
        self.wire.keys.iter().find(|key| key.name() == name)
    }
}
