//! `cloister audit tiles`: the ledger as a folder that clients of transparency logs read (attest/SPEC.md section 19). It only grows, and only with what goes on
//! from what it has.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use cloister_attest::{
    CHECKPOINT_FILE, ENTRIES_FILE, Files, Kept, TILES_FOLDER, TILES_SCRATCH, checkpoint_key,
    compare, earlier_folders, goes_on_from, tiles,
};
use serde_json::json;

use super::Desk;
use crate::counted::counted;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::verified::Verified;

/// Writes what is not there yet. What was verified is what is written.
pub(super) fn run(folder: &Path, ledger: &Verified, desk: &Desk) -> Result<(), Failure> {
    let checkpoint = ledger.checkpoint.as_deref().unwrap_or_default();
    let key = checkpoint_key(ledger.lines(), checkpoint)?;
    refuse_another(folder)?;
    refuse_fork(folder, ledger.lines(), checkpoint)?;
    let files = || {
        tiles(Files {
            entries: ledger.lines(),
            checkpoint: ledger.checkpoint.clone(),
            others: ledger.others.clone(),
        })
    };
    // Made twice, and not held: nothing is written before all of it was looked at, and a ledger may be large.
    let mut missing = BTreeSet::new();
    for (path, bytes) in files()? {
        let lacks = lacks(folder, &path, &bytes)?;
        refuse_changed(folder, &path, &bytes)?;
        if lacks {
            missing.insert(path);
        }
    }
    for (path, bytes) in files()?.filter(|(path, _)| missing.contains(path)) {
        lay(folder, &path, &bytes)?;
    }
    let written = missing.len() as u64;
    desk.document(&json!({"folder": folder, "written": written, "key": key}));
    desk.answer(format!(
        "{} written to `{}`; nothing in them is redacted\nthe checkpoint's key, for other programs: {key}",
        counted(written, "file"),
        folder.display()
    ));
    Ok(())
}

/// A folder with something else in it is not littered, and least of all a ledger.
fn refuse_another(folder: &Path) -> Result<(), Failure> {
    let whole = std::path::absolute(folder).map_err(|e| disk::failed("find", folder, &e))?;
    let refused = |what: &str| {
        Err(
            Failure::new(Kind::Usage, format!("`{}` {what}", folder.display()))
                .hint("name a folder that is not there yet".to_owned()),
        )
    };
    if whole
        .ancestors()
        .any(|above| above.join(ENTRIES_FILE).exists())
    {
        return refused("lies in a ledger, where every byte counts");
    }
    let ours = [CHECKPOINT_FILE, TILES_FOLDER, TILES_SCRATCH];
    let mut there = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listing => listing.map_err(|e| disk::failed("list", folder, &e))?,
    };
    let ours = ours.iter().map(|name| folder.join(name).symlink_metadata());
    let ours = ours.flatten().any(|found| !found.is_symlink());
    if there.next().is_none() || ours {
        return Ok(());
    }
    refused("holds something else")
}

/// The ledger goes on from the checkpoint that is there.
fn refuse_fork(folder: &Path, lines: &[u8], checkpoint: &[u8]) -> Result<(), Failure> {
    let kept = folder.join(CHECKPOINT_FILE);
    let Some(earlier) = found(&kept, CHECKPOINT_BYTES)? else {
        return Ok(());
    };
    let size = super::audit::entries_of(checkpoint).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let counted = lines.split_inclusive(|byte| *byte == b'\n').take(size);
    let length = counted.map(<[u8]>::len).sum();
    let counted = lines.get(..length).unwrap_or_default();
    let compared = compare(Kept::<&[u8]>::Checkpoint(earlier), counted);
    let compared = compared.map_err(|e| disk::failed("compare", &kept, &e))?;
    match compared.agrees() {
        true => Ok(()),
        false => Err(differs(&kept, compared)),
    }
}

fn differs(path: &Path, why: impl std::fmt::Display) -> Failure {
    let path = path.display();
    Failure::new(Kind::Integrity, format!("`{path}` is not of this ledger: {why}")).hint(
        "nothing was written; keep both as they are for whoever audits this machine, or name a new folder"
            .to_owned(),
    )
}

/// Whether a file is not there yet, or is the checkpoint of an earlier end. One with other bytes is refused.
fn lacks(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool, Failure> {
    let path = folder.join(name);
    refuse_links(folder, path.parent().unwrap_or(folder))?;
    match found(&path, (bytes.len() as u64).max(CHECKPOINT_BYTES))? {
        Some(there) if there == bytes => Ok(false),
        Some(_) if name != CHECKPOINT_FILE => Err(differs(&path, "its bytes are others")),
        _ => Ok(true),
    }
}

/// What earlier checkpoints left in the place of a tile is what it goes on from.
fn refuse_changed(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    for beside in earlier_folders(name) {
        let within = folder.join(&beside);
        refuse_links(folder, &within)?;
        let listing = match fs::read_dir(&within) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            listing => listing.map_err(|e| disk::failed("list", &within, &e))?,
        };
        for item in listing {
            let path = item.map_err(|e| disk::failed("list", &within, &e))?.path();
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            let most = (bytes.len() as u64).saturating_add(LONGER);
            let there = found(&path, most)?.unwrap_or_default();
            if !goes_on_from(name, bytes, &format!("{beside}/{own}"), &there) {
                let why = "it is not how the tile in its place begins";
                return Err(differs(&path, why));
            }
        }
    }
    Ok(())
}

/// Nothing is laid, or looked for, where a link in the folder leads.
fn refuse_links(folder: &Path, within: &Path) -> Result<(), Failure> {
    for above in within.ancestors().take_while(|above| *above != folder) {
        match above.symlink_metadata() {
            Ok(found) if !found.is_dir() => return Err(differs(above, "it is no folder")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk::failed("find", above, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Bytes by which a bundle in its longer form is longer, for 256 lines of two more each.
const LONGER: u64 = 512;
/// Bytes of the longest checkpoint that is looked at; one has some hundred.
const CHECKPOINT_BYTES: u64 = 1 << 16;

/// The bytes of a plain file of no more than `most` bytes, if there is anything of that name.
fn found(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Failure> {
    match path.symlink_metadata() {
        Ok(found) if found.len() > most => Err(differs(path, "it is longer than it can be")),
        Ok(found) if found.is_file() => disk::read_bounded(path, most).map(Some),
        Ok(_) => Err(differs(path, "it is no plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk::failed("read", path, &error)),
    }
}

/// Puts a file in its place, whole, and makes the folders above it as durable.
fn lay(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let parent = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    if !parent.exists() {
        disk::folder(&parent)?;
        let within = parent
            .ancestors()
            .take_while(|above| above.starts_with(folder));
        for above in within {
            let synced = File::open(above).and_then(|above| above.sync_all());
            synced.map_err(|e| disk::failed("write", above, &e))?;
        }
    }
    disk::put(&folder.join(TILES_SCRATCH), &path, bytes)
        .map_err(|e| disk::failed("write", &path, &e))
}
