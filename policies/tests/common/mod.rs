//! What tests of several rooms start from.

use cloister_policies::{AttestationKind, Ceiling, Confinement, Mode, Session};

/// A session with a person at hand, in a whole cage, without a TPM, in which nothing is reserved and the device narrows nothing.
pub(crate) fn session() -> Session {
    Session {
        attestation: AttestationKind::None,
        confinement: Confinement::Full,
        mode: Mode::Attended,
        person: None,
        reserved: Vec::new(),
        device: Ceiling::NONE,
    }
}
