//! Taking a release back: the change that undoes each kept one, and whether its target still stands as it was released. It ends in a release like
//! any other (`release.rs`), which looks again at what stands there, and keeps in its turn what it replaces: an undo can be undone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use cloister_attest::Digest;

use crate::effects::{Change, Effect};
use crate::error::ToolError;
use crate::ground::{Folder, Ground, Kind, Missing, kind};
use crate::kept::Shelf;

/// What an undone effect names as its call and tool.
const UNDO: &str = "undo";

/// How the target of a released change stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it was released: it can be put back.
    Released,
    /// As it was before: a release that was cut off never came to it, or somebody put it back.
    Before,
    /// As neither. What stands there is somebody's work, and an undo would lose it.
    Other,
}

impl Standing {
    /// Look at the target of `effect`.
    pub fn of(effect: &Effect) -> Standing {
        let there = Found::at(&effect.ground, effect.path());
        let (released, before) = match &effect.change {
            Change::Create { .. } => (Found::File(effect.digest), Found::Nothing),
            Change::Replace { before, .. } => (Found::File(effect.digest), Found::File(*before)),
            Change::Delete { .. } => (Found::Nothing, Found::File(effect.digest)),
            Change::Move { from, .. } => {
                let ground = effect.from_ground.as_deref().unwrap_or(&effect.ground);
                return Standing::moved(effect.digest, Found::at(ground, from), there);
            }
        };
        match there {
            there if there == released => Standing::Released,
            there if there == before => Standing::Before,
            _ => Standing::Other,
        }
    }

    /// Whether everything stands as it was before `change`, of which only what the ledger says is known.
    pub fn is_before(change: &cloister_attest::Change) -> bool {
        let path = Found::somewhere(Path::new(&change.path));
        let gone = |to: &String| Found::somewhere(Path::new(to)) == Found::Nothing;
        path == change.before.map_or(Found::Nothing, Found::File)
            && change.to.as_ref().is_none_or(gone)
    }

    fn moved(digest: Digest, from: Found, to: Found) -> Standing {
        let file = Found::File(digest);
        match (from, to) {
            (Found::Nothing, to) if to == file => Standing::Released,
            (from, Found::Nothing) if from == file => Standing::Before,
            _ => Standing::Other,
        }
    }
}

/// What stands under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    File(Digest),
    /// No plain file, or not to be reached or read.
    Other,
}

impl Found {
    /// Under a path of which no granted folder is known: from the lowest folder of it that is there.
    fn somewhere(path: &Path) -> Found {
        let mut above = path.ancestors().skip(1);
        above
            .find(|folder| folder.is_dir())
            .map_or(Found::Other, |folder| Found::at(folder, path))
    }

    fn at(ground: &Path, path: &Path) -> Found {
        let reached = Ground::open(ground).and_then(|g| g.parent(path, Missing::Refuse));
        match reached {
            Ok((folder, name)) => Found::under(&folder, name),
            Err(ToolError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound && ground.is_dir() =>
            {
                Found::Nothing
            }
            Err(_) => Found::Other,
        }
    }

    fn under(folder: &Folder, name: &OsStr) -> Found {
        match folder.stat(name) {
            Ok(None) => Found::Nothing,
            Ok(Some(stat)) if kind(&stat) == Kind::Plain => folder
                .read(name)
                .and_then(Digest::of_reader)
                .map_or(Found::Other, |(digest, _)| Found::File(digest)),
            Ok(Some(_)) | Err(_) => Found::Other,
        }
    }
}

impl Shelf {
    /// The effect that takes `released` back, its content the one that is kept on this shelf under the same id.
    ///
    /// # Errors
    /// [`ToolError::Io`] when what was kept cannot be read.
    pub fn undoing(&self, released: &Effect) -> Result<Effect, ToolError> {
        let Effect {
            id,
            call: _,
            tool: _,
            name,
            change,
            digest,
            bytes,
            sources: _,
            ground,
            from_ground,
        } = released.clone();
        let mut effect = Effect {
            id,
            call: UNDO.into(),
            tool: UNDO.into(),
            name,
            change: change.clone(),
            digest,
            bytes,
            sources: BTreeSet::from([format!("what session {} replaced", self.session())]),
            ground,
            from_ground: None,
        };
        match change {
            Change::Create { path } => effect.change = Change::Delete { path },
            Change::Delete { path } => effect.change = Change::Create { path },
            Change::Replace { path, before } => {
                let kept = self.store()?.bytes(released)?;
                let length = kept.metadata().map_err(ToolError::io("read", &path))?.len();
                effect.change = Change::Replace {
                    path,
                    before: digest,
                };
                (effect.digest, effect.bytes) = (before, length);
            }
            Change::Move { from, to } => {
                effect.name = name_of(released, &from);
                effect.from_ground = from_ground.clone().map(|_| effect.ground.clone());
                effect.ground = from_ground.unwrap_or(effect.ground);
                effect.change = Change::Move { from: to, to: from };
            }
        }
        Ok(effect)
    }
}

/// `path` as the person knows it: below the folder that the released name is relative to, or else in full.
fn name_of(released: &Effect, path: &Path) -> String {
    let below = released
        .folder()
        .and_then(|folder| path.strip_prefix(folder).ok());
    below.unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
