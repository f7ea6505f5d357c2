//! Where a ledger's bytes go: a trait that the edge implements, and one in memory. Pure.

use std::collections::BTreeMap;
use std::io;

/// Name of the file of entries in the ledger folder.
pub const ENTRIES_FILE: &str = "entries.jsonl";
/// Name of the signed checkpoint in the ledger folder.
pub const CHECKPOINT_FILE: &str = "checkpoint";

/// A ledger folder, as bytes. All of it: an unknown file is reported.
pub struct Files<R> {
    /// `entries.jsonl`; empty when there is none yet.
    pub entries: R,
    /// `checkpoint`, if there is one.
    pub checkpoint: Option<Vec<u8>>,
    /// Every other file below the folder by its relative name. Reading 1 MiB and one byte of each is enough to judge it.
    pub others: BTreeMap<String, Vec<u8>>,
}

/// One ledger folder opened for writing by one process, under a lock that the edge holds.
///
/// An implementation must not reorder: when `sync` has returned, all that was appended before it survives a power cut.
pub trait Storage {
    /// Appends `bytes` to `entries.jsonl`, all or an error.
    ///
    /// # Errors
    /// The edge's own; the ledger takes no entry afterwards.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable (`fdatasync`, and the folder's `fsync` the first time).
    ///
    /// # Errors
    /// The edge's own; the ledger takes no entry afterwards, and never tries again.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts `entries.jsonl` to `length` bytes, durably. Only a torn last line is ever cut, after it was put aside.
    ///
    /// # Errors
    /// The edge's own.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Puts `bytes` under `name` in the ledger folder, atomically and durably (temporary file elsewhere, `fsync`, rename, `fsync` of the folder).
    ///
    /// # Errors
    /// The edge's own.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A ledger folder in memory, for tests and for evidence that is only shown.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    entries: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// What an auditor would copy.
    pub fn files(&self) -> Files<&[u8]> {
        let mut others = self.files.clone();
        let checkpoint = others.remove(CHECKPOINT_FILE);
        Files {
            entries: &self.entries,
            checkpoint,
            others,
        }
    }
}

impl Storage for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.entries.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.entries
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}
