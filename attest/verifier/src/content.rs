//! Opened contents, held against what the entries of a verified ledger commit to (SPEC.md section 20).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cloister_attest::{Content, ContentHash, Entry, Report, hex, plain};
use serde::{Deserialize, Serialize};

use crate::folder::Entries;

/// Most that is read of a file of opened contents, bytes: 256 MiB, more than a call may give back.
const MOST: u64 = 256 << 20;

/// What `cloister --json audit content` prints of one entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    seq: u64,
    session: String,
    contents: Vec<Opened>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
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

/// The entries in memory, so that contents are held against the very bytes that are verified.
pub(crate) fn lines(mut entries: Entries) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    entries
        .read_to_end(&mut lines)
        .context("the entries cannot be read")?;
    Ok(lines)
}

/// Each content that stands in `file`. Entries from the first bad one on commit to nothing.
pub(crate) fn held(file: &Path, lines: &[u8], report: &Report) -> Result<Vec<Held>> {
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
    let named = named(&shown, lines, report);
    Ok(shown
        .contents
        .into_iter()
        .map(|opened| Held {
            holds: opened.is_one_of(&named),
            seq: shown.seq,
            what: opened.what,
            commitment: opened.commitment,
        })
        .collect())
}

/// What an entry that holds commits to.
fn named(shown: &Shown, lines: &[u8], report: &Report) -> Vec<(String, ContentHash)> {
    let place = usize::try_from(shown.seq).ok();
    place
        .filter(|_| shown.seq < report.entries())
        .and_then(|place| lines.split(|byte| *byte == b'\n').nth(place))
        .and_then(|line| Entry::parse(line).ok())
        .filter(|entry| entry.session.to_string() == shown.session)
        .map(|entry| entry.body.contents())
        .unwrap_or_default()
}

impl Opened {
    fn is_one_of(&self, named: &[(String, ContentHash)]) -> bool {
        let Some(salt) = hex::decode_array(&self.salt) else {
            return false;
        };
        let commitment = Content::new(salt, self.content.clone().into()).commitment();
        commitment.to_string() == self.commitment
            && named.contains(&(self.what.clone(), commitment.into()))
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
