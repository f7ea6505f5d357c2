//! `cloister audit cosigned`: a checkpoint that comes back from a witness is laid beside the ledger that it speaks of, and the newest of a witness is found there.

use std::path::Path;

use cloister_attest::{Cosigned, Roots, Storage, Verdict, Witness, cosigned_name};
use serde_json::json;

use super::Desk;
use super::compare::CHECKPOINT_READ;
use crate::disk::{self, LedgerFolder};
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::verified::Verified;

/// Takes a note in, if the witness made it and this ledger still has all that it counts.
pub(super) fn run(
    file: &Path,
    witness: Option<&Witness>,
    home: &Home,
    desk: &Desk,
) -> Result<u8, Failure> {
    let bytes = disk::read_bounded(file, CHECKPOINT_READ)?;
    let note = Cosigned::parse(&bytes)?;
    let roots = home.roots()?;
    let known = witness.into_iter().chain(roots.witnesses());
    if !known.into_iter().any(|witness| note.is_by(witness)) {
        return Err(unknown(&note, file));
    }
    holds(home, &roots, &bytes)?;
    let name = cosigned_name(&bytes);
    let mut folder = LedgerFolder::open(&home.ledger(), &home.scratch())?;
    let kept = home.ledger().join(&name);
    let laid = folder.replace(&name, &bytes);
    laid.map_err(|e| disk::failed("write", &kept, &e))?;
    let (entries, since) = (note.size(), note.time().get());
    let by = note.witness();
    desk.document(&json!({"witness": by, "entries": entries, "since": since, "kept": kept}));
    desk.answer(format!(
        "witness `{by}` vouches for the first {entries} entries; kept as `{}`",
        kept.display()
    ));
    Ok(0)
}

fn unknown(note: &Cosigned, file: &Path) -> Failure {
    let (by, file) = (note.witness(), file.display());
    let what = format!("the cosignature of `{file}` is by no known key of the name `{by}`");
    Failure::new(Kind::Integrity, what).hint(
        "name the key, as `cloister-verify witness key` gives it, by --witness, or among the `witnesses` of the roots"
            .to_owned(),
    )
}

/// Whether the ledger holds with this note beside it.
fn holds(home: &Home, roots: &Roots, note: &[u8]) -> Result<(), Failure> {
    let ledger = Verified::beside(home, roots, Some(note))?;
    match ledger.report.verdict() {
        Verdict::Tampered { .. } => {
            let what = format!(
                "the ledger is not the one that was cosigned: {}",
                ledger.report
            );
            Err(Failure::new(Kind::Integrity, what.trim_end()).hint(
                "keep the folder and the note as they are and call whoever audits this machine"
                    .to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

/// The largest of the notes here that are in this witness's name.
pub(super) fn newest(home: &Home, witness: &str) -> Result<Option<Vec<u8>>, Failure> {
    let (_, others) = disk::others(&home.ledger())?;
    let notes = others
        .into_iter()
        .filter(|(name, bytes)| *name == cosigned_name(bytes));
    let sized = notes.filter_map(|(_, bytes)| {
        let note = Cosigned::parse(&bytes).ok()?;
        (note.witness() == witness).then(|| ((note.size(), note.time()), bytes))
    });
    let newest = sized.max_by_key(|(at, _)| *at);
    Ok(newest.map(|(_, bytes)| bytes))
}
