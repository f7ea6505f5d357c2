//! What protects this process and the tools' one, as a value: judged by the policy, recorded, shown. Never a hope.

use cloister_policies::Confinement;
use cloister_tools::{Layer, Program};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::failure::Failure;

/// What this version does not have yet; ARCHITECTURE.md names the issue that brings it.
const ABSENT: &str = "own process for the model";

/// The cage's program, tried once on this system.
pub(crate) fn cage() -> Result<Program, Failure> {
    Program::load().map_err(|e| {
        Failure::failed(e).hint(
            "tools run in a process of their own, from memory: `/proc` must be there and `vm.memfd_noexec` below 2"
                .to_owned(),
        )
    })
}

/// Give up what can be given up, and say what holds: no new privileges, no core dump that others could read, and what the tools' process
/// said that it could put on.
pub(crate) fn found(cage: &Program) -> Confinement {
    let mut missing = vec![ABSENT.to_owned()];
    missing.extend(lacking(cage).map(|layer| format!("{layer} of the tools' process")));
    if set_no_new_privs(true).is_err() {
        missing.push("no_new_privs".to_owned());
    }
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        missing.push("undumpable memory".to_owned());
    }
    Confinement::Partial(missing)
}

/// What this system does not let the tools' process put on.
pub(crate) fn lacking(cage: &Program) -> impl Iterator<Item = Layer> {
    cage.layers().missing()
}

/// How an administrator allows it.
pub(crate) fn remedy(layer: Layer) -> &'static str {
    match layer {
        Layer::Namespaces | Layer::EmptyRoot => {
            "allow user namespaces: `sysctl user.max_user_namespaces` above 0, `kernel.unprivileged_userns_clone=1` where it exists, `kernel.apparmor_restrict_unprivileged_userns=0` or a profile on Ubuntu"
        }
        Layer::Landlock => {
            "a kernel of 6.2 or newer with `landlock` among `lsm=` of its command line"
        }
        _ => "nothing runs without it",
    }
}

/// The same for the ledger.
pub(crate) fn told(confinement: &Confinement) -> String {
    match confinement {
        Confinement::Full => "full".to_owned(),
        Confinement::None => "none".to_owned(),
        Confinement::Partial(missing) => format!("partial, without: {}", missing.join(", ")),
    }
}
