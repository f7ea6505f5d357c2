//! What protects this process, the tools' and the model's, as a value: judged by the policy, recorded, shown. Never a hope.

use cloister_models::DeviceChoice;
use cloister_policies::Confinement;
use cloister_process::{Layer, Layers};
use cloister_tools::Program;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::failure::Failure;
use crate::mind;

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
/// and the model's said that they could put on. A session in which no model is at work has no process for it.
pub(crate) fn found(cage: &Program, mind: Option<Layers>) -> Confinement {
    let tools = cage.layers().missing();
    let tools = tools.map(|layer| format!("{layer} of the tools' process"));
    let model = mind.into_iter().flat_map(Layers::missing);
    let model = model.map(|layer| format!("{layer} of the model's process"));
    let mut missing: Vec<String> = tools.chain(model).collect();
    if set_no_new_privs(true).is_err() {
        missing.push("no_new_privs".to_owned());
    }
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        missing.push("undumpable memory".to_owned());
    }
    match missing.is_empty() {
        true => Confinement::Full,
        false => Confinement::Partial(missing),
    }
}

/// What the model's process puts on where it computes on the processor, by starting one that is given no model.
pub(crate) fn mind() -> Result<Layers, Failure> {
    Ok(mind::start(DeviceChoice::Cpu)?.sealed()?.layers())
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
