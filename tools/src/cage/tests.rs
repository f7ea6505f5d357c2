//! Calls through the door, the policy, the ledger and the cage; what they leave behind.

use std::collections::BTreeMap;

use cloister_attest::{
    Binding, Body, CallIntent, Content, ContentHash, Evidence, Ledger, Memory, SessionKey,
    SessionStart, Statement,
};
use cloister_policies::{Decision, Integrity};
use serde_json::json;

use super::*;
use crate::effects::{Consent, Consenter, Effects};
use crate::names::deceptive;
use crate::package::{lock_text, pin};
use crate::testing::{At, NOW, bundle, folder, grants, install, put, session};

/// What the ledger has of the arguments, of which nobody asks here.
fn no_arguments() -> ContentHash {
    Content::new([0; 32], b"{}".to_vec()).commitment().into()
}

struct Desk {
    _temp: tempfile::TempDir,
    dir: PathBuf,
    cage: Cage,
    grants: cloister_policies::Grants,
    ledger: Ledger<Memory>,
}

impl Desk {
    fn new() -> Desk {
        let (temp, root) = folder();
        let dir = root.join("work");
        put(&dir.join("a.txt"), "hello");
        put(&dir.join("out/old.txt"), "old");
        put(&dir.join("box/m.txt"), "moving");
        install(&root.join("tools"));
        let lock = lock_text(&[pin(&root.join("tools/desk")).unwrap()]);
        let catalog = Arc::new(Catalog::open(&root.join("tools"), &lock).unwrap());
        let grants = grants(
            &dir,
            &[
                ("file:read", "*.txt"),
                ("file:write", "out"),
                ("file:move", "box"),
            ],
        );
        let survey = Arc::new(Survey::take(&grants, &dir, &[root.join("tools")]).unwrap());
        let quarantine = Arc::new(Quarantine::open(&root.join("quarantine")).unwrap());
        let cage = Cage::new(
            Arc::new(Program::load().unwrap()),
            catalog,
            survey,
            quarantine,
            Limits::STANDARD,
            Moment {
                unix_millis: 0,
                seed: 1,
            },
        );
        Desk {
            _temp: temp,
            dir,
            cage,
            grants,
            ledger: ledger(),
        }
    }

    fn parse(&self, tool: &str, args: Value) -> Result<Call, ToolError> {
        let labels =
            BTreeMap::from(["from", "to", "file"].map(|n| (n.to_string(), Label::person())));
        self.cage
            .catalog
            .parse_call("$1", tool, args, &labels, &self.cage.survey)
    }

    fn permit(&mut self, tool: &str, args: Value) -> Recorded<Permit> {
        let call = self.parse(tool, args).unwrap();
        let permit = match bundle().judge(call, &self.grants, &session(&[]), NOW) {
            Decision::Permit(permit) => permit,
            Decision::Ask(question) => question.into_permit(),
            Decision::Forbid(refusal) => panic!("{refusal}"),
        };
        let intent = CallIntent {
            step: "$1".into(),
            tool: tool.into(),
            component: Digest::ZERO,
            args: no_arguments(),
            resources: Vec::new(),
        };
        self.ledger
            .record(Body::CallIntent(intent), millis(1), permit)
            .unwrap()
    }

    fn run(&mut self, tool: &str, args: Value) -> Quarantined<Outcome> {
        let permit = self.permit(tool, args);
        self.cage.run(permit, &At(NOW), &mut Nobody)
    }
}

fn millis(n: u64) -> cloister_attest::UnixMillis {
    cloister_attest::UnixMillis::new(n)
}

