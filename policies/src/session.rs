//! What judgement is told about the session and the moment: passed in by the edge, never looked up. Touches nothing.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::ceiling::Ceiling;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This moment and `seconds` more; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// What vouches for this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AttestationKind {
    /// Nothing does.
    #[serde(rename = "none")]
    None,
    /// A TPM in software: the shape of evidence without its strength.
    #[serde(rename = "tpm2-software")]
    Tpm2Software,
    /// A TPM in hardware.
    #[serde(rename = "tpm2-hardware")]
    Tpm2Hardware,
}

impl AttestationKind {
    /// The name used in policies, in the ledger and in `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpm2Software => "tpm2-software",
            Self::Tpm2Hardware => "tpm2-hardware",
        }
    }
}

impl fmt::Display for AttestationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far the process could be locked in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "level", content = "missing", rename_all = "lowercase")]
pub enum Confinement {
    /// Everything that was asked for is enforced.
    Full,
    /// Enforced but for these.
    Partial(Vec<String>),
    /// Nothing is enforced.
    None,
}

/// Whether somebody is there to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A person can be asked.
    Attended,
    /// Nobody will be asked; allowed only where [`Bundle::unattended`](crate::Bundle::unattended) said so.
    Unattended,
}

/// What judgement knows of the session. Filled by the edge.
#[derive(Clone, Debug)]
pub struct Session {
    /// What vouches for the session.
    pub attestation: AttestationKind,
    /// How far the process is locked in.
    pub confinement: Confinement,
    /// Whether somebody is there to ask.
    pub mode: Mode,
    /// The login name of the person, where known.
    pub person: Option<String>,
    /// Folders that nothing is ever granted in, whatever a manifest or a rule says: the home (keys, policy, ledger, quarantine).
    pub reserved: Vec<PathBuf>,
    /// What the management of this device lets happen at most.
    pub device: Ceiling,
}
