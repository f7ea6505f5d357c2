//! Layers meet: the result is never more than any of them, whatever their order and however often one is counted.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic as the tests do"
)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cloister_policies::{
    AttestationKind, Bundle, Ceiling, Manifest, Negotiated, Op, Session, UnixMillis, shipped,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

mod common;

const NOW: UnixMillis = UnixMillis(1_000_000);
const FOLDERS: [&str; 6] = ["/f", "/f/a", "/f/a/deep", "/f/b", "/g", "/fa"];
const TOOLS: [&str; 4] = ["sheet", "sheet.rows", "te*", "*"];
const KINDS: [AttestationKind; 3] = [
    AttestationKind::None,
    AttestationKind::Tpm2Software,
    AttestationKind::Tpm2Hardware,
];

static SHIPPED: LazyLock<Bundle> = LazyLock::new(|| Bundle::load(&shipped()).unwrap());

/// Everything that can be asked of a ceiling, within a small world.
fn answers(ceiling: &Ceiling) -> Vec<bool> {
    let mut said = Vec::new();
    for op in Op::ALL {
        let paths = FOLDERS.iter().map(|folder| format!("{folder}/x.txt"));
        said.extend(paths.map(|path| ceiling.lets(op, Path::new(&path))));
    }
    for name in ["sheet.rows", "sheet.describe", "text.read", "files.move"] {
        said.extend([ceiling.lets_tool(name), ceiling.lets_model(name)]);
    }
    said.extend(KINDS.map(|kind| ceiling.lets_attestation(kind)));
    said.extend([10, 60, 3600].map(|seconds| ceiling.ttl_seconds() >= seconds));
    said.extend([1, 2, 9].map(|uses| ceiling.max_uses() >= uses));
    said.extend([1, 7, 31].map(|days| ceiling.remember_days() >= days));
    said.push(ceiling.lets_unattended());
    said
}

/// Whether `low` lets nothing happen that `high` does not.
fn below(low: &Ceiling, high: &Ceiling) -> bool {
    let pairs = answers(low).into_iter().zip(answers(high));
    pairs.into_iter().all(|(low, high)| high || !low)
}

fn list(words: Vec<&str>) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A file of a device's management, each part of which may be missing.
fn written() -> impl Strategy<Value = String> {
    let some = |words: &'static [&'static str]| {
        prop::option::of(subsequence(words.to_vec(), 0..=words.len()).prop_map(list))
    };
    (
        prop::option::of(select(vec![0_u64, 30, 600, 86_400])),
        prop::option::of(select(vec![(0_u64, 31_u64), (1, 0), (5, 7), (100, 1)])),
        some(&["none", "tpm2-software", "tpm2-hardware"]),
        prop::option::of(any::<bool>()),
        some(&FOLDERS),
        some(&FOLDERS),
        some(&["read", "write", "move", "delete"]),
        some(&TOOLS),
        some(&TOOLS),
    )
        .prop_map(
            |(ttl, uses, attestation, alone, only, never, ops, tools, models)| {
                let line = |key: &str, value: Option<String>| {
                    value.map_or_else(String::new, |value| format!("{key} = {value}\n"))
                };
                let table = |name: &str, value: Option<String>| {
                    value.map_or_else(String::new, |value| format!("[{name}]\nonly = {value}\n"))
                };
                [
                    line("ttl_seconds", ttl.map(|n| n.to_string())),
                    line("max_uses", uses.map(|(n, _)| n.to_string())),
                    line("remember_days", uses.map(|(_, n)| n.to_string())),
                    line("attestation", attestation),
                    line("unattended", alone.map(|b| b.to_string())),
                    "[files]\n".to_owned(),
                    line("only", only),
                    line("never", never),
                    line("operations", ops),
                    table("tools", tools),
                    table("models", models),
                ]
                .concat()
            },
        )
}

fn ceiling() -> impl Strategy<Value = Ceiling> {
    written().prop_map(|text| Ceiling::parse("10-test.toml", &text).unwrap())
}

fn session(device: Ceiling) -> Session {
    Session {
        reserved: vec![PathBuf::from("/f/b")],
        device,
        ..common::session()
    }
}

/// A manifest that asks for these folders and tools.
fn manifest(read: &[&str], write: &[&str], tools: &[&str], ttl: u64) -> Manifest {
    let text = format!(
        r#"{{"agent": "a", "version": "1", "ttl_seconds": {ttl}, "capabilities": [
            {{"name": "file:read", "paths": {}}}, {{"name": "file:write", "paths": {}}}, {{"name": "tool:use", "tools": {}}}]}}"#,
        list(read.to_vec()),
        list(write.to_vec()),
        list(tools.to_vec())
    );
    Manifest::parse(text.as_bytes(), Path::new("/f")).unwrap()
}

