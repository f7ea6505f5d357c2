//! Keeps what a model made of the fixed beginning of a prompt, so that the next process need not read it again. Touches one folder and nothing else;
//! where the model has a process that may not even do that, whoever started it has the folder and keeps what it is asked to ([`Store`]).
//!
//! What is kept can only save time. A file that is missing, torn, changed or somebody else's is a miss, and the beginning is read as if nothing
//! were kept. Whoever calls passes only what the program itself says to the model: what a person says, and what their documents hold, is not kept.

mod folder;

use std::io;
use std::path::PathBuf;

use cloister_models::Session;

pub use folder::Folder;

/// What is kept, and how much.
struct Limits {
    /// Tokens that are worth a file. 64: fewer are read in the time that it takes to write one.
    least: usize,
    /// All files together, bytes. 256 MiB: some twenty beginnings of 500 tokens in a 1.5B model.
    bytes: u64,
}

const LIMITS: Limits = Limits {
    least: 64,
    bytes: 256 << 20,
};

/// Where states are kept: each whole or not there, under a name of 64 lower-case hexadecimal digits.
pub trait Store {
    /// Whether there is one of this name and length that [`Store::get`] would read.
    fn has(&self, name: &str, len: u64) -> bool;

    /// The one of this name, if it has this length and only this user could write it. It counts as used now. One that is not is removed.
    fn get(&self, name: &str, len: u64) -> Option<Vec<u8>>;

    /// Keeps one, and lets the longest unused make room.
    ///
    /// # Errors
    /// What the disk says. Nothing is half kept then.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Forgets one that is of no use.
    fn remove(&self, name: &str);
}

/// Bytes that one state may have: as many as all files together.
pub const STATE_BYTES: u64 = LIMITS.bytes;

/// States kept in a folder of their own, or in another store.
#[derive(Debug, Clone)]
pub struct States<S = Folder> {
    store: S,
}

/// What became of a wish to go on from a kept state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The session holds it now.
    Kept,
    /// The session had read these tokens already.
    Known,
    /// Nothing that can be used: they have to be read.
    Nothing,
}

impl States {
    /// In this folder, which is made when something is kept.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self::within(Folder::at(folder))
    }
}

impl<S: Store> States<S> {
    /// In this store.
    #[must_use]
    pub fn within(store: S) -> Self {
        Self { store }
    }

    /// Puts the state of `fixed` into the session, if it is kept; what the session held is forgotten then.
    pub fn take_up(&self, session: &mut Session<'_>, fixed: &[u32]) -> Found {
        if session.tokens().starts_with(fixed) {
            return Found::Known;
        }
        let Some(key) = session.state_key(fixed) else {
            return Found::Nothing;
        };
        let (name, len) = (key.to_string(), session.state_len(fixed.len()));
        let Some(bytes) = self.store.get(&name, len as u64) else {
            return Found::Nothing;
        };
        match session.restore(fixed, &bytes) {
            Ok(()) => Found::Kept,
            Err(_) => {
                self.store.remove(&name);
                Found::Nothing
            }
        }
    }

    /// Keeps the state of `fixed` and nothing of what follows it, if the session begins with it and it is worth a file.
    ///
    /// # Errors
    /// What the disk says. Nothing is half kept then.
    pub fn keep(&self, session: &Session<'_>, fixed: &[u32]) -> io::Result<()> {
        let len = session.state_len(fixed.len()) as u64;
        if fixed.len() < LIMITS.least || len > STATE_BYTES {
            return Ok(());
        }
        if !session.tokens().starts_with(fixed) {
            return Ok(()); // nothing was asked of the model
        }
        let key = session.state_key(fixed).map(|key| key.to_string());
        let Some(name) = key.filter(|name| !self.store.has(name, len)) else {
            return Ok(());
        };
        let state = session.snapshot(fixed.len());
        state.map_or(Ok(()), |bytes| self.store.put(&name, &bytes))
    }
}
