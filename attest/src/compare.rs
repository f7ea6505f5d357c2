//! Whether a ledger goes on from an earlier copy or checkpoint of it, and where it does not (SPEC.md section 15). Pure.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Serialize;

use crate::LIMITS;
use crate::chain::{Bad, SignedChain};
use crate::digest::Digest;
use crate::evidence::{SessionId, UnixMillis};
use crate::keys::SessionPublic;
use crate::plain::plain;
use crate::witness::kept_checkpoint;

/// What was kept elsewhere.
pub enum Kept<R> {
    /// The entries of a copy.
    Entries(R),
    /// The bytes of a checkpoint, cosigned or not.
    Checkpoint(Vec<u8>),
}

/// One of the two that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What was kept.
    Earlier,
    /// The ledger that is held against it.
    Later,
}

/// An entry where two copies part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parted {
    line: Digest,
    kind: &'static str,
    session: SessionId,
    ts: UnixMillis,
}

/// How a later ledger stands to what was kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "comparison", rename_all = "kebab-case")]
pub enum Comparison {
    /// They end at the same entry.
    Same {
        /// Entries of each.
        entries: u64,
    },
    /// The later one has all of the earlier one, and more.
    Extends {
        /// Entries of the earlier one.
        entries: u64,
        /// Entries after these.
        more: u64,
    },
    /// The later one ends before the earlier one does: it was cut or rolled back.
    Shorter {
        /// Entries of the later one.
        entries: u64,
        /// Entries that only the earlier one has.
        missing: u64,
    },
    /// Both have this entry, signed by its session, and it is not the same.
    Diverges {
        /// Number of the first entry that differs.
        seq: u64,
        /// Where it begins in both, bytes.
        byte: u64,
        /// The entry of the earlier one.
        earlier: Parted,
        /// The entry of the later one.
        later: Parted,
    },
    /// The entries that the checkpoint counts are others: they part at the last of them or before.
    DivergesUpTo {
        /// Number of that entry.
        seq: u64,
        /// What the checkpoint says stands for them: the tree's root, or in version 1 the last line's hash.
        earlier: Digest,
        /// The same of the ledger.
        later: Digest,
    },
    /// Their first lines differ: they never were one ledger.
    Unrelated {
        /// Hash of the earlier one's first line.
        earlier: Digest,
        /// Hash of the later one's first line.
        later: Digest,
    },
    /// One of them does not hold by itself.
    Broken {
        /// Which.
        side: Side,
        /// Number of its first bad entry, when it is about one.
        seq: Option<u64>,
        /// Where that begins, bytes.
        byte: u64,
        /// What is wrong.
        what: String,
    },
}

impl Comparison {
    /// Whether everything that was kept is in the later one, as it was.
    pub fn agrees(&self) -> bool {
        matches!(self, Self::Same { .. } | Self::Extends { .. })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { entries } => write!(f, "same        both have the same {entries} entries"),
            Self::Extends { entries, more } => write!(
                f,
                "extends     the later one has the {entries} entries of the earlier one, and {more} more"
            ),
            Self::Shorter { entries, missing } => write!(
                f,
                "shorter     the later one ends after {entries} entries; {missing} more that the earlier one has are gone"
            ),
            Self::Diverges {
                seq,
                byte,
                earlier,
                later,
            } => write!(
                f,
                "diverges    at entry {seq}, byte {byte}\n  earlier   {earlier}\n  later     {later}"
            ),
            Self::DivergesUpTo {
                seq,
                earlier,
                later,
            } => write!(
                f,
                "diverges    at entry {seq} or before\n  earlier   {earlier}\n  later     {later}"
            ),
            Self::Unrelated { earlier, later } => write!(
                f,
                "unrelated   they are two ledgers: their first entries differ\n  earlier   {earlier}\n  later     {later}"
            ),
            Self::Broken {
                side,
                seq,
                byte,
                what,
            } => {
                let side = match side {
                    Side::Earlier => "earlier",
                    Side::Later => "later",
                };
                let entry = seq.map_or_else(String::new, |seq| format!(" from entry {seq}"));
                let what = plain(what);
                write!(
                    f,
                    "broken      the {side} one does not hold{entry}, byte {byte}: {what}"
                )
            }
        }
    }
}

impl fmt::Display for Parted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            kind,
            session,
            ts,
        } = self;
        let ts = ts.get();
        write!(f, "{line}, `{kind}` of session {session} at {ts} (unix ms)")
    }
}

/// Holds a ledger against what was kept of it. Both are read once, a line at a time; that each chain holds and is signed is checked on the
/// way, but neither is trusted: whether sessions are attested is [`crate::verify()`]'s business. A last line without its newline is not an entry.
///
/// # Errors
/// The readers' own; whatever is in the bytes is a result, never an error.
pub fn compare<A: BufRead, B: BufRead>(earlier: Kept<A>, later: B) -> io::Result<Comparison> {
    let later = Copy::new(Side::Later, later);
    let ended = match earlier {
        Kept::Entries(entries) => with_copy(Copy::new(Side::Earlier, entries), later),
        Kept::Checkpoint(bytes) => with_checkpoint(&bytes, later),
    };
    match ended {
        Ok(comparison) => Ok(comparison),
        Err(Stop::At(comparison)) => Ok(*comparison),
        Err(Stop::Unreadable(error)) => Err(error),
    }
}

