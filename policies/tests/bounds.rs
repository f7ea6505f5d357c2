//! Grants that end by themselves: after so many calls, or so many seconds, whichever layer says so and whichever comes first.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cloister_policies::{
    Argument, Bundle, Call, Ceiling, Decision, Grants, Label, Manifest, Negotiated, Op, Permit,
    Resource, Session, UnixMillis, shipped,
};
use proptest::prelude::*;
use proptest::sample::select;

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);
/// Calls that are tried: more than any bound in these tests.
const TRIED: u64 = 8;
/// What a bundle's rule adds to its permit for a path or tool.
const CAPS: [&str; 3] = ["", r#", "max_uses": 3"#, r#", "ttl_seconds": 20"#];

static BUNDLES: LazyLock<[Bundle; 3]> = LazyLock::new(|| CAPS.map(capping));

/// A bundle that permits everything, paths and tools on these terms.
fn capping(caps: &str) -> Bundle {
    let permit = r#"{"decision": "permit", "rule": "all", "reason": "yes"#;
    let rules = |package: &str, rules: String| (package.to_owned(), rules);
    let capped = format!(
        "verdict := {permit}\"{caps}}} if not input.request.capability in {{\"ttl\", \"model:use\"}}\n\
         else := {permit}\"}}\n"
    );
    let all = [
        rules("negotiate", capped),
        rules("call", format!("verdict := {permit}\"}}\n")),
    ];
    let mut files = BTreeMap::from([(
        "bundle.toml".to_owned(),
        b"name = \"t\"\nversion = 1\n".to_vec(),
    )]);
    for (package, rules) in all {
        let case = "[[case]]\nname = \"loads\"\ninput = { request = { type = \"call\" } }\nexpect = { decision = \"permit\", rule = \"all\" }\n";
        let text = format!("package cloister.{package}\n{rules}");
        files.insert(format!("{package}.rego"), text.into_bytes());
        files.insert(format!("{package}.cases.toml"), case.as_bytes().to_vec());
    }
    Bundle::load(&files).unwrap()
}

/// A bundle that has something to say of each tool by its name.
fn by_tool() -> Bundle {
    let rule = |decision: &str, rule: &str, more: &str, item: &str| {
        format!(
            "verdict contains {{\"decision\": \"{decision}\", \"rule\": \"{rule}\", \"reason\": \"not this one\"{more}}} if {{\n\tinput.request.capability == \"tool:use\"\n\tinput.request.item {item}\n}}\n"
        )
    };
    let rules = [
        "package cloister.negotiate\nverdict contains {\"decision\": \"permit\", \"rule\": \"all\", \"reason\": \"yes\"} if input.request.capability != \"tool:use\"\n".to_owned(),
        rule("permit", "known", "", "in {\"plain\", \"counted\", \"barred.f\", \"short.f\"}"),
        rule("permit", "counted", ", \"max_uses\": 1", "in {\"counted\", \"plain.once\"}"),
        rule("permit", "short", ", \"ttl_seconds\": 20", "== \"short\""),
        rule("forbid", "barred", "", "== \"barred\""),
    ];
    let case = "[[case]]\nname = \"loads\"\ninput = { request = { type = \"negotiate\", capability = \"ttl\", known = true } }\nexpect = { decision = \"permit\", rule = \"all\" }\n";
    let mut files = shipped();
    files.retain(|name, _| !name.starts_with("negotiate."));
    files.insert("negotiate.rego".into(), rules.concat().into_bytes());
    files.insert("negotiate.cases.toml".into(), case.as_bytes().to_vec());
    Bundle::load(&files).unwrap()
}

fn session(device: Ceiling) -> Session {
    Session {
        reserved: vec![PathBuf::from("/home")],
        device,
        ..common::session()
    }
}

fn negotiated(bundle: &Bundle, capabilities: &str, device: &Ceiling) -> Negotiated {
    let text = format!(
        r#"{{"agent": "a", "version": "1", "ttl_seconds": 60, "capabilities": [{capabilities}]}}"#
    );
    let manifest = Manifest::parse(text.as_bytes(), Path::new("/f")).unwrap();
    bundle.negotiate(&manifest, &session(device.clone()), NOW)
}

fn call(tool: &str, touched: &[(Op, &str)]) -> Call {
    let argument = Argument {
        name: "file".into(),
        alias: None,
        value: "a".into(),
        label: Label::person(),
    };
    let resources = touched.iter().map(|(op, path)| Resource {
        op: *op,
        path: path.into(),
        parameter: "file".into(),
    });
    Call::new(
        "$1".into(),
        tool.into(),
        vec![argument],
        resources.collect(),
    )
    .unwrap()
}

fn judged(bundle: &Bundle, call: Call, grants: &Grants, now: UnixMillis) -> Result<Permit, String> {
    match bundle.judge(call, grants, &session(Ceiling::NONE), now) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Ask(question) => Ok(question.into_permit()),
        Decision::Forbid(refusal) => Err(refusal.to_string()),
    }
}

