//! The checkpoint and the cosigned notes of a ledger folder: each must hold where the entries reach what it counts to (SPEC.md sections 8, 11 and 17). Pure.

use std::collections::BTreeMap;

use crate::chain::{Accepted, Chain};
use crate::checkpoint;
use crate::storage::CHECKPOINT_FILE;
use crate::witness::{Cosignature, Cosigned, Witness, cosigned_name};

/// A note over the ledger, until the entries reach it.
pub(crate) struct Mark {
    /// The file that it was read from.
    pub(crate) file: String,
    pub(crate) note: checkpoint::Unchecked,
    /// Who cosigned it; nobody signs the folder's own checkpoint but its session.
    pub(crate) by: Option<Cosignature>,
}

/// All of them, by how many entries they count.
#[derive(Default)]
pub(crate) struct Marks(BTreeMap<u64, Vec<Mark>>);

impl Marks {
    /// Reads the checkpoint, and then the cosigned notes among the other files; those in the name of a pinned witness must be signed by it. What is
    /// wrong is named by its file.
    pub(crate) fn read(
        checkpoint: Option<&[u8]>,
        others: &BTreeMap<String, Vec<u8>>,
        pinned: &[Witness],
    ) -> Result<Self, (String, &'static str)> {
        let mut marks = Self::default();
        if let Some(bytes) = checkpoint {
            let file = CHECKPOINT_FILE.to_owned();
            match checkpoint::Unchecked::parse(bytes) {
                Ok(note) => marks.add(Mark {
                    file,
                    note,
                    by: None,
                }),
                Err(what) => return Err((file, what)),
            }
        }
        for (file, bytes) in others
            .iter()
            .filter(|(file, bytes)| is_cosigned(file, bytes))
        {
            let note = vouched(bytes, pinned).map_err(|what| (file.clone(), what))?;
            let (file, by) = (file.clone(), Some(note.by));
            marks.add(Mark {
                file,
                note: note.checkpoint,
                by,
            });
        }
        Ok(marks)
    }

    fn add(&mut self, mark: Mark) {
        self.0.entry(mark.note.said().size).or_default().push(mark);
    }

    /// Those that count this many entries.
    pub(crate) fn at(&mut self, size: u64) -> Vec<Mark> {
        self.0.remove(&size).unwrap_or_default()
    }

    /// The first that the entries did not reach.
    pub(crate) fn unreached(&self) -> Option<&Mark> {
        self.0.values().flatten().next()
    }
}

/// Whether a file of a ledger folder has the name of a cosigned note with these bytes.
pub(crate) fn is_cosigned(file: &str, bytes: &[u8]) -> bool {
    file == cosigned_name(bytes)
}

fn vouched(bytes: &[u8], pinned: &[Witness]) -> Result<Cosigned, &'static str> {
    let note = Cosigned::read(bytes)?;
    match pinned.iter().find(|witness| witness.is_named_by(&note.by)) {
        Some(witness) if !note.is_by(witness) => Err("the cosignature is not the witness's"),
        _ => Ok(note),
    }
}

impl Mark {
    /// Whether it is this ledger's, and of the session whose last entry was taken here. `chain` is vouched for up to here.
    pub(crate) fn holds(self, chain: &Chain, accepted: &Accepted) -> Result<(), &'static str> {
        let (found, said) = (self.note.said(), chain.said());
        if found.sum.version() != said.sum.version() {
            return Err("its version is not that of the session that ended there");
        }
        if found.sum != said.sum {
            return Err("it is over other entries than the ledger's up to that size");
        }
        if found.log != said.log {
            return Err("it is another ledger's");
        }
        if chain.current().is_some() {
            return Err("no session ends where it stands");
        }
        let session = accepted.unchecked.entry.session;
        self.note.signed_by(session, accepted.public()).map(drop)
    }
}
