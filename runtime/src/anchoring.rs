//! The TPM's counter that anchors a session: compared before it begins, raised while it runs. Touches the TPM.

use cloister_attest::{Anchor, Digest, Resumed};
use cloister_attest_tpm::Counter;

use crate::disk::LedgerFolder;
use crate::failure::{Failure, Kind};

/// What anchors a session.
pub(crate) enum Anchoring {
    /// Nothing: there is no TPM, or its key was enrolled without a counter.
    Absent,
    /// The home's counter, certified by the attestation key of this name.
    By { counter: Counter, key: Vec<u8> },
    /// A counter that failed while the session ran. Nothing may be recorded after that but how the session ended.
    Lost,
}

impl Anchoring {
    /// Refuse a ledger that is not the newest that the TPM has seen.
    pub(crate) fn compare(&mut self, resumed: &Resumed<LedgerFolder>) -> Result<(), Failure> {
        let Anchoring::By { counter, key } = self else {
            return Ok(());
        };
        let value = counter.value().map_err(|e| lost(&e).hint(e.hint()))?;
        Ok(resumed.expect_counter(key, value)?)
    }

    /// Raise the counter and have it certified over `qualifying`.
    pub(crate) fn certify(&mut self, qualifying: &Digest) -> Result<Anchor, Failure> {
        match self {
            Anchoring::By { counter, .. } => counter
                .raise_and_certify(qualifying)
                .map_err(|e| lost(&e).hint(e.hint())),
            Anchoring::Absent | Anchoring::Lost => Err(lost(&"the session has no counter")),
        }
    }
}

/// A session is attested from its start to its end or it ends.
pub(crate) fn lost(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Kind::Integrity,
        format!("the TPM's counter cannot anchor the session: {error}"),
    )
}