/// How many calls in a row are let through, each counted.
fn calls(bundle: &Bundle, grants: &mut Grants, one: impl Fn() -> Call) -> u64 {
    let mut let_through = 0;
    while let_through < TRIED
        && let Ok(permit) = judged(bundle, one(), grants, NOW)
    {
        grants.spend(&permit);
        let_through += 1;
    }
    let_through
}

const SHIPPED: &str = "the shipped policy";

#[test]
fn a_capability_that_is_used_up_refuses_the_next_call_and_says_so() {
    let bundle = Bundle::load(&shipped()).expect(SHIPPED);
    let capabilities = r#"{"name": "file:write", "paths": ["out", "also"], "max_uses": 2}, {"name": "file:read", "paths": ["in"]}"#;
    let mut grants = negotiated(&bundle, capabilities, &Ceiling::NONE).grants;
    // Many files in one call are one use, and what the capability lists is counted together.
    let many = || {
        call(
            "sheet.rows",
            &[(Op::Write, "/f/out/a"), (Op::Write, "/f/also/b")],
        )
    };
    assert_eq!(calls(&bundle, &mut grants, many), 2);
    let refused = judged(
        &bundle,
        call("sheet.rows", &[(Op::Write, "/f/out/c")]),
        &grants,
        NOW,
    );
    assert_eq!(
        refused.unwrap_err(),
        "`sheet.rows` is refused: file:write was granted for 2 calls of a session, and as many come before this one (builtin.uses)"
    );
    // Another capability is untouched by that.
    let reading = || call("sheet.rows", &[(Op::Read, "/f/in/a")]);
    assert_eq!(calls(&bundle, &mut grants, reading), TRIED);
}

#[test]
fn judging_alone_uses_nothing_up() {
    let capability = r#"{"name": "file:write", "paths": ["out"], "max_uses": 1}"#;
    let mut grants = negotiated(&BUNDLES[0], capability, &Ceiling::NONE).grants;
    let writing = || call("t.f", &[(Op::Write, "/f/out/a")]);
    for _ in 0..TRIED {
        assert!(judged(&BUNDLES[0], writing(), &grants, NOW).is_ok());
    }
    assert_eq!(calls(&BUNDLES[0], &mut grants, writing), 1);
}

#[test]
fn a_capability_that_ended_refuses_and_its_permits_end_with_it() {
    let capabilities = r#"{"name": "file:write", "paths": ["out"], "ttl_seconds": 5}, {"name": "file:read", "paths": ["in"]}"#;
    let grants = negotiated(&BUNDLES[0], capabilities, &Ceiling::NONE).grants;
    let both = || call("t.f", &[(Op::Read, "/f/in/a"), (Op::Write, "/f/out/a")]);
    let permit = judged(&BUNDLES[0], both(), &grants, UnixMillis(NOW.0 + 4999)).unwrap();
    assert_eq!(permit.until(), NOW.plus_seconds(5));
    let refused = judged(&BUNDLES[0], both(), &grants, NOW.plus_seconds(5)).unwrap_err();
    assert!(
        refused.contains("the time for which file:write was granted is over (builtin.expired)"),
        "{refused}"
    );
    let reading = call("t.f", &[(Op::Read, "/f/in/a")]);
    let permit = judged(&BUNDLES[0], reading, &grants, NOW.plus_seconds(5)).unwrap();
    assert_eq!(permit.until(), NOW.plus_seconds(60));
}