fn negotiated(manifest: &Manifest, device: Ceiling) -> Negotiated {
    SHIPPED.negotiate(manifest, &session(device), NOW)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_meet_is_below_every_layer(a in ceiling(), b in ceiling()) {
        let both = a.clone().meet(b.clone());
        prop_assert!(below(&both, &a) && below(&both, &b));
        // And no lower than it must be: what both let, it lets.
        let each = answers(&a).into_iter().zip(answers(&b)).map(|(a, b)| a && b);
        prop_assert_eq!(answers(&both), each.collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_layers_and_counting_one_twice_change_nothing(a in ceiling(), b in ceiling(), c in ceiling()) {
        let ab = a.clone().meet(b.clone());
        prop_assert_eq!(&ab, &b.clone().meet(a.clone()));
        prop_assert_eq!(&ab.clone().meet(ab.clone()), &ab);
        prop_assert_eq!(ab.meet(c.clone()), a.clone().meet(b.meet(c)));
        prop_assert_eq!(&a.clone().meet(Ceiling::NONE), &a);
    }

    #[test]
    fn a_narrower_layer_gives_a_narrower_result(a in ceiling(), b in ceiling(), other in ceiling()) {
        let narrower = a.clone().meet(b);
        prop_assert!(below(&narrower.meet(other.clone()), &a.meet(other)));
    }

    #[test]
    fn no_session_gets_more_than_any_layer_gives(
        read in subsequence(FOLDERS.to_vec(), 1..4), write in subsequence(FOLDERS.to_vec(), 1..4),
        tools in subsequence(TOOLS.to_vec(), 1..4), ttl in 1_u64..100_000, a in ceiling(), b in ceiling(),
    ) {
        let manifest = manifest(&read, &write, &tools, ttl);
        let open = negotiated(&manifest, Ceiling::NONE).grants;
        let device = a.clone().meet(b.clone());
        let granted = negotiated(&manifest, device.clone()).grants;
        let turned = negotiated(&manifest, b.clone().meet(a.clone())).grants;
        for op in Op::ALL {
            for folder in FOLDERS {
                let path = PathBuf::from(format!("{folder}/x.txt"));
                let asked = match op {
                    Op::Read => read.as_slice(),
                    Op::Write => write.as_slice(),
                    Op::Move | Op::Delete => &[],
                };
                let asked = asked.iter().any(|f| path.starts_with(f));
                let reserved = path.starts_with("/f/b");
                let covered = granted.covers(op, &path);
                prop_assert_eq!(covered, asked && !reserved && open.covers(op, &path) && a.lets(op, &path) && b.lets(op, &path));
                prop_assert_eq!(covered, turned.covers(op, &path));
            }
        }
        for tool in ["sheet.rows", "sheet.describe", "text.read", "files.move"] {
            prop_assert_eq!(granted.allows_tool(tool), open.allows_tool(tool) && device.lets_tool(tool));
        }
        prop_assert!(granted.allows_model("m") == device.lets_model("m"));
        prop_assert_eq!(granted.until(), open.until().min(NOW.plus_seconds(device.ttl_seconds())));
    }
}

#[test]
fn what_the_device_takes_away_is_said() {
    let text = "ttl_seconds = 30\n[files]\nnever = [\"/f/a\"]\noperations = [\"read\"]\n";
    let device = Ceiling::parse("10-acme.toml", text).unwrap();
    let asked = manifest(&["/f", "/f/a/deep"], &["/g"], &["*"], 60);
    let Negotiated { grants, refused } = negotiated(&asked, device);
    let said: Vec<String> = refused
        .iter()
        .map(|r| format!("{} {}", r.what, r.rule))
        .collect();
    assert_eq!(
        said,
        [
            "file:read /f/a device.files",
            "file:read /f/a/deep device.files",
            "file:write /g device.files",
            "ttl_seconds 60 device.time",
        ]
    );
    assert!(grants.covers(Op::Read, Path::new("/f/x")));
    assert!(!grants.covers(Op::Read, Path::new("/f/a/x")));
}

#[test]
fn the_device_has_a_say_in_attestation_and_in_running_alone() {
    let shipped = cloister_policies::shipped_for_agents(&["a"]);
    let bundle = Bundle::load(&shipped).unwrap();
    let asked = manifest(&["/f"], &["/f"], &["*"], 60);
    let strict = "attestation = [\"tpm2-hardware\"]\nunattended = false\n";
    let strict = Ceiling::parse("a.toml", strict).unwrap();
    assert!(bundle.unattended(&asked, &Ceiling::NONE).is_ok());
    let refused = bundle.unattended(&asked, &strict).unwrap_err();
    assert_eq!(refused.rule, "device.unattended");
    let none = AttestationKind::None;
    assert!(bundle.attestation(&asked, none, &Ceiling::NONE).is_ok());
    let refused = bundle.attestation(&asked, none, &strict).unwrap_err();
    assert_eq!(refused.rule, "device.attestation");
    let hardware = AttestationKind::Tpm2Hardware;
    assert!(bundle.attestation(&asked, hardware, &strict).is_ok());
}

#[test]
fn a_file_that_is_not_understood_is_no_ceiling_but_an_error() {
    for text in [
        "[file]\nnever = [\"/a\"]",
        "[files]\nnever = [\"a\"]",
        "[files]\nnever = [\"/a/../b\"]",
        "[files]\nnever = [\"/a/*\"]",
        "[files]\nnever = [\"/a\\u202Eb\"]",
        "[files]\nnever = \"/a\"",
        "[files]\noperations = [\"all\"]",
        "[tools]\nonly = [\"[\"]",
        "attestation = [\"tpm\"]",
        "ttl_seconds = -1",
        "max_uses = 1.5",
        "unattended = \"no\"",
        "unattended = true\nunattended = false",
    ] {
        let error = Ceiling::parse("10-acme.toml", text).unwrap_err();
        assert!(error.hint().is_some(), "{text}: {error}");
    }
}
