//! A folder of tiles, judged as the ledger that it was made from, and every tile against its entries (SPEC.md section 19). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{Fault, Report, Walk};
use crate::LIMITS;
use crate::checkpoint::{self, Sum};
use crate::entry::line_hash;
use crate::evidence::Challenge;
use crate::marks::Marks;
use crate::roots::Roots;
use crate::storage::{CHECKPOINT_FILE, ENTRIES_FILE};
use crate::tiles::{
    HASH, HashTiles, Kind, TILES_SCRATCH, Tile, WIDTH, bundle, next_line, unbundled,
};

/// What is read of a bundle, bytes: more than the longest lines and their lengths.
const BUNDLE_READ: u64 = (WIDTH * (LIMITS.line + 4) + 1) as u64;

/// A folder of tiles, as its reader passes it in. All of it: an unknown file is reported.
pub struct TileFolder<R> {
    /// `checkpoint`, if there is one.
    pub checkpoint: Option<Vec<u8>>,
    /// Every plain file beneath `tile`, by its path from the folder.
    pub tiles: BTreeSet<String>,
    /// Whatever else is there, and what is no plain file, by its path. Reading 1 MiB and one byte of each is enough to judge it.
    pub others: BTreeMap<String, Vec<u8>>,
    /// Reads one of the tiles, as far as so many bytes.
    pub read: R,
}

/// Checks a folder of tiles. With a `challenge`, the last session must have been begun in answer to it.
///
/// # Errors
/// The reader's own; whatever is in the bytes is a verdict, never an error.
pub fn verify_tiles<R: FnMut(&str, u64) -> io::Result<Vec<u8>>>(
    folder: TileFolder<R>,
    roots: &Roots,
    challenge: Option<&Challenge>,
) -> io::Result<Report> {
    let TileFolder {
        checkpoint,
        tiles,
        mut others,
        read,
    } = folder;
    let mut walk = Walk::new(roots, challenge);
    if others.remove(TILES_SCRATCH).is_some() {
        walk.doubt(CUT_OFF.to_owned());
    }
    let size = match read_marks(&mut walk, checkpoint.as_deref(), &others) {
        Ok(size) => size,
        Err(fault) => return Ok(walk.tampered(fault)),
    };
    let mut reading = Reading {
        walk,
        size,
        left: tiles.clone(),
        tiles,
        read,
        hashes: HashTiles::default(),
    };
    let ended = reading.through(&others);
    match ended {
        Ok(()) => Ok(reading.walk.report()),
        Err(Stop::Unreadable(error)) => Err(error),
        Err(Stop::At(fault)) => {
            let fault = reading.placed(fault)?;
            Ok(reading.walk.tampered(fault))
        }
    }
}

const CUT_OFF: &str =
    "there are tiles that the checkpoint does not count: an export was cut off, make it again";

/// How many entries the folder must have.
fn read_marks(
    walk: &mut Walk<'_>,
    checkpoint: Option<&[u8]>,
    others: &BTreeMap<String, Vec<u8>>,
) -> Result<u64, Fault> {
    let marks = Marks::read(checkpoint, others, walk.roots.witnesses());
    walk.marks = marks.map_err(|(file, what)| Fault::file(&file, what))?;
    let Some(bytes) = checkpoint else {
        walk.doubt("there is no checkpoint".to_owned());
        return Ok(0);
    };
    let read = checkpoint::Unchecked::parse(bytes);
    let said = read
        .map_err(|what| Fault::file(CHECKPOINT_FILE, what))?
        .said();
    match said.sum {
        Sum::Root(_) => Ok(said.size),
        Sum::Head(_) => {
            let what = "it is of version 1, which has no tree";
            Err(Fault::file(CHECKPOINT_FILE, what))
        }
    }
}

/// Why a walk does not go on.
enum Stop {
    At(Fault),
    Unreadable(io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::At(fault)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

struct Reading<'a, R> {
    walk: Walk<'a>,
    /// Entries that the checkpoint counts.
    size: u64,
    tiles: BTreeSet<String>,
    /// Those of them that nothing was held against yet.
    left: BTreeSet<String>,
    read: R,
    hashes: HashTiles,
}

impl<R: FnMut(&str, u64) -> io::Result<Vec<u8>>> Reading<'_, R> {
    fn through(&mut self, others: &BTreeMap<String, Vec<u8>>) -> Result<(), Stop> {
        let mut index = 0;
        while let Some(tile) = self.bundle_at(index) {
            self.bundle(tile)?;
            index = index.saturating_add(1);
        }
        for (tile, bytes) in self.hashes.partial() {
            self.hash_tile(tile, &bytes)?;
        }
        self.walk.finish(others)?;
        self.leftover()
    }

    /// Which bundle the checkpoint counts at this place, under the name that it has here.
    fn bundle_at(&self, index: u64) -> Option<Tile> {
        let before = index.checked_mul(WIDTH as u64)?;
        let left = self.size.checked_sub(before).filter(|left| *left > 0)?;
        let width = usize::try_from(left).unwrap_or(WIDTH).min(WIDTH);
        let tile = |kind| Tile { kind, index, width };
        let long = tile(Kind::LongLines);
        let found = self.tiles.contains(&long.path());
        Some(if found { long } else { tile(Kind::Lines) })
    }

