//! `cloister audit`: the ledger, checked with the same code that an auditor runs elsewhere, and told as a story.

use std::io::BufReader;

use cloister_attest::{ENTRIES_FILE, Files, Verdict, verify};
use serde_json::{Value, json};

use super::Desk;
use crate::cli;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

/// Run the command; the exit code is the verifier's own.
pub(crate) fn run(command: &cli::Audit, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    match command {
        cli::Audit::Verify => check(home, desk),
        cli::Audit::Show => show(home, desk).map(|()| 0),
    }
}

fn check(home: &Home, desk: &Desk) -> Result<u8, Failure> {
    let Ok(roots) = home.roots() else {
        return Ok(3);
    };
    let folder = home.ledger();
    let path = folder.join(ENTRIES_FILE);
    let entries = std::fs::File::open(&path).map_err(|e| {
        disk::failed("read", &path, &e).hint("no session has run in this home yet".to_owned())
    })?;
    let (checkpoint, others) = disk::others(&folder)?;
    let report = verify(
        Files {
            entries: BufReader::new(entries),
            checkpoint,
            others,
        },
        &roots,
        None,
    )
    .map_err(|e| disk::failed("read", &path, &e))?;
    desk.document(&serde_json::to_value(&report).unwrap_or(Value::Null));
    desk.answer(report.to_string().trim_end());
    if let Verdict::Tampered { .. } = report.verdict() {
        desk.screen.say(
            "hint",
            "keep the folder as it is and call whoever audits this machine",
        );
    }
    Ok(report.exit_code())
}

fn show(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let text = disk::text(&home.ledger().join(ENTRIES_FILE))?;
    let entries: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|_| json!({"unreadable": true})))
        .collect();
    desk.document(&json!(entries));
    for entry in &entries {
        desk.answer(told(entry));
    }
    Ok(())
}

fn told(entry: &Value) -> String {
    let field = |key: &str| {
        entry
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let millis = entry.get("ts").and_then(Value::as_i64).unwrap_or_default();
    let time = jiff::Timestamp::from_millisecond(millis)
        .map(|t| t.to_string())
        .unwrap_or_default();
    let body = entry.get("body").cloned().unwrap_or_default();
    let said = |key: &str| {
        body.get(key)
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .unwrap_or_default()
    };
    let story = match field("kind").as_str() {
        "session-start" => format!(
            "session {} of `{}` begins for {}, attestation {}",
            field("session"),
            said("agent"),
            said("user"),
            field("att")
        ),
        "request" => format!("asked: {}", said("intent")),
        "plan" => format!("planned {}", said("hash")),
        "decision" => format!(
            "{} {}: {} ({})",
            said("step"),
            said("decision"),
            said("reason"),
            said("rule")
        ),
        "call-intent" => format!("{} {} is about to run", said("step"), said("tool")),
        "call-outcome" => format!("{} {}", said("step"), said("outcome")),
        "effects" => format!(
            "would change {} things, effects {}",
            body.get("changes")
                .and_then(Value::as_array)
                .map_or(0, Vec::len),
            said("hash")
        ),
        "consent" => format!("{} answered {}", said("by"), said("answer")),
        "released" => format!("released {}", released(&body)),
        "refusal" => format!(
            "refused {}: {} ({})",
            said("what"),
            said("reason"),
            said("rule")
        ),
        "session-end" => format!("session ends: {}", said("outcome")),
        other => format!("{other} {body}"),
    };
    let seq = entry.get("seq").and_then(Value::as_u64).unwrap_or_default();
    cloister_tools::names::escape(
        &format!("{seq:>5}  {time}  {story}"),
        cloister_tools::names::Lines::Escape,
    )
}

fn released(body: &Value) -> String {
    let files = body
        .get("files")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    files
        .filter_map(|f| f.get("path").and_then(Value::as_str))
        .collect::<Vec<_>>()
        .join(", ")
}
