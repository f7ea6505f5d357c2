//! The bundle that comes with the product, compiled in. Touches nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Every file of the shipped bundle, by name: what `cloister init` writes and signs.
const FILES: &[(&str, &[u8])] = &[
    (
        "attestation.cases.toml",
        include_bytes!("../rules/attestation.cases.toml"),
    ),
    (
        "attestation.rego",
        include_bytes!("../rules/attestation.rego"),
    ),
    ("bundle.toml", include_bytes!("../rules/bundle.toml")),
    (
        "call.cases.toml",
        include_bytes!("../rules/call.cases.toml"),
    ),
    ("call.rego", include_bytes!("../rules/call.rego")),
    (
        "negotiate.cases.toml",
        include_bytes!("../rules/negotiate.cases.toml"),
    ),
    ("negotiate.rego", include_bytes!("../rules/negotiate.rego")),
    ("settings.json", include_bytes!("../rules/settings.json")),
    (
        "unattended.cases.toml",
        include_bytes!("../rules/unattended.cases.toml"),
    ),
    (
        "unattended.rego",
        include_bytes!("../rules/unattended.rego"),
    ),
];

/// The shipped bundle, for [`Bundle::load`](crate::Bundle::load).
#[must_use]
pub fn shipped() -> BTreeMap<String, Vec<u8>> {
    FILES
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()))
        .collect()
}

/// The shipped bundle, but agents whose name matches one of `globs` (`eval-*`) may run with nobody to ask.
#[must_use]
pub fn shipped_for_agents(globs: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let mut files = shipped();
    let read = files
        .get("settings.json")
        .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    if let Some(mut settings) = read
        && let Some(agents) = settings.pointer_mut("/unattended/agents")
    {
        *agents = json!(globs);
        files.insert(
            "settings.json".into(),
            format!("{settings:#}\n").into_bytes(),
        );
    }
    files
}
