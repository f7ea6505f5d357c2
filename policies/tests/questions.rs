//! What a question says: everything that a rule wants a person to look at.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::path::Path;

use cloister_policies::{
    Argument, Bundle, Call, Decision, Label, Manifest, Op, Permit, Resource, UnixMillis, shipped,
};
use serde_json::json;

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);
const MANIFEST: &[u8] =
    br#"{"agent": "a", "version": "1", "capabilities": [{"name": "file:write", "paths": ["/f"]}]}"#;

/// Leave to write a file to these places, once a person was asked.
fn asked(places: &[(&str, Label)]) -> Permit {
    let session = common::session();
    let bundle = Bundle::load(&shipped()).unwrap();
    let manifest = Manifest::parse(MANIFEST, Path::new("/f")).unwrap();
    let grants = bundle.negotiate(&manifest, &session, NOW).grants;
    let args = places.iter().map(|(name, label)| Argument {
        name: (*name).to_owned(),
        alias: None,
        value: json!(format!("{name}.txt")),
        label: label.clone(),
    });
    let resources = places.iter().map(|(name, _)| Resource {
        op: Op::Write,
        path: format!("/f/{name}.txt").into(),
        parameter: (*name).to_owned(),
    });
    let call = Call::new(
        "$1".into(),
        "t.f".into(),
        args.collect(),
        resources.collect(),
    );
    match bundle.judge(call.unwrap(), &grants, &session, NOW) {
        Decision::Ask(question) => question.into_permit(),
        other => panic!("{other:?}"),
    }
}

fn said(permit: &Permit) -> String {
    let each = permit
        .reasons()
        .map(|by| format!("{} ({})", by.reason, by.rule));
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_question_gives_the_reason_of_every_rule_that_asks() {
    let permit = asked(&[
        ("copy", Label::data("letter.txt")),
        ("save", Label::data("mail.eml")),
        ("title", Label::tool("sheet.describe")),
        ("other", Label::person()),
    ]);
    expect_test::expect![[r#"
        copy is "copy.txt", taken from letter.txt (sink.document)
        save is "save.txt", taken from mail.eml (sink.document)
        title is "title.txt", which a tool worked out (sink.tool)"#]]
    .assert_eq(&said(&permit));
}

#[test]
fn a_question_with_one_reason_gives_it_once() {
    let permit = asked(&[("save", Label::person())]);
    expect_test::expect!["it writes /f/save.txt (file.write.ask)"].assert_eq(&said(&permit));
}
