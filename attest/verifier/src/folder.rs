//! Opens what an auditor copied: a ledger folder, a folder of tiles, a file of entries alone, or an evidence file. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cloister_attest::{
    CHECKPOINT_FILE, Cosigned, ENTRIES_FILE, Files, TILES_FOLDER, TileFolder, cosigned_name,
};

/// Most that is read of a file beside the entries, bytes: 1 MiB and one, enough to see that it is no torn line of ours.
const MOST: u64 = (1 << 20) + 1;
/// Files beside the entries that are looked at. A ledger has one for each crash; more would be an attempt to fill our memory.
const MOST_FILES: usize = 10_000;

/// The entries of a ledger, or nothing when the file is missing.
pub(crate) type Entries = Box<dyn BufRead>;

/// What a single file holds.
pub(crate) enum Kind {
    /// The evidence of one session.
    Evidence(Vec<u8>),
    /// A proof of one entry.
    Proof(Vec<u8>),
    /// Entries without their folder, and so without a checkpoint.
    Entries(Files<Entries>),
}

/// The whole of a ledger folder.
pub(crate) fn open(folder: &Path) -> Result<Files<Entries>> {
    let mut files = Files {
        entries: Box::new(io::empty()) as Entries,
        checkpoint: None,
        others: BTreeMap::new(),
    };
    let listing = std::fs::read_dir(folder)
        .with_context(|| format!("`{}` cannot be listed", folder.display()))?;
    for item in listing {
        let item = item.with_context(|| format!("`{}` cannot be listed", folder.display()))?;
        let name = item.file_name().to_string_lossy().into_owned();
        let path = item.path();
        let unreadable = || format!("`{}` cannot be read", path.display());
        if !item.file_type().with_context(unreadable)?.is_file() {
            // A folder, a link or a device in a ledger is as foreign as an unknown file; it is never followed.
            files.others.insert(name, Vec::new());
            continue;
        }
        let file = File::open(&path).with_context(unreadable)?;
        match name.as_str() {
            ENTRIES_FILE => files.entries = Box::new(BufReader::with_capacity(1 << 16, file)),
            CHECKPOINT_FILE => files.checkpoint = Some(start_of(file).with_context(unreadable)?),
            _ if files.others.len() < MOST_FILES => drop(
                files
                    .others
                    .insert(name, start_of(file).with_context(unreadable)?),
            ),
            _ => drop(files.others.insert(name, Vec::new())),
        }
    }
    Ok(files)
}

/// Folders in one another beneath a folder of tiles; the longest path of a tile has eight.
const DEEPEST: usize = 12;
/// What the list of a folder's tiles may take of our memory, bytes: 128 MiB, room for a million tiles, and so for the tiles of 100 million entries with
/// what a new checkpoint an hour leaves in ten years. The verifier takes as much again for those that it has yet to look at.
const MOST_LISTED: usize = 128 << 20;
/// What keeping a path costs besides its own bytes, bytes: its place in the list, and what the allocator adds.
const EACH_LISTED: usize = 96;

/// Whether a folder holds tiles in place of entries.
pub(crate) fn has_tiles(folder: &Path) -> bool {
    let there = |name| folder.join(name).symlink_metadata();
    there(TILES_FOLDER).is_ok_and(|found| found.is_dir()) && there(ENTRIES_FILE).is_err()
}

/// Reads a tile by its path, as far as so many bytes.
pub(crate) type ReadTile = Box<dyn FnMut(&str, u64) -> io::Result<Vec<u8>>>;

/// A folder of tiles; these are read when they are asked for.
pub(crate) fn tiles(folder: &Path, cosigned: &[PathBuf]) -> Result<TileFolder<ReadTile>> {
    let Files {
        checkpoint,
        mut others,
        ..
    } = with(open(folder)?, cosigned)?;
    others.remove(TILES_FOLDER);
    let mut listing = Listing {
        folder,
        tiles: BTreeSet::new(),
        others,
        left: MOST_LISTED,
    };
    listing.add(TILES_FOLDER, DEEPEST)?;
    let Listing { tiles, others, .. } = listing;
    let folder = folder.to_owned();
    let read = move |path: &str, most| {
        let mut bytes = Vec::new();
        File::open(folder.join(path))?
            .take(most)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(TileFolder {
        checkpoint,
        tiles,
        others,
        read: Box::new(read),
    })
}

/// What lies in a folder of tiles, as far as it was listed: plain files are tiles, anything else but folders is not, nor is what lies too deep.
struct Listing<'a> {
    folder: &'a Path,
    tiles: BTreeSet<String>,
    others: BTreeMap<String, Vec<u8>>,
    /// What the list may still take, bytes.
    left: usize,
}

