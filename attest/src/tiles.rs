//! The C2SP tlog-tiles layout: how tiles are called, the tiles of a tree as it grows, and those of a ledger (SPEC.md section 19). Pure.

use std::collections::BTreeSet;
use std::iter;

use crate::checkpoint::note_key;
use crate::digest::Digest;
use crate::entry::body::Body;
use crate::entry::{Entry, line_hash};
use crate::error::AttestError;
use crate::marks::is_cosigned;
use crate::proof::counted_lines;
use crate::storage::{CHECKPOINT_FILE, Files};
use crate::tree::Tree;

/// What holds the tiles in their folder.
pub const TILES_FOLDER: &str = "tile";
/// A file that is being written, until it has its name.
pub const TILES_SCRATCH: &str = ".cloister-tmp";
/// Hashes in a full tile, and lines in a full bundle.
pub(crate) const WIDTH: usize = 256;
/// Bytes of a hash.
pub(crate) const HASH: usize = 32;
/// [`WIDTH`] as a power of two.
const BITS: u32 = 8;

/// What a tile is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hashes, each over this many full tiles, one in another.
    Hashes(u8),
    /// Lines, each after its length in two bytes.
    Lines,
    /// Lines of which one is too long for that, with lengths of four bytes.
    LongLines,
}

/// The place of a tile, or of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) width: usize,
}

impl Tile {
    /// Its name, which a partial one has a part after.
    pub(crate) fn full_path(&self) -> String {
        let kind = match self.kind {
            Kind::Hashes(level) => level.to_string(),
            Kind::Lines => "entries".to_owned(),
            Kind::LongLines => "entries32".to_owned(),
        };
        let mut above = self.index;
        let mut path = format!("{:03}", above % 1000);
        while above >= 1000 {
            above /= 1000;
            path = format!("x{:03}/{path}", above % 1000);
        }
        format!("{TILES_FOLDER}/{kind}/{path}")
    }

    pub(crate) fn path(&self) -> String {
        match self.width {
            WIDTH => self.full_path(),
            width => format!("{}.p/{width}", self.full_path()),
        }
    }

    /// Reads a path, in its one spelling.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(TILES_FOLDER)?.strip_prefix('/')?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Lines,
            "entries32" => Kind::LongLines,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok().filter(|width| *width < WIDTH)?),
            None => (rest, WIDTH),
        };
        let index = index.split('/').try_fold(0_u64, |above, part| {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let part = digits.parse::<u16>().ok().filter(|part| *part < 1000)?;
            above.checked_mul(1000)?.checked_add(part.into())
        })?;
        let tile = Self { kind, index, width };
        (width > 0 && tile.path() == path).then_some(tile)
    }

    /// Entries of the smallest tree that has it, if any tree is as large.
    pub(crate) fn needs(&self) -> Option<u64> {
        let level = match self.kind {
            Kind::Hashes(level) => u32::from(level),
            Kind::Lines | Kind::LongLines => 0,
        };
        let leaves = 1_u64.checked_shl(level.checked_mul(BITS)?)?;
        let hashes = self.index.checked_mul(WIDTH as u64)?;
        let hashes = hashes.checked_add(self.width as u64)?;
        hashes.checked_mul(leaves)
    }
}

/// The hash tiles of a tree as it grows: of each level the hashes that fill no tile yet.
#[derive(Default)]
pub(crate) struct HashTiles {
    size: u64,
    levels: Vec<Vec<Digest>>,
}

impl HashTiles {
    /// Takes the next leaf; the tiles that are full with it, the lowest first.
    pub(crate) fn push(&mut self, leaf: Digest) -> Vec<(Tile, Vec<u8>)> {
        self.size = self.size.saturating_add(1);
        let (mut node, mut full) = (leaf, Vec::new());
        for level in 0..=u8::MAX {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else {
                break;
            };
            hashes.push(node);
            if hashes.len() < WIDTH {
                break;
            }
            let hashes = std::mem::take(hashes);
            let index = self.full_below(level).saturating_sub(1);
            full.push(tile_of(level, index, &hashes));
            let mut tree = Tree::default();
            hashes.into_iter().for_each(|hash| tree.push(hash));
            node = tree.root();
        }
        full
    }

