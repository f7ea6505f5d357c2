//! `cloister undo`: what a session released is taken back, if everything still stands as it was released. A short session of its own with the
//! question and the records of any release; it keeps what it replaces, so that it can be undone too.
//!
//! The new entries are in the ledger before anything changes, and what was kept goes only once its target is back. So a crash in between leaves
//! some targets back and others as released, each whole, and the shelf with what is not back yet: the same command takes it up again.

use cloister_attest::Change;
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Effect, Effects, Released, Shelf, Standing};
use serde_json::Map;

use super::later::{as_recorded, let_go};
use super::{House, begin, settle};
use crate::clock;
use crate::commands::Desk;
use crate::consent::{self, Asking, Terminal};
use crate::counted::counted;
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::look::{Look, Why};
use crate::report::Report;

/// A day, milliseconds.
const DAY: u64 = 24 * 3600 * 1000;

impl House {
    /// Where releases of this session keep what they replace; nowhere if the policy keeps nothing.
    pub(super) fn shelf(&self, session: &str) -> Option<Shelf> {
        let keeps = self.bundle.undo_days() > 0;
        keeps.then(|| self.home.kept().shelf(session, clock::millis()))
    }

    /// The moment from which on things are kept still.
    fn kept_since(&self) -> u64 {
        clock::millis().saturating_sub(self.bundle.undo_days().saturating_mul(DAY))
    }

    /// Throw away what was kept for as long as the policy says, once that is recorded. What cannot be removed is tried again by the next session.
    pub(super) fn prune(
        &self,
        journal: &mut super::journal::Journal,
        desk: &Desk,
    ) -> Result<(), Failure> {
        let (kept, since) = (self.home.kept(), self.kept_since());
        let shelves = kept.shelves().unwrap_or_else(|error| {
            desk.screen.say("note", error);
            Vec::new()
        });
        for shelf in shelves.into_iter().filter(|s| s.since() < since) {
            let said = format!(
                "what session {} replaced is kept no longer",
                shelf.session()
            );
            let recorded = journal.record(entries::note("undo", &said), shelf)?;
            if let Err(error) = kept.discard(recorded) {
                desk.screen.say("note", error);
            }
        }
        Ok(())
    }
}

/// Ask about taking back what `session` released, and do it.
pub(crate) fn undo(
    session: &str,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<Vec<Released>, Failure> {
    let house = House::open(home)?;
    let shelf = kept_by(session, &house)?;
    let released = Effects::gather(shelf.store()?.list()?)?;
    let recorded = let_go(home, session)?;
    as_recorded(&recorded, &released)?;
    all_of_it(&recorded, &released)?;
    let effects = taking_back(&shelf, &released)?;
    let (cage, nothing) = begin::looking_cage(&house, shelf.store()?)?;
    let asking = Terminal::find().map_or(Asking::Nobody, Asking::Person);
    let why = Why::earlier(
        format!("It takes back what session {session} released."),
        "The policy judged that when it was made.",
    );
    let ask = |effects: &Effects| {
        let look = Look::new(&cage, effects, house.bundle.undo_days());
        let pages = look.pages(&Map::new(), &why, &nothing);
        consent::about(effects, &pages, &asking, desk.screen.interrupt())
    };
    let mut journal = begin::short(&house, desk, report)?;
    let own = house.shelf(&report.session);
    let store = shelf.store()?;
    let told = journal
        .note(entries::note("undo", &format!("of session {session}")))
        .and_then(|()| settle::settle(effects, ask, &store, own.as_ref(), &mut journal, report));
    report.quarantined.clear(); // nothing of it waits there
    if told.is_ok() {
        shelf.close();
    }
    journal.close(told.map_err(|failure| failure.hint(AGAIN.to_owned())))
}

/// What to do about an undo that was not done.
const AGAIN: &str =
    "what the session released stands as it was, and is kept still: `cloister undo` asks again";

/// The shelf of a session, if it is kept still.
fn kept_by(session: &str, house: &House) -> Result<Shelf, Failure> {
    let since = house.kept_since();
    let mut shelves = house.home.kept().shelves()?.into_iter();
    shelves
        .find(|s| s.session() == session && s.since() >= since)
        .ok_or_else(|| {
            let session = escape(session, Lines::Escape);
            let kept = match house.bundle.undo_days() {
                0 => "this policy keeps nothing of what a release replaces".to_owned(),
                days => format!(
                    "what a release replaced is kept for {}; `cloister audit show` names the sessions",
                    counted(days, "day")
                ),
            };
            Failure::failed(format!("nothing is kept of session `{session}`")).hint(kept)
        })
}

/// Whatever was let go lies on the shelf still, or stands as it was before. Else what is left there would be taken for everything.
fn all_of_it(recorded: &[Change], released: &Effects) -> Result<(), Failure> {
    let kept: Vec<Change> = released.list().iter().map(entries::change).collect();
    let lost: Vec<String> = recorded
        .iter()
        .filter(|change| !kept.contains(change) && !Standing::is_before(change))
        .map(|change| change.to.as_ref().unwrap_or(&change.path))
        .map(|path| format!("`{}`", escape(path, Lines::Escape)))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let said = format!("nothing is kept any more of {}", lost.join(", "));
    Err(Failure::new(Kind::Integrity, said).hint(
        "somebody removed it from `kept/`; nothing was put back: put the rest back by hand from there".to_owned(),
    ))
}

/// The effects that take back what stands as it was released. One target that stands otherwise refuses all of it; what already is as it was before
/// needs nothing.
fn taking_back(shelf: &Shelf, released: &Effects) -> Result<Effects, Failure> {
    let standing = |wanted: Standing| -> Vec<&Effect> {
        let all = released.list().iter();
        all.filter(|effect| Standing::of(effect) == wanted)
            .collect()
    };
    let others: Vec<String> = standing(Standing::Other)
        .into_iter()
        .map(|effect| format!("`{}`", escape(effect.name(), Lines::Escape)))
        .collect();
    if !others.is_empty() {
        let said = format!("not as released any more: {}", others.join(", "));
        return Err(Failure::failed(said).hint(
            "nothing was put back: an undo would lose what stands there now; move it away, or put it back by hand from `kept/`"
                .to_owned(),
        ));
    }
    let undoing: Result<Vec<Effect>, _> = standing(Standing::Released)
        .into_iter()
        .map(|effect| shelf.undoing(effect))
        .collect();
    let effects = Effects::gather(undoing?)?;
    if effects.is_empty() {
        return Err(Failure::failed(format!(
            "everything that session `{}` released is as it was before",
            shelf.session()
        )));
    }
    Ok(effects)
}
