//! The writer: nothing counts before its entry is durable, and what cannot be recorded does not happen. Pure; storage and time are passed in.

use std::collections::BTreeMap;

use crate::LIMITS;
use crate::anchor::{self, Anchor};
use crate::chain::{Bad, Chain, SignedChain};
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::entry::body::{Body, Recovery, Rotate, SessionEnd, SessionStart, Torn};
use crate::entry::{Entry, VERSION, line_hash};
use crate::error::AttestError;
use crate::evidence::{LedgerHead, UnixMillis};
use crate::keys::SessionKey;
use crate::marks::Marks;
use crate::storage::{CHECKPOINT_FILE, ENTRIES_FILE, Files, Storage};

/// A ledger as found, whole so far, on which a session can begin.
pub struct Resumed<S> {
    storage: S,
    chain: Chain,
    recovery: Recovery,
}

/// A ledger with a session in progress. Entries are durable when [`Ledger::record`] returns.
pub struct Ledger<S> {
    storage: S,
    chain: Chain,
    key: SessionKey,
    start: Entry,
    poisoned: bool,
}

/// Proof that what it carries was recorded. Only [`Ledger::record`] makes one:
///
/// ```compile_fail,E0451
/// fn forged(receipt: cloister_attest::Receipt) -> cloister_attest::Recorded<()> {
///     cloister_attest::Recorded { carried: (), receipt }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Recorded<T> {
    carried: T,
    receipt: Receipt,
}

/// Where something was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    seq: u64,
    hash: Digest,
    at: UnixMillis,
}

/// A session that has ended.
pub struct Closed<S> {
    storage: S,
    checkpoint: Checkpoint,
}

impl<T> Recorded<T> {
    /// What was recorded, and where.
    pub fn into_parts(self) -> (T, Receipt) {
        (self.carried, self.receipt)
    }

    /// Where.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// A look at what was recorded.
    pub fn get(&self) -> &T {
        &self.carried
    }
}

impl Receipt {
    /// Number of the entry.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of its line.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The time that the entry carries.
    pub fn at(&self) -> UnixMillis {
        self.at
    }
}

impl<S: Storage> Ledger<S> {
    /// Reads a ledger folder, empty or not, and makes it ready for a session. A torn last line is put aside and cut off;
    /// the next session records that, and every session that never ended.
    ///
    /// # Errors
    /// [`AttestError::Tampered`] when the chain, the signatures or the checkpoint do not hold, or entries that the
    /// checkpoint counts are missing; [`AttestError::Storage`] when a torn line cannot be put aside.
    pub fn resume(files: Files<&[u8]>, mut storage: S) -> Result<Resumed<S>, AttestError> {
        let (whole, torn_line) = split_torn(files.entries);
        let chain = walk(whole, files.checkpoint.as_deref(), &files.others)?;
        let mut torn: Vec<Torn> = files
            .others
            .iter()
            .filter(|(name, bytes)| **name == torn_name(bytes) && !chain.torn().contains_key(*name))
            .map(|(_, bytes)| torn_of(bytes))
            .collect();
        if !torn_line.is_empty() {
            let found = torn_of(torn_line);
            storage
                .replace(&found.file, torn_line)
                .map_err(AttestError::Storage)?;
            // A crash from now on leaves the same line in both places; the next resume puts it aside under the same name.
            storage
                .cut(whole.len() as u64)
                .map_err(AttestError::Storage)?;
            if !torn.contains(&found) && !chain.torn().contains_key(&found.file) {
                torn.push(found);
            }
        }
        let recovery = Recovery {
            unended: chain.all_unended(),
            torn,
        };
        Ok(Resumed {
            storage,
            chain,
            recovery,
        })
    }