    /// What is left over for partial tiles, the lowest first.
    pub(crate) fn partial(&self) -> Vec<(Tile, Vec<u8>)> {
        let levels = (0..).zip(&self.levels);
        let begun = levels.filter(|(_, hashes)| !hashes.is_empty());
        begun
            .map(|(level, hashes)| tile_of(level, self.full_below(level), hashes))
            .collect()
    }

    /// Full tiles of a level.
    fn full_below(&self, level: u8) -> u64 {
        let bits = BITS.saturating_mul(u32::from(level).saturating_add(1));
        self.size.checked_shr(bits).unwrap_or(0)
    }
}

fn tile_of(level: u8, index: u64, hashes: &[Digest]) -> (Tile, Vec<u8>) {
    let bytes = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
    let (kind, width) = (Kind::Hashes(level), hashes.len());
    (Tile { kind, index, width }, bytes)
}

/// A bundle of these lines.
pub(crate) fn bundle(index: u64, lines: &[&[u8]]) -> (Tile, Vec<u8>) {
    let short = lines.iter().all(|line| u16::try_from(line.len()).is_ok());
    let kind = if short { Kind::Lines } else { Kind::LongLines };
    let mut bytes = Vec::new();
    for line in lines {
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes();
        let [_, _, length16 @ ..] = length;
        match kind {
            Kind::Lines => bytes.extend_from_slice(&length16),
            _ => bytes.extend_from_slice(&length),
        }
        bytes.extend_from_slice(line);
    }
    let width = lines.len();
    (Tile { kind, index, width }, bytes)
}

/// The lines of a bundle, if it holds so many and nothing else, and has the one form that these lines have.
pub(crate) fn unbundled(tile: Tile, bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while lines.len() < tile.width {
        let (line, after) = next_line(tile.kind, rest)?;
        lines.push(line);
        rest = after;
    }
    let (made, same) = bundle(tile.index, &lines);
    (rest.is_empty() && made == tile && same == bytes).then_some(lines)
}

