//! Walks a ledger line by line and knows what may come next. Shared by the writer that resumes and the reader that verifies. Pure.

mod anchors;
mod epoch;
mod open;
mod signed;

use std::collections::BTreeMap;

use self::anchors::Anchors;
pub(crate) use self::anchors::{Noticed, Standing};
pub(crate) use self::epoch::Epoch;
use self::open::Open;
pub(crate) use self::signed::{Bad, SignedChain};
use crate::LIMITS;
use crate::checkpoint::{Said, Sum};
use crate::digest::Digest;
use crate::entry::body::{Body, Consent, ConsentBy, Recovery, SessionEnd, SessionStart, Unended};
use crate::entry::{Entry, OLDEST, Unchecked, VERSION, line_hash};
use crate::evidence::{Attestation, LedgerHead, SessionId, UnixMillis};
use crate::keys::SessionPublic;
use crate::tree::Tree;

/// Why a line for which nothing vouches is none of its session's.
pub(crate) const UNSIGNED: &str = "the entry's signature is not the session key's";

/// The session that is being walked.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) id: SessionId,
    epoch: Epoch,
    att: Attestation,
    not_after: UnixMillis,
    first: u64,
    pub(crate) last_ts: UnixMillis,
    open: Open,
    /// Number of the last entry that said the session was broken off: it speaks for every intent before it.
    interrupted: Option<u64>,
}

impl Current {
    /// Intents without an outcome, and without a later word that the session was broken off.
    fn unsaid(&self) -> Vec<u64> {
        self.open
            .numbers()
            .filter(|seq| self.interrupted.is_none_or(|said| said < *seq))
            .collect()
    }
}

/// Where a walk stands after some lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    next: u64,
    head: Digest,
    tree: Tree,
    log: Option<Digest>,
    /// Version of the last session's entries; 0 before the first.
    version: u64,
    current: Option<Current>,
    /// Sessions without an end that no recovery has named yet.
    unended: Vec<Unended>,
    /// The second entry of the current session must be a recovery.
    awaits_recovery: bool,
    /// Torn lines that some recovery named, by file.
    torn: BTreeMap<String, Digest>,
    anchors: Anchors,
}

impl Default for Digest {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Chain {
    pub(crate) fn at(&self) -> LedgerHead {
        LedgerHead {
            head: self.head,
            size: self.next,
        }
    }

    /// Hash of the first line, which names the log.
    pub(crate) fn log(&self) -> Option<Digest> {
        self.log
    }

    /// What a checkpoint by the session of the last line says here.
    pub(crate) fn said(&self) -> Said {
        let sum = match self.version {
            1 => Sum::Head(self.head),
            _ => Sum::Root(self.tree.root()),
        };
        Said {
            log: self.log.unwrap_or(Digest::ZERO),
            size: self.next,
            sum,
        }
    }

    pub(crate) fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    pub(crate) fn torn(&self) -> &BTreeMap<String, Digest> {
        &self.torn
    }

    /// Takes the next line, without its newline. Signatures are [`SignedChain`]'s to check, and quotes the caller's.
    pub(crate) fn accept(&mut self, line: &[u8]) -> Result<Accepted, String> {
        if line.len() > LIMITS.line {
            return Err(format!("the entry is longer than {} bytes", LIMITS.line));
        }
        let unchecked = Unchecked::parse(line).map_err(|error| error.to_string())?;
        let entry = &unchecked.entry;
        self.check_place(entry)?;
        let unsaid = match &entry.body {
            Body::SessionEnd(_) => self.current.as_ref().map_or_else(Vec::new, Current::unsaid),
            _ => Vec::new(),
        };
        let (at, log) = (self.at(), self.log.unwrap_or_default());
        let (public, noticed) = match &entry.body {
            Body::SessionStart(start) => (self.start(entry, start)?, Noticed::default()),
            _ => (self.step(entry)?, self.anchors.step(entry, &log, at)?),
        };
        self.head = line_hash(line);
        self.tree.push(self.head);
        self.log.get_or_insert(self.head);
        self.next = self.next.checked_add(1).ok_or("the ledger is full")?;
        Ok(Accepted {
            unchecked,
            public,
            unsaid,
            noticed,
        })
    }

