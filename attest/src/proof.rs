//! Proofs without the ledger: that an entry stands in it, or that it begins with a shorter one. Both show who signed, and the way up the tree that
//! a checkpoint signs (SPEC.md section 16). Pure.

use serde::{Deserialize, Serialize};

use crate::canon;
use crate::checkpoint::{self, Sum};
use crate::digest::Digest;
use crate::entry::body::Body;
use crate::entry::{Entry, line_hash};
use crate::error::AttestError;
use crate::tree::Levels;
use crate::witness::kept_checkpoint;

pub(crate) const PROTO: &str = "cloister-proof/v1";

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    pub(crate) checkpoint: String,
    pub(crate) proto: String,
    pub(crate) proves: Claim,
    /// The starts and hand-overs from which the signing keys follow, and the entry, as they stand in the ledger.
    pub(crate) shown: Vec<Shown>,
}

/// What is proven of the ledger that the checkpoint counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Claim {
    /// This entry stands in it.
    Entry(u64),
    /// It begins with the ledger of an earlier checkpoint.
    Extends(Earlier),
}

/// An earlier checkpoint, and what shows that the later one goes on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Earlier {
    pub(crate) checkpoint: String,
    pub(crate) path: Vec<Digest>,
}

/// A line and its audit path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    pub(crate) line: String,
    pub(crate) path: Vec<Digest>,
}

/// Proves entry `seq` of a ledger that was verified before, against its checkpoint: one line with its newline.
///
/// # Errors
/// [`AttestError::NotProven`] when the checkpoint does not count that entry or has no tree; [`AttestError::Malformed`].
pub fn prove(entries: &[u8], checkpoint: &[u8], seq: u64) -> Result<Vec<u8>, AttestError> {
    let counted = Counted::of(entries, checkpoint)?;
    let at = usize::try_from(seq).ok();
    let at = at.filter(|at| *at < counted.lines.len()).ok_or_else(|| {
        let why = "the checkpoint does not count it; it ends with a session";
        not_proven(&format!("entry {seq}"))(why)
    })?;
    counted.document(Claim::Entry(seq), at, &[at])
}

/// Proves that a ledger, verified before, begins with the one that an `earlier` checkpoint, cosigned or not, counts: one line with its newline.
///
/// # Errors
/// [`AttestError::NotProven`] when it does not, or a checkpoint has no tree; [`AttestError::Malformed`].
pub fn prove_extends(
    entries: &[u8],
    checkpoint: &[u8],
    earlier: &[u8],
) -> Result<Vec<u8>, AttestError> {
    let counted = Counted::of(entries, checkpoint)?;
    let not_proven = not_proven("what the earlier checkpoint counts");
    let earlier = kept_checkpoint(earlier).map_err(&not_proven)?;
    let said = earlier.said();
    let size = usize::try_from(said.size).unwrap_or(usize::MAX);
    let beginning = counted.lines.get(..size).filter(|lines| !lines.is_empty());
    let beginning = beginning.ok_or_else(|| not_proven("the ledger has fewer entries"))?;
    let mut tree = crate::tree::Tree::default();
    beginning.iter().for_each(|line| tree.push(line_hash(line)));
    if said.sum != Sum::Root(tree.root()) {
        return Err(not_proven(
            "the ledger does not begin with it; `audit compare` says where they part",
        ));
    }
    let claim = Claim::Extends(Earlier {
        checkpoint: earlier.text().to_owned(),
        path: counted.levels.consistency(size),
    });
    counted.document(claim, size.saturating_sub(1), &[])
}

fn not_proven(what: &str) -> impl Fn(&str) -> AttestError {
    move |why| AttestError::NotProven {
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

/// The lines that a checkpoint counts, without their newlines, if it has a tree over them; `what` is to be proven of them.
pub(crate) fn counted_lines<'a>(
    what: &str,
    entries: &'a [u8],
    checkpoint: &[u8],
) -> Result<Vec<&'a [u8]>, AttestError> {
    let not_proven = not_proven(what);
    if checkpoint.is_empty() {
        return Err(not_proven("there is no checkpoint; end a session first"));
    }
    let said = checkpoint::Unchecked::parse(checkpoint)
        .map_err(&not_proven)?
        .said();
    let Sum::Root(_) = said.sum else {
        return Err(not_proven(
            "the checkpoint is of version 1 and has no tree; end a session first",
        ));
    };
    let size = usize::try_from(said.size).unwrap_or(usize::MAX);
    let whole = entries.split_inclusive(|byte| *byte == b'\n').take(size);
    let lines: Vec<&[u8]> = whole.filter_map(|line| line.strip_suffix(b"\n")).collect();
    if lines.len() != size {
        return Err(not_proven("the checkpoint counts more than there are"));
    }
    Ok(lines)
}

/// The part of a ledger that its checkpoint counts.
struct Counted<'a> {
    checkpoint: &'a [u8],
    /// Without their newlines.
    lines: Vec<&'a [u8]>,
    levels: Levels,
}

impl<'a> Counted<'a> {
    fn of(entries: &'a [u8], checkpoint: &'a [u8]) -> Result<Self, AttestError> {
        let lines = counted_lines("an entry", entries, checkpoint)?;
        let levels = Levels::over(lines.iter().map(|line| line_hash(line)).collect());
        Ok(Self {
            checkpoint,
            lines,
            levels,
        })
    }

    /// Shows what the keys of the session at `place`, and of the one that signed the checkpoint, follow from; and `also`.
    fn document(
        &self,
        proves: Claim,
        place: usize,
        also: &[usize],
    ) -> Result<Vec<u8>, AttestError> {
        let last = self.lines.len().saturating_sub(1);
        let mut seqs = self.keys(place)?;
        seqs.extend(self.keys(last)?);
        seqs.extend(also);
        seqs.sort_unstable();
        seqs.dedup();
        let proof = Proof {
            checkpoint: String::from_utf8_lossy(self.checkpoint).into_owned(),
            proto: PROTO.to_owned(),
            proves,
            shown: seqs.into_iter().map(|at| self.show(at)).collect(),
        };
        let mut line = canon::write("the proof", &proof)?;
        line.push(b'\n');
        Ok(line)
    }

    fn show(&self, at: usize) -> Shown {
        let line = self.lines.get(at).copied().unwrap_or_default();
        Shown {
            line: String::from_utf8_lossy(line).into_owned(),
            path: self.levels.path(at),
        }
    }

    /// The start of the session at `place`, and its hand-overs before that. A session's lines stand together.
    fn keys(&self, place: usize) -> Result<Vec<usize>, AttestError> {
        let mut keys = Vec::new();
        for at in (0..=place).rev() {
            let line = self.lines.get(at).copied().unwrap_or_default();
            // Bodies come before kinds in a canonical line, so that only parsing tells.
            match Entry::parse(line)?.body {
                Body::Rotate(_) if at < place => keys.push(at),
                Body::SessionStart(_) => {
                    keys.push(at);
                    return Ok(keys);
                }
                _ => {}
            }
        }
        Err(not_proven("an entry")(
            "its session does not begin in the ledger",
        ))
    }
}