#[test]
fn a_path_that_is_granted_twice_is_used_by_the_first_that_stands() {
    let capabilities = r#"{"name": "file:write", "paths": ["out"], "max_uses": 1}, {"name": "file:write", "paths": ["out/deep"], "max_uses": 2}"#;
    let mut grants = negotiated(&BUNDLES[0], capabilities, &Ceiling::NONE).grants;
    let deep = || call("t.f", &[(Op::Write, "/f/out/deep/a")]);
    assert_eq!(calls(&BUNDLES[0], &mut grants, deep), 3);
    let above = || call("t.f", &[(Op::Write, "/f/out/a")]);
    assert_eq!(calls(&BUNDLES[0], &mut grants, above), 0);
}

#[test]
fn a_cap_of_the_layers_is_not_lifted_by_listing_a_capability_more_often() {
    let entry = r#"{"name": "file:write", "paths": ["out"]}"#;
    let listed = [entry; 4].join(", ");
    let parted = (b'a'..b'f').map(|letter| {
        format!(
            r#"{{"name": "file:write", "paths": ["out/{}*"]}}"#,
            char::from(letter)
        )
    });
    let parted = parted.collect::<Vec<_>>().join(", ");
    let device = Ceiling::parse("a.toml", "max_uses = 2\n").unwrap();
    for capabilities in [listed, parted] {
        for (bundle, device, most) in [
            (&BUNDLES[0], &device, 2),
            (&BUNDLES[1], &Ceiling::NONE, 3),
            (&BUNDLES[1], &device, 2),
        ] {
            let mut grants = negotiated(bundle, &capabilities, device).grants;
            let mut letter = (b'a'..b'f').map(char::from).cycle();
            let mut let_through = 0;
            for letter in letter.by_ref().take(TRIED as usize) {
                let path = format!("/f/out/{letter}1");
                let one = call("t.f", &[(Op::Write, &path)]);
                if let Ok(permit) = judged(bundle, one, &grants, NOW) {
                    grants.spend(&permit);
                    let_through += 1;
                }
            }
            assert_eq!(let_through, most, "{capabilities}");
        }
    }
}

