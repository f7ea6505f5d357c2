//! Making effects real. Writes beneath the granted folders what was agreed to, and nothing else.
//!
//! All or nothing, short of a crash. First every new content is staged beside its target (`.name.cloister-tmp`), hashed on the way and
//! synced; what is about to be replaced is kept on a shelf (`kept.rs`), synced too; a full disk ends here, with nothing changed. Then each effect
//! is put in place by one rename: a new file only where nothing stands, a replacement by exchanging the two names, a file that goes by giving it
//! the staged name, so that what was there can be hashed after nobody can swap it any more. If one fails, those before it are taken back. Last,
//! folders are synced, the old contents removed, and quarantine emptied.
//!
//! Once every effect is in place the release has happened and is reported so. Where the cleaning up after it fails, the entry stays in
//! quarantine; releasing that again is refused, since its target is no longer as it was shown.
//!
//! A crash while staging or keeping leaves `.cloister-tmp` files, and perhaps a shelf of what still stands. A crash while putting in place leaves some effects done and others not, each file
//! whole, old or new; the replaced content may still stand in the `.cloister-tmp` file, as the only copy where none is kept. So a release that
//! finds such a file neither removes nor overwrites it, but is refused and names it. An entry leaves quarantine only after the sync of its folder, so
//! the ledger's entry without an outcome and the quarantine together say what was meant.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cloister_attest::{Digest, Recorded};
use sha2::{Digest as _, Sha256};

use crate::effects::{Change, Effect, Release};
use crate::error::ToolError;
use crate::ground::{Folder, Ground, Kind, Missing, kind};
use crate::kept::Shelf;
use crate::quarantine::Quarantine;

/// One effect that is real now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its name as the person knows it.
    pub name: String,
    /// The absolute path.
    pub path: PathBuf,
    /// Digest of its content.
    pub sha256: Digest,
    /// How many bytes.
    pub bytes: u64,
}

/// Make the effects of `release` real. Takes a recorded release only:
/// ```compile_fail,E0308
/// fn unrecorded(quarantine: &cloister_tools::Quarantine, release: cloister_tools::Release) {
///     let _ = cloister_tools::release(quarantine, None, release);
/// }
/// ```
/// What it replaces is kept on `shelf`, where there is one. Gives back what stands where now; a file that went stands nowhere.
///
/// # Errors
/// [`ToolError::Changed`] when a target is not as it was, [`ToolError::QuarantineTampered`] when the bytes are not those agreed to,
/// [`ToolError::NotPlain`] for a link on the way, [`ToolError::Leftover`] for a file that an earlier, cut off release left,
/// [`ToolError::Io`] for a full disk. In each case every target is as before, and everything still waits in quarantine. Folders that were
/// made on the way stay, empty. After the last target is in place there is no error any more: what cannot be synced or cleaned up then
/// stays behind in quarantine, or beside its target.
pub fn release(
    quarantine: &Quarantine,
    shelf: Option<&Shelf>,
    release: Recorded<Release>,
) -> Result<Vec<Released>, ToolError> {
    let (release, _receipt) = release.into_parts();
    perform(
        quarantine,
        shelf,
        release.effects().list(),
        &mut |target, bytes| target.write_all(bytes),
    )
}

/// How bytes reach a staged file; tests put a full disk here.
type Writer<'a> = dyn FnMut(&mut File, &[u8]) -> std::io::Result<()> + 'a;

pub(crate) fn perform(
    quarantine: &Quarantine,
    shelf: Option<&Shelf>,
    effects: &[Effect],
    writer: &mut Writer<'_>,
) -> Result<Vec<Released>, ToolError> {
    let mut staged = Vec::with_capacity(effects.len());
    for effect in effects {
        match Staged::stage(quarantine, effect, writer) {
            Ok(one) => staged.push(one),
            Err(error) => {
                staged.iter().for_each(Staged::clean);
                return Err(error);
            }
        }
    }
    let kept = shelf.map_or(Ok(()), |shelf| keep(&staged, shelf));
    if let Err(error) = kept.and_then(|()| put(&staged)) {
        staged.iter().for_each(Staged::clean);
        // Nothing was replaced, so nothing is lost if it stays.
        let _ = shelf.map(Shelf::remove);
        return Err(error);
    }
    for one in &staged {
        if one.settle().is_ok() {
            // It is released whether or not its quarantined copy can be removed.
            let _ = quarantine.forget(one.effect.id());
        }
    }
    Ok(effects
        .iter()
        .filter(|e| !matches!(e.change, Change::Delete { .. }))
        .map(|e| Released {
            name: e.name().into(),
            path: e.path().into(),
            sha256: e.digest(),
            bytes: e.bytes(),
        })
        .collect())
}

