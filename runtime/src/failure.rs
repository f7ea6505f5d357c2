//! Why a command ended without doing what was asked, and the exit code that says so (see cli.md).

use std::fmt;

/// An outcome other than success: one sentence, what the person can do, and the exit code.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// Whose fault it is; the numbers are the contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something did not work: 1.
    Failed,
    /// The command was not understood: 2.
    Usage,
    /// The policy or the person said no: 3.
    Refused,
    /// A pin, a signature, the ledger or the attestation does not hold: 4.
    Integrity,
    /// The person took the grants back while they were in use: 3, as other refusals.
    Revoked,
    /// No plan could be made for the request: 5.
    NoPlan,
    /// The person stopped it: 130, as shells have it.
    Interrupted,
}

impl Kind {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused | Kind::Revoked => 3,
            Kind::Integrity => 4,
            Kind::NoPlan => 5,
            Kind::Interrupted => 130,
        }
    }
}

impl Kind {
    /// How a session that ended so is recorded.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Failed | Kind::Usage => "failed",
            Kind::Refused => "refused",
            Kind::Revoked => "revoked",
            Kind::Integrity => "integrity",
            Kind::NoPlan => "no plan",
            Kind::Interrupted => "interrupted",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl fmt::Display) -> Failure {
        Failure {
            kind,
            message: message.to_string(),
            hint: None,
        }
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Failure {
        Failure::new(Kind::Failed, message)
    }

    pub(crate) fn hint(self, hint: impl Into<Option<String>>) -> Failure {
        Failure {
            hint: hint.into().or(self.hint),
            ..self
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<cloister_tools::ToolError> for Failure {
    fn from(error: cloister_tools::ToolError) -> Failure {
        let kind = if error.is_integrity() {
            Kind::Integrity
        } else {
            Kind::Failed
        };
        Failure::new(kind, &error).hint(error.hint())
    }
}

impl From<cloister_policies::PolicyError> for Failure {
    fn from(error: cloister_policies::PolicyError) -> Failure {
        Failure::new(Kind::Failed, &error).hint(error.hint())
    }
}

impl From<cloister_attest::AttestError> for Failure {
    fn from(error: cloister_attest::AttestError) -> Failure {
        use cloister_attest::AttestError;
        if let AttestError::Expired { .. } = &error {
            let said = "the grants expired before the request was done";
            return Failure::new(Kind::Refused, said).hint(error.hint());
        }
        let kind = match &error {
            AttestError::Tampered { .. }
            | AttestError::RolledBack { .. }
            | AttestError::Seal { .. }
            | AttestError::Evidence(_) => Kind::Integrity,
            _ => Kind::Failed,
        };
        Failure::new(kind, &error).hint(error.hint())
    }
}