    /// Makes an entry durable and only then hands on what depends on it. `now` is the device's clock; should it have gone
    /// back, the entry carries the time of the one before.
    ///
    /// # Errors
    /// [`AttestError::Storage`] the first time a write fails and [`AttestError::Poisoned`] ever after;
    /// [`AttestError::Expired`], [`AttestError::EntryTooLong`] and [`AttestError::NotYours`] leave the ledger usable.
    pub fn record<T>(
        &mut self,
        body: Body,
        now: UnixMillis,
        carried: T,
    ) -> Result<Recorded<T>, AttestError> {
        if matches!(
            body,
            Body::SessionStart(_)
                | Body::Recovery(_)
                | Body::Anchor(_)
                | Body::Rotate(_)
                | Body::SessionEnd(_)
        ) {
            return Err(AttestError::NotYours { kind: body.kind() });
        }
        let receipt = self.write(body, now)?;
        Ok(Recorded { carried, receipt })
    }

    /// Records something on which nothing depends.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub fn note(&mut self, body: Body, now: UnixMillis) -> Result<Receipt, AttestError> {
        self.record(body, now, ()).map(|recorded| recorded.receipt)
    }

    /// Whether an anchor is due before anything else is recorded at `now` (SPEC.md section 14).
    pub fn anchor_due(&self, now: UnixMillis) -> bool {
        self.chain.anchor_due(not_before_last(&self.chain, now))
    }

    /// Records where the TPM's counter stands: `certify` raises it and has it certified over what it is given.
    ///
    /// # Errors
    /// What `certify` returns, and [`AttestError::Evidence`] when the certificate is not over this place in this ledger, by the session's
    /// attestation key, or the counter did not rise by one: both leave the ledger usable; else as [`Ledger::record`].
    pub fn anchor<E: From<AttestError>>(
        &mut self,
        now: UnixMillis,
        certify: impl FnOnce(&Digest) -> Result<Anchor, E>,
    ) -> Result<Receipt, E> {
        self.hand_over_if_due(now)?;
        let log = self.chain.log().unwrap_or(Digest::ZERO);
        let qualifying = anchor::over_ledger(&log, self.chain.at());
        let anchor = certify(&qualifying)?;
        self.fits(&anchor, &qualifying)
            .map_err(AttestError::Evidence)?;
        Ok(self.append(Body::Anchor(anchor), now)?)
    }

    fn fits(&self, anchor: &Anchor, qualifying: &Digest) -> Result<(), String> {
        let Body::SessionStart(start) = &self.start.body else {
            return Err("the session has no start".to_owned());
        };
        let quote = start.evidence.quote();
        let quote = quote.ok_or("the session is not attested")?;
        self.chain.expect_anchor(anchor.read(qualifying)?.value)?;
        Ok(anchor.signed_by(quote.ak_public())?)
    }

    /// Ends the session and signs a checkpoint over the whole ledger. The session's key is wiped.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub fn end(mut self, outcome: String, now: UnixMillis) -> Result<Closed<S>, AttestError> {
        self.hand_over_if_due(now)?; // before its entries are counted
        let entries = self.chain.entries_of_session();
        self.write(Body::SessionEnd(SessionEnd { outcome, entries }), now)?;
        // A crash from now on leaves an ended session under an older checkpoint: whole, but not anchored.
        let checkpoint = Checkpoint::sign(self.chain.said(), self.start.session, &self.key);
        self.storage
            .replace(CHECKPOINT_FILE, checkpoint.text().as_bytes())
            .map_err(AttestError::Storage)?;
        Ok(Closed {
            storage: self.storage,
            checkpoint,
        })
    }

    /// Where the ledger stands.
    pub fn head(&self) -> LedgerHead {
        self.chain.at()
    }

    /// The session's first entry, with its statement.
    pub fn start(&self) -> &Entry {
        &self.start
    }

    /// The storage, to look at.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn write(&mut self, body: Body, now: UnixMillis) -> Result<Receipt, AttestError> {
        self.alive()?;
        let (now, not_after) = (not_before_last(&self.chain, now), self.not_after());
        if now > not_after && body.starts_something() {
            return Err(AttestError::Expired {
                not_after: not_after.get(),
                now: now.get(),
                kind: body.kind(),
            });
        }
        self.hand_over_if_due(now)?;
        self.append(body, now)
    }

    fn alive(&self) -> Result<(), AttestError> {
        if self.poisoned {
            return Err(AttestError::Poisoned);
        }
        Ok(())
    }

    /// Hands over to the next key where this one has signed all that it may. The old key is wiped once the hand-over is durable.
    fn hand_over_if_due(&mut self, now: UnixMillis) -> Result<(), AttestError> {
        self.alive()?;
        let now = not_before_last(&self.chain, now);
        if let Some(epoch) = self.chain.epoch_due(now) {
            let key = self.key.next();
            let next = key.public();
            self.append(Body::Rotate(Rotate { epoch, next }), now)?;
            self.key = key;
        }
        Ok(())
    }

    fn append(&mut self, body: Body, now: UnixMillis) -> Result<Receipt, AttestError> {
        let line = next_line(&self.chain, &self.start, body, now, &self.key)?;
        let receipt = Receipt {
            seq: self.chain.at().size,
            hash: line_hash(&line),
            at: not_before_last(&self.chain, now),
        };
        self.poisoned = true; // until the line is known to be durable
        advance(&mut self.chain, &line)?;
        self.storage
            .append(&[line.as_slice(), b"\n"].concat())
            .map_err(AttestError::Storage)?;
        self.storage.sync().map_err(AttestError::Storage)?;
        self.poisoned = false;
        Ok(receipt)
    }

    fn not_after(&self) -> UnixMillis {
        match &self.start.body {
            Body::SessionStart(start) => start.statement.not_after(),
            _ => UnixMillis::new(0),
        }
    }
}

