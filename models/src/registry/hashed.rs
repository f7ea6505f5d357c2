//! The bytes of a model on their way in: what is read is hashed, with one digest or with both. Touches the reader that it is given.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::LIMITS;
use super::digest::{ModelDigest, QuickDigest, Sum};
use crate::ModelError;
use crate::watch::{Progress, Watch, tell};

/// Takes bytes in, one after the other.
pub(super) trait Update {
    fn update(&mut self, bytes: &[u8]);
}

/// The one digest that a model is held against.
pub(super) enum Hashing {
    Sha256(Box<Sha256>),
    Blake3(Box<blake3::Hasher>),
}

impl Hashing {
    /// Of the same kind as what is wanted.
    pub(super) fn like(wanted: Sum) -> Self {
        match wanted {
            Sum::Sha256(_) => Self::Sha256(Box::default()),
            Sum::Blake3(_) => Self::Blake3(Box::default()),
        }
    }

    pub(super) fn finish(self) -> Sum {
        match self {
            Self::Sha256(hash) => Sum::Sha256(ModelDigest(hash.finalize().into())),
            Self::Blake3(hash) => Sum::Blake3(QuickDigest(hash.finalize().into())),
        }
    }
}

impl Update for Hashing {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Blake3(hash) => {
                hash.update(bytes);
            }
        }
    }
}

/// Both digests of a model file and its length, of the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// By which the file is known.
    pub sha256: ModelDigest,
    /// By which it is checked at every start.
    pub blake3: QuickDigest,
    /// How many bytes.
    pub bytes: u64,
}

impl Sums {
    /// Those of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut both = Both::default();
        for chunk in bytes.chunks(LIMITS.chunk) {
            both.update(chunk);
        }
        both.finish(bytes.len() as u64)
    }

    /// Those of what a reader gives, of which `total` bytes are expected.
    ///
    /// # Errors
    /// [`ModelError::Read`]; [`ModelError::Interrupted`].
    pub fn read(
        reader: &mut dyn Read,
        total: u64,
        watch: &mut dyn Watch,
    ) -> Result<Self, ModelError> {
        Self::read_most(reader, LIMITS.model, total, watch)
    }

    /// Those of what a reader gives before it has given `most` bytes.
    pub(super) fn read_most(
        reader: &mut dyn Read,
        most: u64,
        total: u64,
        watch: &mut dyn Watch,
    ) -> Result<Self, ModelError> {
        let mut both = Both::default();
        let mut hashed = Hashed::new(reader, &mut both, most);
        hashed.drain(total, watch)?;
        let bytes = hashed.done();
        Ok(both.finish(bytes))
    }
}

/// Both at once, so that they cannot be of different bytes.
#[derive(Default)]
struct Both {
    sha256: Sha256,
    blake3: Box<blake3::Hasher>,
}

impl Both {
    fn finish(self, bytes: u64) -> Sums {
        Sums {
            sha256: ModelDigest(self.sha256.finalize().into()),
            blake3: QuickDigest(self.blake3.finalize().into()),
            bytes,
        }
    }
}

impl Update for Both {
    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blake3.update(bytes);
    }
}

/// The bytes of a model on their way in: what is read is hashed. Made only here, so that none can pass by unhashed.
pub struct Hashed<'r> {
    reader: io::Take<&'r mut dyn Read>,
    hash: &'r mut dyn Update,
    done: u64,
}

impl<'r> Hashed<'r> {
    pub(super) fn new(reader: &'r mut dyn Read, hash: &'r mut dyn Update, most: u64) -> Self {
        Self {
            reader: reader.take(most),
            hash,
            done: 0,
        }
    }

    /// How many bytes were read.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Reads what is left and keeps nothing, telling the watcher after each part.
    pub(super) fn drain(&mut self, total: u64, watch: &mut dyn Watch) -> Result<(), ModelError> {
        let mut chunk = vec![0; LIMITS.chunk];
        loop {
            match self.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ModelError::Read { source }),
            }
            let done = self.done;
            tell(watch, Progress::Load { done, total })?;
        }
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(into)?;
        self.hash.update(into.get(..got).unwrap_or_default());
        self.done = self.done.saturating_add(got as u64);
        Ok(got)
    }
}
