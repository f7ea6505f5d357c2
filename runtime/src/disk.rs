//! Files of the home on the disk: whole, durable, and never half-written. Relied on by the ledger and the locks.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cloister_attest::{CHECKPOINT_FILE, ENTRIES_FILE, Files, Storage};

use crate::failure::Failure;

/// What is read of a file that has no business in the ledger folder, bytes: enough to name it as one.
const UNKNOWN_READ: u64 = (1 << 20) + 1;

/// Make a folder and its parents that only this user enters.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| failed("make the folder", path, &e))
}

/// Read a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| failed("read", path, &e))
}

/// Memory that this process may still take, bytes, if the system tells.
pub(crate) fn available_memory() -> Option<u64> {
    cloister_models::available_memory(|path| fs::read_to_string(path).ok())
}

/// Open a plain file to read, and nothing else. Opening does not wait, so a pipe cannot hold us.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|e| failed("read", path, &e))?;
    if file.metadata().is_ok_and(|m| m.is_file()) {
        return Ok(file);
    }
    Err(
        Failure::failed(format!("`{}` is no plain file", path.display()))
            .hint("name a file on a disk; a folder, pipe or device is not read".to_owned()),
    )
}

/// Read a file that somebody else wrote: a plain file, no longer than it may be.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| failed("read", path, &e))?;
    Ok(bytes)
}

/// Read a whole text file.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| failed("read", path, &e))
}

/// Put bytes under a name: beside it, synced, renamed, folder synced. A crash leaves the old file or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    put(&beside, path, bytes).map_err(|e| failed("write", path, &e))
}

/// Remove a file, for good once this returns.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path)
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|e| failed("remove", path, &e))
}

/// A failure that names the file and what was tried.
pub(crate) fn failed(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot {doing} `{}`: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            failure.hint("check who owns it and who may write there".to_owned())
        }
        io::ErrorKind::StorageFull => failure.hint(
            "the disk is full: make room and run the command again; nothing was released"
                .to_owned(),
        ),
        _ => failure,
    }
}

/// Written as `beside`, on the same file system, then given its name; what goes wrong leaves no `beside`. What is called so is left from a crash, or was
/// put there by whoever prepared the folder, as a link to another file: it is taken away, and never written through.
pub(crate) fn put(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written
        .and_then(|()| fs::rename(beside, path))
        .inspect_err(|_| drop(fs::remove_file(beside)))?;
    File::open(folder_of(path))?.sync_all()
}

/// The folder that a file is in; a bare name is in the current one.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

/// The ledger folder, open for writing by this process alone. In it lie only entries, the checkpoint, torn lines put aside and cosigned notes.
pub(crate) struct LedgerFolder {
    folder: PathBuf,
    scratch: PathBuf,
    entries: File,
    /// The folder, until it is known to keep the entries' name.
    unnamed: Option<File>,
    _lock: File,
}

impl LedgerFolder {
    /// Open the folder under a lock; a second session waits for nothing and is told so.
    pub(crate) fn open(folder: &Path, scratch: &Path) -> Result<LedgerFolder, Failure> {
        self::folder(folder)?;
        self::folder(scratch)?;
        let lock_path = scratch.join("ledger.lock");
        let open = |p: &Path| {
            OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .open(p)
                .map_err(|e| failed("open", p, &e))
        };
        let lock = open(&lock_path)?;
        lock.try_lock().map_err(|_| {
            Failure::failed(format!(
                "another session is writing to `{}`",
                folder.display()
            ))
            .hint("wait for it to end, or use another --home".to_owned())
        })?;
        let entries = open(&folder.join(ENTRIES_FILE))?;
        Ok(LedgerFolder {
            folder: folder.to_owned(),
            scratch: scratch.to_owned(),
            unnamed: Some(File::open(folder).map_err(|e| failed("open", folder, &e))?),
            entries,
            _lock: lock,
        })
    }

    /// Everything in the folder, for the ledger to take up and for whoever checks it.
    pub(crate) fn files(&mut self) -> Result<Files<Vec<u8>>, Failure> {
        let path = self.folder.join(ENTRIES_FILE);
        let mut entries = Vec::new();
        self.entries
            .rewind()
            .and_then(|()| self.entries.read_to_end(&mut entries))
            .map_err(|e| failed("read", &path, &e))?;
        others(&self.folder).map(|(checkpoint, others)| Files {
            entries,
            checkpoint,
            others,
        })
    }
}

/// What lies beside the entries: the checkpoint, and everything else by its name.
pub(crate) type Beside = (Option<Vec<u8>>, BTreeMap<String, Vec<u8>>);

/// The checkpoint and all files besides the entries.
pub(crate) fn others(folder: &Path) -> Result<Beside, Failure> {
    let (mut checkpoint, mut rest) = (None, BTreeMap::new());
    for item in fs::read_dir(folder).map_err(|e| failed("list", folder, &e))? {
        let path = item.map_err(|e| failed("list", folder, &e))?.path();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name == ENTRIES_FILE {
            continue;
        }
        let mut bytes = Vec::new();
        if path.is_file() {
            File::open(&path)
                .and_then(|f| f.take(UNKNOWN_READ).read_to_end(&mut bytes))
                .map_err(|e| failed("read", &path, &e))?;
        }
        if name == CHECKPOINT_FILE {
            checkpoint = Some(bytes);
        } else {
            rest.insert(name, bytes);
        }
    }
    Ok((checkpoint, rest))
}

impl Storage for LedgerFolder {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.entries.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.entries.sync_data()?;
        match self.unnamed.take() {
            Some(folder) => folder.sync_all(),
            None => Ok(()),
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.entries.set_len(length)?;
        self.entries.sync_all()
    }

    /// The temporary file lies in `run/`, since in the ledger folder every byte counts.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.scratch.join(format!("{name}.new"));
        put(&beside, &self.folder.join(name), bytes)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_a_folder_and_a_device_are_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let refused = open(path).unwrap_err();
            assert_eq!(
                refused.message(),
                format!("`{}` is no plain file", path.display())
            );
            assert!(refused.advice().is_some());
        }
        fs::write(folder.path().join("file"), "text").unwrap();
        assert!(open(&folder.path().join("file")).is_ok());
    }

    #[test]
    fn nothing_is_written_through_what_stands_beside() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("another"), "theirs").unwrap();
        let beside = at(".file.new");
        std::os::unix::fs::symlink(at("another"), &beside).unwrap();
        replace(&at("file"), b"first").unwrap();
        fs::hard_link(at("another"), &beside).unwrap();
        replace(&at("file"), b"second").unwrap();
        mknodat(CWD, &beside, FileType::Fifo, Mode::RWXU, 0).unwrap();
        replace(&at("file"), b"third").unwrap();
        assert_eq!(fs::read(at("another")).unwrap(), b"theirs");
        assert_eq!(fs::read(at("file")).unwrap(), b"third");
        assert!(at("file").symlink_metadata().unwrap().is_file());
    }
}
