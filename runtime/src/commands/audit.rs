//! `cloister audit`: the ledger, checked with the same code that an auditor runs elsewhere, and told as a story.

use std::io::{BufReader, IsTerminal};
use std::path::Path;

use cloister_attest::{ENTRIES_FILE, Files, Report, Roots, Verdict, prove, prove_extends, verify};
use serde_json::{Value, json};

use super::{Desk, compare, contents, cosigned, tiles};
use crate::cli;
use crate::counted::{counted, counted_in};
use crate::disk;
use crate::export::{Format, Rules, page, rows};
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::qr;
use crate::report::Report as RunReport;
use crate::session::replay::replay;
use crate::verified::{NO_SESSION, Verified};

/// The verifier's exit code where there is nothing to trust.
const NO_ROOTS: u8 = 3;

/// Run the command; the exit code is the verifier's own.
pub(crate) fn run(command: &cli::Audit, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    match command {
        cli::Audit::Verify => check(home, desk),
        cli::Audit::Show => show(home, desk).map(|()| 0),
        cli::Audit::Export { format, tampered } => {
            let reach = match tampered {
                true => Reach::UpToTheFault,
                false => Reach::WholeOnly,
            };
            export(home, desk, *format, reach)
        }
        cli::Audit::Proof { of, witness } => proof(home, desk, of.as_ref(), witness.as_deref()),
        cli::Audit::Cosigned { file, witness } => cosigned::run(file, witness.as_ref(), home, desk),
        cli::Audit::Checkpoint { qr: true } => checkpoint(home, desk, qr::drawn),
        cli::Audit::Checkpoint { qr: false } => checkpoint(home, desk, |text| Ok(text.to_owned())),
        cli::Audit::Report { session } => tell(home, desk, session),
        cli::Audit::Replay { session, manifest } => again(session, manifest, home, desk),
        cli::Audit::Tiles { folder } => handed_on(home, desk, Reach::WholeOnly, |ledger| {
            tiles::run(folder, ledger, desk)
        }),
        cli::Audit::Content { seq } => handed_on(home, desk, Reach::WholeOnly, |ledger| {
            contents::show(*seq, ledger, home, desk)
        }),
        cli::Audit::Shred { session, yes } => {
            let asking = match yes {
                true => contents::Ask::Nobody,
                false => contents::Ask::Person,
            };
            contents::shred(session, asking, home, desk).map(|()| 0)
        }
        cli::Audit::Compare { earlier, later } => compare::run(earlier, later, desk),
    }
}

/// What of a ledger that was tampered with is handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nothing: another system would take it for what happened.
    WholeOnly,
    /// The entries before the first bad one, which hold. It was asked for by name.
    UpToTheFault,
}

fn check(home: &Home, desk: &Desk) -> Result<u8, Failure> {
    let Ok(roots) = home.roots() else {
        return Ok(NO_ROOTS);
    };
    let report = streamed(home, &roots)?;
    desk.document(&serde_json::to_value(&report).unwrap_or(Value::Null));
    desk.answer(report.to_string().trim_end());
    if let Verdict::Tampered { .. } = report.verdict() {
        keep(desk);
    }
    Ok(report.exit_code())
}

/// The verdict alone, for which a ledger of any length needs no memory.
fn streamed(home: &Home, roots: &Roots) -> Result<Report, Failure> {
    let folder = home.ledger();
    let path = folder.join(ENTRIES_FILE);
    let entries = std::fs::File::open(&path)
        .map_err(|e| disk::failed("read", &path, &e).hint(NO_SESSION.to_owned()))?;
    let (checkpoint, others) = disk::others(&folder)?;
    let files = Files {
        entries: BufReader::new(entries),
        checkpoint,
        others,
    };
    verify(files, roots, None).map_err(|e| disk::failed("read", &path, &e))
}

fn keep(desk: &Desk) {
    desk.screen.say(
        "hint",
        "keep the folder as it is and call whoever audits this machine",
    );
}

