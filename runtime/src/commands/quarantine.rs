//! `cloister quarantine` and `cloister undo`: what waits for a person, and what was kept for one. A release from here is asked about and recorded
//! like any other.

use std::time::Instant;

use cloister_tools::{Effect, Quarantine, Released};
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::counted::counted;
use crate::failure::Failure;
use crate::home::Home;
use crate::look;
use crate::report::Report;
use crate::session::{self, later, undo};

pub(crate) fn run(command: &cli::Quarantine, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let quarantine = Quarantine::open(&home.quarantine())?;
    match command {
        cli::Quarantine::List => list(&quarantine, desk),
        cli::Quarantine::Diff { id } => diff(&quarantine.get(id)?, desk),
        cli::Quarantine::Release { id } => release(id, home, desk),
        cli::Quarantine::Discard { id } => discard(id, home, desk),
    }
}

fn release(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    told(desk, |report| {
        let files = later::release_one(id, home, desk, report)?;
        Ok(files.iter().map(wrote).collect::<Vec<_>>().join("\n"))
    })
}

pub(crate) fn undo(session: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    told(desk, |report| {
        let files = undo::undo(session, home, desk, report)?;
        report.undone = Some(session.to_owned());
        let mut said = vec![format!("what session `{session}` released was taken back")];
        said.extend(files.iter().map(wrote));
        Ok(said.join("\n"))
    })
}

fn wrote(file: &Released) -> String {
    let (path, bytes) = (file.path.display(), counted(file.bytes, "byte"));
    format!("wrote {path}, {bytes}, {}", file.sha256)
}

fn discard(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    told(desk, |report| {
        later::discard(id, home, desk, report)?;
        report.discarded = Some(id.to_owned());
        Ok(format!("`{id}` was thrown away"))
    })
}

/// A short session's document is that of a run in which only the end happens, and like there it is printed however it ends.
pub(super) fn told(
    desk: &Desk,
    act: impl FnOnce(&mut Report) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut report = Report::begun();
    let ended = act(&mut report).map(|answer| {
        desk.answer(&answer);
        report.answer = Some(answer);
    });
    report.timing_ms.total = session::millis(started);
    report.failed_or_done(&ended);
    desk.document(&json!(report));
    ended
}

fn list(quarantine: &Quarantine, desk: &Desk) -> Result<(), Failure> {
    let waiting = quarantine.list()?;
    let rows: Vec<_> = waiting.iter().map(|e| json!({"id": e.id(), "path": e.name(), "bytes": e.bytes(), "sha256": e.digest().hex(), "tool": e.tool()})).collect();
    desk.document(&json!(rows));
    if waiting.is_empty() {
        desk.answer("nothing waits");
    }
    for effect in &waiting {
        desk.answer(format!("{}  {}", effect.id(), look::line(effect)));
    }
    Ok(())
}

fn diff(effect: &Effect, desk: &Desk) -> Result<(), Failure> {
    let sources: Vec<&str> = effect.sources().iter().map(String::as_str).collect();
    desk.document(&json!({"id": effect.id(), "path": effect.path(), "bytes": effect.bytes(), "sha256": effect.digest().hex(), "sources": sources}));
    desk.answer(look::line(effect));
    desk.answer(format!("  {}", effect.path().display()));
    desk.answer(format!(
        "  {}, {}, by {}, {}",
        counted(effect.bytes(), "byte"),
        effect.digest(),
        effect.tool(),
        look::origin(effect)
    ));
    Ok(())
}
