//! Whatever goes wrong in a policy forbids, and no policy can grant more than the manifest asks.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloister_policies::{
    Argument, AttestationKind, Bundle, Call, Ceiling, Decision, Label, Manifest, Negotiated, Op,
    PolicyError, ReleaseTerms, Resource, Session, UnixMillis, shipped, shipped_for_agents,
};
use proptest::prelude::*;

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);

fn session() -> Session {
    let reserved = vec![
        PathBuf::from("/home/alice/.cloister"),
        PathBuf::from("/home/alice/cloister"),
    ];
    Session {
        person: Some("alice".into()),
        reserved,
        ..common::session()
    }
}

fn manifest(capabilities: &str) -> Manifest {
    let text = format!(
        r#"{{"agent": "helper", "version": "1", "capabilities": [{capabilities}], "ttl_seconds": 60}}"#
    );
    Manifest::parse(text.as_bytes(), Path::new("/home/alice")).unwrap()
}

fn call(tool: &str, op: Op, path: &str) -> Call {
    let arg = Argument {
        name: "file".into(),
        alias: None,
        value: "a".into(),
        label: Label::person(),
    };
    let resource = Resource {
        op,
        path: path.into(),
        parameter: "file".into(),
    };
    Call::new("$1".into(), tool.into(), vec![arg], vec![resource]).unwrap()
}

