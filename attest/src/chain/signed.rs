//! A walk whose lines the sessions' keys vouch for (SPEC.md section 5). The hash of a line covers its signature and stands in the next line, so one good
//! signature covers all that came before it: of each epoch the last is checked, and the others only where that one is bad. Pure.

use super::{Accepted, Chain, UNSIGNED};
use crate::LIMITS;
use crate::entry::Unchecked;
use crate::entry::body::Body;
use crate::evidence::LedgerHead;
use crate::keys::SessionPublic;

/// The first line that is bad, and why.
pub(crate) struct Bad {
    pub(crate) at: Place,
    pub(crate) what: String,
}

impl Bad {
    fn unsigned(at: Place) -> Self {
        let what = UNSIGNED.to_owned();
        Self { at, what }
    }
}

/// Where a line begins.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The lines before it, all of which are good.
    pub(crate) before: LedgerHead,
    /// Their length with their newlines, bytes.
    pub(crate) byte: u64,
}

/// A chain, and the lines of its last epoch for which no signature that was checked vouches yet.
#[derive(Default)]
pub(crate) struct SignedChain {
    chain: Chain,
    /// Where the next line begins, bytes.
    byte: u64,
    /// Lines whose signatures have not been checked.
    waiting: Vec<Waiting>,
    /// Their length together, bytes.
    held: usize,
    /// The first line before them that no good signature follows, among those that were checked.
    unsigned: Option<Place>,
}

struct Waiting {
    at: Place,
    line: Vec<u8>,
    public: SessionPublic,
}

impl Waiting {
    fn is_signed(&self) -> bool {
        let parsed = Unchecked::parse(&self.line);
        parsed.is_ok_and(|entry| entry.is_signed_by(&self.public))
    }
}

impl SignedChain {
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) fn into_chain(self) -> Chain {
        self.chain
    }

    /// Where the next line begins.
    pub(crate) fn here(&self) -> Place {
        Place {
            before: self.chain.at(),
            byte: self.byte,
        }
    }

    /// Takes the next line, without its newline, for which a later one may vouch.
    pub(crate) fn take(&mut self, line: &[u8]) -> Result<Accepted, Bad> {
        let accepted = self.accept(line)?;
        self.keep(line, &accepted)?;
        Ok(accepted)
    }

    /// Whether the next line is in its place. The start of a session is signed by itself: nothing that it says is looked at before.
    pub(crate) fn accept(&mut self, line: &[u8]) -> Result<Accepted, Bad> {
        let at = self.here();
        let accepted = match self.chain.accept(line) {
            Ok(accepted) => accepted,
            Err(what) => return Err(self.bad(at, what)),
        };
        if let Body::SessionStart(_) = accepted.unchecked.entry.body {
            self.settle()?; // a session that was cut off ends before this line
            if !accepted.unchecked.is_signed_by(&accepted.public) {
                return Err(Bad::unsigned(at));
            }
        }
        Ok(accepted)
    }

    /// Has a line that was accepted wait for its key. The last of an epoch is waited for no longer.
    pub(crate) fn keep(&mut self, line: &[u8], accepted: &Accepted) -> Result<(), Bad> {
        let entry = &accepted.unchecked.entry;
        let before = LedgerHead {
            head: entry.prev,
            size: entry.seq,
        };
        let byte = self.byte;
        let length = line.len() as u64;
        self.byte = byte.saturating_add(length).saturating_add(1);
        if let Body::SessionStart(_) = entry.body {
            return Ok(());
        }
        self.waiting.push(Waiting {
            at: Place { before, byte },
            line: line.to_vec(),
            public: accepted.public,
        });
        self.held = self.held.saturating_add(line.len());
        if let Body::Rotate(_) | Body::SessionEnd(_) = entry.body {
            return self.settle();
        }
        // When a signature is looked at changes nothing of what vouches for what; it bounds what is held.
        if self.held > LIMITS.unvouched {
            self.look();
        }
        Ok(())
    }

    /// What is wrong at a place after every line that was kept, unless one of these is not vouched for.
    pub(crate) fn bad(&mut self, at: Place, what: String) -> Bad {
        self.settle().err().unwrap_or(Bad { at, what })
    }

    /// Demands that every line that was kept is vouched for, by itself or by another one that was kept.
    pub(crate) fn settle(&mut self) -> Result<(), Bad> {
        self.look();
        self.unsigned.map_or(Ok(()), |at| Err(Bad::unsigned(at)))
    }

    /// Checks signatures, the last first, down to the first that is good.
    fn look(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.held = 0;
        let good = waiting.iter().rposition(Waiting::is_signed);
        let after = good.map_or(0, |good| good.saturating_add(1));
        if good.is_some() {
            self.unsigned = None;
        }
        if let Some(unsigned) = waiting.get(after) {
            self.unsigned.get_or_insert(unsigned.at);
        }
    }
}
