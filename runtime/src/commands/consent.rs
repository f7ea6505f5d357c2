//! `cloister consent`: what is granted and remembered, and taking it back.

use std::path::Path;

use cloister_attest::{Body, ENTRIES_FILE, Entry};
use cloister_tools::names::{Lines, escape};
use serde_json::{Value, json};

use super::Desk;
use crate::cli;
use crate::clock;
use crate::counted::counted;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;
use crate::remembered::{Memory, Remembered, is_name};
use crate::report::Report;
use crate::session::granted::Granted;
use crate::session::{later, tenure};

/// An hour, milliseconds.
const HOUR: u64 = 3600 * 1000;

pub(crate) fn run(command: &cli::Consent, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Consent::List => list(home, desk),
        cli::Consent::Revoke {
            id,
            capability: None,
            ..
        } if is_name(id) => forget(id, home, desk),
        cli::Consent::Revoke {
            id,
            capability,
            path,
        } => {
            if unended(home)?.as_deref() != Some(id) {
                return Err(nothing(id));
            }
            match (capability, path) {
                (None, _) => revoke(id, home, desk),
                (Some(capability), None) => revoke_one(id, capability, home, desk),
                (Some(capability), Some(path)) => revoke_path(id, capability, path, home, desk),
            }
        }
    }
}

fn list(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let (session, now) = (unended(home)?, clock::millis());
    let granted = session.as_ref().and_then(|id| Granted::standing(home, id));
    let (granted, without) = granted.map(|it| (it.capabilities, it.without)).unzip();
    let mut all = Memory::of(home).all()?;
    all.retain(|(_, answer)| now < answer.until(answer.days));
    let row = |(id, answer): &(String, Remembered)| -> Value {
        json!({"id": id, "agent": answer.scope.agent, "tool": answer.scope.tool, "folders": answer.scope.folders,
            "given": answer.given, "until": answer.until(answer.days)})
    };
    let rows: Vec<Value> = all.iter().map(row).collect();
    desk.document(
        &json!({"session": session, "granted": granted, "taken_back": without, "remembered": rows}),
    );
    if let Some(session) = &session {
        desk.answer(format!("session {session} has not ended; its grants stand"));
    }
    for (capability, which) in granted.iter().flatten() {
        let which = escape(&which.join(", "), Lines::Escape);
        desk.answer(format!("  {capability}  {which}"));
    }
    for (capability, which) in without.iter().flatten() {
        let which = escape(&which.join(", "), Lines::Escape);
        desk.answer(format!("  {capability}  was taken back for {which}"));
    }
    for (id, answer) in &all {
        let left = answer.until(answer.days).saturating_sub(now) / HOUR;
        desk.answer(format!(
            "{id}  {}, for {} more",
            answer.scope.sentence(),
            counted(left, "hour")
        ));
    }
    if session.is_none() && all.is_empty() {
        desk.answer("no session runs, and no answer is remembered");
    }
    Ok(())
}

fn revoke(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    tenure::revoke(home, id)?;
    desk.document(&json!({"revoked": id}));
    desk.answer(format!(
        "the grants of session {id} are taken back: what runs is stopped, and nothing is released"
    ));
    Ok(())
}

fn revoke_one(id: &str, capability: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    granted(id, capability, home)?;
    tenure::revoke_one(home, id, capability)?;
    desk.document(&json!({"revoked": id, "capability": capability}));
    desk.answer(format!(
        "{capability} of session {id} is taken back: a call that needs it is stopped, and nothing that was made by it is released"
    ));
    Ok(())
}

fn revoke_path(
    id: &str,
    capability: &str,
    path: &Path,
    home: &Home,
    desk: &Desk,
) -> Result<(), Failure> {
    let granted = granted(id, capability, home)?;
    let taken = granted.one(capability, path).ok_or_else(|| {
        let named = escape(&path.to_string_lossy(), Lines::Escape);
        let stand = granted.capabilities.get(capability).into_iter().flatten();
        let stand: Vec<String> = stand.map(|one| escape(one, Lines::Escape)).collect();
        Failure::failed(format!("session {id} has no `{named}` by {capability}"))
            .hint(format!("it has {}", stand.join(", ")))
    })?;
    tenure::revoke_path(home, id, &taken)?;
    desk.document(&json!({"revoked": id, "capability": capability, "path": taken.path}));
    desk.answer(format!(
        "{capability} of `{}` is taken back from session {id}: a call that touches it is stopped, and nothing that was made of it is released",
        escape(&taken.path, Lines::Escape)
    ));
    Ok(())
}

/// What the session has, if this capability is of it.
fn granted(id: &str, capability: &str, home: &Home) -> Result<Granted, Failure> {
    let granted = Granted::standing(home, id).ok_or_else(|| {
        Failure::failed(format!("session {id} does not say what it was granted"))
            .hint(format!("`cloister consent revoke {id}` takes it all back"))
    })?;
    if granted.capabilities.contains_key(capability) {
        return Ok(granted);
    }
    let stand: Vec<&str> = granted.capabilities.keys().map(String::as_str).collect();
    let named = escape(capability, Lines::Escape);
    Err(
        Failure::failed(format!("session {id} has no capability `{named}`"))
            .hint(format!("it has {}", stand.join(", "))),
    )
}

/// It is gone first, so that it stands for nothing from now on whatever else fails; then the ledger is told, so that nobody brings it back. Where
/// that failed before, or another took the file away, the ledger is told now.
fn forget(id: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let was_there = Memory::of(home).forget(id)?;
    if !was_there && !later::has_answer(home, id)? {
        return Err(nothing(id));
    }
    later::revoke(id, home, desk, &mut Report::begun()).map_err(|failure| {
        failure.hint("the answer's file is gone, but the ledger was not told: revoke it again, when no session runs, so that nobody can bring it back".to_owned())
    })?;
    desk.document(&json!({"revoked": id}));
    desk.answer(format!("the answer {id} is remembered no longer"));
    Ok(())
}

fn nothing(id: &str) -> Failure {
    let id = escape(id, Lines::Escape);
    Failure::failed(format!(
        "no session `{id}` runs, and no answer `{id}` is remembered"
    ))
    .hint("`cloister consent list` names what there is".to_owned())
}

/// The session that has begun and not ended, by the ledger's last whole line: it runs, or was cut off. Nothing is believed of it but its name.
fn unended(home: &Home) -> Result<Option<String>, Failure> {
    let path = home.ledger().join(ENTRIES_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = disk::read(&path)?;
    let whole = bytes.rsplit(|byte| *byte == b'\n').nth(1);
    let last = whole.and_then(|line| Entry::parse(line).ok());
    Ok(last
        .filter(|entry| !matches!(entry.body, Body::SessionEnd(_)))
        .map(|entry| entry.session.to_string()))
}