#[test]
fn a_bundle_says_for_how_long_things_are_kept_or_does_not_load() {
    let days = |text: &str| {
        let mut files = shipped();
        files.insert("settings.json".into(), text.as_bytes().to_vec());
        files.retain(|name, _| !name.contains(".rego") && !name.contains(".cases"));
        Bundle::load(&files).map(|bundle| bundle.undo_days())
    };
    assert_eq!(Bundle::load(&shipped()).unwrap().undo_days(), 7);
    for (text, said) in [
        ("{}", 7),
        (r#"{"undo": {"days": 0}}"#, 0),
        (r#"{"undo": {"days": 366}}"#, 366),
    ] {
        assert_eq!(days(text).unwrap(), said, "{text}");
    }
    for odd in ["-1", "367", "1.5", "\"7\"", "null", "true"] {
        let error = days(&format!(r#"{{"undo": {{"days": {odd}}}}}"#)).unwrap_err();
        assert!(error.to_string().contains("`undo.days`"), "{odd}: {error}");
    }
}

#[test]
fn a_bundle_says_what_exports_leave_out_or_does_not_load() {
    let redaction = |text: &str| {
        let mut files = shipped();
        files.insert("settings.json".into(), text.as_bytes().to_vec());
        files.retain(|name, _| !name.contains(".rego") && !name.contains(".cases"));
        Bundle::load(&files).map(|bundle| bundle.redaction().clone())
    };
    let own = redaction(
        r#"{"redact": {"patterns": {"case": "AZ-[0-9]{6}"}, "names": ["Erika Mustermann", "J. (Jo) Ó"]}}"#,
    )
    .unwrap();
    let left = own.rules().fold(
        "AZ-123456 of ERIKA\u{a0}mustermann, not Erika Mustermannova, j. (jo) ó".to_owned(),
        |text, rule| rule.redacted(text).0,
    );
    assert_eq!(left, "[case] of [name], not Erika Mustermannova, [name]");
    assert_eq!(redaction("{}").unwrap().rules().count(), 0);
    let long = format!(r#"{{"redact": {{"names": ["{}"]}}}}"#, "a".repeat(513));
    for odd in [
        r#"{"redact": []}"#,
        r#"{"redact": {"words": []}}"#,
        r#"{"redact": {"names": [""]}}"#,
        r#"{"redact": {"names": [7]}}"#,
        r#"{"redact": {"patterns": {"a b": "c"}}}"#,
        r#"{"redact": {"patterns": {"a": "("}}}"#,
        r#"{"redact": {"patterns": {"a": "x*"}}}"#,
        &long,
    ] {
        let error = redaction(odd).unwrap_err();
        assert!(error.to_string().contains("`redact`"), "{odd}: {error}");
    }
}

/// A bundle whose rules for calls are `rules`, and for all else permit.
fn bundle(rules: &str) -> Result<Bundle, PolicyError> {
    let permit = |package: &str| {
        format!(
            "package cloister.{package}\nverdict := {{\"decision\": \"permit\", \"rule\": \"all\", \"reason\": \"yes\"}}\n"
        )
    };
    let case = "[[case]]\nname = \"loads\"\ninput = { request = { type = \"attestation\" } }\nexpect = { decision = \"permit\", rule = \"all\" }\n";
    let mut files = BTreeMap::from([(
        "bundle.toml".to_owned(),
        b"name = \"t\"\nversion = 1\n".to_vec(),
    )]);
    for (name, text) in [
        ("negotiate", permit("negotiate")),
        ("attestation", permit("attestation")),
        ("call", format!("package cloister.call\n{rules}")),
    ] {
        files.insert(format!("{name}.rego"), text.into_bytes());
        files.insert(format!("{name}.cases.toml"), case.as_bytes().to_vec());
    }
    Bundle::load(&files)
}

fn judged(rules: &str) -> (Decision, Negotiated) {
    let bundle = bundle(rules).unwrap();
    let negotiated = bundle.negotiate(
        &manifest(r#"{"name": "file:write", "paths": ["/f"]}"#),
        &session(),
        NOW,
    );
    (
        bundle.judge(
            call("t.f", Op::Write, "/f/a"),
            &negotiated.grants,
            &session(),
            NOW,
        ),
        negotiated,
    )
}

fn rule(rules: &str) -> String {
    let decision = judged(rules).0;
    format!("{} {}", decision.name(), decision.rule())
}

const YES: &str = r#"{"decision": "permit", "rule": "yes", "reason": "yes"}"#;

#[test]
fn a_policy_that_permits_permits() {
    assert_eq!(rule(&format!("verdict := {YES}")), "permit yes");
}

/// Only the analysis finds that, after all files were read; then every decision forbids, so that no case can pass.
#[test]
fn rules_with_a_variable_that_is_never_bound_do_not_load() {
    let loaded = bundle(&format!("verdict := {YES} if {{ unbound > 1 }}"));
    let error = loaded.err().unwrap();
    assert!(
        matches!(&error, PolicyError::CaseFailed { got, .. } if got.contains("policy.error")),
        "{error}"
    );
}

#[test]
fn undefined_error_conflict_and_nonsense_forbid() {
    assert_eq!(
        rule("verdict contains v if { v := 1; input.no.such }"),
        "forbid default"
    );
    assert_eq!(
        rule(&format!("verdict := {YES} if {{ input.no.such }}")),
        "forbid default"
    );
    assert_eq!(
        rule(&format!("verdict := {YES} if {{ to_number(\"x\") == 1 }}")),
        "forbid policy.error"
    );
    assert_eq!(rule("other := 1"), "forbid policy.error");
    let other = YES.replace("yes", "other");
    assert_eq!(
        rule(&format!(
            "verdict := {YES} if {{ true }}\nverdict := {other} if {{ true }}"
        )),
        "forbid policy.error"
    );
    assert_eq!(rule("verdict := true"), "forbid policy.malformed");
    assert_eq!(rule("verdict := \"permit\""), "forbid policy.malformed");
    assert_eq!(
        rule(&format!("verdict contains {YES}\nverdict contains 7")),
        "forbid policy.malformed"
    );
    assert_eq!(
        rule(&format!(
            "verdict contains {}",
            YES.replace("\"permit\"", "\"allow\"")
        )),
        "forbid policy.malformed"
    );
    assert_eq!(
        rule(r#"verdict := {"decision": "permit"}"#),
        "forbid policy.malformed"
    );
    assert_eq!(rule("verdict := []"), "forbid default");
}

#[test]
fn a_policy_that_never_ends_forbids() {
    let slow = format!(
        "verdict := {YES} if {{ some a in numbers.range(1, 9999); some b in numbers.range(1, 9999); a * b == 0 }}"
    );
    assert_eq!(rule(&slow), "forbid policy.timeout");
}

#[test]
fn no_policy_reaches_the_network_the_clock_or_dice() {
    let calls = [
        r#"http.send({"method": "get", "url": "http://localhost"}).status_code == 200"#,
        "time.now_ns() > 0",
        "opa.runtime().env",
        r#"net.lookup_ip_addr("localhost")"#,
        r#"rand.intn("x", 2) >= 0"#,
    ];
    for body in calls {
        match bundle(&format!("verdict := {YES} if {{ {body} }}")) {
            Err(error) => assert!(error.hint().is_some()),
            Ok(_) => assert_eq!(
                rule(&format!("verdict := {YES} if {{ {body} }}")),
                "forbid policy.error",
                "{body}"
            ),
        }
    }
}

#[test]
fn strictest_wins() {
    let said = |decision: &str| {
        format!(
            r#"verdict contains {{"decision": "{decision}", "rule": "{decision}", "reason": ""}}"#
        )
    };
    assert_eq!(rule(&[said("permit"), said("ask")].join("\n")), "ask ask");
    assert_eq!(
        rule(&[said("forbid"), said("permit"), said("ask")].join("\n")),
        "forbid forbid"
    );
}

/// With the most lenient policy there is, the ceiling still holds: what the rules say does not matter.
#[test]
fn no_rule_lifts_the_ceiling() {
    let bundle = bundle(&format!("verdict := {YES}")).unwrap();
    let asked = r#"{"name": "file:read", "paths": ["/f", "/home/alice/**", "/home/alice/cloister/keys", "/**/*"]}, {"name": "tool:use", "tools": ["t"]},
        {"name": "network:outbound", "hosts": ["h"]}, {"name": "camera:use"}"#;
    let Negotiated { grants, refused } = bundle.negotiate(&manifest(asked), &session(), NOW);
    let refused: Vec<String> = refused
        .iter()
        .map(|refusal| format!("{} {}", refusal.what, refusal.rule))
        .collect();
    assert_eq!(
        refused,
        [
            "file:read /home/alice/cloister/keys builtin.reserved",
            "network:outbound h builtin.network",
            "camera:use builtin.unknown"
        ]
    );
    let rule = |call, now| {
        bundle
            .judge(call, &grants, &session(), now)
            .rule()
            .to_owned()
    };
    assert_eq!(rule(call("t.f", Op::Read, "/f/a"), NOW), "yes");
    assert_eq!(
        rule(call("t.f", Op::Read, "/home/alice/cloister/keys/a"), NOW),
        "builtin.path"
    );
    assert_eq!(
        rule(call("t.f", Op::Read, "/home/alice/.cloister/a"), NOW),
        "builtin.path"
    );
    assert_eq!(rule(call("t.f", Op::Write, "/f/a"), NOW), "builtin.path");
    assert_eq!(rule(call("u.f", Op::Read, "/f/a"), NOW), "builtin.tool");
    assert_eq!(
        rule(call("t.f", Op::Read, "/f/a"), NOW.plus_seconds(59)),
        "yes"
    );
    assert_eq!(
        rule(call("t.f", Op::Read, "/f/a"), NOW.plus_seconds(60)),
        "builtin.expired"
    );
}

#[test]
fn a_reserved_folder_that_cannot_be_compared_grants_nothing() {
    let bundle = Bundle::load(&shipped()).unwrap();
    let relative = Session {
        reserved: vec!["home".into()],
        ..session()
    };
    let negotiated = bundle.negotiate(
        &manifest(r#"{"name": "file:read", "paths": ["/f"]}"#),
        &relative,
        NOW,
    );
    assert!(
        !negotiated.grants.covers(Op::Read, Path::new("/f/a")) && negotiated.grants.expired(NOW)
    );
}

#[test]
fn bundles_that_do_not_hold_do_not_load() {
    let broken = |name: &str, text: &str| {
        let mut files = shipped();
        files.insert(name.into(), text.into());
        Bundle::load(&files)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let wrong = "[[case]]\nname = \"wishful\"\ninput = { request = { type = \"unattended\" }, manifest = { agent = \"x\" } }\n\
        expect = { decision = \"permit\", rule = \"unattended.agent\" }";
    assert_eq!(
        broken("unattended.cases.toml", wrong),
        "policy case `wishful` in `unattended.cases.toml`: expected permit by `unattended.agent`, got forbid by `unattended.not-named`"
    );
    assert!(
        broken("house.rego", "package cloister.call").contains("`house.cases.toml` is not there")
    );
    assert!(broken("call.reg0", "package cloister.call").contains("belongs to no rule"));
    assert!(
        broken("call.rego", "package cloister.call\nverdict contains {")
            .contains("`call.rego` does not load")
    );
    assert!(broken("settings.json", r#"{"a": 1, "a": 2}"#).contains("twice"));
    assert!(broken("unattended.cases.toml", "").contains("holds no `[[case]]`"));
    assert!(broken("bundle.toml", "name = \"x\"").contains("not usable TOML"));
}

/// Written for another agent and an older OPA: taken as it is, and its `no` counts.
#[test]
fn a_policy_of_older_opa_is_honoured() {
    let opa = "package agent.policy\ndefault allow = false\nallow {\n  input.request.type == \"network\"\n  some cap\n  \
        input.manifest.capabilities[cap].name == \"network:outbound\"\n  input.request.host == input.manifest.capabilities[cap].hosts[_]\n}\n";
    let cases = "[base]\nrequest = { type = \"network\", host = \"h\" }\n[[case]]\nname = \"named\"\n\
        input = { manifest = { capabilities = [{ name = \"network:outbound\", hosts = [\"h\"] }] } }\nexpect = { decision = \"permit\", rule = \"agent.policy.allow\" }\n\
        [[case]]\nname = \"not named\"\ninput = { manifest = { capabilities = [] } }\nexpect = { decision = \"forbid\", rule = \"agent.policy.allow\" }\n";
    let mut files = shipped();
    files.insert(
        "bundle.toml".into(),
        b"name = \"t\"\nversion = 2\nrego_v0 = [\"agent.rego\"]\n".to_vec(),
    );
    files.insert("agent.rego".into(), opa.into());
    files.insert("agent.cases.toml".into(), cases.into());
    let bundle = Bundle::load(&files).unwrap();
    let refused = bundle
        .negotiate(
            &manifest(r#"{"name": "network:outbound", "hosts": ["h"]}"#),
            &session(),
            NOW,
        )
        .refused;
    assert_eq!(
        refused[0].rule, "negotiate.network",
        "even where it allows, the network stays closed"
    );
}

#[test]
fn the_contracts_manifest_is_granted_without_its_network() {
    let text = br#"{"agent": "cowork-finance-helper", "version": "1.0",
 "capabilities": [
  {"name": "file:read", "paths": ["/Users/alice/Documents/finance/**/*"], "description": "Read finance documents"},
  {"name": "file:write", "paths": ["/Users/alice/Documents/finance/reports"], "description": "Write generated reports"},
  {"name": "network:outbound", "hosts": ["api.enterprise-hosted-llm.company.internal"], "description": "Call internal model"}],
 "ttl_seconds": 86400}"#;
    let manifest = Manifest::parse(text, Path::new("/x")).unwrap();
    let bundle = Bundle::load(&shipped()).unwrap();
    let Negotiated { grants, refused } = bundle.negotiate(&manifest, &session(), NOW);
    assert!(grants.covers(
        Op::Read,
        Path::new("/Users/alice/Documents/finance/2025/q4.xlsx")
    ));
    assert!(grants.covers(
        Op::Write,
        Path::new("/Users/alice/Documents/finance/reports/q4.xlsx")
    ));
    assert!(!grants.covers(
        Op::Write,
        Path::new("/Users/alice/Documents/finance/q4.xlsx")
    ));
    assert_eq!(grants.missing(), ["file:move", "file:delete"]);
    assert_eq!(grants.until(), NOW.plus_seconds(8 * 3600));
    expect_test::expect![[r#"
        `network:outbound api.enterprise-hosted-llm.company.internal` is refused: this agent is local-only: it has no network, so api.enterprise-hosted-llm.company.internal is out of reach; the rest works without it (negotiate.network)
        `ttl_seconds 86400` is refused: this policy grants access for 8 hours at most (negotiate.time-capped)"#]]
    .assert_eq(&refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    assert!(bundle.unattended(&manifest, &Ceiling::NONE).is_err());
    assert!(
        Bundle::load(&shipped_for_agents(&["cowork-*"]))
            .unwrap()
            .unattended(&manifest, &Ceiling::NONE)
            .is_ok()
    );
    assert_eq!(
        bundle
            .attestation(&manifest, AttestationKind::None, &Ceiling::NONE)
            .unwrap()
            .rule,
        "attestation.none"
    );
}

#[test]
fn a_strict_bundle_wants_a_tpm() {
    let mut files = shipped();
    let settings = String::from_utf8(files["settings.json"].clone())
        .unwrap()
        .replace("\"allow_none\": true", "\"allow_none\": false");
    files.insert("settings.json".into(), settings.into_bytes());
    let strict = Bundle::load(&files).unwrap();
    assert_eq!(
        strict
            .attestation(&manifest(""), AttestationKind::None, &Ceiling::NONE)
            .unwrap_err()
            .rule,
        "attestation.none.refused"
    );
    assert!(
        strict
            .attestation(&manifest(""), AttestationKind::Tpm2Hardware, &Ceiling::NONE)
            .is_ok()
    );
}

#[test]
fn a_question_about_a_call_that_changes_nothing_forbids() {
    let asks = r#"verdict := {"decision": "ask", "rule": "look", "reason": "look first"}"#;
    let bundle = bundle(asks).unwrap();
    let granted =
        r#"{"name": "file:read", "paths": ["/f"]}, {"name": "file:write", "paths": ["/f"]}"#;
    let grants = bundle.negotiate(&manifest(granted), &session(), NOW).grants;
    let decided = |op| bundle.judge(call("t.f", op, "/f/a"), &grants, &session(), NOW);
    let Decision::Forbid(refusal) = decided(Op::Read) else {
        panic!("nobody would ever be asked")
    };
    assert_eq!(refusal.rule, "builtin.question");
    assert!(
        refusal.reason.starts_with("look first (look)"),
        "{}",
        refusal.reason
    );
    assert!(matches!(decided(Op::Write), Decision::Ask(_)));
}

#[test]
fn a_question_becomes_leave_that_still_waits_for_the_person() {
    let bundle = Bundle::load(&shipped()).unwrap();
    let grants = bundle
        .negotiate(
            &manifest(r#"{"name": "file:write", "paths": ["/f"]}"#),
            &session(),
            NOW,
        )
        .grants;
    let Decision::Ask(question) = bundle.judge(
        call("t.f", Op::Write, "/f/a\u{202e}b"),
        &grants,
        &session(),
        NOW,
    ) else {
        panic!("not asked")
    };
    assert_eq!(
        question.reason(),
        "it writes /f/a\\u{202e}b",
        "what reorders text on a screen is made visible"
    );
    let permit = question.into_permit();
    assert!(matches!(
        permit.release(),
        ReleaseTerms::AfterConsent { remember_days: 0 }
    ));
    assert!(permit.reason().starts_with("it writes"));
    assert_eq!(permit.call().tool(), "t.f");
}

/// As many files as a call may have: slow rules would end in `policy.timeout`.
#[test]
fn the_largest_call_is_judged_in_time() {
    let bundle = Bundle::load(&shipped()).unwrap();
    let grants = bundle
        .negotiate(
            &manifest(r#"{"name": "file:move", "paths": ["/f/**/*"]}"#),
            &session(),
            NOW,
        )
        .grants;
    let args = vec![Argument {
        name: "file".into(),
        alias: None,
        value: "a".into(),
        label: Label::person(),
    }];
    let resource = |at: usize| Resource {
        op: Op::Move,
        path: format!("/f/x/{at}.pdf").into(),
        parameter: "file".into(),
    };
    let call = |files: usize| {
        Call::new(
            "$1".into(),
            "t.f".into(),
            args.clone(),
            (0..files).map(resource).collect(),
        )
    };
    let largest = call(cloister_policies::LIMITS.resources).unwrap();
    let started = std::time::Instant::now();
    assert_eq!(
        bundle.judge(largest, &grants, &session(), NOW).rule(),
        "file.move.ask"
    );
    let large = started.elapsed();
    let started = std::time::Instant::now();
    assert_eq!(
        bundle
            .judge(call(2).unwrap(), &grants, &session(), NOW)
            .rule(),
        "file.move.ask"
    );
    println!(
        "judged {} files in {large:?}, 2 in {:?}",
        cloister_policies::LIMITS.resources,
        started.elapsed()
    );
    assert!(call(cloister_policies::LIMITS.resources + 1).is_err());
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => "[a-b]", 1 => Just("*".to_owned()), 1 => Just("**".to_owned()), 1 => Just("home".to_owned())];
    prop::collection::vec(part, 1..5).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(Op::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Grants are below the manifest, whatever the policy; and fewer wishes never grant more.
    #[test]
    fn negotiation_only_narrows(wishes in prop::collection::vec((op(), pattern()), 0..5), asked in op(), path in prop::collection::vec("[ab]", 1..5)) {
        let path = PathBuf::from(format!("/{}", path.join("/")));
        let capability = |(op, pattern): &(Op, String)| format!(r#"{{"name": "{}", "paths": ["{pattern}"]}}"#, op.capability());
        let text = |wishes: &[(Op, String)]| wishes.iter().map(capability).collect::<Vec<_>>().join(",");
        let wanted = |wishes: &[(Op, String)]| wishes.iter().any(|(op, pattern)| {
            *op == asked && cloister_policies::Pattern::parse(pattern, Path::new("/")).unwrap().covers(&path)
        });
        let fewer = wishes.split_last().map_or(&[][..], |(_, fewer)| fewer);
        thread_local! {
            static BUNDLES: [Bundle; 2] = [Bundle::load(&shipped()).unwrap(), bundle(&format!("verdict := {YES}")).unwrap()];
        }
        BUNDLES.with(|bundles| for bundle in bundles {
            let all = bundle.negotiate(&manifest(&text(&wishes)), &session(), NOW).grants;
            let some = bundle.negotiate(&manifest(&text(fewer)), &session(), NOW).grants;
            let covered = all.covers(asked, &path);
            assert!(!covered || wanted(&wishes), "more than the manifest asks");
            assert!(covered || !some.covers(asked, &path), "fewer wishes granted more");
            assert!(all.until() <= NOW.plus_seconds(60));
            let decision = bundle.judge(call("t.f", asked, path.to_str().unwrap()), &all, &session(), NOW);
            assert_eq!(covered, decision.name() != "forbid");
            let explained = bundle.explain(&call("t.f", asked, path.to_str().unwrap()), &all, &session(), NOW);
            assert_eq!((explained.decision, explained.rule.as_str()), (decision.name(), decision.rule()));
        });
    }
}
