//! Opened contents, held against what the entries of a verified ledger commit to (SPEC.md section 20).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cloister_attest::{Commitment, Content, ContentHash, Entry, Report, hex, plain};
use serde::{Deserialize, Serialize};

use crate::folder::Entries;

/// Most that is read of a file of opened contents, bytes: 256 MiB, more than a call may give back.
const MOST: u64 = 256 << 20;

/// What `cloister --json audit content` prints of one entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    seq: u64,
    session: String,
    contents: Vec<Opened>,
}

/// One content, its bytes already put into what binds to them.
#[derive(Deserialize)]
#[serde(from = "Written")]
struct Opened {
    what: String,
    commitment: String,
    /// Nothing for a salt that is none.
    binds: Option<Commitment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    what: String,
    commitment: String,
    salt: String,
    content: String,
}

/// Whether a content is what its entry commits to.
#[derive(Serialize)]
pub(crate) struct Held {
    seq: u64,
    what: String,
    commitment: String,
    pub(crate) holds: bool,
}

/// The entries on their way to the verifier. Those of which contents were opened are kept, so that these are held against the very bytes that are
/// verified, and a ledger of any length takes no more memory.
pub(crate) struct Picked {
    entries: Entries,
    /// By their places.
    lines: BTreeMap<u64, Vec<u8>>,
    /// The place of the line that goes by.
    place: u64,
}

impl Picked {
    pub(crate) fn of(entries: Entries, shown: &[Shown]) -> Picked {
        Picked {
            entries,
            lines: shown.iter().map(|one| (one.seq, Vec::new())).collect(),
            place: 0,
        }
    }
}

impl Read for Picked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Picked {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.entries.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        let filled = self.entries.fill_buf().unwrap_or_default(); // which it was before: nothing is read here
        let gone = filled.get(..amount).unwrap_or_default();
        for piece in gone.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = self.lines.get_mut(&self.place) {
                line.extend_from_slice(piece);
            }
            self.place = self.place.saturating_add(piece.ends_with(b"\n").into());
        }
        self.entries.consume(amount);
    }
}

impl Shown {
    /// Reads what stands in `file`.
    pub(crate) fn read(file: &Path) -> Result<Shown> {
        let unreadable = || format!("`{}` cannot be read", file.display());
        let mut bytes = Vec::new();
        File::open(file)
            .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
            .with_context(unreadable)?;
        let shown: Shown = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` holds no opened contents", file.display()))?;
        if shown.contents.is_empty() {
            bail!("`{}` holds no contents", file.display());
        }
        Ok(shown)
    }

    /// Each of its contents. Entries from the first bad one on commit to nothing.
    pub(crate) fn held(self, entries: &Picked, report: &Report) -> Vec<Held> {
        let named = self.named(entries, report);
        let seq = self.seq;
        self.contents
            .into_iter()
            .map(|opened| Held {
                holds: opened.is_one_of(&named),
                seq,
                what: opened.what,
                commitment: opened.commitment,
            })
            .collect()
    }

    /// What an entry that holds commits to.
    fn named(&self, entries: &Picked, report: &Report) -> Vec<(String, ContentHash)> {
        let line = entries.lines.get(&self.seq);
        line.filter(|_| self.seq < report.entries())
            .and_then(|line| Entry::parse(line.strip_suffix(b"\n")?).ok())
            .filter(|entry| entry.session.to_string() == self.session)
            .map(|entry| entry.body.contents())
            .unwrap_or_default()
    }
}

impl From<Written> for Opened {
    fn from(written: Written) -> Opened {
        let salt = hex::decode_array(&written.salt);
        Opened {
            what: written.what,
            commitment: written.commitment,
            binds: salt.map(|salt| Content::new(salt, written.content.into()).commitment()),
        }
    }
}

impl Opened {
    fn is_one_of(&self, named: &[(String, ContentHash)]) -> bool {
        self.binds.is_some_and(|binds| {
            binds.to_string() == self.commitment
                && named.contains(&(self.what.clone(), binds.into()))
        })
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, commitment) = (plain(&self.what), plain(&self.commitment));
        let is = if self.holds { "is" } else { "is NOT" };
        writeln!(
            f,
            "content     `{what}`, `{commitment}`, {is} what entry {} commits to",
            self.seq
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_entries_only_those_that_were_opened_are_kept_in_memory() {
        let ledger: String = (0..1000)
            .map(|n| format!("{n}{}\n", "x".repeat(99)))
            .collect();
        let shown = |seq| Shown {
            seq,
            session: String::new(),
            contents: Vec::new(),
        };
        let whole = io::BufReader::with_capacity(64, io::Cursor::new(ledger.clone()));
        let mut picked = Picked::of(Box::new(whole), &[shown(0), shown(7), shown(5000)]);
        let mut passed = String::new();
        picked.read_to_string(&mut passed).unwrap();
        assert_eq!(passed, ledger, "the verifier reads them all the same");
        let lines: Vec<&str> = ledger.split_inclusive('\n').collect();
        let kept = [(0, lines[0]), (7, lines[7]), (5000, "")];
        let kept = kept.map(|(seq, line)| (seq, line.as_bytes().to_vec()));
        assert_eq!(picked.lines, kept.into());
    }
}
