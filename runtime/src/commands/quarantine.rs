//! `cloister quarantine`: what waits for a person. A release from here is asked about and recorded like any other.

use std::time::Instant;

use cloister_tools::{Effect, Quarantine};
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::failure::Failure;
use crate::home::Home;
use crate::look;
use crate::report::Report;
use crate::session::{self, later};

pub(crate) fn run(command: &cli::Quarantine, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let quarantine = Quarantine::open(&home.quarantine())?;
    match command {
        cli::Quarantine::List => list(&quarantine, desk),
        cli::Quarantine::Diff { id } => diff(&quarantine.get(id)?, desk),
        cli::Quarantine::Release { id } => release(id, home, desk),
        cli::Quarantine::Discard { id } => {
            quarantine.discard(id)?;
            desk.answer(format!("`{id}` was thrown away"));
            Ok(())
        }
    }
}

/// Its document is that of a run, in which only the end happens; like there it is printed however it ends.
fn release(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let started = Instant::now();
    let mut report = Report::begun();
    let ended = later::release_one(id, home, desk, &mut report).map(|files| {
        let wrote = files.iter().map(|f| {
            format!(
                "wrote {}, {} bytes, {}",
                f.path.display(),
                f.bytes,
                f.sha256
            )
        });
        report.answer = Some(wrote.collect::<Vec<_>>().join("\n"));
    });
    report.timing_ms.total = session::millis(started);
    report.failed_or_done(&ended);
    desk.document(&json!(report));
    if let Some(answer) = report.answer.filter(|_| ended.is_ok()) {
        desk.answer(answer);
    }
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
    desk.answer(format!(
        "  {} bytes, {}, by {}, made from {}",
        effect.bytes(),
        effect.digest(),
        effect.tool(),
        sources.join(", ")
    ));
    Ok(())
}
