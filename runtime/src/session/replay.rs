//! `cloister audit replay`: what a session did up to its effects, done again from its record. It is a session of its own, judged and recorded like
//! any other, with the time and the random numbers that the tools had then. What it is about to record is held against what stands recorded,
//! and the first word that differs ends it. Nothing is released: what would change waits in a folder of its own, which goes at the end.

mod said;

use std::collections::VecDeque;
use std::path::Path;

use cloister_attest::{Body, Digest, Entry, SessionStart};
use cloister_models::DeviceChoice;
use cloister_policies::Mode;
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Moment, Quarantine};

use super::begin::{Begun, MANIFEST_BYTES, this_binary, weights};
use super::{ANSWER, House, Job, Until, later, story};
use crate::commands::Desk;
use crate::consent::Asking;
use crate::contents::Plain;
use crate::counted::counted;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::mind;
use crate::report::Report;
use said::Said;

/// How the name of the folder in `run` begins in which a replay's outputs wait.
const ASIDE: &str = "replay-";

/// What the ledger keeps of a session that planned something.
pub(crate) struct Record {
    session: String,
    start: SessionStart,
    request: String,
    entries: Vec<Entry>,
    /// What its entries commit to.
    plain: Plain,
}

/// What is left to be said again, in its order.
pub(super) struct Held {
    left: VecDeque<(u64, Said)>,
    same: u64,
    differs: bool,
}