    fn check_place(&self, entry: &Entry) -> Result<(), String> {
        check_version(entry)?;
        let fits = match entry.body {
            Body::SessionStart(_) => entry.v >= self.version,
            _ => entry.v == self.version,
        };
        if !fits {
            return Err(format!(
                "version {} of the entry format after version {}",
                entry.v, self.version
            ));
        }
        if entry.seq != self.next {
            return Err(format!(
                "the entry is numbered {}, expected {}",
                entry.seq, self.next
            ));
        }
        if entry.prev != self.head {
            return Err("the entry does not follow the line before it (`prev` differs)".to_owned());
        }
        Ok(())
    }

    fn start(&mut self, entry: &Entry, start: &SessionStart) -> Result<SessionPublic, String> {
        let statement = &start.statement;
        check_start(entry, start, self.at())?;
        self.version = entry.v;
        self.unended.extend(self.unended_now());
        self.awaits_recovery = !self.unended.is_empty();
        self.anchors.start(entry, start);
        self.current = Some(Current {
            id: entry.session,
            epoch: Epoch::first(*statement.public(), entry),
            att: entry.att,
            not_after: statement.not_after(),
            first: entry.seq,
            last_ts: entry.ts,
            open: Open::default(),
            interrupted: None,
        });
        Ok(*statement.public())
    }

    fn step(&mut self, entry: &Entry) -> Result<SessionPublic, String> {
        let current = self
            .current
            .as_mut()
            .ok_or("an entry stands outside a session")?;
        if entry.session != current.id || entry.att != current.att {
            return Err("the entry is another session's".to_owned());
        }
        if entry.ts < current.last_ts {
            return Err("the clock went back within the session".to_owned());
        }
        if entry.ts > current.not_after && entry.body.starts_something() {
            return Err(format!(
                "`{}` after the end of the session's time",
                entry.body.kind()
            ));
        }
        if current.epoch.over(entry.seq, entry.ts) && !entry.body.ends_epoch() {
            return Err("the key signs more, or for longer, than one key may".to_owned());
        }
        current.last_ts = entry.ts;
        let public = current.epoch.public();
        let second = entry.seq == current.first.saturating_add(1);
        match &entry.body {
            Body::Recovery(recovery) if second => self.recover(recovery)?,
            Body::Recovery(_) => {
                return Err("a recovery that does not follow the session's start".to_owned());
            }
            _ if self.awaits_recovery => {
                return Err("sessions without an end are not recorded as recovered".to_owned());
            }
            Body::CallIntent(call) => current.open.call(entry.seq, call),
            Body::CallOutcome(call) => {
                current.open.check_readings(entry.v, call)?;
                current.open.close_call(call);
            }
            Body::Consent(consent) => check_consent(entry.v, consent)?,
            Body::Release(release) => current.open.release(entry.seq, release.effects),
            Body::Released(done) => current.open.close_release(done.effects),
            Body::Interrupted(_) => current.interrupted = Some(entry.seq),
            Body::Rotate(rotate) => current.epoch = current.epoch.hand_over(rotate, entry)?,
            Body::SessionEnd(end) => self.end(end)?,
            _ => {}
        }
        Ok(public)
    }

    fn recover(&mut self, recovery: &Recovery) -> Result<(), String> {
        if recovery.unended != self.unended {
            return Err("the recovery names other sessions than those without an end".to_owned());
        }
        for torn in &recovery.torn {
            if self.torn.insert(torn.file.clone(), torn.sha256).is_some() {
                return Err(format!("`{}` is recovered twice", torn.file));
            }
        }
        self.unended.clear();
        self.awaits_recovery = false;
        Ok(())
    }

    fn end(&mut self, end: &SessionEnd) -> Result<(), String> {
        let entries = self
            .current
            .as_ref()
            .map(|current| self.next.saturating_sub(current.first));
        if entries != Some(end.entries) {
            return Err("the session's end counts other entries than there are".to_owned());
        }
        self.current = None;
        Ok(())
    }

