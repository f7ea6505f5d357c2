//! A folder of tiles: the checkpoint, then paths and bytes in turn, divided by four bytes 0xFF. Only what was written is sound.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cloister_attest::{Roots, TileFolder, verify_tiles};

static ROOTS: LazyLock<Roots> =
    LazyLock::new(|| Roots::parse(include_bytes!("../../attest/testdata/roots.json")).unwrap());
const BUNDLE: &[u8] =
    include_bytes!("../../attest/testdata/ok_tiles_grown/ledger/tile/entries/000.p/20");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = divided(bytes).into_iter();
    let checkpoint = parts.next().map(<[u8]>::to_vec);
    let mut tiles = BTreeMap::new();
    while let (Some(path), Some(bytes)) = (parts.next(), parts.next()) {
        tiles.insert(String::from_utf8_lossy(path).into_owned(), bytes);
    }
    let folder = TileFolder {
        checkpoint,
        tiles: tiles.keys().cloned().collect::<BTreeSet<_>>(),
        others: BTreeMap::new(),
        read: |path: &str, most: u64| {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            Ok(tiles.get(path).map_or_else(Vec::new, |bytes| {
                bytes.get(..most).unwrap_or(bytes).to_vec()
            }))
        },
    };
    let report = verify_tiles(folder, &ROOTS, None).unwrap();
    assert!(report.exit_code() != 0 || tiles.values().any(|bytes| *bytes == BUNDLE));
});

fn divided(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(4).position(|four| four == [0xFF; 4]) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + 4..];
    }
    parts.push(bytes);
    parts
}
