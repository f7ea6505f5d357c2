//! The ledger of a session in progress and the stage that it is in: what is recorded as it goes, why it stopped, how it ended.

use cloister_attest::{Body, Ledger, Recorded};

use crate::clock;
use crate::disk::LedgerFolder;
use crate::entries;
use crate::failure::{Failure, Kind};

/// The stage from which on files outside quarantine may change.
pub(super) const RELEASE: &str = "release";

/// A ledger that knows where its session stands.
pub(crate) struct Journal {
    ledger: Ledger<LedgerFolder>,
    stage: &'static str,
}

impl Journal {
    pub(super) fn new(ledger: Ledger<LedgerFolder>) -> Journal {
        Journal {
            ledger,
            stage: "begin",
        }
    }

    /// From here on the session is in this stage.
    pub(super) fn enter(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    /// Record something on which nothing depends.
    pub(super) fn note(&mut self, body: Body) -> Result<(), Failure> {
        self.ledger.note(body, clock::for_ledger())?;
        Ok(())
    }

    /// Record, and only then hand on what depends on it.
    pub(super) fn record<T>(&mut self, body: Body, carried: T) -> Result<Recorded<T>, Failure> {
        Ok(self.ledger.record(body, clock::for_ledger(), carried)?)
    }

    /// End the session with a checkpoint, having said why it stopped where it did; the story's own failure comes first.
    pub(super) fn close<T>(mut self, told: Result<T, Failure>) -> Result<T, Failure> {
        let outcome = match &told {
            Ok(_) => "done",
            Err(failure) => {
                // Where the ledger itself failed there is nothing left to say it with.
                drop(self.note(stopped(self.stage, failure)));
                failure.kind().word()
            }
        };
        let closed = self.ledger.end(outcome.to_owned(), clock::for_ledger());
        let value = told?;
        closed?;
        Ok(value)
    }
}

/// Why a story stopped. The failure's own words may hold a tool's, and with them a document's; the ledger keeps contents as digests only.
fn stopped(stage: &str, failure: &Failure) -> Body {
    match failure.kind() {
        Kind::Interrupted => entries::interrupted(stage, "signal"),
        // A release that was announced is accounted for, however it failed.
        kind if stage == RELEASE => entries::interrupted(stage, kind.word()),
        kind => entries::note("stopped", &format!("in stage {stage}: {}", kind.word())),
    }
}
