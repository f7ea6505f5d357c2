//! The ledger of a session in progress and the stage that it is in: what is recorded as it goes, why it stopped, how it ended.

use std::collections::BTreeMap;

use cloister_attest::{Body, Commitment, ContentHash, Digest, Ledger, Plan, Recorded, UnixMillis};

use super::replay::Held;
use crate::anchoring::{self, Anchoring};
use crate::clock::Clock;
use crate::contents::Keeping;
use crate::disk::LedgerFolder;
use crate::entries;
use crate::failure::{Failure, Kind};

/// The stage from which on files outside quarantine may change.
pub(super) const RELEASE: &str = "release";

/// A ledger that knows where its session stands.
pub(crate) struct Journal {
    ledger: Ledger<LedgerFolder>,
    stage: &'static str,
    anchoring: Anchoring,
    clock: Clock,
    contents: Keeping,
    /// What binds to the arguments of each step of the frozen plan.
    planned: BTreeMap<String, ContentHash>,
    /// What a replay repeats.
    pub(super) held: Option<Held>,
}

impl Journal {
    /// The journal of a session that has just begun, anchored where it has a counter.
    pub(super) fn open(
        ledger: Ledger<LedgerFolder>,
        anchoring: Anchoring,
        clock: Clock,
        contents: Keeping,
    ) -> Result<Journal, Failure> {
        let mut journal = Journal {
            ledger,
            stage: "begin",
            anchoring,
            clock,
            contents,
            planned: BTreeMap::new(),
            held: None,
        };
        match journal.keep_anchored(clock.for_ledger()) {
            Ok(()) => Ok(journal),
            Err(failure) => journal.close(Err(failure)),
        }
    }

    /// From here on the session is in this stage.
    pub(super) fn enter(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    /// Keep contents that entries are about to commit to. They are durable when this returns.
    pub(super) fn keep(&mut self, contents: Vec<Vec<u8>>) -> Result<Vec<Commitment>, Failure> {
        self.contents.keep(contents)
    }

    pub(super) fn keep_one(&mut self, content: Vec<u8>) -> Result<Commitment, Failure> {
        let kept = self.keep(vec![content])?.pop();
        kept.ok_or_else(|| Failure::failed("one content was kept as none"))
    }

    /// Keep the arguments of a call. Where they are those of the frozen plan, what binds to them there does so here: whoever reads the ledger
    /// alone sees that the call is the planned one.
    pub(super) fn keep_args(&mut self, step: &str, args: Vec<u8>) -> Result<Commitment, Failure> {
        match self.planned.get(step) {
            Some(ContentHash::Salted(planned))
                if self.contents.plain().get(planned) == Some(&Digest::of(&args)) =>
            {
                Ok(*planned)
            }
            _ => self.keep_one(args),
        }
    }

    /// Record the plan, whose arguments are kept.
    pub(super) fn freeze(&mut self, plan: Plan) -> Result<(), Failure> {
        let steps = plan.steps.iter();
        self.planned = steps.map(|step| (step.id.clone(), step.args)).collect();
        self.note(Body::Plan(plan))
    }

    /// Record something on which nothing depends.
    pub(super) fn note(&mut self, body: Body) -> Result<(), Failure> {
        self.record(body, ()).map(drop)
    }

    /// Record, and only then hand on what depends on it.
    pub(super) fn record<T>(&mut self, body: Body, carried: T) -> Result<Recorded<T>, Failure> {
        let now = self.clock.for_ledger();
        self.keep_anchored(now)?;
        let plain = self.contents.plain();
        let same = self
            .held
            .as_mut()
            .map_or(Ok(()), |held| held.expect(&body, plain));
        if let Body::CallIntent(_) = body {
            same.clone()?; // it would stand there alone: a call that is not the one of the record does not run
        }
        let recorded = self.ledger.record(body, now, carried)?;
        same.map(|()| recorded)
    }

    /// Anchor the ledger before what cannot be undone. Without the counter that it began with, a session goes no further.
    pub(super) fn anchor_now(&mut self) -> Result<(), Failure> {
        match self.anchoring {
            Anchoring::Absent => Ok(()),
            Anchoring::Lost => Err(anchoring::lost(&"it failed before")),
            Anchoring::By { .. } => self.anchor(self.clock.for_ledger()),
        }
    }

    /// Anchor the ledger if that is due.
    fn keep_anchored(&mut self, now: UnixMillis) -> Result<(), Failure> {
        match self.anchoring {
            Anchoring::By { .. } if !self.ledger.anchor_due(now) => Ok(()),
            _ => self.anchor_now(),
        }
    }

    fn anchor(&mut self, now: UnixMillis) -> Result<(), Failure> {
        let Journal {
            ledger, anchoring, ..
        } = self;
        let anchored = ledger.anchor(now, |qualifying| anchoring.certify(qualifying));
        if anchored.is_err() {
            // The counter may have been raised for nothing, which is told from a cut ledger once in a session, not twice.
            self.anchoring = Anchoring::Lost;
        }
        anchored.map(drop)
    }

    /// End the session with a checkpoint, having said why it stopped where it did; the story's own failure comes first.
    pub(super) fn close<T>(mut self, told: Result<T, Failure>) -> Result<T, Failure> {
        let outcome = match &told {
            Ok(_) => "done",
            Err(failure) => {
                let (said, now) = (stopped(self.stage, failure), self.clock.for_ledger());
                // Where the TPM or the ledger itself failed there is nothing left to say it with.
                drop(self.keep_anchored(now));
                drop(self.ledger.note(said, now));
                failure.kind().word()
            }
        };
        let now = self.clock.for_ledger();
        let anchored = match self.anchoring {
            Anchoring::By { .. } => self.anchor(now),
            Anchoring::Absent | Anchoring::Lost => Ok(()),
        };
        let closed = self.ledger.end(outcome.to_owned(), now);
        let value = told?;
        anchored?;
        closed?;
        Ok(value)
    }
}

/// Why a story stopped. The failure's own words may hold a tool's, and with them a document's; the ledger keeps contents as digests only.
fn stopped(stage: &str, failure: &Failure) -> Body {
    match failure.kind() {
        Kind::Interrupted => entries::interrupted(stage, "signal"),
        Kind::Revoked => entries::interrupted(stage, Kind::Revoked.word()),
        // A release that was announced is accounted for, however it failed.
        kind if stage == RELEASE => entries::interrupted(stage, kind.word()),
        kind => entries::note("stopped", &format!("in stage {stage}: {}", kind.word())),
    }
}
