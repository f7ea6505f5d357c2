//! What protects this process, as a value: judged by the policy, recorded, shown. Never a hope.

use cloister_policies::Confinement;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

/// Layers that this version does not have yet; ARCHITECTURE.md names the issue that brings them.
const ABSENT: [&str; 3] = ["own processes for model and tools", "landlock", "seccomp"];

/// Give up what can be given up, and say what holds: no new privileges, no core dump that others could read.
pub(crate) fn this_process() -> Confinement {
    let mut missing: Vec<String> = ABSENT.iter().map(|s| (*s).to_owned()).collect();
    if set_no_new_privs(true).is_err() {
        missing.push("no_new_privs".to_owned());
    }
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        missing.push("undumpable memory".to_owned());
    }
    Confinement::Partial(missing)
}

/// The same for the ledger.
pub(crate) fn told(confinement: &Confinement) -> String {
    match confinement {
        Confinement::Full => "full".to_owned(),
        Confinement::None => "none".to_owned(),
        Confinement::Partial(missing) => format!("partial, without: {}", missing.join(", ")),
    }
}
