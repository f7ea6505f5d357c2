//! The folder a grant stands on, held open, and every opening beneath it. The one file that calls `openat2`: nothing below a ground is
//! reached through a link, a magic link, `..` or a mount, whoever swaps what while we look.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat, mkdirat, openat2, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::ToolError;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// An open folder that a grant names.
#[derive(Debug)]
pub(crate) struct Ground {
    path: PathBuf,
    fd: OwnedFd,
}

/// What a directory entry is, as far as tools care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    Plain,
    /// A link, pipe, socket or device.
    Other,
}

pub(crate) fn kind(stat: &Stat) -> Kind {
    match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::Directory => Kind::Folder,
        rustix::fs::FileType::RegularFile => Kind::Plain,
        _ => Kind::Other,
    }
}

impl Ground {
    /// Open the folder `path`; no part of it may be a link.
    pub(crate) fn open(path: &Path) -> Result<Ground, ToolError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat2(
            CWD,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        );
        fd.map(|fd| Ground {
            path: path.into(),
            fd,
        })
        .map_err(|e| explain(e, "open", path))
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The path of `path` below this folder.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> Result<&'a Path, ToolError> {
        let not_below = || ToolError::NotPlain {
            path: path.into(),
            reason: "it is not below its granted folder",
        };
        let relative = path.strip_prefix(&self.path).map_err(|_| not_below())?;
        if relative
            .components()
            .all(|c| matches!(c, Component::Normal(_)))
            && relative.file_name().is_some()
        {
            Ok(relative)
        } else {
            Err(not_below())
        }
    }

    /// Open a plain file for reading. A pipe or device is refused without waiting for it.
    pub(crate) fn read(&self, path: &Path) -> Result<(File, Stat), ToolError> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat2(
            &self.fd,
            self.relative(path)?,
            flags,
            Mode::empty(),
            BENEATH,
        )
        .map_err(|e| explain(e, "open", path))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| explain(e, "read", path))?;
        if kind(&stat) != Kind::Plain {
            return Err(ToolError::NotPlain {
                path: path.into(),
                reason: "it is a folder, pipe, socket or device",
            });
        }
        Ok((File::from(fd), stat))
    }

    /// The folder that `path` lies in, and the file's name there.
    pub(crate) fn parent<'a>(
        &self,
        path: &'a Path,
        missing: Missing,
    ) -> Result<(Folder, &'a OsStr), ToolError> {
        let relative = self.relative(path)?;
        let name = relative.file_name().unwrap_or_default();
        let mut at = openat2(&self.fd, ".", dir_flags(), Mode::empty(), BENEATH)
            .map_err(|e| explain(e, "open", path))?;
        for part in relative.parent().into_iter().flat_map(Path::components) {
            at = step(&at, part.as_os_str(), missing).map_err(|e| explain(e, "open", path))?;
        }
        Ok((Folder { fd: at }, name))
    }
}

/// What to do about folders that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make them.
    Create,
    /// Fail.
    Refuse,
}

fn dir_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn step(at: &OwnedFd, name: &OsStr, missing: Missing) -> Result<OwnedFd, Errno> {
    match openat2(at, name, dir_flags(), Mode::empty(), BENEATH) {
        Err(Errno::NOENT) if missing == Missing::Create => {
            match mkdirat(at, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => rustix::fs::fsync(at)?,
                Err(Errno::EXIST) => {} // somebody was faster; what is there must still open as a folder
                Err(error) => return Err(error),
            }
            openat2(at, name, dir_flags(), Mode::empty(), BENEATH)
        }
        other => other,
    }
}

/// An open folder in which one name is created, replaced or moved.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
}

impl Folder {
    /// What stands under `name`, if anything; a link is not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> std::io::Result<Option<Stat>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Open `name` for reading, only if it is a plain file.
    pub(crate) fn read(&self, name: &OsStr) -> std::io::Result<File> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat2(&self.fd, name, flags, Mode::empty(), BENEATH)?;
        if kind(&rustix::fs::fstat(&fd)?) == Kind::Plain {
            Ok(File::from(fd))
        } else {
            Err(std::io::ErrorKind::InvalidInput.into())
        }
    }

    /// Make a new file that as many may read as `mode` and the umask let; whatever stands under the name already is an error.
    pub(crate) fn create(&self, name: &OsStr, mode: u32) -> std::io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat2(
            &self.fd,
            name,
            flags,
            Mode::from_raw_mode(mode),
            BENEATH,
        )?))
    }

    /// Remove a name.
    pub(crate) fn remove(&self, name: &OsStr) -> std::io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Give a file another name here or in `to`; an existing file there is never replaced.
    pub(crate) fn rename(&self, name: &OsStr, to: &Folder, new: &OsStr) -> std::io::Result<()> {
        Ok(renameat_with(
            &self.fd,
            name,
            &to.fd,
            new,
            RenameFlags::NOREPLACE,
        )?)
    }

    /// Let two files of this folder change names in one step.
    pub(crate) fn exchange(&self, one: &OsStr, other: &OsStr) -> std::io::Result<()> {
        Ok(renameat_with(
            &self.fd,
            one,
            &self.fd,
            other,
            RenameFlags::EXCHANGE,
        )?)
    }

    /// Make the names durable.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

/// Open the folder `name` in the open folder `at`, if it is one.
pub(crate) fn subfolder(at: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    openat2(at, name, dir_flags(), Mode::empty(), BENEATH)
}

/// An errno in the words of a person.
pub(crate) fn explain(error: Errno, doing: &'static str, path: &Path) -> ToolError {
    match error {
        Errno::NOSYS => ToolError::NoOpenat2 { path: path.into() },
        Errno::LOOP => ToolError::NotPlain {
            path: path.into(),
            reason: "it is or goes through a symbolic link",
        },
        Errno::XDEV => ToolError::NotPlain {
            path: path.into(),
            reason: "it leaves the granted folder or its file system",
        },
        other => ToolError::Io {
            doing,
            path: path.into(),
            source: other.into(),
        },
    }
}
