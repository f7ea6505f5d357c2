//! What becomes of a thing in quarantine after its session has ended. A release and a discard are each a short session of their own;
//! a release has the same question and the same records as in a run.

use cloister_attest::{Body, Change, ENTRIES_FILE, Entry};
use cloister_tools::{Effects, Quarantine, Released};
use serde_json::Map;

use super::{begin, settle};
use crate::commands::Desk;
use crate::consent::{self, Asking, Terminal};
use crate::disk;
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::look::Look;
use crate::report::Report;

/// What the question says where a run would say what the call does.
const WHY: &str = "It was made in an earlier session and waits in quarantine since.";

/// Ask about one entry and let it go.
pub(crate) fn release_one(
    id: &str,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<Vec<Released>, Failure> {
    let house = begin::House::open(home)?;
    let quarantine = Quarantine::open(&home.quarantine())?;
    let effects = Effects::gather([quarantine.get(id)?])?;
    as_recorded(home, &effects)?;
    let (cage, nothing) = begin::looking_cage(&house)?;
    let asking = Terminal::find().map_or(Asking::Nobody, Asking::Person);
    let ask = |effects: &Effects| {
        let pages = Look::new(&cage, effects).pages(&Map::new(), WHY, &nothing);
        consent::about(effects, &pages, &asking, desk.screen.interrupt())
    };
    let mut journal = begin::short(&house, desk, report)?;
    let told = settle::settle(effects, ask, &quarantine, &mut journal, report);
    journal.close(told)
}

/// Throw one entry away, once that is recorded.
pub(crate) fn discard(
    id: &str,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    let house = begin::House::open(home)?;
    let quarantine = Quarantine::open(&home.quarantine())?;
    let waiting = quarantine.waiting(id)?;
    let change = waiting.effect().map(entries::change);
    let known = match change {
        Some(change) => made(home)?.into_iter().find(|made| *made == change),
        None => None,
    };
    let mut journal = begin::short(&house, desk, report)?;
    let told = (|| -> Result<(), Failure> {
        journal.enter("discard");
        let recorded = journal.record(entries::discard(id, known), waiting)?;
        // A crash from now on leaves it waiting, or a folder without a sound description, which is not listed.
        Ok(quarantine.discard(recorded)?)
    })();
    journal.close(told)
}

/// What waits must be what the ledger says was made: its place, its bytes, and what it would replace.
fn as_recorded(home: &Home, effects: &Effects) -> Result<(), Failure> {
    let recorded = made(home)?;
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

/// Every change that some session made and recorded.
fn made(home: &Home) -> Result<Vec<Change>, Failure> {
    let text = disk::text(&home.ledger().join(ENTRIES_FILE))?;
    let changes = text
        .lines()
        .filter_map(|line| Entry::parse(line.as_bytes()).ok())
        .filter_map(|entry| match entry.body {
            Body::Effects(recorded) => Some(recorded.changes),
            _ => None,
        });
    Ok(changes.flatten().collect())
}
