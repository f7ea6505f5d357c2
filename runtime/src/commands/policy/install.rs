//! `cloister policy compare` and `install`: a new bundle is shown as what it decides otherwise than the one in force, and is signed and put in its
//! place after a yes.
//!
//! The files are put in place first, each whole, and the signature over them last. A crash in between leaves files that are not the signed ones:
//! no session begins until `install` is run again, which then has nothing sound to compare with and says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cloister_attest::{Body, CallIntent, Entry};
use cloister_policies::{Bundle, Flip, Op, PastCall, PolicyFiles};
use serde_json::json;

use crate::commands::Desk;
use crate::consent;
use crate::counted::counted_in;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::{Home, bundle_files};
use crate::session::later;

/// Different calls of the ledger that are put to both bundles, the latest first: a few seconds' worth.
const PAST: usize = 2048;

/// A bundle that may come into force, and what it would change.
struct Offered {
    files: PolicyFiles,
    new: Bundle,
    /// What the comparison says, in lines.
    shown: String,
    flips: Vec<Flip>,
}

pub(super) fn compare(dir: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let offered = Offered::read(dir, home, desk)?;
    desk.answer(&offered.shown);
    desk.document(&offered.document("compared"));
    Ok(())
}

pub(super) fn install(dir: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let key = home.admin_key()?;
    let offered = Offered::read(dir, home, desk)?;
    if let Err(refused) = consent::to_policy(&offered.shown, desk.screen.interrupt()) {
        desk.document(&offered.document("refused"));
        return Err(refused);
    }
    put(&offered.files, home)?;
    home.seal_bundle(&key)?;
    desk.answer(format!("`{}` is in force", offered.new.name()));
    desk.document(&offered.document("installed"));
    Ok(())
}

impl Offered {
    fn read(dir: &Path, home: &Home, desk: &Desk) -> Result<Offered, Failure> {
        let files = bundle_files(dir)?;
        let new = Bundle::load(&files)?;
        let (flips, shown) = match home.bundle(home.roots()?.admin()) {
            Ok((old, _)) => {
                newer(&old, &new)?;
                let past = past_calls(home, desk);
                let flips = old.flips(&new, &past);
                let shown = told(&old, &new, &past, &flips);
                (flips, shown)
            }
            Err(error) => {
                let shown = format!(
                    "`{}`, version {}; nothing to compare it with: {error}",
                    new.name(),
                    new.version()
                );
                (Vec::new(), shown)
            }
        };
        Ok(Offered {
            files,
            new,
            shown,
            flips,
        })
    }

    fn document(&self, outcome: &str) -> serde_json::Value {
        json!({"bundle": self.new.name(), "version": self.new.version(), "flips": self.flips, "outcome": outcome})
    }
}

/// A bundle counts its versions up; its author's older one is not put over a newer one by mistake.
fn newer(old: &Bundle, new: &Bundle) -> Result<(), Failure> {
    if old.name() != new.name() || old.version() <= new.version() {
        return Ok(());
    }
    let (name, in_force, offered) = (new.name(), old.version(), new.version());
    let said = format!("`{name}` version {offered} is older than version {in_force} in force");
    Err(Failure::new(Kind::Refused, said)
        .hint("to go back on purpose, give it a higher `version` in `bundle.toml`".to_owned()))
}

fn told(old: &Bundle, new: &Bundle, past: &BTreeSet<PastCall>, flips: &[Flip]) -> String {
    let mut lines = vec![format!(
        "in force: `{}` version {}; new: `{}` version {}",
        old.name(),
        old.version(),
        new.name(),
        new.version()
    )];
    lines.push(format!(
        "asked of both: the cases of each, and {} of the ledger (without their arguments, which it does not say); decided otherwise: {}",
        counted_in(&past.iter().collect::<Vec<_>>(), "different call"),
        flips.len()
    ));
    for Flip {
        about,
        before,
        after,
    } in flips
    {
        lines.push(format!("  {about}"));
        for (word, ruling) in [("now", before), ("then", after)] {
            let caps = [
                (ruling.ttl_seconds, "s"),
                (ruling.max_uses, "uses"),
                (ruling.remember_days, "days remembered"),
            ];
            let caps: String = caps
                .into_iter()
                .filter_map(|(cap, unit)| Some(format!(", at most {} {unit}", cap?)))
                .collect();
            lines.push(format!(
                "    {word:<5}{}{caps}: {} ({})",
                ruling.decision, ruling.reason, ruling.rule
            ));
        }
    }
    lines.join("\n")
}

/// The different calls that the ledger knows, the latest first; none, said, where it does not hold.
fn past_calls(home: &Home, desk: &Desk) -> BTreeSet<PastCall> {
    let entries = later::recorded(home).unwrap_or_else(|error| {
        desk.screen
            .say("note", format!("no calls of the past: {error}"));
        Vec::new()
    });
    let mut calls = Vec::new();
    let (mut agent, mut unattended) = (String::new(), false);
    for Entry { body, .. } in entries {
        match body {
            Body::SessionStart(start) => {
                unattended = start.unattended.is_some();
                agent = start.agent;
            }
            Body::CallIntent(intent) => calls.push(past(&agent, unattended, intent)),
            _ => {}
        }
    }
    let mut different = BTreeSet::new();
    for call in calls.into_iter().rev() {
        if different.len() == PAST {
            break;
        }
        different.insert(call);
    }
    different
}

fn past(agent: &str, unattended: bool, intent: CallIntent) -> PastCall {
    let op = |name: &str| Op::ALL.into_iter().find(|op| op.name() == name);
    PastCall {
        agent: agent.to_owned(),
        tool: intent.tool,
        resources: intent
            .resources
            .into_iter()
            .filter_map(|r| Some((op(&r.op)?, r.path)))
            .collect(),
        unattended,
    }
}

/// Put the files of the new bundle in place and take away those that it does not have.
fn put(files: &PolicyFiles, home: &Home) -> Result<(), Failure> {
    let folder = home.policies();
    for (name, bytes) in files {
        disk::replace(&folder.join(name), bytes)?;
    }
    for name in bundle_files(&folder)?.into_keys() {
        if !files.contains_key(&name) {
            let path = folder.join(name);
            fs::remove_file(&path).map_err(|e| disk::failed("remove", &path, &e))?;
        }
    }
    Ok(())
}