/// Keep what all of them are about to replace, durably.
fn keep(staged: &[Staged<'_>], shelf: &Shelf) -> Result<(), ToolError> {
    staged.iter().try_for_each(|one| one.keep(shelf))?;
    shelf.sync()
}

/// Put all of them in place, or none.
fn put(staged: &[Staged<'_>]) -> Result<(), ToolError> {
    for (done, one) in staged.iter().enumerate() {
        if let Err(error) = one.put() {
            staged.iter().take(done).rev().for_each(Staged::take_back);
            return Err(error);
        }
    }
    Ok(())
}

/// An effect whose target folder is open and whose content, if it has one, stands beside the target.
struct Staged<'a> {
    effect: &'a Effect,
    folder: Folder,
    name: &'a OsStr,
    how: How<'a>,
}

enum How<'a> {
    Create { temp: OsString },
    Replace { temp: OsString, before: Digest },
    Move { from: Folder, old: &'a OsStr },
    Delete { temp: OsString },
}

impl<'a> Staged<'a> {
    fn stage(
        quarantine: &Quarantine,
        effect: &'a Effect,
        writer: &mut Writer<'_>,
    ) -> Result<Staged<'a>, ToolError> {
        let (folder, name) =
            Ground::open(&effect.ground)?.parent(effect.path(), Missing::Create)?;
        let how = match &effect.change {
            Change::Create { path } => {
                if folder
                    .stat(name)
                    .map_err(ToolError::io("look at", path))?
                    .is_some()
                {
                    return Err(ToolError::Changed { path: path.clone() });
                }
                How::Create {
                    temp: write_beside(quarantine, effect, &folder, name, 0, writer)?,
                }
            }
            Change::Replace { path, before } => {
                let mode = plain_mode(&folder, name, path)?;
                How::Replace {
                    temp: write_beside(quarantine, effect, &folder, name, mode, writer)?,
                    before: *before,
                }
            }
            Change::Move { from, to } => {
                let ground = Ground::open(effect.from_ground.as_deref().unwrap_or(&effect.ground))?;
                let (source, old) = ground.parent(from, Missing::Refuse)?;
                plain_mode(&source, old, from)?;
                if folder
                    .stat(name)
                    .map_err(ToolError::io("look at", to))?
                    .is_some()
                {
                    return Err(ToolError::Changed { path: to.clone() });
                }
                How::Move { from: source, old }
            }
            Change::Delete { path } => {
                plain_mode(&folder, name, path)?;
                How::Delete { temp: beside(name) }
            }
        };
        Ok(Staged {
            effect,
            folder,
            name,
            how,
        })
    }

    /// Keep what is about to be replaced. What is kept is what [`put`](Self::put) will find there, or the release is undone.
    fn keep(&self, shelf: &Shelf) -> Result<(), ToolError> {
        let before = match &self.how {
            How::Create { .. } | How::Move { .. } => None,
            How::Replace { before, .. } => Some(*before),
            How::Delete { .. } => Some(self.effect.digest),
        };
        let path = self.effect.path();
        let file = before
            .map(|_| self.folder.read(self.name))
            .transpose()
            .map_err(ToolError::io("keep", path))?;
        if shelf.keep(self.effect, file)? == before {
            Ok(())
        } else {
            Err(ToolError::Changed { path: path.into() })
        }
    }

    /// Put it in place, and look at what was there once it cannot be swapped any more.
    fn put(&self) -> Result<(), ToolError> {
        let path = self.effect.path();
        match &self.how {
            How::Create { temp } => self
                .folder
                .rename(temp, &self.folder, self.name)
                .map_err(|e| taken(e, path)),
            How::Replace { temp, before } => {
                self.folder
                    .exchange(temp, self.name)
                    .map_err(|e| taken(e, path))?;
                if digest_of(&self.folder, temp) != Some(*before) {
                    self.take_back();
                    return Err(ToolError::Changed { path: path.into() });
                }
                Ok(())
            }
            How::Move { from, old } => {
                from.rename(old, &self.folder, self.name)
                    .map_err(|e| taken(e, path))?;
                if digest_of(&self.folder, self.name) != Some(self.effect.digest) {
                    self.take_back();
                    return Err(ToolError::Changed { path: path.into() });
                }
                Ok(())
            }
            How::Delete { temp } => {
                self.folder
                    .rename(self.name, &self.folder, temp)
                    .map_err(|e| self.left(e, temp))?;
                if digest_of(&self.folder, temp) != Some(self.effect.digest) {
                    self.take_back();
                    return Err(ToolError::Changed { path: path.into() });
                }
                Ok(())
            }
        }
    }

    /// The staged name of a file that goes was taken already, by what a crash left.
    fn left(&self, error: std::io::Error, temp: &OsStr) -> ToolError {
        match error.kind() {
            ErrorKind::AlreadyExists => ToolError::Leftover {
                path: self.effect.path().with_file_name(temp),
            },
            _ => taken(error, self.effect.path()),
        }
    }

    /// Undo [`put`](Self::put). A failure here means that somebody else moved the names meanwhile; then theirs stand.
    fn take_back(&self) {
        let _ = match &self.how {
            How::Create { temp } => self.folder.rename(self.name, &self.folder, temp),
            How::Replace { temp, .. } => self.folder.exchange(temp, self.name),
            How::Move { from, old } => self.folder.rename(self.name, from, old),
            How::Delete { temp } => self.folder.rename(temp, &self.folder, self.name),
        };
    }

    /// Remove what was staged, and only that: where taking back failed, the person's file may stand under the name.
    fn clean(&self) {
        if let How::Create { temp } | How::Replace { temp, .. } = &self.how
            && digest_of(&self.folder, temp) == Some(self.effect.digest)
        {
            let _ = self.folder.remove(temp);
        }
    }

    /// Make it durable, then drop the old content.
    fn settle(&self) -> std::io::Result<()> {
        self.folder.sync()?;
        match &self.how {
            How::Create { .. } => Ok(()),
            How::Replace { temp, .. } | How::Delete { temp } => self.folder.remove(temp),
            How::Move { from, .. } => from.sync(),
        }
    }
}

