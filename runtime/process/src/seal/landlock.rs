//! Landlock with no rule: everything that it can deny is denied.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};

/// Newest first. Before version 3 files could still be cut short, so that is no layer.
const VERSIONS: [ABI; 8] = [
    ABI::V10,
    ABI::V9,
    ABI::V8,
    ABI::V7,
    ABI::V6,
    ABI::V5,
    ABI::V4,
    ABI::V3,
];

/// Deny everything by the newest version that this kernel knows, all of it or none; whether one did.
pub(super) fn deny_all() -> bool {
    VERSIONS
        .into_iter()
        .any(|version| deny_by(version).is_ok_and(|status| status == RulesetStatus::FullyEnforced))
}

fn deny_by(version: ABI) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(version))?;
    if version >= ABI::V4 {
        rules = rules.handle_access(AccessNet::from_all(version))?;
    }
    if version >= ABI::V6 {
        rules = rules.scope(Scope::from_all(version))?;
    }
    Ok(rules.create()?.restrict_self()?.ruleset)
}
