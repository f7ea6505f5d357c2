//! Walking the granted folders: descriptors only, no path is resolved twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloister_policies::{Grants, Op, Pattern};
use rustix::fs::{AtFlags, Dir, Stat, fstat, statat};
use rustix::io::Errno;

use super::{GrantedFile, shown};
use crate::error::ToolError;
use crate::ground::{Ground, Kind, explain, kind, subfolder};
use crate::limits::BOUNDS;
use crate::names::{Lines, escape, refusal};

pub(super) struct Walk<'a> {
    grants: &'a Grants,
    folder: &'a Path,
    forbidden: Vec<PathBuf>,
    pub(super) inodes: Inodes,
    entries: usize,
    walked: BTreeSet<(PathBuf, bool, usize)>,
    pub(super) files: BTreeMap<PathBuf, GrantedFile>,
    /// Files with several names, by inode: how many names there are, and those that were found.
    twins: BTreeMap<(u64, u64), (u64, Vec<PathBuf>)>,
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) skipped: BTreeMap<String, &'static str>,
    pub(super) grounds: Vec<Arc<Ground>>,
}

/// Folders by device and inode: the same under whatever name, also where a second mount shows them.
pub(super) type Inodes = BTreeSet<(u64, u64)>;

/// How far below its base a pattern can reach.
#[derive(Clone, Copy)]
struct Reach {
    hidden: bool,
    depth: usize,
}