/// Run `session` again with `manifest`, which must be the one that it had, and say how many of its entries came out the same.
pub(crate) fn replay(
    session: &str,
    manifest: &Path,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<u64, Failure> {
    let house = House::open(home)?;
    let record = Record::find(session, home)?;
    record.stands(&house, manifest)?;
    let request = record.request.clone();
    let model = record.start.model.clone();
    let job = Job {
        manifest,
        model: Some(&model),
        device: DeviceChoice::Cpu,
        prompt: &request,
        mode: match record.start.unattended {
            Some(_) => Mode::Unattended,
            None => Mode::Attended,
        },
        until: record.until(),
    };
    let mind = mind::start(job.device)?;
    let (mut opened, model) = Begun::begin(&job, house, mind, desk, report)?.into_parts();
    let aside = home.scratch().join(format!("{ASIDE}{}", report.session));
    let ended = record.ended();
    let told = (|| {
        opened.repeat(record, Quarantine::open(&aside)?)?;
        let told = story(&job, &mut opened, model, desk, report);
        opened.journal.compared(told, ended.as_deref())
    })();
    report.failed_or_done(&told);
    let told = opened.journal.close(told);
    let _ = std::fs::remove_dir_all(&aside); // nobody looks for anything there
    told
}

/// Take away what replays that were killed left behind: documents in clear, which nobody would look for.
pub(super) fn sweep(home: &Home) {
    let all = std::fs::read_dir(home.scratch()).into_iter().flatten();
    for item in all.flatten() {
        if item.file_name().to_string_lossy().starts_with(ASIDE) {
            let _ = std::fs::remove_dir_all(item.path()); // tried again by the next session
        }
    }
}

impl Record {
    fn find(session: &str, home: &Home) -> Result<Record, Failure> {
        let named = || escape(session, Lines::Escape);
        let all = later::recorded(home)?;
        let own = |entry: &&Entry| entry.session.to_string() == session;
        let entries: Vec<Entry> = all.iter().filter(own).cloned().collect();
        let start = entries.iter().find_map(|entry| match &entry.body {
            Body::SessionStart(start) => Some(SessionStart::clone(start)),
            _ => None,
        });
        let start = start.ok_or_else(|| {
            Failure::failed(format!("no session `{}` is in the ledger", named()))
                .hint("`cloister audit show` names them".to_owned())
        })?;
        let request = entries.iter().find_map(|entry| match &entry.body {
            Body::Request(request) => Some(request.intent.clone()),
            _ => None,
        });
        let request = request.ok_or_else(|| {
            Failure::failed(format!("session `{}` was asked for nothing", named())).hint(
                "what can be replayed are sessions of `cloister run` and `cloister plan`"
                    .to_owned(),
            )
        })?;
        let opened = home.contents().of(&entries, &all)?.into_iter();
        let plain = opened
            .map(|(_, commitment, content)| (commitment, Digest::of(content.bytes())))
            .collect();
        Ok(Record {
            session: session.to_owned(),
            start,
            request,
            entries,
            plain,
        })
    }

    /// Whatever the session stood on must be what stands here; the model's file is hashed when it is loaded.
    fn stands(&self, house: &House, manifest: &Path) -> Result<(), Failure> {
        let then = self.start.statement.binding();
        let pin = house.home.pin(Some(&self.start.model), &house.admin)?;
        let manifest = Digest::of(&disk::read_bounded(manifest, MANIFEST_BYTES)?);
        let now = [
            ("the manifest", then.manifest, manifest),
            ("the binary", then.runtime, this_binary()?),
            ("the policy", then.policy, house.policy),
            ("the lock of the tools", then.tools, house.tools),
            ("the model", then.model, weights(&pin)),
        ];
        match now.iter().find(|(_, then, now)| then != now) {
            None => Ok(()),
            Some((what, then, now)) => Err(Failure::new(
                Kind::Integrity,
                format!("{what} is not the one that the session had: {now} instead of {then}"),
            )
            .hint("a replay needs all that the session's statement names".to_owned())),
        }
    }

    /// How the session ended, if it did.
    fn ended(&self) -> Option<String> {
        self.entries.iter().find_map(|entry| match &entry.body {
            Body::SessionEnd(end) => Some(end.outcome.clone()),
            _ => None,
        })
    }

    /// How far it went: a session that did what it was to do, but called nothing and answered nothing, was to plan only.
    fn until(&self) -> Until {
        let acts = |entry: &Entry| match &entry.body {
            Body::CallIntent(_) => true,
            Body::Note(note) => note.about == ANSWER,
            _ => false,
        };
        match self.ended().as_deref() {
            Some("done") if !self.entries.iter().any(acts) => Until::Judged,
            _ => Until::Effects,
        }
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// The time that the tools of this step had: when its call was recorded.
    pub(super) fn time_of(&self, step: &str) -> Option<u64> {
        self.entries.iter().find_map(|entry| match &entry.body {
            Body::CallIntent(intent) if intent.step == step => Some(entry.ts.get()),
            _ => None,
        })
    }

    pub(super) fn held(&self) -> Held {
        let said = |entry: &Entry| Some((entry.seq, Said::of(&entry.body, &self.plain)?));
        Held {
            left: self.entries.iter().filter_map(said).collect(),
            same: 0,
            differs: false,
        }
    }
}

impl Held {
    /// Hold what is about to be recorded against what was.
    pub(super) fn expect(&mut self, body: &Body, plain: &Plain) -> Result<(), Failure> {
        let Some(said) = Said::of(body, plain) else {
            return Ok(());
        };
        let differs = match self.left.pop_front() {
            Some((_, then)) if then == said => {
                self.same = self.same.saturating_add(1);
                return Ok(());
            }
            Some((seq, then)) => format!("it differs from entry {seq}: {}", then.unlike(&said)),
            None => format!("it goes on where the session had ended: {said}"),
        };
        self.differs = true;
        Err(Failure::new(Kind::Integrity, differs).hint(
            "where the inputs have changed since, give it a copy of the folder as it was, with the manifest in it".to_owned(),
        ))
    }

    /// The end of a replay: a failure that the session ended with as well is no difference.
    fn end(self, told: Result<(), Failure>, ended: Option<&str>) -> Result<u64, Failure> {
        if let Err(failure) = told
            && (self.differs || ended != Some(failure.kind().word()))
        {
            return Err(failure);
        }
        match self.left.front() {
            None => Ok(self.same),
            Some((seq, then)) => Err(Failure::new(
                Kind::Integrity,
                format!("it ended before entry {seq}: {then}"),
            )),
        }
    }
}

impl super::Journal {
    /// From here on hold what is recorded against this.
    pub(super) fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// What came of the comparison. What is recorded after it is the replay's own.
    fn compared(&mut self, told: Result<(), Failure>, ended: Option<&str>) -> Result<u64, Failure> {
        let Some(held) = self.held.take() else {
            return told.map(|()| 0);
        };
        let same = held.end(told, ended)?;
        let said = format!("{} the same", counted(same, "record"));
        self.note(crate::entries::note("replay", &said))?;
        Ok(same)
    }
}

impl super::Opened {
    /// Become the replay of a record: nobody is asked, and what is made waits aside.
    fn repeat(&mut self, record: Record, aside: Quarantine) -> Result<(), Failure> {
        let said = format!("of session {}", record.session());
        self.journal.note(crate::entries::note("replay", &said))?;
        self.journal.hold(record.held());
        self.quarantine = std::sync::Arc::new(aside);
        self.asking = Asking::Nobody;
        self.record = Some(record);
        Ok(())
    }

    /// What the tools of a step have for time and chance: the session's own, or of the session that is replayed, so that a call gives the same
    /// bytes again.
    pub(super) fn moment(&self, step: &str, now: u64, session: &str) -> Moment {
        let (session, unix_millis) = self
            .record
            .as_ref()
            .and_then(|then| Some((then.session(), then.time_of(step)?)))
            .unwrap_or((session, now));
        let seed = session.bytes().fold(0_u64, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Moment { unix_millis, seed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_replay_left_is_swept_away_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let left = home.scratch().join("replay-0011223344556677/q1");
        let beside = home.scratch().join("revoked");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::create_dir_all(&beside).unwrap();
        std::fs::write(left.join("data"), "a document").unwrap();
        sweep(&home);
        assert!(!left.exists() && beside.exists());
        assert_eq!(std::fs::read_dir(home.scratch()).unwrap().count(), 1);
    }
}
