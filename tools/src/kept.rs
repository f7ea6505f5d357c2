//! What releases replaced, kept for a while so that it can be put back: `kept/<milliseconds>-<session>/<id>/{effect.json, bytes}`, built like the
//! quarantine and as private. `effect.json` is the change as it was released, so that the ledger can vouch for every word of it; `bytes` is what
//! stood there before, empty where nothing is lost (a new file, a move).
//!
//! A shelf is filled after the release is recorded and before the first target changes, each entry synced. So a crash leaves either no target
//! changed and perhaps a shelf that says what everybody can still see, or a shelf that is whole. An entry without a sound `effect.json` is not
//! listed: the disk was full or the machine went down before anything changed.

use std::fs::File;
use std::path::{Path, PathBuf};

use cloister_attest::{Digest, Recorded};

use crate::effects::Effect;
use crate::error::ToolError;
use crate::quarantine::Quarantine;

/// The folder of a home in which releases keep what they replaced.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
}

impl Kept {
    /// Name the folder. It is made with the first shelf.
    pub fn at(dir: &Path) -> Kept {
        Kept { dir: dir.into() }
    }

    /// A shelf for what the releases of `session` replace from this moment (milliseconds since 1970) on. Nothing is made before something is kept.
    pub fn shelf(&self, session: &str, now: u64) -> Shelf {
        Shelf {
            dir: self.dir.join(format!("{now}-{session}")),
            since: now,
            session: session.to_owned(),
        }
    }

    /// Every shelf, the oldest first; whatever else lies in the folder is none.
    ///
    /// # Errors
    /// [`ToolError::Io`] when the folder is there and cannot be listed.
    pub fn shelves(&self) -> Result<Vec<Shelf>, ToolError> {
        let listed = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(ToolError::io("list", &self.dir))?,
        };
        let mut shelves: Vec<Shelf> = listed
            .filter_map(Result::ok)
            .filter_map(|entry| Shelf::named(&self.dir, entry.file_name().to_str()?))
            .collect();
        shelves.sort_by(|a, b| (a.since, &a.session).cmp(&(b.since, &b.session)));
        Ok(shelves)
    }

    /// Throw a shelf away. Takes a recorded one only:
    /// ```compile_fail,E0308
    /// fn unrecorded(kept: &cloister_tools::Kept, shelf: cloister_tools::Shelf) {
    ///     let _ = kept.discard(shelf);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ToolError::Io`].
    pub fn discard(&self, shelf: Recorded<Shelf>) -> Result<(), ToolError> {
        shelf.into_parts().0.remove()
    }
}

/// What the releases of one session replaced.
#[derive(Debug)]
pub struct Shelf {
    dir: PathBuf,
    since: u64,
    session: String,
}

impl Shelf {
    fn named(kept: &Path, name: &str) -> Option<Shelf> {
        let (since, session) = name.split_once('-')?;
        let plain = !session.is_empty() && session.bytes().all(|b| b.is_ascii_alphanumeric());
        Some(Shelf {
            dir: kept.join(name),
            since: since.parse().ok()?,
            session: session.to_owned(),
        })
        .filter(|_| plain)
    }

    /// The session whose release it was.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// When, milliseconds since 1970.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The shelf as a quarantine: the changes as they were released, and what was there before as the bytes to release.
    ///
    /// # Errors
    /// [`ToolError::Io`].
    pub fn store(&self) -> Result<Quarantine, ToolError> {
        Quarantine::open(&self.dir)
    }

    /// Keep what `effect` is about to replace, if it replaces anything; the digest of what was kept.
    pub(crate) fn keep(
        &self,
        effect: &Effect,
        before: Option<File>,
    ) -> Result<Option<Digest>, ToolError> {
        let io = || ToolError::io("keep", effect.path());
        let mut draft = self.store()?.draft_as(effect.id()).map_err(io())?;
        let digest = match before {
            Some(mut file) => {
                std::io::copy(&mut file, &mut draft).map_err(io())?;
                Some(draft.digest())
            }
            None => None,
        };
        draft.keep(effect).map_err(io())?;
        Ok(digest)
    }

    /// Make the shelf's own name durable, and the names on it.
    pub(crate) fn sync(&self) -> Result<(), ToolError> {
        let folder = |path: &Path| File::open(path).and_then(|f| f.sync_all());
        let kept = self.dir.parent().unwrap_or(&self.dir);
        folder(&self.dir)
            .and_then(|()| folder(kept))
            .map_err(ToolError::io("keep", &self.dir))
    }

    /// Remove the shelf's name if nothing is left on it.
    pub fn close(self) {
        // What is left keeps it, and is thrown away when its time is over.
        let _ = std::fs::remove_dir(&self.dir);
    }

    /// Remove it with everything on it.
    pub(crate) fn remove(&self) -> Result<(), ToolError> {
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(ToolError::io("remove", &self.dir)),
        }
    }
}
