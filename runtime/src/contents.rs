//! What the ledger commits to and does not say: arguments and outputs, sealed in the folder `contents` of the home, until somebody shreds them.
//!
//! A session has two files there, its key and one line a content; a session that calls nothing has none. One file to which lines are added costs
//! an entry a second `fdatasync`; a file each would cost it two and a folder's, and leave a folder of thousands.
//!
//! Crash order: the key is durable before anything is sealed under it, and a content before the entry that names it. A crash in between leaves a
//! key or a content that no entry names, which is of no harm. Shredding goes the other way: the entry first, then the key, then what it sealed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cloister_attest::{
    Body, Commitment, Content, ContentHash, ContentsKey, Digest, Entry, Recorded, SessionId,
};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::disk;
use crate::failure::{Failure, Kind};
use crate::random;

/// What is read of a key's file, bytes: more than it has, 78.
const KEY_READ: usize = 128;

/// Digests of contents by what binds to them, in memory: what tells whether two of them are the same.
pub(crate) type Plain = BTreeMap<Commitment, Digest>;

/// The folder in which contents are kept.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    folder: PathBuf,
}

/// What one session keeps while it runs.
pub(crate) struct Keeping {
    files: Kept,
    state: State,
    plain: Plain,
}

enum State {
    /// Nothing was kept yet.
    Unused,
    Open(ContentsKey, File),
    /// A write or a sync failed: what is on the disk is not known, so nothing more is put there.
    Failed,
}

/// The files of one session.
#[derive(Debug)]
pub(crate) struct Kept {
    session: String,
    key: PathBuf,
    sealed: PathBuf,
}

impl Contents {
    pub(crate) fn at(folder: PathBuf) -> Contents {
        Contents { folder }
    }

    /// For the session that begins.
    pub(crate) fn keeping(&self, session: SessionId) -> Keeping {
        Keeping {
            files: self.kept(session),
            state: State::Unused,
            plain: Plain::new(),
        }
    }

    /// What a session kept, whether there is anything or not.
    pub(crate) fn kept(&self, session: SessionId) -> Kept {
        let session = session.to_string();
        Kept {
            key: self.folder.join(format!("{session}.key")),
            sealed: self.folder.join(format!("{session}.sealed")),
            session,
        }
    }

    /// Open what these entries of one session, out of `all` of the ledger, commit to, each with what it is of.
    pub(crate) fn of(
        &self,
        entries: &[Entry],
        all: &[Entry],
    ) -> Result<Vec<(String, Commitment, Content)>, Failure> {
        let mut named = Vec::new();
        for entry in entries {
            for (what, hash) in entry.body.contents() {
                named.push((what, salted(hash, entry.seq)?, entry));
            }
        }
        let Some(session) = named.first().map(|(.., entry)| entry.session) else {
            return Ok(Vec::new());
        };
        if let Some(seq) = shredded(session, all) {
            return Err(Failure::new(
                Kind::Integrity,
                format!("the contents of session {session} were shredded, as entry {seq} says"),
            )
            .hint(
                "what the ledger says of them holds; what they were, nobody can tell any more"
                    .to_owned(),
            ));
        }
        let opened = self.kept(session).open()?;
        let content = |(what, commitment, entry): (_, _, &Entry)| {
            Ok((what, commitment, opened.content(commitment, entry.seq)?))
        };
        named.into_iter().map(content).collect()
    }
}

/// What was kept is named so; of contents of older entries nothing was.
fn salted(hash: ContentHash, seq: u64) -> Result<Commitment, Failure> {
    match hash {
        ContentHash::Salted(commitment) => Ok(commitment),
        ContentHash::Plain(digest) => Err(Failure::failed(format!(
            "entry {seq} has the digest {digest} of a content, and nothing is kept"
        ))
        .hint("entries of version 3 and later have their contents kept".to_owned())),
    }
}

/// The entry that says that a session's contents were destroyed.
fn shredded(session: SessionId, entries: &[Entry]) -> Option<u64> {
    let says = |entry: &&Entry| matches!(&entry.body, Body::Shred(s) if s.session == session);
    entries.iter().find(says).map(|entry| entry.seq)
}