impl<S: Storage> Resumed<S> {
    /// Where the ledger stands; the statement of the session that begins here must say the same.
    pub fn head(&self) -> LedgerHead {
        self.chain.at()
    }

    /// Refuses a ledger that was put back: the TPM's counter, which the attestation key `ak_name` certifies, stands at `value`.
    ///
    /// # Errors
    /// [`AttestError::RolledBack`].
    pub fn expect_counter(&self, ak_name: &[u8], value: u64) -> Result<(), AttestError> {
        let Some(standing) = self.chain.standing(ak_name) else {
            return Ok(());
        };
        let ahead = standing.loose.saturating_add(standing.value);
        if (standing.value..=ahead).contains(&value) {
            return Ok(());
        }
        Err(AttestError::RolledBack {
            counter: value,
            anchor: standing.value,
        })
    }

    /// What the next session will record of earlier ones that did not end well.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Begins a session under `key`, which lives until the session ends. Its start, and the recovery if there is one, are
    /// durable when this returns.
    ///
    /// # Errors
    /// [`AttestError::Evidence`] when statement, quote, key and ledger do not belong together; [`AttestError::Expired`] when it
    /// is already too late, which takes nothing but a slow start; [`AttestError::Storage`].
    pub fn begin(
        self,
        key: SessionKey,
        start: SessionStart,
        now: UnixMillis,
    ) -> Result<Ledger<S>, AttestError> {
        if *start.statement.public() != key.public() {
            return Err(AttestError::Evidence(
                "the statement is another session's".to_owned(),
            ));
        }
        if let Some(quote) = start.evidence.quote() {
            quote
                .check(&start.statement.qualifying()?)
                .map_err(|why| AttestError::Evidence(why.to_owned()))?;
        }
        let Self {
            mut storage,
            mut chain,
            recovery,
        } = self;
        let not_after = start.statement.not_after();
        if now > not_after {
            return Err(AttestError::Expired {
                not_after: not_after.get(),
                now: now.get(),
                kind: "session-start",
            });
        }
        let entry = Entry {
            att: start.evidence.attestation(),
            session: start.statement.session(),
            body: Body::SessionStart(Box::new(start)),
            prev: chain.at().head,
            seq: chain.at().size,
            ts: now,
            v: VERSION,
        };
        let mut lines = entry.clone().sign(&key)?;
        advance(&mut chain, &lines)?;
        lines.push(b'\n');
        if recovery != Recovery::default() {
            let line = next_line(&chain, &entry, Body::Recovery(recovery), now, &key)?;
            advance(&mut chain, &line)?;
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        storage.append(&lines).map_err(AttestError::Storage)?;
        storage.sync().map_err(AttestError::Storage)?;
        Ok(Ledger {
            storage,
            chain,
            key,
            start: entry,
            poisoned: false,
        })
    }
}

impl<S> Closed<S> {
    /// The checkpoint that was written: what one would carry to a witness.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The storage, for the next session.
    pub fn into_storage(self) -> S {
        self.storage
    }
}

/// The line that comes next in the session that `start` began.
fn next_line(
    chain: &Chain,
    start: &Entry,
    body: Body,
    now: UnixMillis,
    key: &SessionKey,
) -> Result<Vec<u8>, AttestError> {
    let LedgerHead { head, size } = chain.at();
    let ts = not_before_last(chain, now);
    let line = Entry {
        att: start.att,
        body,
        prev: head,
        seq: size,
        session: start.session,
        ts,
        v: VERSION,
    }
    .sign(key)?;
    if line.len() > LIMITS.line {
        return Err(AttestError::EntryTooLong {
            bytes: line.len(),
            limit: LIMITS.line,
        });
    }
    Ok(line)
}

/// `now`, or the time of the session's last entry should the clock have gone back.
fn not_before_last(chain: &Chain, now: UnixMillis) -> UnixMillis {
    chain
        .current()
        .map_or(now, |current| now.max(current.last_ts))
}

/// Lets our own reader take the line first: a writer writes nothing that a reader would refuse.
fn advance(chain: &mut Chain, line: &[u8]) -> Result<(), AttestError> {
    chain.accept(line).map(drop).map_err(AttestError::Evidence)
}

/// Whole lines, and what follows the last newline.
fn split_torn(entries: &[u8]) -> (&[u8], &[u8]) {
    let whole = entries
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at.saturating_add(1));
    entries.split_at_checked(whole).unwrap_or((entries, &[]))
}

