//! A release from quarantine after its session has ended: a short session of its own, with the same question and the same records.

use cloister_attest::{Body, ENTRIES_FILE, Entry};
use cloister_tools::{Effects, Quarantine, Released};
use serde_json::{Map, Value};

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
        let look = Look::new(&cage, effects);
        let pages = look.pages(&Map::new(), &Value::Null, WHY, &nothing);
        consent::about(effects, &pages, &asking, desk.screen.interrupt())
    };
    let mut journal = begin::short(&house, desk, report)?;
    let told = settle::settle(effects, ask, &quarantine, &mut journal, report);
    journal.close(told)
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
