//! From effects to what stands on disk: shown, asked about once, recorded, released. A run and a later release from quarantine end here alike.

use cloister_tools::{Consent, Effects, Quarantine, Release, Released, Shelf, release};

use super::journal::{Journal, RELEASE};
use super::refused;
use crate::entries;
use crate::failure::Failure;
use crate::report::{ConsentReport, QuarantinedReport, ReleasedReport, Report};

/// Put the effects to whoever `ask` asks, and release or keep them. The order is the promise: effects and answer are in the ledger before
/// anything is let go, and a no is there before the session says so. What a release replaces is kept on `shelf`.
pub(super) fn settle(
    effects: Effects,
    ask: impl FnOnce(&Effects) -> Result<Consent, Failure>,
    quarantine: &Quarantine,
    shelf: Option<&Shelf>,
    journal: &mut Journal,
    report: &mut Report,
) -> Result<Vec<Released>, Failure> {
    journal.enter("consent");
    report.quarantined = effects
        .list()
        .iter()
        .map(|effect| QuarantinedReport {
            id: effect.id().to_owned(),
            path: effect.name().to_owned(),
        })
        .collect();
    journal.note(entries::effects(&effects))?;
    let consent = ask(&effects)?;
    report.consent = Some(ConsentReport::of(&consent));
    journal.note(entries::consent(&consent))?;
    match effects.consent(consent) {
        Ok(granted) => let_go(granted, quarantine, shelf, journal, report),
        Err((_, refusal)) => {
            journal.note(entries::refusal(&refusal))?;
            Err(refused(&refusal)
                .hint("what was made waits in quarantine: `cloister quarantine list`".to_owned()))
        }
    }
}

/// Record, then release: beside, synced, the old kept, renamed, folder synced; then say what stands where.
fn let_go(
    granted: Release,
    quarantine: &Quarantine,
    shelf: Option<&Shelf>,
    journal: &mut Journal,
    report: &mut Report,
) -> Result<Vec<Released>, Failure> {
    journal.anchor_now()?;
    journal.enter(RELEASE);
    let hash = granted.effects().hash();
    let recorded = journal.record(entries::release(hash), granted)?;
    let released = release(quarantine, shelf, recorded)?;
    journal.note(entries::released(hash, &released))?;
    report.quarantined.clear();
    report.released = released
        .iter()
        .map(|file| ReleasedReport {
            path: file.name.clone(),
            sha256: file.sha256.hex(),
            bytes: file.bytes,
        })
        .collect();
    Ok(released)
}
