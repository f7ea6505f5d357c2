//! The checkpoint and cosigned notes against the entries, and what witnesses vouch for (SPEC.md sections 8 and 17). Pure.

use std::fmt;

use serde::Serialize;

use super::{Fault, Walk};
use crate::chain::Accepted;
use crate::plain::{moment, plain};
use crate::storage::CHECKPOINT_FILE;
use crate::witness::{Cosignature, UnixSeconds};

/// What a pinned witness has cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Witnessed {
    /// Its key, as text.
    witness: String,
    /// How many entries the largest of its notes counts.
    entries: u64,
    /// When these were there, by its clock.
    since: UnixSeconds,
}

impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            witness,
            entries,
            since,
        } = self;
        let name = witness.split('+').next().unwrap_or_default();
        writeln!(
            f,
            "            witnessed by `{}`: the first {entries} entries, since {}",
            plain(name),
            moment(since.get())
        )
    }
}

impl Walk<'_> {
    /// Holds what counts to here against the entries up to here.
    pub(super) fn pass_marks(&mut self, accepted: &Accepted) -> Result<(), Fault> {
        self.anchored = false;
        let size = self.lines.chain().at().size;
        for mark in self.marks.at(size) {
            self.lines.settle().map_err(|bad| self.bad(bad))?;
            let (file, by) = (mark.file.clone(), mark.by.clone());
            mark.holds(self.lines.chain(), accepted)
                .map_err(|what| Fault::file(&file, what))?;
            match by {
                None => self.anchored = true,
                Some(by) => self.saw(&by, size),
            }
        }
        Ok(())
    }

    /// Notes are passed in the order of their sizes; of the same size the later one says no more.
    fn saw(&mut self, by: &Cosignature, entries: u64) {
        let roots = self.roots;
        let witness = roots.witnesses().iter().find(|one| one.is_named_by(by));
        let Some(witness) = witness.map(ToString::to_string) else {
            return;
        };
        let found = Witnessed {
            witness: witness.clone(),
            entries,
            since: by.time,
        };
        let known = self
            .witnessed
            .entry(witness)
            .or_insert_with(|| found.clone());
        if (known.entries, found.since) < (entries, known.since) {
            *known = found;
        }
    }

    /// At the end: nothing that was counted is missing.
    pub(super) fn reached(&mut self) -> Result<(), Fault> {
        let Some(missing) = self.marks.unreached() else {
            return Ok(());
        };
        let (have, want) = (self.good.size, missing.note.said().size);
        let which = match missing.file.as_str() {
            CHECKPOINT_FILE => "the checkpoint",
            _ => "a cosigned note",
        };
        Err(self.here(&format!("{which} counts {want} entries, there are {have}")))
    }

    /// At the end: each pinned witness has been here.
    pub(super) fn witnesses(&mut self) {
        let roots = self.roots;
        for witness in roots.witnesses() {
            if !self.witnessed.contains_key(&witness.to_string()) {
                let name = witness.name();
                self.doubt(format!(
                    "witness `{name}` has cosigned nothing of this ledger"
                ));
            }
        }
    }
}
