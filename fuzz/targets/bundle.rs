//! A policy bundle, its files divided by zero bytes: what loads has passed its own cases, and permits nothing that is not granted.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use cloister_policies::{
    AttestationKind, Bundle, Call, Ceiling, Confinement, Decision, Grants, Manifest, Mode,
    PolicyFiles, Session, UnixMillis, shipped,
};

/// The last one is written for OPA before 1.0, if `bundle.toml` says so.
const NAMES: [&str; 6] = [
    "bundle.toml",
    "settings.json",
    "call.rego",
    "call.cases.toml",
    "agent.rego",
    "agent.cases.toml",
];
const NOW: UnixMillis = UnixMillis(1_000_000);
const CALL: &[u8] = br#"{"tool": "text.find", "args": [{"name": "files", "value": ["/etc/passwd"], "label": {"integrity": "person"}}],
    "resources": [{"op": "read", "path": "/etc/passwd", "parameter": "files"}]}"#;

static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    let manifest = br#"{"agent": "a", "version": "1", "capabilities": []}"#;
    let manifest = Manifest::parse(manifest, Path::new("/f")).unwrap();
    let bundle = Bundle::load(&shipped()).unwrap();
    bundle.negotiate(&manifest, &session(), NOW).grants
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let parts = NAMES.iter().zip(bytes.split(|b| *b == 0));
    let there = parts.filter(|(_, part)| !part.is_empty());
    let files: PolicyFiles = there
        .map(|(name, part)| ((*name).to_owned(), part.to_vec()))
        .collect();
    let Ok(bundle) = Bundle::load(&files) else {
        return;
    };
    assert!(bundle.test().iter().all(|case| case.passed));
    let call = Call::from_json(CALL, Path::new("/f")).unwrap();
    let decision = bundle.judge(call, &GRANTS, &session(), NOW);
    assert!(matches!(decision, Decision::Forbid(_)));
});

fn session() -> Session {
    Session {
        attestation: AttestationKind::None,
        confinement: Confinement::Full,
        mode: Mode::Attended,
        person: None,
        reserved: Vec::new(),
        device: Ceiling::NONE,
    }
}
