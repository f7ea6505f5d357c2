//! Keeps what a model made of the fixed beginning of a prompt, so that the next process need not read it again. Touches one folder and nothing else.
//!
//! What is kept can only save time. A file that is missing, torn, changed or somebody else's is a miss, and the beginning is read as if nothing
//! were kept. Whoever calls passes only what the program itself says to the model: what a person says, and what their documents hold, is not kept.

mod folder;

use std::io;
use std::path::PathBuf;

use cloister_models::Session;

use folder::Folder;

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

/// States kept in a folder of their own.
#[derive(Debug, Clone)]
pub struct States {
    folder: Folder,
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
        let folder = Folder::new(folder, LIMITS.bytes);
        Self { folder }
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
        let Some(bytes) = self.folder.get(&name, len as u64) else {
            return Found::Nothing;
        };
        match session.restore(fixed, &bytes) {
            Ok(()) => Found::Kept,
            Err(_) => {
                self.folder.remove(&name);
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
        if fixed.len() < LIMITS.least || !self.folder.fits(len) {
            return Ok(());
        }
        if !session.tokens().starts_with(fixed) {
            return Ok(()); // nothing was asked of the model
        }
        let key = session.state_key(fixed).map(|key| key.to_string());
        let Some(name) = key.filter(|name| !self.folder.has(name, len)) else {
            return Ok(());
        };
        let state = session.snapshot(fixed.len());
        state.map_or(Ok(()), |bytes| self.folder.put(&name, &bytes))
    }
}