impl Keeping {
    /// Seal these contents; they are durable, in their order, when this returns.
    pub(crate) fn keep(&mut self, contents: Vec<Vec<u8>>) -> Result<Vec<Commitment>, Failure> {
        let (key, mut file) = match std::mem::replace(&mut self.state, State::Failed) {
            State::Unused => self.files.make()?,
            State::Open(key, file) => (key, file),
            State::Failed => {
                return Err(
                    Failure::failed("no more contents are kept: an earlier write failed")
                        .hint("check free space and the disk, then start again".to_owned()),
                );
            }
        };
        let (mut lines, mut made) = (String::new(), Vec::new());
        for bytes in contents {
            let digest = Digest::of(&bytes);
            let content = Content::new(*random::bytes()?, bytes);
            lines.push_str(&content.seal(&key)?);
            made.push((content.commitment(), digest));
        }
        file.write_all(lines.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(|error| disk::failed("write", &self.files.sealed, &error))?;
        self.state = State::Open(key, file);
        self.plain.extend(made.iter().copied());
        Ok(made.into_iter().map(|(commitment, _)| commitment).collect())
    }

    /// What the session has kept.
    pub(crate) fn plain(&self) -> &Plain {
        &self.plain
    }
}

impl Kept {
    /// Make both files, for this user alone. Their names are durable when this returns, and so is the key.
    fn make(&self) -> Result<(ContentsKey, File), Failure> {
        let folder = self.key.parent().unwrap_or(Path::new("."));
        disk::folder(folder)?;
        let key = ContentsKey::from_random(random::bytes()?);
        let new = |path: &Path| {
            OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| disk::failed("make", path, &error))
        };
        let mut file = new(&self.key)?;
        file.write_all(key.to_text().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| disk::failed("write", &self.key, &error))?;
        let sealed = new(&self.sealed)?;
        let above = folder.parent().unwrap_or(Path::new("."));
        for folder in [folder, above] {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| disk::failed("write", folder, &error))?;
        }
        Ok((key, sealed))
    }

    /// Read both files.
    fn open(&self) -> Result<Opened, Failure> {
        let missing = |failure: Failure| {
            Failure::new(Kind::Integrity, failure.message()).hint(format!(
                "the ledger does not say that anybody shredded the contents of session {}: bring `contents/` back from a copy of the home",
                self.session
            ))
        };
        let text = read_key(&self.key).map_err(missing)?;
        let key = ContentsKey::from_text(&text).map_err(|_| {
            missing(Failure::failed(format!(
                "`{}` holds no key",
                self.key.display()
            )))
        })?;
        let lines = disk::read_bounded(&self.sealed, u64::MAX).map_err(missing)?;
        Ok(Opened { key, lines })
    }

    /// Whether anything of it is left.
    pub(crate) fn exists(&self) -> bool {
        [&self.key, &self.sealed]
            .iter()
            .any(|path| path.symlink_metadata().is_ok())
    }

    /// Destroy the key and then what it sealed, once that is recorded. When this returns nobody can open it from here; copies are others' to find.
    pub(crate) fn shred(recorded: Recorded<Kept>) -> Result<(), Failure> {
        let (kept, _) = recorded.into_parts();
        if kept.key.symlink_metadata().is_ok() {
            wipe(&kept.key).map_err(|error| disk::failed("wipe", &kept.key, &error))?;
            disk::remove(&kept.key)?;
        }
        match kept.sealed.symlink_metadata() {
            Ok(_) => disk::remove(&kept.sealed),
            Err(_) => Ok(()),
        }
    }
}

/// What a session kept, as read.
struct Opened {
    key: ContentsKey,
    lines: Vec<u8>,
}

impl Opened {
    fn content(&self, commitment: Commitment, seq: u64) -> Result<Content, Failure> {
        Content::open(&self.lines, commitment, &self.key).map_err(|error| {
            Failure::new(Kind::Integrity, format!("of entry {seq} {error}")).hint(error.hint())
        })
    }
}

/// What a file says that should hold a key, or the start of something longer, which holds none. What is read is nowhere else in memory.
fn read_key(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_READ));
    disk::open(path)?
        .take(KEY_READ as u64)
        .read_to_string(&mut text)
        .map_err(|error| disk::failed("read", path, &error))?;
    Ok(text)
}

/// Zeros over every byte, and on the disk. A link is not followed, and nobody waited for at the other end of a pipe.
fn wipe(path: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