impl Listing<'_> {
    /// Adds what lies beneath a path of the folder.
    fn add(&mut self, beneath: &str, deeper: usize) -> Result<()> {
        let whole = self.folder.join(beneath);
        let unreadable = || format!("`{}` cannot be listed", whole.display());
        for item in std::fs::read_dir(&whole).with_context(unreadable)? {
            let item = item.with_context(unreadable)?;
            let path = format!("{beneath}/{}", item.file_name().to_string_lossy());
            let kind = item.file_type().with_context(unreadable)?;
            if let Some(deeper) = deeper.checked_sub(1).filter(|_| kind.is_dir()) {
                self.add(&path, deeper)?;
                continue;
            }
            self.afford(&path)?;
            if kind.is_file() {
                self.tiles.insert(path);
            } else {
                self.others.insert(path, Vec::new());
            }
        }
        Ok(())
    }

    fn afford(&mut self, path: &str) -> Result<()> {
        let cost = path.len().saturating_add(EACH_LISTED);
        let Some(left) = self.left.checked_sub(cost) else {
            let folder = self.folder.join(TILES_FOLDER);
            bail!(
                "`{}` holds too many files for a folder of tiles: the list of them would take more than {} MiB of memory",
                folder.display(),
                MOST_LISTED >> 20
            );
        };
        self.left = left;
        Ok(())
    }
}

/// Most that is read of a proof, bytes: 8 MiB and one, enough to see that it is too long.
const MOST_PROOF: u64 = (8 << 20) + 1;

/// Looks at the first line of a file: a proof and evidence begin with keys of their own, and evidence has no newline; entries are lines.
pub(crate) fn sniff(path: &Path) -> io::Result<Kind> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut start = Vec::new();
    reader.by_ref().take(MOST).read_until(b'\n', &mut start)?;
    if start.starts_with(br#"{"checkpoint":"#) {
        reader.take(MOST_PROOF).read_to_end(&mut start)?;
        return Ok(Kind::Proof(start));
    }
    if start.ends_with(b"\n") && !start.starts_with(br#"{"evidence":"#) {
        let entries: Entries = Box::new(io::Cursor::new(start).chain(reader));
        return Ok(Kind::Entries(Files {
            entries,
            checkpoint: None,
            others: BTreeMap::new(),
        }));
    }
    reader.take(MOST).read_to_end(&mut start)?;
    Ok(Kind::Evidence(start))
}

/// The bytes of a proof, or of what is none.
pub(crate) fn proof(path: &Path) -> Result<Vec<u8>> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    let (file, mut bytes) = (File::open(path).with_context(unreadable)?, Vec::new());
    let read = file.take(MOST_PROOF).read_to_end(&mut bytes);
    read.map(|_| bytes).with_context(unreadable)
}

/// The same folder, and notes that witnesses still have.
pub(crate) fn with(mut files: Files<Entries>, cosigned: &[PathBuf]) -> Result<Files<Entries>> {
    for path in cosigned {
        let note = small(path)?;
        Cosigned::parse(&note).with_context(|| format!("`{}` is no such note", path.display()))?;
        files.others.insert(cosigned_name(&note), note);
    }
    Ok(files)
}

/// The start of a file, enough to see that it is longer than any of these.
pub(crate) fn small(path: &Path) -> Result<Vec<u8>> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    start_of(File::open(path).with_context(unreadable)?).with_context(unreadable)
}

fn start_of(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists a folder with `files` plain files of one length of name and as many links, with memory for `most` of them.
    #[expect(clippy::disallowed_methods, reason = "the folder is the test's own")]
    fn listed(files: usize, most: usize) -> Result<usize> {
        let folder = tempfile::tempdir()?;
        let level = folder.path().join(TILES_FOLDER).join("0");
        std::fs::create_dir_all(&level)?;
        for n in 0..files {
            std::fs::write(level.join(format!("{n:03}")), "")?;
            std::os::unix::fs::symlink("nowhere", level.join(format!("l{n:02}")))?;
        }
        let mut listing = Listing {
            folder: folder.path(),
            tiles: BTreeSet::new(),
            others: BTreeMap::new(),
            left: most.saturating_mul("tile/0/000".len().saturating_add(EACH_LISTED)),
        };
        listing.add(TILES_FOLDER, DEEPEST)?;
        Ok(listing.tiles.len().saturating_add(listing.others.len()))
    }

    #[test]
    fn a_folder_with_more_paths_than_any_ledger_has_tiles_is_refused_before_it_fills_our_memory() {
        assert_eq!(listed(10, 20).unwrap(), 20);
        let refused = listed(10, 19).unwrap_err().to_string();
        assert!(refused.contains("too many files"), "{refused}");
    }
}