fn taken(error: std::io::Error, path: &Path) -> ToolError {
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotFound => ToolError::Changed { path: path.into() },
        _ => ToolError::io("write", path)(error),
    }
}

/// The permission bits of a file that may be replaced or moved: plain, and with one name only.
fn plain_mode(folder: &Folder, name: &OsStr, path: &Path) -> Result<u32, ToolError> {
    let stat = folder
        .stat(name)
        .map_err(ToolError::io("look at", path))?
        .ok_or_else(|| ToolError::Changed { path: path.into() })?;
    match kind(&stat) {
        Kind::Plain if stat.st_nlink == 1 => Ok(stat.st_mode & 0o777),
        Kind::Plain => Err(ToolError::NotPlain {
            path: path.into(),
            reason: "it has a second name (hard link)",
        }),
        _ => Err(ToolError::NotPlain {
            path: path.into(),
            reason: "it is a folder, link, pipe, socket or device",
        }),
    }
}

fn digest_of(folder: &Folder, name: &OsStr) -> Option<Digest> {
    folder
        .read(name)
        .and_then(Digest::of_reader)
        .ok()
        .map(|(digest, _)| digest)
}

/// The name beside a target under which its new content is staged, or its old one leaves.
fn beside(name: &OsStr) -> OsString {
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(".cloister-tmp");
    temp
}

/// Stage the quarantined bytes beside the target; gone again if anything fails. `mode` 0 leaves the mode to the umask.
fn write_beside(
    quarantine: &Quarantine,
    effect: &Effect,
    folder: &Folder,
    name: &OsStr,
    mode: u32,
    writer: &mut Writer<'_>,
) -> Result<OsString, ToolError> {
    let temp = beside(name);
    let source = quarantine.bytes(effect)?;
    let io = || ToolError::io("write", effect.path());
    // Whoever may not read what is replaced may not read the new content while it is written either.
    let at_first = if mode == 0 { 0o666 } else { 0o600 };
    let mut target = match folder.create(&temp, at_first) {
        // What a crash left: perhaps the only copy of a file that was about to be replaced.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(ToolError::Leftover {
                path: effect.path().with_file_name(&temp),
            });
        }
        other => other.map_err(io())?,
    };
    let written = copy(source, &mut target, writer).and_then(|digest| {
        if mode != 0 {
            target.set_permissions(Permissions::from_mode(mode))?;
        }
        target.sync_all().map(|()| digest)
    });
    match written {
        Ok(found) if found == effect.digest => Ok(temp),
        outcome => {
            let _ = folder.remove(&temp);
            Err(match outcome {
                Ok(found) => ToolError::QuarantineTampered {
                    id: effect.id.clone(),
                    what: "content",
                    expected: effect.digest.to_string(),
                    found: found.to_string(),
                },
                Err(error) => io()(error),
            })
        }
    }
}

fn copy(mut source: File, target: &mut File, writer: &mut Writer<'_>) -> std::io::Result<Digest> {
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0_u8; 64 << 10]);
    loop {
        let read = source.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Digest::from_bytes(hasher.finalize().into()));
        }
        hasher.update(bytes);
        writer(target, bytes)?;
    }
}

#[cfg(test)]
mod races;
#[cfg(test)]
pub(crate) mod tests;