    /// Where the anchors of an attestation key stand, a session that has not ended counted as cut short.
    pub(crate) fn standing(&self, key: &[u8]) -> Option<Standing> {
        self.anchors.standing(key)
    }

    /// Refuses a value of the counter that cannot be the next anchor's.
    pub(crate) fn expect_anchor(&self, value: u64) -> Result<(), String> {
        self.anchors.missing(value).map(drop)
    }

    /// Whether an anchor is due before an entry is written at `now`.
    pub(crate) fn anchor_due(&self, now: UnixMillis) -> bool {
        self.anchors.last().is_none_or(|(seq, ts)| {
            self.next.saturating_sub(seq) >= LIMITS.anchor_entries
                || now.get().saturating_sub(ts.get()) >= LIMITS.anchor_millis
        })
    }

    /// Number of the epoch that must begin before any other entry is written at `now`.
    pub(crate) fn epoch_due(&self, now: UnixMillis) -> Option<u64> {
        let epoch = &self.current.as_ref()?.epoch;
        epoch
            .over(self.next, now)
            .then(|| epoch.number().saturating_add(1))
    }

    /// Entries of the current session so far.
    pub(crate) fn entries_of_session(&self) -> u64 {
        self.current
            .as_ref()
            .map_or(0, |current| self.next.saturating_sub(current.first))
    }

    /// Every session without an end that no recovery has named, the current one included.
    pub(crate) fn all_unended(&self) -> Vec<Unended> {
        self.unended
            .iter()
            .cloned()
            .chain(self.unended_now())
            .collect()
    }

    fn unended_now(&self) -> Option<Unended> {
        let current = self.current.as_ref()?;
        Some(Unended {
            session: current.id,
            last: self.next.saturating_sub(1),
            open: current.open.numbers().collect(),
        })
    }
}

/// Whether we know how to read it, and it says what its version allows.
pub(crate) fn check_version(entry: &Entry) -> Result<(), String> {
    if !(OLDEST..=VERSION).contains(&entry.v) {
        return Err(format!(
            "version {} of the entry format is not known",
            entry.v
        ));
    }
    entry.check_form()
}

/// An answer that was remembered says which one it was. Version 1 knows of none.
fn check_consent(version: u64, consent: &Consent) -> Result<(), String> {
    match (consent.by, version, &consent.rule) {
        (ConsentBy::Remembered, 1, _) => {
            Err("an answer of version 1 that was remembered".to_owned())
        }
        (ConsentBy::Remembered, _, None) => {
            Err("an answer that was remembered, and not which".to_owned())
        }
        _ => Ok(()),
    }
}

/// What a session's start must say of itself, on a ledger that stands at `at`.
pub(crate) fn check_start(
    entry: &Entry,
    start: &SessionStart,
    at: LedgerHead,
) -> Result<(), String> {
    let statement = &start.statement;
    if let Some(fault) = statement.fault() {
        return Err(fault.to_owned());
    }
    if statement.session() != entry.session {
        return Err("the statement is another session's".to_owned());
    }
    if statement.ledger() != at {
        return Err("the statement was made for another place in the ledger".to_owned());
    }
    if statement.version() != entry.v {
        return Err(format!(
            "version {} of the entry format, and a statement of version {}",
            entry.v,
            statement.version()
        ));
    }
    if start.evidence.attestation() != entry.att {
        return Err(format!(
            "the entry says `{}`, its evidence is `{}`",
            entry.att,
            start.evidence.attestation()
        ));
    }
    if entry.ts > statement.not_after() {
        return Err("the session began after its own end".to_owned());
    }
    Ok(())
}

/// A line that is in its place.
pub(crate) struct Accepted {
    pub(crate) unchecked: Unchecked,
    public: SessionPublic,
    /// When the line ends its session: numbers of the intents of which nothing says how they went.
    pub(crate) unsaid: Vec<u64>,
    pub(crate) noticed: Noticed,
}

impl Accepted {
    /// The key that has to have signed this line.
    pub(crate) fn public(&self) -> &SessionPublic {
        &self.public
    }
}