impl<'a> Walk<'a> {
    /// # Errors
    /// [`ToolError::TooMany`] when a forbidden folder holds more folders than can be known: what is not known is not kept out.
    pub(super) fn new(
        grants: &'a Grants,
        folder: &'a Path,
        forbidden: &[PathBuf],
    ) -> Result<Walk<'a>, ToolError> {
        Ok(Walk {
            grants,
            folder,
            forbidden: forbidden.to_vec(),
            inodes: inodes(forbidden)?,
            entries: 0,
            walked: BTreeSet::new(),
            files: BTreeMap::new(),
            twins: BTreeMap::new(),
            folders: BTreeSet::new(),
            skipped: BTreeMap::new(),
            grounds: Vec::new(),
        })
    }

    /// List what one pattern covers, and hold open the folder it stands on.
    pub(super) fn pattern(&mut self, op: Op, pattern: &Pattern) -> Result<(), ToolError> {
        let base = pattern.base();
        if self.forbidden.iter().any(|f| base.starts_with(f)) {
            return Err(ToolError::Forbidden { path: base.into() });
        }
        let Some((ground, existing)) = self.stand(base, op)? else {
            self.skip(base, "it does not exist");
            return Ok(());
        };
        match existing {
            Base::Folder => self.walk(&ground, reach(pattern)),
            Base::File => self.single(&ground, base),
            Base::Missing => Ok(()),
        }
    }

    /// Open the base, or the folder of a base that is a file, or for what is to be written the nearest folder that exists.
    fn stand(&mut self, base: &Path, op: Op) -> Result<Option<(Arc<Ground>, Base)>, ToolError> {
        let mut at = base;
        loop {
            match Ground::open(at) {
                Ok(ground) => {
                    let kind = if at == base {
                        Base::Folder
                    } else {
                        Base::Missing
                    };
                    return Ok(Some((self.hold(ground)?, kind)));
                }
                Err(ToolError::Io { source, .. })
                    if at == base
                        && source.raw_os_error() == Some(Errno::NOTDIR.raw_os_error()) =>
                {
                    let ground = Ground::open(at.parent().unwrap_or(at))?;
                    return Ok(Some((self.hold(ground)?, Base::File)));
                }
                Err(ToolError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && op != Op::Read =>
                {
                    let Some(parent) = at.parent() else {
                        return Ok(None);
                    };
                    at = parent;
                }
                Err(ToolError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    return Ok(None);
                }
                Err(ToolError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn hold(&mut self, ground: Ground) -> Result<Arc<Ground>, ToolError> {
        if let Some(held) = self.grounds.iter().find(|g| g.path() == ground.path()) {
            return Ok(Arc::clone(held));
        }
        let stat = fstat(ground.fd()).map_err(|e| explain(e, "open", ground.path()))?;
        if self.is_forbidden(ground.path(), &stat) {
            return Err(ToolError::Forbidden {
                path: ground.path().into(),
            });
        }
        let ground = Arc::new(ground);
        self.grounds.push(Arc::clone(&ground));
        Ok(ground)
    }

    fn is_forbidden(&self, path: &Path, stat: &Stat) -> bool {
        self.inodes.contains(&(stat.st_dev, stat.st_ino))
            || self.forbidden.iter().any(|f| path.starts_with(f))
    }

    fn single(&mut self, ground: &Ground, path: &Path) -> Result<(), ToolError> {
        let name = path.file_name().unwrap_or_default();
        let stat = statat(ground.fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| explain(e, "list", path))?;
        match kind(&stat) {
            Kind::Plain => self.file(path.into(), &stat),
            _ => {
                self.skip(path, "it is a link, pipe, socket or device");
                Ok(())
            }
        }
    }

    fn walk(&mut self, ground: &Ground, reach: Reach) -> Result<(), ToolError> {
        if !self
            .walked
            .insert((ground.path().into(), reach.hidden, reach.depth))
        {
            return Ok(()); // the same folder for another operation: each file was asked about all of them
        }
        let root = ground
            .fd()
            .try_clone_to_owned()
            .map_err(ToolError::io("open", ground.path()))?;
        self.folders.insert(ground.path().into());
        let mut open = vec![(root, ground.path().to_path_buf(), 1_usize)];
        while let Some((fd, path, depth)) = open.pop() {
            self.folder(&fd, &path, depth, reach, &mut open)?;
        }
        Ok(())
    }

    fn folder(
        &mut self,
        fd: &OwnedFd,
        path: &Path,
        depth: usize,
        reach: Reach,
        open: &mut Vec<(OwnedFd, PathBuf, usize)>,
    ) -> Result<(), ToolError> {
        let device = fstat(fd).map_err(|e| explain(e, "list", path))?.st_dev;
        for entry in Dir::read_from(fd).map_err(|e| explain(e, "list", path))? {
            let entry = entry.map_err(|e| explain(e, "list", path))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entries = self.entries.saturating_add(1);
            if self.entries > BOUNDS.entries {
                return Err(ToolError::TooMany {
                    path: path.into(),
                    what: "directory entries",
                    limit: BOUNDS.entries,
                });
            }
            let below = path.join(OsStr::from_bytes(name.to_bytes()));
            let Ok(stat) = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            match kind(&stat) {
                Kind::Plain if stat.st_dev == device => self.file(below, &stat)?,
                Kind::Folder
                    if depth < reach.depth
                        && (reach.hidden || !name.to_bytes().starts_with(b".")) =>
                {
                    self.enter(fd, name, below, depth, &stat, open);
                }
                Kind::Folder => {}
                _ if self.covered(&below) => {
                    self.skip(&below, "it is a link, pipe, socket, device or mount")
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        fd: &OwnedFd,
        name: &std::ffi::CStr,
        path: PathBuf,
        depth: usize,
        stat: &Stat,
        open: &mut Vec<(OwnedFd, PathBuf, usize)>,
    ) {
        if self.is_forbidden(&path, stat) {
            return self.skip(&path, "it holds cloister's own files");
        }
        if depth >= BOUNDS.depth {
            return self.skip(&path, "it is nested too deeply");
        }
        match subfolder(fd.as_fd(), name) {
            Ok(fd) => {
                self.folders.insert(path.clone());
                open.push((fd, path, depth.saturating_add(1)));
            }
            Err(Errno::XDEV) => self.skip(&path, "it is another file system"),
            Err(_) => self.skip(&path, "it cannot be opened"),
        }
    }

    fn covered(&self, path: &Path) -> bool {
        [Op::Read, Op::Write, Op::Move]
            .iter()
            .any(|op| self.grants.covers(*op, path))
    }

    fn file(&mut self, path: PathBuf, stat: &Stat) -> Result<(), ToolError> {
        let [readable, writable, movable] =
            [Op::Read, Op::Write, Op::Move].map(|op| self.grants.covers(op, &path));
        if !(readable || writable || movable)
            || self.is_forbidden(&path, stat)
            || self.files.contains_key(&path)
        {
            return Ok(());
        }
        let reason = if path.to_str().is_none() {
            Some("its name is not UTF-8")
        } else {
            refusal(&path.to_string_lossy())
        };
        if let Some(reason) = reason {
            self.skip(&path, reason);
            return Ok(());
        }
        if self.files.len() >= BOUNDS.files {
            return Err(ToolError::TooMany {
                path,
                what: "files",
                limit: BOUNDS.files,
            });
        }
        let alone = stat.st_nlink == 1;
        if !alone {
            let inode = (stat.st_dev, stat.st_ino);
            let (names, found) = self.twins.entry(inode).or_default();
            *names = stat.st_nlink;
            found.push(path.clone());
        }
        if !alone && (writable || movable) {
            self.skip(
                &path,
                "it has a second name (hard link), so it is not written or moved",
            );
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let (writable, movable) = (writable && alone, movable && alone);
        let name = shown(self.folder, &path);
        self.files.insert(
            path.clone(),
            GrantedFile {
                name,
                path,
                size,
                names: stat.st_nlink,
                readable,
                writable,
                movable,
            },
        );
        Ok(())
    }

    /// Leaves out files that also have a name which no grant covers: who put the name here may not have been allowed to read the file.
    pub(super) fn leave_out_strangers(&mut self) {
        for (names, found) in std::mem::take(&mut self.twins).into_values() {
            if (found.len() as u64) < names {
                for path in found {
                    self.files.remove(&path);
                    self.skip(&path, "it also has a name that is not granted (hard link)");
                }
            }
        }
    }

    fn skip(&mut self, path: &Path, reason: &'static str) {
        let path = escape(&path.to_string_lossy(), Lines::Escape);
        if self.skipped.len() < BOUNDS.files {
            self.skipped.entry(path).or_insert(reason);
        }
    }
}

/// The inodes of these folders and of all folders below them.
fn inodes(roots: &[PathBuf]) -> Result<Inodes, ToolError> {
    let mut found = Inodes::new();
    let mut open = roots.to_vec();
    while let Some(path) = open.pop() {
        let Ok(stat) = rustix::fs::stat(&path) else {
            continue; // a folder that is not there yet is nobody's base
        };
        if !found.insert((stat.st_dev, stat.st_ino)) {
            continue;
        }
        if found.len() > BOUNDS.own_folders {
            return Err(ToolError::TooMany {
                path,
                what: "folders of its own",
                limit: BOUNDS.own_folders,
            });
        }
        let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
        let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        open.extend(folders.map(|e| e.path()));
    }
    Ok(found)
}

/// What a pattern's base is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Folder,
    File,
    Missing,
}

fn reach(pattern: &Pattern) -> Reach {
    let base = pattern.base().to_string_lossy();
    let tail = pattern
        .text()
        .strip_prefix(base.as_ref())
        .unwrap_or_default();
    let parts: Vec<&str> = tail.split('/').filter(|p| !p.is_empty()).collect();
    let deep = parts.is_empty() || parts.contains(&"**");
    Reach {
        hidden: parts.iter().any(|p| p.starts_with('.')),
        depth: if deep { BOUNDS.depth } else { parts.len() },
    }
}
