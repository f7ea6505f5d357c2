//! Opens what an auditor copied: a ledger folder, a folder of tiles, a file of entries alone, or an evidence file. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
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
    let mut tiles = BTreeSet::new();
    list(folder, TILES_FOLDER, DEEPEST, &mut tiles, &mut others)?;
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

/// Adds what lies beneath a path of `folder`: plain files to `tiles`, anything else but folders to `others`, as what lies too deep.
fn list(
    folder: &Path,
    beneath: &str,
    deeper: usize,
    tiles: &mut BTreeSet<String>,
    others: &mut BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    let unreadable = || format!("`{}` cannot be listed", folder.join(beneath).display());
    for item in std::fs::read_dir(folder.join(beneath)).with_context(unreadable)? {
        let item = item.with_context(unreadable)?;
        let path = format!("{beneath}/{}", item.file_name().to_string_lossy());
        let kind = item.file_type().with_context(unreadable)?;
        if kind.is_file() {
            tiles.insert(path);
        } else if let Some(deeper) = deeper.checked_sub(1).filter(|_| kind.is_dir()) {
            list(folder, &path, deeper, tiles, others)?;
        } else {
            others.insert(path, Vec::new());
        }
    }
    Ok(())
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
