//! A ledger that was read once: what is shown or believed of it are the bytes that the verifier saw.

use std::collections::BTreeMap;

use cloister_attest::{ENTRIES_FILE, Entry, Files, Report, Roots, cosigned_name, verify};

use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

/// What to say where there is no ledger.
pub(crate) const NO_SESSION: &str = "no session has run in this home yet";

/// The ledger's bytes with the verifier's word about them.
pub(crate) struct Verified {
    lines: Vec<u8>,
    pub(crate) checkpoint: Option<Vec<u8>>,
    pub(crate) others: BTreeMap<String, Vec<u8>>,
    pub(crate) report: Report,
}

impl Verified {
    /// Read the ledger of `home` and verify what was read.
    pub(crate) fn read(home: &Home, roots: &Roots) -> Result<Verified, Failure> {
        Verified::beside(home, roots, None)
    }

    /// The same, as if this note of a witness lay in the folder.
    pub(crate) fn beside(
        home: &Home,
        roots: &Roots,
        note: Option<&[u8]>,
    ) -> Result<Verified, Failure> {
        let folder = home.ledger();
        let path = folder.join(ENTRIES_FILE);
        let lines = disk::read(&path).map_err(|f| f.hint(NO_SESSION.to_owned()))?;
        let (checkpoint, mut others) = disk::others(&folder)?;
        others.extend(note.map(|note| (cosigned_name(note), note.to_vec())));
        let files = Files {
            entries: lines.as_slice(),
            checkpoint: checkpoint.clone(),
            others: others.clone(),
        };
        let report = verify(files, roots, None).map_err(|e| disk::failed("read", &path, &e))?;
        Ok(Verified {
            lines,
            checkpoint,
            others,
            report,
        })
    }

    /// The entries that hold.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let lines = self.lines().split(|byte| *byte == b'\n');
        lines.filter_map(|line| Entry::parse(line).ok()).collect()
    }

    /// The same, a line each. A torn last line is no tampering, and no entry either.
    pub(crate) fn lines(&self) -> &[u8] {
        let entries = usize::try_from(self.report.entries()).unwrap_or(usize::MAX);
        let whole = self.lines.split_inclusive(|byte| *byte == b'\n');
        let length = whole.take(entries).map(<[u8]>::len).sum();
        self.lines.get(..length).unwrap_or_default()
    }
}
