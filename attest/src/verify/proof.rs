//! The verdict on a proof: a ledger of which few lines are shown, and each by its path (SPEC.md section 16). Pure.

use std::fmt;

use serde::Serialize;

use super::{Fault, Report, Walk};
use crate::LIMITS;
use crate::canon;
use crate::chain::{Epoch, UNSIGNED, check_start, check_version};
use crate::checkpoint::{self, Checkpoint, Said, Sum};
use crate::digest::Digest;
use crate::entry::body::{Body, SessionStart};
use crate::entry::{Entry, Unchecked, line_hash};
use crate::evidence::{Attestation, Challenge, LedgerHead, SessionId};
use crate::keys::SessionPublic;
use crate::plain::plain;
use crate::proof::{Claim, PROTO, Proof, Shown};
use crate::roots::Roots;
use crate::tree;

/// The name under which a fault of the document is reported.
const FILE: &str = "proof";

/// What a proof is about, beside the number of entries that its checkpoint counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Proven {
    /// This entry is among them.
    Entry { seq: u64, of: u64, line: String },
    /// They begin with those that the earlier checkpoint counts.
    Extends {
        entries: u64,
        of: u64,
        earlier: String,
    },
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { seq, of, line } => {
                writeln!(
                    f,
                    "            proven: entry {seq} of {of}: {}",
                    plain(line)
                )
            }
            Self::Extends {
                entries,
                of,
                earlier,
            } => {
                writeln!(
                    f,
                    "            proven: the ledger of {of} entries begins with the {entries} of this checkpoint:"
                )?;
                let lines = earlier.lines();
                lines
                    .into_iter()
                    .try_for_each(|line| writeln!(f, "              {}", plain(line)))
            }
        }
    }
}

/// Checks a proof by itself, without its ledger. With a `challenge`, the session that signed must have been begun in answer to it.
pub fn verify_proof(bytes: &[u8], roots: &Roots, challenge: Option<&Challenge>) -> Report {
    proven(bytes, roots, challenge).0
}

/// The same, and of what holds the checkpoint and what an earlier one says with which its ledger begins.
pub(crate) fn proven(
    bytes: &[u8],
    roots: &Roots,
    challenge: Option<&Challenge>,
) -> (Report, Option<(Checkpoint, Option<Said>)>) {
    let mut walk = Walk::new(roots, challenge);
    match walk.proof(bytes) {
        Ok(shown) => {
            walk.freshness();
            (walk.report(), Some(shown))
        }
        Err(fault) => (walk.tampered(fault), None),
    }
}

fn bad(what: &str) -> Fault {
    Fault::file(FILE, what)
}

/// A line whose path leads to the root.
struct Placed {
    unchecked: Unchecked,
    hash: Digest,
}

impl Placed {
    fn entry(&self) -> &Entry {
        &self.unchecked.entry
    }

    fn fault(&self, what: String) -> Fault {
        Fault {
            seq: Some(self.entry().seq),
            ..bad(&what)
        }
    }

    fn check_signature(&self, public: &SessionPublic) -> Result<(), String> {
        let signed = self.unchecked.is_signed_by(public);
        signed.then_some(()).ok_or_else(|| UNSIGNED.to_owned())
    }
}

/// The session whose lines are being shown.
struct Signing {
    id: SessionId,
    att: Attestation,
    version: u64,
    epoch: Epoch,
}

impl Signing {
    /// Takes a later line of the session.
    fn step(&mut self, placed: &Placed) -> Result<(), String> {
        let entry = placed.entry();
        if (entry.session, entry.att, entry.v) != (self.id, self.att, self.version) {
            return Err("the entry is another session's".to_owned());
        }
        if self.epoch.over(entry.seq, entry.ts) && !entry.body.ends_epoch() {
            return Err("the key signs more, or for longer, than one key may".to_owned());
        }
        placed.check_signature(&self.epoch.public())?;
        if let Body::Rotate(rotate) = &entry.body {
            self.epoch = self.epoch.hand_over(rotate, entry)?;
        }
        Ok(())
    }
}

/// What the claim needs while lines are shown.
enum Sought {
    /// This entry.
    Entry(u64),
    /// The keys of the session that signed the earlier checkpoint.
    Signer(checkpoint::Unchecked),
}

