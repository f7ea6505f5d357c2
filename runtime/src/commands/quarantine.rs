//! `cloister quarantine`: what waits for a person. A release from here is asked about and recorded like any other.

use cloister_tools::{Effect, Quarantine};
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::failure::Failure;
use crate::home::Home;
use crate::look;
use crate::session::later;

pub(crate) fn run(command: &cli::Quarantine, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let quarantine = Quarantine::open(&home.quarantine())?;
    match command {
        cli::Quarantine::List => list(&quarantine, desk),
        cli::Quarantine::Diff { id } => diff(&quarantine.get(id)?, desk),
        cli::Quarantine::Release { id } => later::release_one(id, home, desk),
        cli::Quarantine::Discard { id } => {
            quarantine.discard(id)?;
            desk.answer(format!("`{id}` was thrown away"));
            Ok(())
        }
    }
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
