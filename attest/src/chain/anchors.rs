//! The anchors of a ledger, key by key: that the counter rises, and which sessions it misses (SPEC.md section 14). Pure.

use std::collections::BTreeMap;

use crate::LIMITS;
use crate::anchor;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::entry::body::{Body, SessionStart};
use crate::evidence::{LedgerHead, UnixMillis};
use crate::quote;

/// Where the anchors of one attestation key stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Value of the last one.
    pub(crate) value: u64,
    /// Sessions since then that did not end anchored: each may have raised the counter once more than the ledger says.
    pub(crate) loose: u64,
}

impl Standing {
    /// How many values between the last anchor and `value` are missing, if that can be put down to sessions cut short.
    pub(crate) fn missing(self, value: u64) -> Result<u64, String> {
        let Some(missing) = value
            .checked_sub(self.value)
            .and_then(|rise| rise.checked_sub(1))
        else {
            return Err(format!(
                "the TPM's counter says {value} after {}",
                self.value
            ));
        };
        if missing > self.loose {
            return Err(format!(
                "the TPM's counter says {value} after {}: entries with {missing} anchors were cut off",
                self.value
            ));
        }
        Ok(missing)
    }
}

/// The anchors of a ledger so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchors {
    by_key: BTreeMap<Vec<u8>, Standing>,
    session: Option<InSession>,
}

/// The anchors of the session at hand, when it is attested.
#[derive(Debug, Clone)]
struct InSession {
    key: Vec<u8>,
    /// Place and time of the last anchor, or of the session's start.
    last: (u64, UnixMillis),
    has_anchor: bool,
    /// Nothing but hand-overs came after the last anchor.
    anchored: bool,
    /// It has been said that the session is not anchored throughout.
    said: bool,
}

/// What an entry did to the anchors, beyond being in order.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// The session is not anchored throughout.
    pub(crate) unanchored: bool,
    /// Values of the counter that no anchor shows.
    pub(crate) missing: u64,
    /// Name of the counter that this entry certifies.
    pub(crate) counter: Option<Vec<u8>>,
}

impl Anchors {
    /// Where a key's anchors stand, a session that has not ended counted as cut short.
    pub(super) fn standing(&self, key: &[u8]) -> Option<Standing> {
        let mut ended = self.clone();
        ended.cut_short();
        ended.by_key.remove(key)
    }

    pub(super) fn last(&self) -> Option<(u64, UnixMillis)> {
        let session = self.session.as_ref()?;
        session.has_anchor.then_some(session.last)
    }

    /// A session begins, whether or not the one before has ended.
    pub(super) fn start(&mut self, entry: &Entry, start: &SessionStart) {
        self.cut_short();
        let name = |quote: &quote::Quote| quote::attestation_key_name(quote.ak_public()).ok();
        self.session = start.evidence.quote().and_then(name).map(|key| InSession {
            key,
            last: (entry.seq, entry.ts),
            has_anchor: false,
            anchored: false,
            said: false,
        });
    }

    /// Takes any later entry of the session; `at` is where the ledger stood before it.
    pub(super) fn step(
        &mut self,
        entry: &Entry,
        log: &Digest,
        at: LedgerHead,
    ) -> Result<Noticed, String> {
        match &entry.body {
            Body::Anchor(anchor) => {
                let counted = anchor.read(&anchor::over_ledger(log, at))?;
                let missing = self.rise(entry, counted.value)?;
                Ok(Noticed {
                    missing,
                    counter: Some(counted.counter),
                    unanchored: false,
                })
            }
            Body::Rotate(_) | Body::Recovery(_) => Ok(Noticed::default()),
            Body::SessionEnd(_) => {
                let unanchored = self.unanchored(|session| !session.anchored);
                self.end();
                Ok(Noticed {
                    unanchored,
                    ..Noticed::default()
                })
            }
            _ => {
                let unanchored = self.unanchored(|session| session.late(entry));
                if let Some(session) = &mut self.session {
                    session.anchored = false;
                }
                Ok(Noticed {
                    unanchored,
                    ..Noticed::default()
                })
            }
        }
    }

    /// How many values are missing between the key's last anchor and one of the session at hand that certifies `value`.
    pub(super) fn missing(&self, value: u64) -> Result<u64, String> {
        let session = self.session.as_ref();
        let session = session.ok_or("an anchor in a session that is not attested")?;
        let before = self.by_key.get(&session.key);
        before.map_or(Ok(0), |standing| standing.missing(value))
    }

    fn rise(&mut self, entry: &Entry, value: u64) -> Result<u64, String> {
        let missing = self.missing(value)?;
        let Some(session) = &mut self.session else {
            return Ok(missing);
        };
        let standing = Standing { value, loose: 0 };
        self.by_key.insert(session.key.clone(), standing);
        session.last = (entry.seq, entry.ts);
        session.has_anchor = true;
        session.anchored = true;
        Ok(missing)
    }

    /// Whether this is the first fault of a session that should be anchored: its key was, before or in it.
    fn unanchored(&mut self, fault: impl Fn(&InSession) -> bool) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        let first = self.by_key.contains_key(&session.key) && !session.said && fault(session);
        session.said |= first;
        first
    }

    /// The session ends. What raised the counter after its last anchor, if anything did, left no anchor.
    fn end(&mut self) {
        match &self.session {
            Some(session) if session.anchored => self.session = None,
            _ => self.cut_short(),
        }
    }

    /// The session is over without an end, or without an anchor at its end.
    fn cut_short(&mut self) {
        let session = self.session.take();
        if let Some(standing) = session.and_then(|session| self.by_key.get_mut(&session.key)) {
            standing.loose = standing.loose.saturating_add(1);
        }
    }
}

impl InSession {
    /// Whether the anchor before `entry` is missing or too far back.
    fn late(&self, entry: &Entry) -> bool {
        let (seq, ts) = self.last;
        !self.has_anchor
            || entry.seq.saturating_sub(seq) > LIMITS.anchor_entries
            || entry.ts.get().saturating_sub(ts.get()) > LIMITS.anchor_millis
    }
}