/// The first line in what is left of a bundle, and what follows it.
pub(crate) fn next_line(kind: Kind, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match kind {
        Kind::LongLines => {
            let (length, rest) = bytes.split_first_chunk()?;
            (usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
        }
        _ => {
            let (length, rest) = bytes.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
    };
    rest.split_at_checked(length)
}

/// Every file of a folder of tiles, by path, for a ledger that was verified before: its checkpoint last.
///
/// # Errors
/// [`AttestError::NotProven`] when there is no checkpoint, or it has no tree; [`AttestError::Malformed`].
pub fn tiles(files: Files<&[u8]>) -> Result<impl Iterator<Item = (String, Vec<u8>)>, AttestError> {
    let Files {
        entries,
        checkpoint,
        others,
    } = files;
    let checkpoint = checkpoint.unwrap_or_default();
    let lines = counted_lines("the ledger", entries, &checkpoint)?;
    let torn = recovered(&lines)?;
    let beside = others
        .into_iter()
        .filter(move |(name, bytes)| torn.contains(name) || is_cosigned(name, bytes));
    let bundles: Vec<_> = lines.chunks(WIDTH).map(<[_]>::to_vec).collect();
    let mut growing = HashTiles::default();
    let bundles = (0..).zip(bundles).map(Some).chain(iter::once(None));
    let made = bundles.flat_map(move |next| match next {
        Some((index, lines)) => {
            let full = lines.iter().flat_map(|line| growing.push(line_hash(line)));
            let full: Vec<_> = full.collect();
            iter::once(bundle(index, &lines)).chain(full).collect()
        }
        None => growing.partial(),
    });
    let named = made.map(|(tile, bytes)| (tile.path(), bytes));
    let last = iter::once((CHECKPOINT_FILE.to_owned(), checkpoint));
    Ok(named.chain(beside).chain(last))
}

/// The folders in which earlier checkpoints leave partial tiles in the place of the one at `path`, by their paths from the folder of tiles.
pub fn earlier_folders(path: &str) -> Vec<String> {
    let Some(tile) = Tile::parse(path) else {
        return Vec::new();
    };
    let kinds = match tile.kind {
        Kind::Hashes(_) => vec![tile.kind],
        // One long line more gives a bundle its other name.
        Kind::Lines | Kind::LongLines => vec![Kind::Lines, Kind::LongLines],
    };
    let beside = |kind| format!("{}.p", Tile { kind, ..tile }.full_path());
    kinds.into_iter().map(beside).collect()
}

/// Whether the tile at `path`, which is `made` now, goes on from what is `found` at `earlier`. So it does from what is not in its place, or beyond it.
pub fn goes_on_from(path: &str, made: &[u8], earlier: &str, found: &[u8]) -> bool {
    let (Some(tile), Some(earlier)) = (Tile::parse(path), Tile::parse(earlier)) else {
        return true;
    };
    let width = earlier.width;
    if width >= tile.width || earlier.index != tile.index {
        return true;
    }
    match (tile.kind, earlier.kind) {
        (Kind::Hashes(level), Kind::Hashes(own)) => {
            level != own || made.get(..width.saturating_mul(HASH)) == Some(found)
        }
        (Kind::Hashes(_), _) | (_, Kind::Hashes(_)) => true,
        _ => unbundled(tile, made).is_some_and(|lines| {
            let (held, bytes) = bundle(tile.index, lines.get(..width).unwrap_or_default());
            held == earlier && bytes == found
        }),
    }
}

/// The key that signed a ledger's checkpoint, as C2SP's verifiers of notes take one: `<name>+<id>+<base64>`. The ledger was verified before.
///
/// # Errors
/// As [`tiles`].
pub fn checkpoint_key(entries: &[u8], checkpoint: &[u8]) -> Result<String, AttestError> {
    let lines = counted_lines("the ledger", entries, checkpoint)?;
    let mut handed_over = None;
    for line in lines.iter().rev() {
        let entry = Entry::parse(line)?;
        let public = match entry.body {
            Body::Rotate(rotate) => {
                handed_over.get_or_insert(rotate.next);
                continue;
            }
            Body::SessionStart(start) => handed_over.unwrap_or(*start.statement.public()),
            _ => continue,
        };
        return Ok(note_key(entry.session, &public));
    }
    Err(AttestError::NotProven {
        what: "the ledger".to_owned(),
        why: "no session begins in it".to_owned(),
    })
}

/// The torn lines that recoveries among these lines name.
fn recovered(lines: &[&[u8]]) -> Result<BTreeSet<String>, AttestError> {
    // In canonical JSON this stands nowhere but in such an entry: within a text the quotes would be escaped.
    const MARK: &[u8] = br#""kind":"recovery""#;
    let mut torn = BTreeSet::new();
    let marked = |line: &&&[u8]| line.windows(MARK.len()).any(|part| part == MARK);
    for line in lines.iter().filter(marked) {
        if let Body::Recovery(recovery) = Entry::parse(line)?.body {
            torn.extend(recovery.torn.into_iter().map(|torn| torn.file));
        }
    }
    Ok(torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n: u64) -> Digest {
        Digest::of_parts(&[&[0], &n.to_be_bytes()])
    }

    /// Every hash tile of a tree of this size, by path, with its width, and the tree's root.
    fn tiled(size: u64) -> (Vec<(Tile, Vec<u8>)>, Digest) {
        let (mut growing, mut tree, mut all) = (HashTiles::default(), Tree::default(), Vec::new());
        for n in 0..size {
            tree.push(leaf(n));
            all.extend(growing.push(leaf(n)));
        }
        all.extend(growing.partial());
        (all, tree.root())
    }

    /// The root as a stranger finds it, who has the partial tiles alone: their hashes are the full subtrees of the tree, the largest first.
    fn root_of(partial: &[(Tile, Vec<u8>)]) -> Digest {
        let mut nodes: Vec<(u32, Digest)> = Vec::new();
        for (tile, bytes) in partial.iter().rev() {
            let Kind::Hashes(level) = tile.kind else {
                panic!("{tile:?}")
            };
            for hash in bytes.chunks(32) {
                let mut node = (
                    u32::from(level) * BITS,
                    Digest::from_bytes(hash.try_into().unwrap()),
                );
                while let Some((height, left)) = nodes.pop_if(|(height, _)| *height == node.0) {
                    let joined = [left, node.1];
                    node = (
                        height + 1,
                        Digest::of_parts(&[&[1], joined[0].as_bytes(), joined[1].as_bytes()]),
                    );
                }
                nodes.push(node);
            }
        }
        let (_, last) = nodes.pop().unwrap();
        nodes.iter().rev().fold(last, |right, (_, left)| {
            Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
        })
    }

    #[test]
    fn tiles_of_any_size_give_the_root_of_the_tree() {
        for size in (1..1200).chain(65_530..65_540).chain([70_000]) {
            let (all, root) = tiled(size);
            let partial = all.iter().filter(|(tile, _)| tile.width < WIDTH);
            let partial: Vec<_> = partial.cloned().collect();
            assert_eq!(root_of(&partial), root, "{size}");
            for (tile, bytes) in &all {
                assert_eq!(bytes.len(), tile.width * 32, "{tile:?} of {size}");
                assert!(tile.needs().unwrap() <= size, "{tile:?} of {size}");
                assert_eq!(Tile::parse(&tile.path()), Some(*tile), "{tile:?}");
            }
        }
    }

    /// The example of C2SP tlog-tiles, and its remark on a tree of 256.
    #[test]
    fn the_tiles_of_70000_entries_are_those_of_the_specification() {
        let (all, _) = tiled(70_000);
        let count = |level, width| {
            let of = |(tile, _): &&(Tile, Vec<u8>)| {
                tile.kind == Kind::Hashes(level) && tile.width == width
            };
            all.iter().filter(of).count()
        };
        let counts = [(0, 256), (0, 112), (1, 256), (1, 17), (2, 1)].map(|(l, w)| count(l, w));
        assert_eq!(counts, [273, 1, 1, 1, 1]);
        assert_eq!(all.len(), 277);
        let paths: Vec<String> = tiled(256).0.iter().map(|(tile, _)| tile.path()).collect();
        assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1"]);
    }

    /// Paths of C2SP tlog-tiles, and of Go's `sumdb/tlog` (`TestTilePath`, BSD-3-Clause) without the height that those have.
    #[test]
    fn paths_are_those_of_other_projects() {
        let tile = |kind, index, width| Tile { kind, index, width };
        for (path, known) in [
            (
                "tile/0/x001/x234/067",
                tile(Kind::Hashes(0), 1_234_067, 256),
            ),
            ("tile/0/001", tile(Kind::Hashes(0), 1, 256)),
            ("tile/0/001.p/5", tile(Kind::Hashes(0), 1, 5)),
            (
                "tile/5/x123/x456/078",
                tile(Kind::Hashes(5), 123_456_078, 256),
            ),
            (
                "tile/5/x123/x456/078.p/2",
                tile(Kind::Hashes(5), 123_456_078, 2),
            ),
            (
                "tile/entries/x003/x057/500",
                tile(Kind::Lines, 3_057_500, 256),
            ),
            ("tile/entries32/000.p/255", tile(Kind::LongLines, 0, 255)),
            (
                "tile/63/x018/x446/x744/x073/x709/x551/615",
                tile(Kind::Hashes(63), u64::MAX, 256),
            ),
        ] {
            assert_eq!(known.path(), path);
            assert_eq!(Tile::parse(path), Some(known), "{path}");
        }
    }

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/01",
            "tile/0/0001",
            "tile/0/1000",
            "tile/0/x001",
            "tile/0/001/000",
            "tile/0/x000/001",
            "tile/0/x1/001",
            "tile/0/123/456/078",
            "tile/0/+01",
            "tile/0/-01",
            "tile/00/001",
            "tile/+0/001",
            "tile/-1/001",
            "tile/64/001",
            "tile/256/001",
            "tile/data/001",
            "tile/entries/001.p/0",
            "tile/0/001.p/",
            "tile/0/001.p/05",
            "tile/0/001.p/+5",
            "tile/0/001.p/256",
            "tile/0/001.p/5/",
            "tile/0/001.p/5.p/5",
            "tile/0/001 ",
            "tile/0/001\n",
            "/tile/0/001",
            "Tile/0/001",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn what_no_tree_can_have_needs_more_than_any() {
        let needs = |path: &str| Tile::parse(path).unwrap().needs();
        assert_eq!(needs("tile/1/000.p/3"), Some(768));
        assert_eq!(needs("tile/entries/001.p/3"), Some(259));
        assert_eq!(needs("tile/7/000.p/255"), Some(255 << 56));
        assert_eq!(needs("tile/7/000"), None);
        assert_eq!(needs("tile/8/000.p/1"), None);
        assert_eq!(needs("tile/63/000.p/1"), None);
        assert_eq!(needs("tile/0/x018/x446/x744/x073/x709/x551/615"), None);
    }

    #[test]
    fn a_bundle_has_one_form() {
        let long = vec![b'x'; 1 << 16];
        for (lines, kind) in [
            (vec![&b"a"[..], b"", b"bc"], Kind::Lines),
            (vec![&long[1..]], Kind::Lines),
            (vec![&long[..], b"a"], Kind::LongLines),
        ] {
            let (tile, bytes) = bundle(3, &lines);
            assert_eq!((tile.kind, tile.index, tile.width), (kind, 3, lines.len()));
            assert_eq!(unbundled(tile, &bytes), Some(lines.clone()));
            for wrong in [
                Tile {
                    width: tile.width + 1,
                    ..tile
                },
                Tile {
                    width: tile.width - 1,
                    ..tile
                },
            ] {
                assert_eq!(unbundled(wrong, &bytes), None);
            }
            assert_eq!(unbundled(tile, &bytes[..bytes.len() - 1]), None);
            assert_eq!(unbundled(tile, &[&bytes[..], b"x"].concat()), None);
        }
        // Lengths of four bytes where two would do.
        let tile = Tile {
            kind: Kind::LongLines,
            index: 0,
            width: 1,
        };
        assert_eq!(unbundled(tile, b"\0\0\0\x01a"), None);
    }

    #[test]
    fn a_tile_goes_on_from_its_first_hashes_or_lines_and_from_nothing_else_in_its_place() {
        let hashes: Vec<u8> = (0..96).collect();
        let made = "tile/0/000.p/3";
        assert_eq!(earlier_folders(made), ["tile/0/000.p"]);
        assert!(goes_on_from(made, &hashes, "tile/0/000.p/2", &hashes[..64]));
        for other in [&hashes[..63], &hashes[..65], &hashes[32..]] {
            assert!(!goes_on_from(made, &hashes, "tile/0/000.p/2", other));
        }
        for elsewhere in [
            "tile/0/001.p/2",
            "tile/1/000.p/2",
            "tile/0/000.p/4",
            "readme",
        ] {
            assert!(goes_on_from(made, &hashes, elsewhere, b"x"), "{elsewhere}");
        }

        let long = vec![b'x'; 1 << 16];
        let (tile, bytes) = bundle(0, &[b"a", b"b", &long]);
        let made = tile.path();
        assert_eq!(made, "tile/entries32/000.p/3");
        let folders = ["tile/entries/000.p", "tile/entries32/000.p"];
        assert_eq!(earlier_folders(&made), folders);
        let (_, held) = bundle(0, &[b"a", b"b"]);
        assert!(goes_on_from(&made, &bytes, "tile/entries/000.p/2", &held));
        let (_, other) = bundle(0, &[b"a", b"c"]);
        for (earlier, found) in [
            ("tile/entries/000.p/2", &other),
            ("tile/entries/000.p/1", &held),
            ("tile/entries32/000.p/2", &held),
        ] {
            assert!(!goes_on_from(&made, &bytes, earlier, found), "{earlier}");
        }
    }
}