impl Walk<'_> {
    fn proof(&mut self, bytes: &[u8]) -> Result<(Checkpoint, Option<Said>), Fault> {
        let Proof {
            checkpoint,
            proto,
            proves,
            shown,
        } = read(bytes).map_err(|what| bad(&what))?;
        if proto != PROTO {
            return Err(bad("it is of another protocol"));
        }
        let checkpoint = checkpoint::Unchecked::parse(checkpoint.as_bytes()).map_err(bad)?;
        let (said, root) = counted(&checkpoint)?;
        let (sought, proven) = claimed(proves, said, root, &shown)?;
        let since = match &sought {
            Sought::Entry(_) => None,
            Sought::Signer(earlier) => Some(earlier.said()),
        };
        let signer = self.shown(&shown, said, root, sought)?;
        let key = signer.epoch.public();
        let checkpoint = checkpoint.signed_by(signer.id, &key).map_err(bad)?;
        self.proves = Some(proven);
        Ok((checkpoint, since))
    }

    /// Takes the lines that are shown, in order; the session of the last one.
    fn shown(
        &mut self,
        shown: &[Shown],
        said: Said,
        root: Digest,
        sought: Sought,
    ) -> Result<Signing, Fault> {
        let (mut signing, mut sought) = (None::<Signing>, Some(sought));
        let mut next = 0;
        for shown in shown {
            let placed = place(shown, said, root)?;
            let seq = placed.entry().seq;
            if seq < next {
                return Err(placed.fault("the entries are not shown in order".to_owned()));
            }
            next = seq.saturating_add(1);
            found(&mut sought, Some(seq), signing.as_ref())?;
            let step = match (&placed.entry().body, &mut signing) {
                (Body::SessionStart(_), Some(_)) if sought.is_some() || self.sessions > 1 => {
                    Err("a session that nothing follows from".to_owned())
                }
                (Body::SessionStart(start), _) => {
                    self.begins(&placed, start).map(|new| signing = Some(new))
                }
                (_, None) => Err("an entry stands outside a session".to_owned()),
                (_, Some(current)) => current.step(&placed),
            };
            step.map_err(|what| placed.fault(what))?;
            if matches!(sought, Some(Sought::Entry(entry)) if entry == seq) {
                sought = None;
            }
            self.good = LedgerHead {
                head: placed.hash,
                size: self.good.size.saturating_add(1),
            };
        }
        found(&mut sought, None, signing.as_ref())?;
        match (signing, sought) {
            (Some(signing), None) => Ok(signing),
            _ => Err(bad("what it proves is not shown")),
        }
    }

    /// A session's start holds by itself, and is vouched for or doubted.
    fn begins(&mut self, placed: &Placed, start: &SessionStart) -> Result<Signing, String> {
        let entry = placed.entry();
        let at = LedgerHead {
            head: entry.prev,
            size: entry.seq,
        };
        check_start(entry, start, at)?;
        let (statement, public) = (&start.statement, *start.statement.public());
        placed.check_signature(&public)?;
        self.answers(statement);
        self.session(statement, &start.evidence)?;
        self.sessions = self.sessions.saturating_add(1);
        Ok(Signing {
            id: entry.session,
            att: entry.att,
            version: entry.v,
            epoch: Epoch::first(public, entry),
        })
    }
}

/// Once the entries that an earlier checkpoint counts have been shown, as `next` is not one of them: who signs there signed it.
fn found(
    sought: &mut Option<Sought>,
    next: Option<u64>,
    signing: Option<&Signing>,
) -> Result<(), Fault> {
    let passed =
        |earlier: &checkpoint::Unchecked| next.is_none_or(|seq| seq >= earlier.said().size);
    match (sought.take(), signing) {
        (Some(Sought::Signer(earlier)), Some(signer)) if passed(&earlier) => {
            let signed = earlier.signed_by(signer.id, &signer.epoch.public());
            signed.map_err(bad).map(drop)
        }
        (other, _) => {
            *sought = other;
            Ok(())
        }
    }
}

fn read(bytes: &[u8]) -> Result<Proof, String> {
    if bytes.len() > LIMITS.proof {
        return Err("it is too long".to_owned());
    }
    let line = bytes
        .strip_suffix(b"\n")
        .ok_or("it does not end in a newline")?;
    canon::read("the proof", line).map_err(|error| error.to_string())
}

/// What a checkpoint says that has a tree.
fn counted(checkpoint: &checkpoint::Unchecked) -> Result<(Said, Digest), Fault> {
    let said = checkpoint.said();
    match said.sum {
        Sum::Root(root) => Ok((said, root)),
        Sum::Head(_) => Err(bad("a checkpoint is of version 1, which has no tree")),
    }
}

/// What is to be looked for among the lines, and what it then proves.
fn claimed(
    claim: Claim,
    said: Said,
    root: Digest,
    shown: &[Shown],
) -> Result<(Sought, Proven), Fault> {
    let of = said.size;
    match claim {
        Claim::Entry(seq) => {
            let is_it = |line: &&Shown| {
                let entry = Entry::parse(line.line.as_bytes());
                entry.is_ok_and(|entry| entry.seq == seq)
            };
            let line = shown.iter().find(is_it).map(|shown| shown.line.clone());
            let line = line.ok_or_else(|| bad("what it proves is not shown"))?;
            Ok((Sought::Entry(seq), Proven::Entry { seq, of, line }))
        }
        Claim::Extends(earlier) => {
            let text = earlier.checkpoint;
            let found = checkpoint::Unchecked::parse(text.as_bytes()).map_err(bad)?;
            let (before, its_root) = counted(&found)?;
            if before.log != said.log {
                return Err(bad("the checkpoints are of two ledgers"));
            }
            if !tree::consistent((before.size, its_root), (of, root), &earlier.path) {
                return Err(bad("the ledger does not begin with the earlier one"));
            }
            let entries = before.size;
            let proven = Proven::Extends {
                entries,
                of,
                earlier: text,
            };
            Ok((Sought::Signer(found), proven))
        }
    }
}

fn place(shown: &Shown, said: Said, root: Digest) -> Result<Placed, Fault> {
    let line = shown.line.as_bytes();
    if line.len() > LIMITS.line {
        return Err(bad("an entry is longer than any we write"));
    }
    let unchecked = Unchecked::parse(line).map_err(|error| bad(&error.to_string()))?;
    let placed = Placed {
        unchecked,
        hash: line_hash(line),
    };
    check_version(placed.entry()).map_err(|what| placed.fault(what))?;
    let seq = placed.entry().seq;
    if tree::root(placed.hash, seq, said.size, &shown.path) != Some(root) {
        return Err(placed.fault("its path does not lead to the checkpoint's root".to_owned()));
    }
    if seq == 0 && placed.hash != said.log {
        return Err(placed.fault("the checkpoint is another ledger's".to_owned()));
    }
    Ok(placed)
}
