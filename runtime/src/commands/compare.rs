//! `cloister audit compare`: a ledger held against what was kept of it. It needs no home: both are named.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use cloister_attest::{ENTRIES_FILE, Kept, compare};
use serde_json::Value;

use super::Desk;
use crate::disk;
use crate::failure::{Failure, Kind};

/// What a checkpoint of any version begins with (SPEC.md section 8).
const CHECKPOINT: &[u8] = b"cloister-ledger/v";
/// What is read of a checkpoint, bytes: it is about 250, and a longer one is none.
pub(super) const CHECKPOINT_READ: u64 = 1 << 13;

/// Says where they part. The exit code is 0 where the later one has all of the earlier one, and that of an integrity failure where not.
pub(super) fn run(earlier: &Path, later: &Path, desk: &Desk) -> Result<u8, Failure> {
    let (kept, ledger) = match (opened(earlier)?, opened(later)?) {
        (kept, Kept::Entries(ledger)) => (kept, ledger),
        // A checkpoint says which of both it is, whatever the order.
        (Kept::Entries(ledger), checkpoint) => (checkpoint, ledger),
        (Kept::Checkpoint(_), Kept::Checkpoint(_)) => {
            return Err(
                Failure::new(Kind::Usage, "two checkpoints cannot be compared")
                    .hint("name the ledger of one of them".to_owned()),
            );
        }
    };
    let found = compare(kept, ledger).map_err(|e| disk::failed("compare", later, &e))?;
    desk.document(&serde_json::to_value(&found).unwrap_or(Value::Null));
    desk.answer(&found);
    Ok(match found.agrees() {
        true => 0,
        false => Kind::Integrity.exit_code(),
    })
}

/// A ledger's folder, a file of entries, or a checkpoint.
fn opened(path: &Path) -> Result<Kept<BufReader<File>>, Failure> {
    if path.is_dir() {
        return Ok(Kept::Entries(BufReader::new(disk::open(
            &path.join(ENTRIES_FILE),
        )?)));
    }
    let bytes = disk::read_bounded(path, CHECKPOINT_READ)?;
    if bytes.starts_with(CHECKPOINT) {
        return Ok(Kept::Checkpoint(bytes));
    }
    Ok(Kept::Entries(BufReader::new(disk::open(path)?)))
}