    fn bundle(&mut self, tile: Tile) -> Result<(), Stop> {
        let path = tile.path();
        if !self.left.remove(&path) {
            return Err(self.walk.bad_here(format!("`{path}` is missing")).into());
        }
        let bytes = (self.read)(&path, BUNDLE_READ)?;
        let Some(lines) = unbundled(tile, &bytes) else {
            let what = format!("`{path}` is not a bundle of {} lines", tile.width);
            return Err(self.walk.bad_here(what).into());
        };
        for line in &lines {
            self.walk.line(line)?;
        }
        self.earlier_bundles(tile.index, &lines)?;
        for line in &lines {
            for (tile, bytes) in self.hashes.push(line_hash(line)) {
                self.hash_tile(tile, &bytes)?;
            }
        }
        Ok(())
    }

    /// What earlier checkpoints left of a bundle.
    fn earlier_bundles(&mut self, index: u64, lines: &[&[u8]]) -> Result<(), Stop> {
        let full = |kind| Tile {
            kind,
            index,
            width: WIDTH,
        };
        let both = [full(Kind::Lines), full(Kind::LongLines)];
        let mut found = both.map(|full| self.partials(full)).concat();
        found.retain(|tile| tile.width < lines.len());
        for tile in found {
            let (made, bytes) = bundle(index, lines.get(..tile.width).unwrap_or_default());
            let path = tile.path();
            let same = made == tile && (self.read)(&path, BUNDLE_READ)? == bytes;
            self.left.remove(&path);
            if !same {
                self.walk.vouched()?;
                let what = "it does not hold the first lines of its bundle";
                return Err(Fault::file(&path, what).into());
            }
        }
        Ok(())
    }

    /// A tile that the checkpoint counts, and what earlier ones left of it.
    fn hash_tile(&mut self, tile: Tile, made: &[u8]) -> Result<(), Stop> {
        let mut wanted = self.partials(tile);
        wanted.retain(|one| one.width < tile.width);
        wanted.insert(0, tile);
        for tile in wanted {
            let path = tile.path();
            let there = self.left.remove(&path);
            let made = made.get(..tile.width.saturating_mul(HASH));
            let made = made.unwrap_or_default();
            let found = match there {
                true => (self.read)(&path, made.len().saturating_add(1) as u64)?,
                false => Vec::new(),
            };
            if found != made {
                self.walk.vouched()?;
                return Err(differs(path, &found, made).into());
            }
        }
        Ok(())
    }

    /// The partial tiles that are there in the place of one, by path.
    fn partials(&self, of: Tile) -> Vec<Tile> {
        let prefix = format!("{}.p/", of.full_path());
        let after = self.left.range(prefix.clone()..);
        let there = after.take_while(|path| path.starts_with(&prefix));
        there.filter_map(|path| Tile::parse(path)).collect()
    }

    /// At the end: every file was counted, now or by a checkpoint that is still to come.
    fn leftover(&mut self) -> Result<(), Stop> {
        for path in &self.left {
            let tile = Tile::parse(path);
            let counted = |tile: Tile| tile.needs().is_some_and(|needs| needs <= self.size);
            if tile.is_none_or(counted) {
                return Err(Fault::file(path, "this file does not belong among tiles").into());
            }
        }
        if !self.left.is_empty() {
            self.walk.doubt(CUT_OFF.to_owned());
        }
        Ok(())
    }

    /// A fault in an entry, named by the bundle that has it.
    fn placed(&mut self, fault: Fault) -> io::Result<Fault> {
        let Some(seq) = fault.seq.filter(|_| fault.file == ENTRIES_FILE) else {
            return Ok(fault);
        };
        let width = WIDTH as u64;
        let tile = self.bundle_at(seq / width).filter(|_| seq < self.size);
        let Some(tile) = tile else {
            let file = CHECKPOINT_FILE.to_owned();
            return Ok(Fault {
                file,
                byte: 0,
                ..fault
            });
        };
        let file = tile.path();
        let bytes = match self.tiles.contains(&file) {
            true => (self.read)(&file, BUNDLE_READ)?,
            false => Vec::new(),
        };
        let mut rest = Some(bytes.as_slice());
        for _ in 0..seq % width {
            rest = rest
                .and_then(|rest| next_line(tile.kind, rest))
                .map(|(_, rest)| rest);
        }
        let byte = rest.map_or(0, |rest| bytes.len().saturating_sub(rest.len()) as u64);
        Ok(Fault {
            file,
            byte,
            ..fault
        })
    }
}

fn differs(path: String, found: &[u8], made: &[u8]) -> Fault {
    let same = found.iter().zip(made).take_while(|(a, b)| a == b).count();
    let at = if found.len() == made.len() {
        same / HASH * HASH
    } else {
        0
    };
    Fault {
        seq: None,
        file: path,
        byte: at as u64,
        what: "it does not hold the hashes that the entries give".to_owned(),
    }
}