fn export(home: &Home, desk: &Desk, format: Format, reach: Reach) -> Result<u8, Failure> {
    handed_on(home, desk, reach, |ledger| {
        let rules = redaction(home)?;
        let size = ledger.checkpoint.as_deref().and_then(entries_of);
        let (rows, redacted) = rows(ledger.lines(), size, format, &rules)?;
        for row in &rows {
            desk.row(row);
        }
        let said = counted_in(&rows, "row");
        let by = rules.digest();
        desk.screen.say(
            "exported",
            format!(
                "{said}; {redacted} addresses or numbers of people taken out by the rules {by}"
            ),
        );
        Ok(())
    })
}

/// What does not leave: the policy is opened for it, so that nobody lifts a rule of it unsigned.
fn redaction(home: &Home) -> Result<Rules, Failure> {
    let (bundle, _) = home.bundle(home.roots()?.admin())?;
    Rules::new(bundle.redaction())
}

fn tell(home: &Home, desk: &Desk, session: &str) -> Result<u8, Failure> {
    handed_on(home, desk, Reach::WholeOnly, |ledger| {
        let verdict = ledger.report.to_string();
        let page = page(
            ledger.lines(),
            session,
            verdict.trim_end(),
            &redaction(home)?,
        )?;
        let page = page.ok_or_else(|| {
            Failure::failed(format!("no session `{session}` is in the ledger"))
                .hint("`cloister audit show` names them".to_owned())
        })?;
        desk.row(page.trim_end());
        Ok(())
    })
}

/// What a witness keeps of the ledger, in the form that crosses the gap.
fn checkpoint(
    home: &Home,
    desk: &Desk,
    form: impl Fn(&str) -> Result<String, Failure>,
) -> Result<u8, Failure> {
    handed_on(home, desk, Reach::WholeOnly, |ledger| {
        let checkpoint = ledger.checkpoint.as_deref();
        let text = checkpoint.map(String::from_utf8_lossy).ok_or_else(|| {
            Failure::failed("no session has ended yet, so there is no checkpoint")
        })?;
        desk.row(form(&text)?.trim_end_matches('\n'));
        Ok(())
    })
}

fn again(session: &str, manifest: &Path, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    let mut report = RunReport::begun();
    let same = replay(session, manifest, home, desk, &mut report);
    report.failed_or_done(&same);
    desk.document(&json!(report));
    let same = same?;
    desk.answer(format!(
        "{} of session {session} came out the same",
        counted(same, "record")
    ));
    Ok(0)
}

/// What proves an entry, or that the ledger goes on from an earlier checkpoint: bytes for another program, as they are in the ledger.
fn proof(
    home: &Home,
    desk: &Desk,
    claim: Option<&cli::Claim>,
    witness: Option<&str>,
) -> Result<u8, Failure> {
    if std::io::stdout().is_terminal() {
        return Err(Failure::new(
            Kind::Usage,
            "a proof is for another program and goes byte for byte into a file",
        )
        .hint("add `> proof.json` to the command".to_owned()));
    }
    handed_on(home, desk, Reach::WholeOnly, |ledger| {
        let (lines, checkpoint) = (ledger.lines(), ledger.checkpoint.as_deref());
        let checkpoint = checkpoint.unwrap_or_default();
        let proof = match (claim, earlier(home, claim, witness)?) {
            (Some(cli::Claim::Entry(seq)), _) => prove(lines, checkpoint, *seq)?,
            (_, Some(earlier)) => prove_extends(lines, checkpoint, &earlier)?,
            (_, None) => prove(lines, checkpoint, 0)?,
        };
        desk.row(String::from_utf8_lossy(&proof).trim_end());
        Ok(())
    })
}

/// The checkpoint from which the ledger is to be shown to go on, if there is one.
fn earlier(
    home: &Home,
    claim: Option<&cli::Claim>,
    witness: Option<&str>,
) -> Result<Option<Vec<u8>>, Failure> {
    match (claim, witness) {
        (Some(cli::Claim::Since(file)), _) => {
            disk::read_bounded(file, compare::CHECKPOINT_READ).map(Some)
        }
        (_, Some(witness)) => cosigned::newest(home, witness),
        _ => Ok(None),
    }
}

