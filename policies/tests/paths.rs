//! What `cloister policy explain` says is what is enforced: both are asked about ten thousand random requests.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cloister_policies::{
    Argument, Bundle, Call, Ceiling, Confinement, Grants, Label, Manifest, Mode, Op, Resource,
    Session, UnixMillis, shipped_for_agents,
};
use proptest::prelude::*;
use proptest::sample::select;

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);
/// Requests that are put to both.
const REQUESTS: u32 = 10_000;

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(&shipped_for_agents(&["alone-*"])).unwrap());

fn session(mode: Mode, confinement: Confinement) -> Session {
    Session {
        confinement,
        mode,
        reserved: vec![PathBuf::from("/f/home")],
        device: Ceiling::parse("a.toml", "[files]\nnever = [\"/f/hr\"]\n").unwrap(),
        ..common::session()
    }
}

static GRANTS: LazyLock<Vec<Grants>> = LazyLock::new(|| {
    let capabilities = [
        r#"{"name": "file:read", "paths": ["/f"]}"#,
        r#"{"name": "file:read", "paths": ["/f"]}, {"name": "file:write", "paths": ["/f/out"]}, {"name": "tool:use", "tools": ["sheet"]}"#,
        r#"{"name": "file:read", "paths": ["/f/*.txt"]}, {"name": "file:move", "paths": ["/f/**/*"]}, {"name": "file:delete", "paths": ["/f/out"]}"#,
        "",
    ];
    let mut all = Vec::new();
    for capabilities in capabilities {
        for agent in ["helper", "alone-1"] {
            let text = format!(
                r#"{{"agent": "{agent}", "version": "1", "capabilities": [{capabilities}], "ttl_seconds": 60}}"#
            );
            let manifest = Manifest::parse(text.as_bytes(), Path::new("/f")).unwrap();
            let session = session(Mode::Attended, Confinement::Full);
            all.push(BUNDLE.negotiate(&manifest, &session, NOW).grants);
        }
    }
    all
});

fn label() -> impl Strategy<Value = Label> {
    select(vec![
        Label::person(),
        Label::policy(),
        Label::tool("sheet.describe"),
        Label::data("/f/a.xlsx"),
    ])
}

fn argument(name: &'static str) -> impl Strategy<Value = Argument> {
    (
        prop::option::of(select(vec!["file-name", "formula", "recipient"])),
        ".{0,12}",
        label(),
    )
        .prop_map(move |(alias, value, label)| Argument {
            name: name.into(),
            alias: alias.map(Into::into),
            value: value.into(),
            label,
        })
}

fn resource() -> impl Strategy<Value = Resource> {
    let paths = vec![
        "/f/a.txt",
        "/f/out/b.txt",
        "/f/hr/c.txt",
        "/f/home/d",
        "/g/e",
        "/f/.ssh/k",
    ];
    (
        select(Op::ALL.to_vec()),
        select(paths),
        select(vec!["file", "to"]),
    )
        .prop_map(|(op, path, parameter)| Resource {
            op,
            path: path.into(),
            parameter: parameter.into(),
        })
}

fn call() -> impl Strategy<Value = Call> {
    (
        select(vec!["sheet.rows", "sheet.write", "text.read", "files.move"]),
        (argument("file"), argument("to"), argument("chart")),
        prop::collection::vec(resource(), 0..4),
    )
        .prop_map(|(tool, (file, to, chart), resources)| {
            Call::new("$1".into(), tool.into(), vec![file, to, chart], resources).unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(REQUESTS) })]

    #[test]
    fn what_is_explained_is_what_is_enforced(
        call in call(), grants in select((0..8).collect::<Vec<usize>>()), late in any::<bool>(), alone in any::<bool>(), confined in any::<bool>(),
    ) {
        let mode = if alone { Mode::Unattended } else { Mode::Attended };
        let session = session(mode, if confined { Confinement::Full } else { Confinement::None });
        let now = if late { NOW.plus_seconds(60) } else { NOW };
        let grants = &GRANTS[grants];
        let explained = BUNDLE.explain(&call, grants, &session, now);
        let decision = BUNDLE.judge(call, grants, &session, now);
        prop_assert_eq!(
            (decision.name(), decision.rule(), decision.reason()),
            (explained.decision, explained.rule.as_str(), explained.reason.as_str())
        );
    }
}
