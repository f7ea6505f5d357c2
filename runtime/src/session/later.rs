//! A release from quarantine after its session has ended: a short session of its own, with the same question and the same records.

use cloister_attest::{Body, Digest, ENTRIES_FILE, Entry};
use cloister_tools::{Effects, Quarantine, release};
use serde_json::Map;

use super::begin;
use crate::clock;
use crate::commands::Desk;
use crate::consent::{self, Asking, Terminal};
use crate::disk;
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::look::Look;

/// Ask about one entry and let it go.
pub(crate) fn release_one(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let house = begin::House::open(home)?;
    let quarantine = Quarantine::open(&home.quarantine())?;
    let effects = Effects::gather([quarantine.get(id)?])?;
    as_recorded(home, &effects)?;
    let (cage, nothing) = begin::looking_cage(&house)?;
    let why = "It was made in an earlier session and waits in quarantine since.";
    let pages = Look::new(&cage, &effects).pages(&Map::new(), why, &nothing);
    let mut ledger = begin::for_release(&house, desk)?;
    let told = (|| -> Result<(), Failure> {
        ledger.note(entries::effects(&effects), clock::for_ledger())?;
        let asking = Terminal::find().map_or(Asking::Nobody, Asking::Person);
        let consent = consent::about(&effects, &pages, &asking, desk.screen.interrupt())?;
        ledger.note(entries::consent(&consent), clock::for_ledger())?;
        let hash: Digest = effects.hash();
        let granted = effects.consent(consent).map_err(|(_, refusal)| {
            super::refused(&refusal).hint("it still waits in quarantine".to_owned())
        })?;
        let recorded = ledger.record(entries::release(hash), clock::for_ledger(), granted)?;
        let released = release(&quarantine, recorded)?;
        ledger.note(entries::released(hash, &released), clock::for_ledger())?;
        for file in &released {
            desk.answer(format!(
                "wrote {}, {} bytes, {}",
                file.path.display(),
                file.bytes,
                file.sha256
            ));
        }
        Ok(())
    })();
    let outcome = told.as_ref().map_or_else(|f| f.kind().word(), |()| "done");
    let closed = ledger.end(outcome.to_owned(), clock::for_ledger());
    told.and(closed.map(drop).map_err(Failure::from))
}

/// What waits must be what the ledger says was made: its place, its bytes, and what it would replace.
fn as_recorded(home: &Home, effects: &Effects) -> Result<(), Failure> {
    let text = disk::text(&home.ledger().join(ENTRIES_FILE))?;
    let changes = text
        .lines()
        .filter_map(|line| Entry::parse(line.as_bytes()).ok())
        .filter_map(|entry| match entry.body {
            Body::Effects(recorded) => Some(recorded.changes),
            _ => None,
        });
    let recorded: Vec<_> = changes.flatten().collect();
    match effects
        .list()
        .iter()
        .find(|e| !recorded.contains(&entries::change(e)))
    {
        None => Ok(()),
        Some(changed) => Err(Failure::new(
            Kind::Integrity,
            format!(
                "`{}` in quarantine is not what the ledger says was made",
                changed.id()
            ),
        )
        .hint("discard it and run the request again".to_owned())),
    }
}