/// Gives the ledger, as far as it holds, to `hand_on`. The exit code is the verifier's.
fn handed_on(
    home: &Home,
    desk: &Desk,
    reach: Reach,
    hand_on: impl FnOnce(&Verified) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    let Ok(roots) = home.roots() else {
        return Ok(NO_ROOTS);
    };
    let ledger = Verified::read(home, &roots)?;
    let report = &ledger.report;
    for line in report.to_string().trim_end().lines() {
        desk.screen.say("ledger", line.trim_start());
    }
    if let Verdict::Tampered { .. } = report.verdict() {
        keep(desk);
        if reach == Reach::WholeOnly {
            return Ok(report.exit_code());
        }
    }
    hand_on(&ledger)?;
    Ok(report.exit_code())
}

/// How many entries a checkpoint counts: the second line of its text.
pub(super) fn entries_of(checkpoint: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(checkpoint).ok()?;
    text.lines().nth(1)?.parse().ok()
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
        "call-outcome" => format!("{} {}{}", said("step"), said("outcome"), read(&body)),
        "effects" => format!(
            "would change {}, effects {}",
            counted_in(listed(&body, "changes"), "file"),
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
        "discard" => format!("about to throw away `{}`{}", said("id"), place(&body)),
        "shred" => format!("the contents of session {} are destroyed", said("session")),
        "anchor" => "the TPM's counter was raised over the ledger".to_owned(),
        "rotate" => "the session's key hands over to the next".to_owned(),
        "session-end" => format!("session ends: {}", said("outcome")),
        other => format!("{other} {body}"),
    };
    let seq = entry.get("seq").and_then(Value::as_u64).unwrap_or_default();
    cloister_tools::names::escape(
        &format!("{seq:>5}  {time}  {story}"),
        cloister_tools::names::Lines::Escape,
    )
}

fn listed<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Where a discarded thing would have gone, if that is known.
fn place(body: &Value) -> String {
    let change = body.get("change");
    let text = |key| change.and_then(|c| c.get(key)).and_then(Value::as_str);
    match text("to").or(text("path")) {
        Some(path) => format!(", made for {path}"),
        None => String::new(),
    }
}

/// How many files a call read, where the entry says so.
fn read(body: &Value) -> String {
    match body.get("read").and_then(Value::as_array) {
        Some(files) => format!(", having read {}", counted_in(files, "file")),
        None => String::new(),
    }
}

fn released(body: &Value) -> String {
    let files = listed(body, "files").iter();
    files
        .filter_map(|f| f.get("path").and_then(Value::as_str))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(kind: &str, body: Value) -> String {
        let line = told(&json!({"seq": 7, "ts": 0, "kind": kind, "body": body}));
        line.split_once("Z  ").unwrap().1.to_owned()
    }

    #[test]
    fn one_change_is_no_plural() {
        let said = |changes| story("effects", json!({"hash": "sha256:0", "changes": changes}));
        assert_eq!(said(json!([{}])), "would change 1 file, effects sha256:0");
        assert_eq!(
            said(json!([{}, {}])),
            "would change 2 files, effects sha256:0"
        );
    }

    #[test]
    fn a_call_says_how_much_it_read_where_its_entry_does() {
        let new = json!({"step": "$1", "outcome": "returned", "read": [{}]});
        let old = json!({"step": "$1", "outcome": "returned"});
        assert_eq!(
            story("call-outcome", new),
            "$1 returned, having read 1 file"
        );
        assert_eq!(story("call-outcome", old), "$1 returned");
    }

    #[test]
    fn a_discard_names_what_it_was_made_for_where_that_is_known() {
        let known = json!({"id": "q1", "change": {"op": "move", "path": "/w/a", "to": "/w/b"}});
        assert_eq!(
            story("discard", known),
            "about to throw away `q1`, made for /w/b"
        );
        assert_eq!(
            story("discard", json!({"id": "q1"})),
            "about to throw away `q1`"
        );
    }
}
