//! The quarantine on disk: `quarantine/<id>/{effect.json, bytes}`, readable with ordinary tools, by its owner only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cloister_attest::{Digest, Recorded};
use sha2::{Digest as _, Sha256};

use crate::effects::Effect;
use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::names::{Lines, escape};

/// The folder in which effects wait for a person.
#[derive(Debug)]
pub struct Quarantine {
    dir: PathBuf,
}

impl Quarantine {
    /// Open the folder, making it (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`ToolError::Io`].
    pub fn open(dir: &Path) -> Result<Quarantine, ToolError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(ToolError::io("create", dir))?;
        Ok(Quarantine { dir: dir.into() })
    }

    /// Everything that waits, by id. A folder without a sound `effect.json` (a call that was cut off) is not listed.
    ///
    /// # Errors
    /// [`ToolError::Io`] when the folder cannot be listed, [`ToolError::QuarantineTampered`] when an entry shows another name than its path.
    pub fn list(&self) -> Result<Vec<Effect>, ToolError> {
        let mut effects = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(ToolError::io("list", &self.dir))? {
            let entry = entry.map_err(ToolError::io("list", &self.dir))?;
            match entry.file_name().to_str().map(|id| self.get(id)) {
                Some(Ok(effect)) => effects.push(effect),
                Some(Err(error)) if error.is_integrity() => return Err(error),
                Some(Err(_)) | None => {}
            }
        }
        effects.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(effects)
    }

    /// One effect.
    ///
    /// # Errors
    /// [`ToolError::NotQuarantined`], or [`ToolError::QuarantineTampered`] when it shows another name than its path.
    pub fn get(&self, id: &str) -> Result<Effect, ToolError> {
        let missing = || ToolError::NotQuarantined {
            id: escape(id, Lines::Escape),
        };
        let file = File::open(self.folder(id)?.join("effect.json")).map_err(|_| missing())?;
        let mut text = Vec::new();
        file.take(BOUNDS.effect_bytes)
            .read_to_end(&mut text)
            .map_err(|_| missing())?;
        let effect: Effect = serde_json::from_slice(&text).map_err(|_| missing())?;
        if effect.id() != id {
            return Err(missing());
        }
        if !effect.named_truly() {
            return Err(ToolError::QuarantineTampered {
                id: id.into(),
                what: "name",
                expected: escape(&effect.path().to_string_lossy(), Lines::Escape),
                found: escape(effect.name(), Lines::Escape),
            });
        }
        Ok(effect)
    }

    /// Whatever is there under this id, to be thrown away: an effect, or what a call that was cut off left.
    ///
    /// # Errors
    /// [`ToolError::NotQuarantined`].
    pub fn waiting(&self, id: &str) -> Result<Waiting, ToolError> {
        if !self.folder(id)?.is_dir() {
            return Err(ToolError::NotQuarantined {
                id: escape(id, Lines::Escape),
            });
        }
        Ok(Waiting {
            id: id.into(),
            effect: self.get(id).ok(),
        })
    }

    /// Throw away what waits, and its bytes. Takes a recorded thing only:
    /// ```compile_fail,E0308
    /// fn unrecorded(quarantine: &cloister_tools::Quarantine, waiting: cloister_tools::Waiting) {
    ///     let _ = quarantine.discard(waiting);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ToolError::NotQuarantined`] or [`ToolError::Io`].
    pub fn discard(&self, waiting: Recorded<Waiting>) -> Result<(), ToolError> {
        self.forget(&waiting.into_parts().0.id)
    }

    /// Remove an entry whose fate is in the ledger.
    pub(crate) fn forget(&self, id: &str) -> Result<(), ToolError> {
        let folder = self.folder(id)?;
        std::fs::remove_dir_all(&folder).map_err(ToolError::io("remove", &folder))
    }

    pub(crate) fn bytes(&self, effect: &Effect) -> Result<File, ToolError> {
        let path = self.folder(effect.id())?.join("bytes");
        File::open(&path).map_err(ToolError::io("open", &path))
    }

    /// A new place for bytes. Gone again unless [`Draft::keep`] is reached.
    pub(crate) fn draft(&self) -> std::io::Result<Draft> {
        for attempt in 0..64_u32 {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            let hex = Digest::of(format!("{} {now:?} {attempt}", std::process::id())).hex();
            let id = format!("q{}", hex.chars().take(10).collect::<String>());
            match self.draft_as(&id) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
        Err(std::io::ErrorKind::AlreadyExists.into())
    }

    /// A new place for bytes under this id, which nothing may have yet.
    pub(crate) fn draft_as(&self, id: &str) -> std::io::Result<Draft> {
        let folder = self.folder(id).map_err(std::io::Error::other)?;
        DirBuilder::new().mode(0o700).create(&folder)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join("bytes"))?;
        Ok(Draft {
            id: id.to_owned(),
            folder,
            file,
            hasher: Sha256::new(),
            bytes: 0,
            fate: Fate::Discard,
        })
    }

    fn folder(&self, id: &str) -> Result<PathBuf, ToolError> {
        let plain = !id.is_empty()
            && id.len() <= 64
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if plain {
            Ok(self.dir.join(id))
        } else {
            Err(ToolError::NotQuarantined {
                id: escape(id, Lines::Escape),
            })
        }
    }
}

/// One thing in quarantine, about to be thrown away. Made only by [`Quarantine::waiting`].
#[derive(Debug)]
pub struct Waiting {
    id: String,
    effect: Option<Effect>,
}

impl Waiting {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What would have changed; nothing where no sound description of it is there.
    pub fn effect(&self) -> Option<&Effect> {
        self.effect.as_ref()
    }
}

/// Bytes on their way into quarantine. Dropped without [`keep`](Draft::keep), it removes itself.
pub(crate) struct Draft {
    id: String,
    folder: PathBuf,
    file: File,
    hasher: Sha256,
    bytes: u64,
    fate: Fate,
}

#[derive(PartialEq, Eq)]
enum Fate {
    Discard,
    Keep,
}

impl Draft {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Make the bytes and their description durable, the description last: without it the rest does not count.
    pub(crate) fn keep(&mut self, effect: &Effect) -> std::io::Result<()> {
        self.file.sync_all()?;
        let mut json = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.folder.join("effect.json"))?;
        json.write_all(&serde_json::to_vec_pretty(effect)?)?;
        json.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        self.fate = Fate::Keep;
        Ok(())
    }
}

impl std::io::Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Draft::write(self, bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.fate == Fate::Discard {
            // Nothing can be done about a failure here, and nothing depends on it: a folder without effect.json does not count.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
