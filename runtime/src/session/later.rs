//! What becomes of a thing in quarantine after its session has ended. A release and a discard are each a short session of their own;
//! a release has the same question and the same records as in a run.

use cloister_attest::{
    AttestError, Body, Change, ENTRIES_FILE, Entry, Report as LedgerReport, Verdict,
};
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Effect, Effects, Quarantine, Released};
use serde_json::Map;

use super::{begin, settle};
use crate::commands::Desk;
use crate::consent::{self, Asking, Terminal};
use crate::contents::Kept;
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::look::{Look, Why};
use crate::remembered::{self, Notes};
use crate::report::Report;
use crate::verified::Verified;

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
    as_recorded(&made(home)?, &effects)?;
    let (cage, nothing) = begin::looking_cage(&house, Quarantine::open(&home.quarantine())?)?;
    let asking = Terminal::find().map_or(Asking::Nobody, Asking::Person);
    let ask = |effects: &Effects| {
        let look = Look::new(&cage, effects, house.bundle.undo_days());
        let why = Why::earlier(WHY, "The policy judged it when it was made.");
        let pages = look.pages(&Map::new(), &why, &nothing);
        consent::about(effects, &pages, &asking, desk.screen.interrupt())
    };
    let mut journal = begin::short(&house, desk, report)?;
    let shelf = house.shelf(&report.session);
    let told = settle::settle(
        effects,
        ask,
        &quarantine,
        shelf.as_ref(),
        &mut journal,
        report,
    );
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

/// Destroy the contents of a session, once a person said yes and that is recorded.
pub(crate) fn shred(
    session: &str,
    agreed: impl FnOnce() -> Result<(), Failure>,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    let house = begin::House::open(home)?;
    let entries = recorded(home)?;
    let named = entries
        .iter()
        .map(|entry| entry.session)
        .find(|id| id.to_string() == session);
    let kept = named
        .map(|id| (id, home.contents().kept(id)))
        .filter(|(_, kept)| kept.exists());
    let (id, kept) = kept.ok_or_else(|| {
        let session = escape(session, Lines::Escape);
        Failure::failed(format!("no contents are kept of a session `{session}`")).hint(
            "`cloister audit show` names the sessions, and says which were shredded".to_owned(),
        )
    })?;
    agreed()?;
    let mut journal = begin::short(&house, desk, report)?;
    let told = (|| {
        journal.enter("shred");
        // A crash from now on leaves what the entry says is destroyed: nothing opens it any more, and the same command takes it away.
        Kept::shred(journal.record(entries::shred(id), kept)?)
    })();
    journal.close(told)
}

/// Say in the ledger that an answer is remembered no longer.
pub(crate) fn revoke(
    id: &str,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    let house = begin::House::open(home)?;
    let mut journal = begin::short(&house, desk, report)?;
    let told = journal.note(entries::note(remembered::ABOUT, &remembered::revoking(id)));
    journal.close(told)
}

/// What waits must be what the ledger says was made, to the last word that the question shows of it: `effect.json` may have been edited.
pub(super) fn as_recorded(recorded: &[Change], effects: &Effects) -> Result<(), Failure> {
    let known = |e: &Effect| recorded.contains(&entries::change(e));
    match effects.list().iter().find(|e| !known(e)) {
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

/// Every entry of a ledger that the verifier finds nothing changed in.
pub(crate) fn recorded(home: &Home) -> Result<Vec<Entry>, Failure> {
    verified(home).map(|(entries, _)| entries)
}

/// What that ledger says of answers, as far as its last session, which runs, goes by it.
pub(super) fn answers(home: &Home) -> Result<Notes, Failure> {
    let (entries, report) = verified(home)?;
    Ok(Notes::of(entries, |first| report.attests(first)))
}

/// Whether the ledger still has an answer of this name, attested or not: what does not count may be taken back as well.
pub(crate) fn has_answer(home: &Home, id: &str) -> Result<bool, Failure> {
    if !home.ledger().join(ENTRIES_FILE).exists() {
        return Ok(false);
    }
    let notes = Notes::of(recorded(home)?, |_| true);
    Ok(notes.stands(id).is_some())
}

fn verified(home: &Home) -> Result<(Vec<Entry>, LedgerReport), Failure> {
    let ledger = Verified::read(home, &home.roots()?)?;
    if let Verdict::Tampered {
        file, byte, what, ..
    } = ledger.report.verdict()
    {
        let (file, byte, what) = (file.clone(), *byte, what.clone());
        return Err(AttestError::Tampered { file, byte, what }.into());
    }
    Ok((ledger.entries(), ledger.report))
}

/// Every change that `session` let go, as the ledger says.
pub(super) fn let_go(home: &Home, session: &str) -> Result<Vec<Change>, Failure> {
    let bodies: Vec<Body> = recorded(home)?
        .into_iter()
        .filter(|entry| entry.session.to_string() == session)
        .map(|entry| entry.body)
        .collect();
    let released = |hash| {
        let releases = |body: &Body| matches!(body, Body::Release(r) if r.effects == hash);
        bodies.iter().any(releases)
    };
    Ok(bodies
        .iter()
        .filter_map(|body| match body {
            Body::Effects(effects) if released(effects.hash) => Some(effects.changes.clone()),
            _ => None,
        })
        .flatten()
        .collect())
}

/// Every change that some session made and recorded.
fn made(home: &Home) -> Result<Vec<Change>, Failure> {
    Ok(recorded(home)?
        .into_iter()
        .flat_map(|entry| match entry.body {
            Body::Effects(recorded) => recorded.changes,
            _ => Vec::new(),
        })
        .collect())
}