/// Name under which a torn line is put aside: by its content, so that doing it twice changes nothing.
pub(crate) fn torn_name(bytes: &[u8]) -> String {
    format!("torn-{}.bin", Digest::of(bytes).hex())
}

fn torn_of(bytes: &[u8]) -> Torn {
    Torn {
        file: torn_name(bytes),
        sha256: Digest::of(bytes),
        bytes: bytes.len() as u64,
    }
}

/// Walks the whole chain, and checks signatures, the checkpoint and cosigned notes as the verifier does. Whether sessions are attested is not asked here.
fn walk(
    whole: &[u8],
    checkpoint: Option<&[u8]>,
    others: &BTreeMap<String, Vec<u8>>,
) -> Result<Chain, AttestError> {
    let tampered = |bad: Bad| AttestError::Tampered {
        file: ENTRIES_FILE.to_owned(),
        byte: bad.at.byte,
        what: bad.what,
    };
    let broken = |file: String, what: &str| AttestError::Tampered {
        file,
        byte: 0,
        what: what.to_owned(),
    };
    // Which witnesses count is for verifiers to say; a home goes on from nothing less than what it was given back.
    let marks = Marks::read(checkpoint, others, &[]);
    let mut marks = marks.map_err(|(file, what)| broken(file, what))?;
    let mut lines = SignedChain::default();
    for line in whole.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let accepted = lines.take(line).map_err(tampered)?;
        let size = lines.chain().at().size;
        for mark in marks.at(size) {
            lines.settle().map_err(tampered)?;
            let file = mark.file.clone();
            mark.holds(lines.chain(), &accepted)
                .map_err(|what| broken(file, what))?;
        }
    }
    lines.settle().map_err(tampered)?;
    match marks.unreached() {
        Some(missing) => Err(tampered(missing_entries(&lines, missing.note.said().size))),
        None => Ok(lines.into_chain()),
    }
}

fn missing_entries(lines: &SignedChain, counted: u64) -> Bad {
    let at = lines.here();
    let missing = counted.saturating_sub(at.before.size);
    let what = format!("{missing} entries of {counted} are missing");
    Bad { at, what }
}
