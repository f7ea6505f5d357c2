//! `FILE.part`: the bytes so far and their hash. It gets the file's name only when the hash is right, after everything is on the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{FetchError, Kept};
use crate::request::Sha256Hex;

/// Read at once while hashing, bytes. 1 MiB: fits the second-level cache.
const CHUNK: usize = 1 << 20;

pub(crate) struct Part {
    target: PathBuf,
    path: PathBuf,
    file: File,
    hash: Sha256,
    length: u64,
}

/// The hash of a file that may be there already.
pub(crate) fn hash_of(path: &Path) -> Result<Option<Sha256Hex>, FetchError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| at(path, e))?,
    };
    let (hash, _) = hash_rest(&mut file).map_err(|e| at(path, e))?;
    Ok(Some(Sha256Hex::of(hash)))
}

fn hash_rest(file: &mut File) -> std::io::Result<(Sha256, u64)> {
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0u64, vec![0; CHUNK]);
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok((hash, length));
        }
        hash.update(buffer.get(..got).unwrap_or_default());
        length = length.saturating_add(got as u64);
    }
}

fn at(path: &Path, source: std::io::Error) -> FetchError {
    FetchError::File {
        path: path.to_owned(),
        source,
    }
}

impl Part {
    /// Opens or makes the part beside the target and hashes what an earlier run left in it.
    pub(crate) fn open(target: &Path) -> Result<Self, FetchError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(|e| at(&path, e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(at(&path, error)),
            Ok(()) => {}
        }
        let (hash, length) = hash_rest(&mut file).map_err(|e| at(&path, e))?;
        Ok(Self {
            target: target.to_owned(),
            path,
            file,
            hash,
            length,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|e| at(&self.path, e))?;
        self.hash.update(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Back to nothing.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).map_err(|e| at(&self.path, e))?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|e| at(&self.path, e))?;
        (self.hash, self.length) = (Sha256::new(), 0);
        Ok(())
    }

    /// Whether the bytes so far are the ones that are wanted.
    pub(crate) fn is(&self, want: Sha256Hex) -> bool {
        Sha256Hex::of(self.hash.clone()) == want
    }

    /// Gives the file its name if the hash is right, and throws the bytes away if not.
    pub(crate) fn finish(self, want: Sha256Hex) -> Result<PathBuf, FetchError> {
        let Self {
            target,
            path,
            file,
            hash,
            ..
        } = self;
        let got = Sha256Hex::of(hash);
        if got != want {
            fs::remove_file(&path).map_err(|e| at(&path, e))?;
            return Err(FetchError::WrongHash {
                path: target,
                got,
                want,
                kept: Kept::Removed,
            });
        }
        file.sync_all().map_err(|e| at(&path, e))?;
        fs::rename(&path, &target).map_err(|e| at(&target, e))?;
        if let Some(folder) = target.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|e| at(folder, e))?;
        }
        Ok(target)
    }
}