fn ledger() -> Ledger<Memory> {
    let memory = Memory::default();
    let resumed = Ledger::resume(Memory::default().files(), memory).unwrap();
    let key = SessionKey::from_random([7; 32].into());
    let zero = Digest::ZERO;
    let binding = Binding {
        admin: cloister_attest::AdminKey::from_random([8; 32].into()).public(),
        runtime: zero,
        model: zero,
        policy: zero,
        manifest: zero,
        tools: zero,
        not_after: millis(1 << 50),
        challenge: None,
        device: "d".into(),
    };
    let start = SessionStart {
        statement: Statement::new(key.public(), resumed.head(), binding),
        evidence: Evidence::None {
            reason: "test".into(),
        },
        agent: "test".into(),
        agent_version: "1".into(),
        model: "m".into(),
        user: "u".into(),
        confinement: "none".into(),
        unattended: None,
    };
    resumed.begin(key, start, millis(0)).unwrap()
}

#[test]
fn a_copy_waits_in_quarantine_and_is_released_after_consent() {
    let mut desk = Desk::new();
    let outcome = desk.run("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}));
    assert_eq!(outcome.ended(), &Ended::Returned);
    assert!(
        !desk.dir.join("out/b.txt").exists(),
        "nothing is written before the release"
    );
    let [effect] = outcome.effects() else {
        panic!()
    };
    assert_eq!(
        (effect.name(), effect.digest(), effect.bytes()),
        ("out/b.txt", Digest::of("hello"), 5)
    );
    assert_eq!(outcome.readings()[0].sha256, Digest::of("hello"));
    assert_eq!(outcome.label().integrity(), Integrity::Data);
    assert!(outcome.label().sources().contains("a.txt") && effect.sources().contains("a.txt"));
    let waiting = desk.cage.quarantine.bytes(effect).unwrap();
    assert_eq!(std::io::read_to_string(waiting).unwrap(), "hello");
    let effects = Effects::gather(outcome.effects().iter().cloned()).unwrap();
    let consent = Consent {
        effects_hash: effects.hash(),
        by: Consenter::Person,
        answer: cloister_policies::Answer::Allow,
    };
    let release = effects.consent(consent).unwrap();
    let hash = release.effects().hash();
    let recorded = desk
        .ledger
        .record(
            Body::Release(cloister_attest::Release { effects: hash }),
            millis(2),
            release,
        )
        .unwrap();
    let released = crate::release::release(&desk.cage.quarantine, None, recorded).unwrap();
    assert_eq!(released[0].path, desk.dir.join("out/b.txt"));
    assert_eq!(std::fs::read(&released[0].path).unwrap(), b"hello");
}

#[test]
fn text_for_eyes_cannot_drive_a_terminal_and_typed_values_carry_their_label() {
    let mut desk = Desk::new();
    let outcome = desk.run("desk.copy", json!({"from": "a.txt"}));
    assert!(outcome.effects().is_empty());
    assert_eq!(
        outcome.typed().0,
        Some(&json!("done\u{1b}[2J")),
        "the twin: raw, it holds the sequence"
    );
    assert_eq!(outcome.escaped(), "done\\u{1b}[2J");
    assert!(!outcome.escaped().chars().any(deceptive));
}

#[test]
fn a_failed_or_crashed_call_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let failed = desk.run("desk.half", json!({"to": "out/b.txt"}));
    assert_eq!(
        failed.ended(),
        &Ended::Failed("failed".into()),
        "a text that the tool made is no code"
    );
    let crashed = desk.run("desk.crash", json!({"to": "out/b.txt"}));
    assert_eq!(crashed.ended(), &Ended::Trapped(Fault::GaveUp));
    assert!(failed.effects().is_empty() && crashed.effects().is_empty());
    assert!(desk.cage.quarantine.list().unwrap().is_empty());
    assert_ne!(failed.content(None), crashed.content(None));
}

