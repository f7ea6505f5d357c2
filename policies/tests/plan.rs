//! What passes a frozen plan is that plan: its calls, in their order, each once, with what was fixed.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::path::Path;
use std::sync::LazyLock;

use cloister_policies::{
    Argument, Bundle, Call, Decision, Frozen, Grants, Label, Manifest, Permit, Plan, Session,
    UnixMillis, shipped,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);
/// Plans against which calls are held. Each call is judged first, a millisecond.
const PLANS: u32 = 32;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| Bundle::load(&shipped()).unwrap());
static SESSION: LazyLock<Session> = LazyLock::new(common::session);
static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    let text = br#"{"agent": "a", "version": "1", "capabilities": []}"#;
    let manifest = Manifest::parse(text, Path::new("/f")).unwrap();
    BUNDLE.negotiate(&manifest, &SESSION, NOW).grants
});

/// Leave to call `tool`, which touches no file and so is permitted whatever its arguments are.
fn permit(tool: &str, args: &[(&str, Value)]) -> Permit {
    let args = args.iter().map(|(name, value)| Argument {
        name: (*name).into(),
        alias: None,
        value: value.clone(),
        label: Label::data("letter.txt"),
    });
    let call = Call::new("$1".into(), tool.into(), args.collect(), Vec::new()).unwrap();
    match BUNDLE.judge(call, &GRANTS, &SESSION, NOW) {
        Decision::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn frozen(tool: &str, fixed: &[(&str, Value)], open: &[&str]) -> Frozen {
    Frozen {
        tool: tool.into(),
        fixed: fixed
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
        open: open.iter().map(|name| (*name).into()).collect(),
    }
}

fn mail() -> Plan {
    Plan::freeze([
        frozen("mail.read", &[("folders", json!(["in", "out"]))], &[]),
        frozen(
            "mail.send",
            &[("to", json!("ann")), ("cc", Value::Null)],
            &["text"],
        ),
    ])
}

fn refused(plan: &mut Plan, tool: &str, args: &[(&str, Value)], because: &str) {
    let refusal = plan.admit(permit(tool, args)).unwrap_err();
    assert_eq!(
        (refusal.rule.as_str(), refusal.reason.as_str()),
        ("builtin.plan", because)
    );
}

#[test]
fn the_frozen_calls_run_once_in_their_order() {
    let mut plan = mail();
    refused(
        &mut plan,
        "mail.send",
        &[("to", json!("ann"))],
        "the frozen plan calls mail.read here",
    );
    let read = [("folders", json!(["out"]))];
    assert_eq!(
        plan.admit(permit("mail.read", &read))
            .unwrap()
            .call()
            .tool(),
        "mail.read"
    );
    refused(
        &mut plan,
        "mail.read",
        &read,
        "the frozen plan calls mail.send here",
    );
    let send = [("to", json!("ann")), ("text", json!("whatever was read"))];
    assert!(plan.admit(permit("mail.send", &send)).is_ok());
    refused(
        &mut plan,
        "mail.send",
        &send,
        "the frozen plan has no further call",
    );
}

#[test]
fn what_was_fixed_is_neither_changed_nor_added_to_nor_left_out() {
    let strange = |name: &str| format!("{name} is not as the frozen plan has it");
    let (ann, bob) = (("to", json!("ann")), ("to", json!("bob")));
    let mut plan = mail();
    for folders in [json!(["in", "spam"]), json!(["out", "in"]), json!("in")] {
        let args = [("folders", folders)];
        refused(&mut plan, "mail.read", &args, &strange("folders"));
    }
    refused(&mut plan, "mail.read", &[], &strange("folders"));
    let both = [("folders", json!(["in", "out"]))];
    assert!(plan.admit(permit("mail.read", &both)).is_ok());
    refused(&mut plan, "mail.send", &[bob], &strange("to"));
    let copied = [ann.clone(), ("cc", json!("bob"))];
    refused(&mut plan, "mail.send", &copied, &strange("cc"));
    let hidden = [ann.clone(), ("bcc", json!("bob"))];
    refused(&mut plan, "mail.send", &hidden, &strange("bcc"));
    assert!(plan.admit(permit("mail.send", &[ann])).is_ok());
}

#[test]
fn nothing_runs_before_a_plan_is_frozen() {
    let because = "the frozen plan has no further call";
    refused(&mut Plan::default(), "mail.read", &[], because);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(PLANS) })]

    #[test]
    fn whatever_is_offered_only_the_frozen_calls_pass(
        offered in prop::collection::vec((select(vec!["a", "b"]), 0..3_i32, 0..3_i32), 0..24),
        planned in prop::collection::vec((select(vec!["a", "b"]), 0..3_i32), 0..6),
    ) {
        let steps = planned.iter().map(|(tool, to)| frozen(tool, &[("to", json!(to))], &["text"]));
        let mut plan = Plan::freeze(steps);
        let mut ran = Vec::new();
        for (tool, to, text) in offered {
            if plan.admit(permit(tool, &[("to", json!(to)), ("text", json!(text))])).is_ok() {
                ran.push((tool, to));
            }
        }
        prop_assert!(planned.starts_with(&ran));
    }
}