/// A manifest that names no tool asks for all of them, and for no more of any than one that names it.
#[test]
fn a_manifest_without_tools_has_no_more_of_a_tool_than_the_layers_let() {
    let bundle = by_tool();
    let reading = r#"{"name": "file:read", "paths": ["in"]}"#;
    let device = Ceiling::parse("a.toml", "max_uses = 2\n").unwrap();
    let granted = |device: &Ceiling| negotiated(&bundle, reading, device).grants;
    let uses =
        |tool: &str, device: &Ceiling| calls(&bundle, &mut granted(device), || call(tool, &[]));
    assert_eq!(uses("plain.f", &Ceiling::NONE), TRIED);
    assert_eq!(uses("plain.f", &device), 2, "the device's");
    assert_eq!(
        uses("counted.f", &Ceiling::NONE),
        1,
        "by its package's name"
    );
    assert_eq!(uses("plain.once", &Ceiling::NONE), 1, "by its own name");
    let refused = |tool: &str, now| {
        judged(&bundle, call(tool, &[]), &granted(&Ceiling::NONE), now).unwrap_err()
    };
    assert!(refused("barred.f", NOW).contains("not this one (barred)"));
    assert!(refused("unheard.f", NOW).contains("(default)"));
    let short = judged(&bundle, call("short.f", &[]), &granted(&Ceiling::NONE), NOW);
    assert_eq!(short.unwrap().until(), NOW.plus_seconds(20));
    assert!(refused("short.f", NOW.plus_seconds(20)).contains("(builtin.expired)"));
    // Named, it is held to the same.
    let named = format!(r#"{reading}, {{"name": "tool:use", "tools": ["counted"]}}"#);
    let mut grants = negotiated(&bundle, &named, &Ceiling::NONE).grants;
    assert_eq!(calls(&bundle, &mut grants, || call("counted.f", &[])), 1);
}

#[test]
fn tools_are_counted_too() {
    let capabilities = r#"{"name": "tool:use", "tools": ["sheet"], "max_uses": 1}, {"name": "tool:use", "tools": ["text.*"]}"#;
    let mut grants = negotiated(&BUNDLES[0], capabilities, &Ceiling::NONE).grants;
    assert_eq!(
        calls(&BUNDLES[0], &mut grants, || call("sheet.rows", &[])),
        1
    );
    assert!(judged(&BUNDLES[0], call("sheet.describe", &[]), &grants, NOW).is_err());
    assert_eq!(
        calls(&BUNDLES[0], &mut grants, || call("text.read", &[])),
        TRIED
    );
}

#[test]
fn what_a_layer_leaves_of_it_is_said() {
    let capability = r#"{"name": "file:write", "paths": ["out"], "max_uses": 9}"#;
    let device = Ceiling::parse("a.toml", "max_uses = 4\n").unwrap();
    let said = |bundle: &Bundle, device: &Ceiling| {
        let refused = negotiated(bundle, capability, device).refused;
        let each = refused.iter().map(|r| format!("{} by {}", r.what, r.rule));
        each.collect::<Vec<_>>()
    };
    assert_eq!(said(&BUNDLES[0], &Ceiling::NONE), [""; 0]);
    assert_eq!(
        said(&BUNDLES[0], &device),
        ["file:write /f/out in more than 4 calls by device.uses"]
    );
    assert_eq!(
        said(&BUNDLES[1], &device),
        ["file:write /f/out in more than 3 calls by all"]
    );
    assert_eq!(
        said(&BUNDLES[2], &Ceiling::NONE),
        ["file:write /f/out after 20 s by all"]
    );
}

#[test]
fn a_rule_that_bounds_a_model_refuses_it() {
    let permit = r#"{"decision": "permit", "rule": "all", "reason": "yes", "max_uses": 1}"#;
    let mut files = shipped();
    files.insert(
        "model.rego".into(),
        format!("package cloister.negotiate\nverdict contains {permit} if input.request.item == \"counted\"\n").into_bytes(),
    );
    let case = "[[case]]\nname = \"loads\"\ninput = { request = { type = \"negotiate\", capability = \"model:use\", item = \"counted\", known = true } }\nexpect = { decision = \"permit\", rule = \"all\", max_uses = 1 }\n";
    files.insert("model.cases.toml".into(), case.as_bytes().to_vec());
    let bundle = Bundle::load(&files).unwrap();
    let capability = r#"{"name": "model:use", "models": ["counted"]}"#;
    let Negotiated { grants, refused } = negotiated(&bundle, capability, &Ceiling::NONE);
    assert!(!grants.allows_model("counted"));
    assert_eq!(refused[0].rule, "builtin.bounds");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_used_more_often_or_longer_than_any_layer_lets(
        asked in prop::option::of(1_u64..6), ttl in prop::option::of(1_u64..90), cap in select(vec![0_usize, 1, 2]),
        devices in prop::collection::vec((prop::option::of(0_u64..6), prop::option::of(0_u64..90)), 0..3), listed in 1_u64..4,
    ) {
        let line = |key: &str, bound: &Option<u64>| bound.map_or_else(String::new, |n| format!("{key} = {n}\n"));
        let device = devices.iter().fold(Ceiling::NONE, |met, (uses, ttl)| {
            let text = line("max_uses", uses) + &line("ttl_seconds", ttl);
            met.meet(Ceiling::parse("a.toml", &text).unwrap())
        });
        let bound = |key: &str, bound: &Option<u64>| bound.map_or_else(String::new, |n| format!(r#", "{key}": {n}"#));
        let capability = format!(
            r#"{{"name": "file:write", "paths": ["out"]{}{}}}"#, bound("max_uses", &asked), bound("ttl_seconds", &ttl)
        );
        let capability = vec![capability; usize::try_from(listed).unwrap()].join(", ");
        let bundle = &BUNDLES[cap];
        let mut grants = negotiated(bundle, &capability, &device).grants;
        let writing = || call("t.f", &[(Op::Write, "/f/out/a")]);

        let ends = [Some(60), ttl, (cap == 2).then_some(20)].into_iter().chain(devices.iter().map(|d| d.1));
        let end = NOW.plus_seconds(ends.flatten().min().unwrap());
        let late = judged(bundle, writing(), &grants, end);
        prop_assert!(late.is_err(), "it is over at the first end of all");
        let asked = asked.map(|asked| asked * listed); // its own bounds are each entry's; those of the layers are not
        let times = [Some(TRIED), asked, (cap == 1).then_some(3)].into_iter().chain(devices.iter().map(|d| d.0));
        let times = if end == NOW { 0 } else { times.flatten().min().unwrap() };
        if times > 0 {
            let last = judged(bundle, writing(), &grants, UnixMillis(end.0 - 1));
            prop_assert_eq!(last.unwrap().until(), end, "and not before");
        }
        prop_assert_eq!(calls(bundle, &mut grants, writing), times, "the fewest of all");
    }
}