/// Why a walk does not go on.
enum Stop {
    At(Box<Comparison>),
    Unreadable(io::Error),
}

impl Stop {
    fn at(found: Comparison) -> Self {
        Self::At(Box::new(found))
    }
}

fn with_copy<A: BufRead, B: BufRead>(
    mut earlier: Copy<A>,
    mut later: Copy<B>,
) -> Result<Comparison, Stop> {
    loop {
        let at = later.lines.here();
        let (seq, byte) = (at.before.size, at.byte);
        let (ours, theirs) = match (earlier.entry()?, later.entry()?) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, None) => return Ok(Comparison::Same { entries: seq }),
            (None, Some(_)) => return later.beyond(seq),
            (Some(_), None) => {
                let missing = earlier.last()?.saturating_sub(seq);
                return Ok(Comparison::Shorter {
                    entries: seq,
                    missing,
                });
            }
        };
        if ours.parted == theirs.parted {
            continue;
        }
        earlier.settle()?;
        later.settle()?;
        let (earlier, later) = (ours.parted, theirs.parted);
        return Ok(match seq {
            0 => Comparison::Unrelated {
                earlier: earlier.line,
                later: later.line,
            },
            _ => Comparison::Diverges {
                seq,
                byte,
                earlier,
                later,
            },
        });
    }
}

fn with_checkpoint<R: BufRead>(bytes: &[u8], mut later: Copy<R>) -> Result<Comparison, Stop> {
    let broken = |what: &str| {
        Stop::at(Comparison::Broken {
            side: Side::Earlier,
            seq: None,
            byte: 0,
            what: what.to_owned(),
        })
    };
    let kept = kept_checkpoint(bytes).map_err(broken)?;
    let said = kept.said();
    let mut last = None;
    while later.size() < said.size {
        let Some(entry) = later.entry()? else {
            let entries = later.size();
            let missing = said.size.saturating_sub(entries);
            return Ok(Comparison::Shorter { entries, missing });
        };
        let log = later.lines.chain().log();
        if let Some(log) = log.filter(|log| *log != said.log) {
            return Ok(Comparison::Unrelated {
                earlier: said.log,
                later: log,
            });
        }
        last = Some(entry);
    }
    let last = last.ok_or_else(|| broken("it counts no entries"))?;
    later.settle()?;
    let here = later.lines.chain().said().sum;
    if here != said.sum {
        return Ok(Comparison::DivergesUpTo {
            seq: said.size.saturating_sub(1),
            earlier: *said.sum.digest(),
            later: *here.digest(),
        });
    }
    if later.lines.chain().current().is_some() {
        return Err(broken("no session ends where it stands"));
    }
    kept.signed_by(last.parted.session, &last.public)
        .map_err(broken)?;
    later.beyond(said.size)
}

/// A ledger that is read entry by entry.
struct Copy<R> {
    side: Side,
    entries: R,
    lines: SignedChain,
    line: Vec<u8>,
}

/// An entry that is in its place.
struct Checked {
    parted: Parted,
    /// The key that has to vouch for it.
    public: SessionPublic,
}

impl<R: BufRead> Copy<R> {
    fn new(side: Side, entries: R) -> Self {
        Self {
            side,
            entries,
            lines: SignedChain::default(),
            line: Vec::new(),
        }
    }

    fn size(&self) -> u64 {
        self.lines.here().before.size
    }

    /// The next entry; nothing at the end.
    fn entry(&mut self) -> Result<Option<Checked>, Stop> {
        self.line.clear();
        let most = LIMITS.line.saturating_add(2) as u64;
        let mut bounded = self.entries.by_ref().take(most);
        let read = bounded.read_until(b'\n', &mut self.line);
        read.map_err(Stop::Unreadable)?;
        let taken = match self.line.as_slice() {
            [line @ .., b'\n'] => self.lines.take(line),
            torn if torn.len() <= LIMITS.line => return self.settle().map(|()| None),
            _ => {
                let what = "the entry is longer than any we write".to_owned();
                Err(self.lines.bad(self.lines.here(), what))
            }
        };
        let accepted = taken.map_err(|bad| self.broken(bad))?;
        let entry = &accepted.unchecked.entry;
        let parted = Parted {
            line: self.lines.here().before.head,
            kind: entry.body.kind(),
            session: entry.session,
            ts: entry.ts,
        };
        let public = *accepted.public();
        Ok(Some(Checked { parted, public }))
    }

    /// Demands that what was read is vouched for by what was read.
    fn settle(&mut self) -> Result<(), Stop> {
        self.lines.settle().map_err(|bad| self.broken(bad))
    }

    fn broken(&self, Bad { at, what }: Bad) -> Stop {
        Stop::at(Comparison::Broken {
            side: self.side,
            seq: Some(at.before.size),
            byte: at.byte,
            what,
        })
    }

    /// Reads to the end; how many entries there are.
    fn last(&mut self) -> Result<u64, Stop> {
        while self.entry()?.is_some() {}
        Ok(self.size())
    }

    /// All of the first `entries` are as they were: what else is there?
    fn beyond(&mut self, entries: u64) -> Result<Comparison, Stop> {
        let more = self.last()?.saturating_sub(entries);
        Ok(match more {
            0 => Comparison::Same { entries },
            _ => Comparison::Extends { entries, more },
        })
    }
}
