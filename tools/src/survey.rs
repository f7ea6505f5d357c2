//! The granted files as they are on disk now: what a model may name and a call may touch. Lists the grants' folders, beneath each of them.

mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloister_cage::Handle;
use cloister_policies::{Grants, Op, normalise};
use rustix::fs::Stat;

use crate::error::ToolError;
use crate::ground::Ground;
use crate::names::{self, Lines, escape};
use walk::{Inodes, Walk};

/// One granted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedFile {
    name: String,
    path: PathBuf,
    size: u64,
    /// How many names it had.
    names: u64,
    readable: bool,
    writable: bool,
    movable: bool,
}

impl GrantedFile {
    /// The name shown: relative to the manifest's folder if below it, else absolute. No control or deceptive characters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes, when it was listed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether `file:read` covers it.
    pub fn readable(&self) -> bool {
        self.readable
    }

    /// Whether `file:write` covers it and it has no second name (hard link).
    pub fn writable(&self) -> bool {
        self.writable
    }

    /// Whether `file:move` covers it and it has no second name (hard link).
    pub fn movable(&self) -> bool {
        self.movable
    }
}

/// A granted file or folder that was left out, and why. Shown by `-v`, never to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The path, escaped for eyes.
    pub path: String,
    /// Why.
    pub reason: &'static str,
}

/// The granted files, and the granted folders held open.
#[derive(Debug)]
pub struct Survey {
    grants: Grants,
    folder: PathBuf,
    files: Vec<GrantedFile>,
    index: BTreeMap<String, usize>,
    folders: BTreeSet<PathBuf>,
    skipped: Vec<Skipped>,
    grounds: Vec<Arc<Ground>>,
    /// Folders that nothing is made in.
    forbidden: Inodes,
}

impl Survey {
    /// List what `grants` cover. `folder` is the manifest's absolute folder; `forbidden` are folders that are never granted (cloister's own
    /// home), also when they or a folder in them lie inside a granted one or are reached by another name, as through a second mount.
    ///
    /// Files only: links, pipes, sockets, devices and mounts are left out, and files that also have a name which is not granted (hard link). A
    /// file with several granted names can be read, but not written or moved. A granted folder that is not there grants nothing yet.
    ///
    /// # Errors
    /// [`ToolError::Forbidden`], [`ToolError::TooMany`], [`ToolError::NoOpenat2`], or [`ToolError::NotPlain`] when a granted folder is a link.
    pub fn take(
        grants: &Grants,
        folder: &Path,
        forbidden: &[PathBuf],
    ) -> Result<Survey, ToolError> {
        let mut walk = Walk::new(grants, folder, forbidden)?;
        for op in [Op::Read, Op::Write, Op::Move] {
            for pattern in grants.patterns(op) {
                walk.pattern(op, pattern)?;
            }
        }
        walk.leave_out_strangers();
        let files: Vec<GrantedFile> = walk.files.into_values().collect();
        let index = files
            .iter()
            .enumerate()
            .map(|(i, f)| (f.name.clone(), i))
            .collect();
        let skipped = walk
            .skipped
            .into_iter()
            .map(|(path, reason)| Skipped { path, reason })
            .collect();
        let (grants, folder) = (grants.clone(), folder.to_path_buf());
        Ok(Survey {
            grants,
            folder,
            index,
            folders: walk.folders,
            skipped,
            grounds: walk.grounds,
            forbidden: walk.inodes,
            files,
        })
    }

    /// The files, by path.
    pub fn files(&self) -> &[GrantedFile] {
        &self.files
    }

    /// One file by the name shown.
    pub fn file(&self, name: &str) -> Option<&GrantedFile> {
        self.files.get(*self.index.get(name)?)
    }

    /// Folders seen in the survey, absolute.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// What was left out, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The name shown for a path.
    pub fn name_of(&self, path: &Path) -> String {
        shown(&self.folder, path)
    }

    /// The path behind a name in a call, if the grants cover what the handle would do. Same answer whether it exists or not.
    pub(crate) fn resolve(&self, handle: Handle, name: &str) -> Result<PathBuf, ToolError> {
        let refused = || ToolError::NotGranted {
            name: escape(name, Lines::Escape),
        };
        match handle {
            Handle::Input => self
                .file(name)
                .filter(|f| f.readable)
                .map(|f| f.path.clone())
                .ok_or_else(refused),
            Handle::Movable => self
                .file(name)
                .filter(|f| f.movable)
                .map(|f| f.path.clone())
                .ok_or_else(refused),
            Handle::Output => {
                let path = self.new_path(Op::Write, name).ok_or_else(refused)?;
                if self
                    .file(&shown(&self.folder, &path))
                    .is_some_and(|f| !f.writable)
                {
                    Err(refused())
                } else {
                    Ok(path)
                }
            }
            Handle::Place => self.new_path(Op::Move, name).ok_or_else(refused),
        }
    }

    fn new_path(&self, op: Op, name: &str) -> Option<PathBuf> {
        let path = normalise(&self.folder.join(name))?;
        let sound =
            names::refusal(name).is_none() && !name.ends_with('/') && !self.folders.contains(&path);
        let skipped = || {
            self.skipped
                .iter()
                .any(|s| s.path == path.to_string_lossy())
        };
        let ground = self.ground(&path).ok()?;
        (sound && self.grants.covers(op, &path) && !skipped() && !self.is_forbidden(ground, &path))
            .then_some(path)
    }

    /// Whether a folder between the granted one and what would be made is one of cloister's own, by whatever name.
    fn is_forbidden(&self, ground: &Ground, path: &Path) -> bool {
        let between = path.ancestors().skip(1);
        between
            .take_while(|p| p.starts_with(ground.path()))
            .filter_map(|p| rustix::fs::stat(p).ok())
            .any(|s| self.forbidden.contains(&(s.st_dev, s.st_ino)))
    }

    /// Open a listed file for reading, unless it has got a name since it was listed: somebody may have put another file's name in its place.
    pub(crate) fn open(&self, path: &Path) -> Result<(File, Stat), ToolError> {
        let (file, stat) = self.ground(path)?.read(path)?;
        let listed = self.files.iter().find(|file| file.path == path);
        if listed.is_some_and(|listed| stat.st_nlink <= listed.names) {
            Ok((file, stat))
        } else {
            Err(ToolError::NotPlain {
                path: path.into(),
                reason: "it has got another name (hard link) since it was listed",
            })
        }
    }

    /// The innermost open folder that `path` lies below.
    pub(crate) fn ground(&self, path: &Path) -> Result<&Arc<Ground>, ToolError> {
        let below = self
            .grounds
            .iter()
            .filter(|g| path.starts_with(g.path()) && path != g.path());
        let innermost = below.max_by_key(|g| g.path().as_os_str().len());
        innermost.ok_or_else(|| ToolError::NotGranted {
            name: escape(&path.to_string_lossy(), Lines::Escape),
        })
    }
}

fn shown(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