#[test]
fn a_call_that_a_limit_stops_is_an_outcome_and_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let standard = desk.cage.limits.clone();
    let lowered = |lower: fn(&mut Limits)| {
        let mut limits = standard.clone();
        lower(&mut limits);
        limits
    };
    for (limits, limit) in [
        (lowered(|l| l.memory_bytes = 1 << 20), Limit::Memory),
        (lowered(|l| l.fuel = 9), Limit::Fuel),
        (lowered(|l| l.read_bytes = 4), Limit::Read),
        (lowered(|l| l.write_bytes = 4), Limit::Write),
        (lowered(|l| l.wall = Default::default()), Limit::Wall),
    ] {
        desk.cage.limits = limits;
        let stopped = desk.run("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}));
        assert_eq!(stopped.ended(), &Ended::StoppedBy(limit));
        assert!(stopped.effects().is_empty());
        assert!(desk.cage.quarantine.list().unwrap().is_empty(), "{limit}");
    }
    desk.cage.limits = standard;
    let done = desk.run("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}));
    assert_eq!(done.ended(), &Ended::Returned);
}

#[test]
fn a_replacement_remembers_what_it_replaces_and_a_move_what_it_moves() {
    let mut desk = Desk::new();
    let replaced = desk.run("desk.copy", json!({"from": "a.txt", "to": "out/old.txt"}));
    assert!(
        matches!(replaced.effects()[0].change(), crate::effects::Change::Replace { before, .. } if *before == Digest::of("old"))
    );
    let moved = desk.run(
        "desk.move",
        json!({"file": "box/m.txt", "to": "box/sub/n.txt"}),
    );
    assert_eq!(moved.ended(), &Ended::Returned);
    assert_eq!(moved.effects()[0].digest(), Digest::of("moving"));
    assert_eq!(moved.effects()[0].path(), desk.dir.join("box/sub/n.txt"));
    assert!(moved.readings().is_empty());
    assert_eq!(moved.label().integrity(), Integrity::Tool);
}

#[test]
fn an_expired_permit_does_not_run() {
    let mut desk = Desk::new();
    let call = desk
        .parse("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}))
        .unwrap();
    let manifest = br#"{"agent": "t", "version": "1", "capabilities": [{"name": "file:read", "paths": ["*.txt"], "description": "r"},
        {"name": "file:write", "paths": ["out"], "description": "w"}], "ttl_seconds": 60}"#;
    let manifest = cloister_policies::Manifest::parse(manifest, &desc(&desk)).unwrap();
    let long_ago = UnixMillis(1000);
    let grants = bundle()
        .negotiate(&manifest, &session(&[]), long_ago)
        .grants;
    let permit = match bundle().judge(call, &grants, &session(&[]), long_ago) {
        Decision::Permit(permit) => permit,
        Decision::Ask(question) => question.into_permit(),
        Decision::Forbid(refusal) => panic!("{refusal}"),
    };
    let intent = CallIntent {
        step: "$1".into(),
        tool: "desk.copy".into(),
        component: Digest::ZERO,
        args: no_arguments(),
        resources: Vec::new(),
    };
    let recorded = desk
        .ledger
        .record(Body::CallIntent(intent), millis(1), permit)
        .unwrap();
    let outcome = desk.cage.run(recorded, &At(NOW), &mut Nobody);
    assert_eq!(outcome.ended(), &Ended::Expired);
    assert!(outcome.effects().is_empty() && outcome.readings().is_empty());
}

/// Takes the grants back, or ends their time, once it has been asked so often.
struct Ending {
    asked: std::cell::Cell<u32>,
    at: u32,
    by: Ended,
}

impl Watch for Ending {
    fn now(&self) -> UnixMillis {
        match self.by == Ended::Expired && self.asked.get() > self.at {
            true => UnixMillis(u64::MAX),
            false => NOW,
        }
    }

    fn revoked(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.by == Ended::Revoked && self.asked.get() > self.at
    }
}

#[test]
fn a_call_whose_grants_end_or_are_taken_back_is_stopped_and_leaves_nothing() {
    let mut desk = Desk::new();
    let args = json!({"from": "a.txt", "to": "out/b.txt"});
    for by in [Ended::Revoked, Ended::Expired] {
        for at in [0, 1] {
            let (asked, by) = (std::cell::Cell::new(0), by.clone());
            let ending = Ending { asked, at, by };
            let permit = desk.permit("desk.copy", args.clone());
            let outcome = desk.cage.run(permit, &ending, &mut Nobody);
            assert_eq!(outcome.ended(), &ending.by);
            assert_eq!(
                ending.asked.get(),
                at + 1,
                "before it starts, then while it runs"
            );
            assert!(outcome.effects().is_empty());
            assert!(desk.cage.quarantine.list().unwrap().is_empty());
        }
    }
    // The twin: with nobody to take them back, the same call writes.
    assert_eq!(desk.run("desk.copy", args).effects().len(), 1);
}

