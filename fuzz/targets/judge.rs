//! A call as the policy's input: what it is told to explain it decides, and it permits nothing beyond the grants.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cloister_policies::{
    AttestationKind, Bundle, Call, Ceiling, Confinement, Decision, Grants, Manifest, Mode, Session,
    UnixMillis, shipped_for_agents,
};

const FOLDER: &str = "/home/anna/work";
const NOW: UnixMillis = UnixMillis(1_000_000);
const MANIFEST: &[u8] = br#"{"agent": "alone-1", "version": "1", "capabilities": [
    {"name": "file:read", "paths": ["*.xlsx"]}, {"name": "file:write", "paths": ["reports"]}, {"name": "file:move", "paths": ["inbox"]}]}"#;

static BUNDLE: LazyLock<Bundle> =
    LazyLock::new(|| Bundle::load(&shipped_for_agents(&["alone-*"])).unwrap());
static GRANTS: LazyLock<Grants> = LazyLock::new(|| {
    let manifest = Manifest::parse(MANIFEST, Path::new(FOLDER)).unwrap();
    BUNDLE
        .negotiate(&manifest, &session(Mode::Attended), NOW)
        .grants
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for mode in [Mode::Attended, Mode::Unattended] {
        let Ok(call) = Call::from_json(bytes, Path::new(FOLDER)) else {
            return;
        };
        let session = session(mode);
        let explained = BUNDLE.explain(&call, &GRANTS, &session, NOW);
        let granted = |r: &cloister_policies::Resource| GRANTS.covers(r.op, &r.path);
        let within = call.resources().iter().all(granted);
        let decision = BUNDLE.judge(call, &GRANTS, &session, NOW);
        assert_eq!(
            (decision.name(), decision.rule(), decision.reason()),
            (
                explained.decision,
                explained.rule.as_str(),
                explained.reason.as_str()
            )
        );
        assert!(within || matches!(decision, Decision::Forbid(_)));
    }
});

fn session(mode: Mode) -> Session {
    Session {
        attestation: AttestationKind::None,
        confinement: Confinement::Full,
        mode,
        person: None,
        reserved: vec![PathBuf::from("/home/anna/.cloister")],
        device: Ceiling::NONE,
    }
}