fn desc(desk: &Desk) -> PathBuf {
    desk.dir.clone()
}

#[test]
fn the_door_refuses_what_is_not_granted_alike_whether_it_exists_or_not() {
    let desk = Desk::new();
    for name in [
        "box/m.txt",
        "box/none.txt",
        "/etc/passwd",
        "../tools/desk/tool.toml",
    ] {
        let error = desk.parse("desk.copy", json!({"from": name})).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{name}` is not among the granted files")
        );
    }
    assert!(matches!(
        desk.parse("desk.burn", json!({})),
        Err(ToolError::NoFunction { .. })
    ));
    assert!(matches!(
        desk.parse("desk.copy", json!([])),
        Err(ToolError::Argument { .. })
    ));
    let call = desk
        .parse("desk.move", json!({"file": "box/m.txt", "to": "box/n.txt"}))
        .unwrap();
    assert_eq!(
        call.resources()
            .iter()
            .map(|r| (r.op.name(), r.parameter.as_str()))
            .collect::<Vec<_>>(),
        [("move", "file"), ("move", "to")]
    );
}

#[test]
fn a_file_swapped_for_a_link_between_permit_and_call_is_not_opened() {
    let mut desk = Desk::new();
    let secret = put(&desk.dir.parent().unwrap().join("secret.txt"), "secret");
    let permit = desk.permit("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}));
    std::fs::remove_file(desk.dir.join("a.txt")).unwrap();
    std::os::unix::fs::symlink(&secret, desk.dir.join("a.txt")).unwrap();
    let outcome = desk.cage.run(permit, &At(NOW), &mut Nobody);
    assert!(
        matches!(outcome.ended(), Ended::NotRun(reason) if reason.contains("symbolic link")),
        "{:?}",
        outcome.ended()
    );
    assert_eq!(
        std::fs::read(desk.dir.join("a.txt")).unwrap(),
        b"secret",
        "opened by path it would have been read"
    );
}

#[test]
fn an_inspection_reads_the_quarantined_bytes_and_nothing_else() {
    let mut desk = Desk::new();
    let outcome = desk.run("desk.copy", json!({"from": "a.txt", "to": "out/b.txt"}));
    let effect = &outcome.effects()[0];
    let look = |args: Value| {
        desk.cage
            .inspect(effect, "desk.copy", args.as_object().unwrap())
    };
    let seen = look(json!({"from": "out/b.txt"}));
    assert_eq!(seen.ended(), &Ended::Returned);
    assert_eq!(seen.readings()[0].sha256, Digest::of("hello"));
    for args in [
        json!({"from": "a.txt"}),
        json!({"from": "out/b.txt", "to": "out/c.txt"}),
    ] {
        assert!(matches!(look(args).ended(), Ended::NotRun(_)));
    }
}

#[test]
fn what_the_model_answers_is_labelled_as_data() {
    let desk = Desk::new();
    let call = desk.parse("desk.copy", json!({"from": "a.txt"})).unwrap();
    let labelled = |questions| {
        let used = Used {
            questions,
            ..Used::default()
        };
        let outcome = Outcome {
            used,
            ..Outcome::plain(Ended::Returned)
        };
        label(&call, &outcome)
    };
    let asked = labelled(1);
    assert_eq!(asked.integrity(), Integrity::Data);
    let sources: Vec<&str> = asked.sources().iter().map(String::as_str).collect();
    assert_eq!(sources, ["desk.copy", MODEL]);
    // The twin: a tool that read nothing and asked nothing computed what it gives back.
    assert_eq!(labelled(0).integrity(), Integrity::Tool);
}
