//! Giving everything up. A process is started twice: first it makes namespaces and starts itself again as number 1 in them, since a process
//! cannot move there itself; then it gives up all else, in the order in which each step still can, and only then does its work.

mod landlock;
mod line;
mod namespaces;
mod profile;
pub mod syscalls;

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use nix::sys::prctl::{set_dumpable, set_name, set_no_new_privs, set_pdeathsig};
use nix::sys::resource::setrlimit;
use nix::sys::signal::Signal;

use crate::layer::{Layer, Layers};
pub use line::{Handed, Line};
pub use profile::Profile;

/// What the first start says to the second, after the arguments that it was given.
const INSIDE: &str = "inside";
/// What makes a process the first to be ended where memory is short: it is ours to lose, where the agent has a session to close.
const FIRST_TO_GO: &str = "1000";
/// The exit code of a process that could not put on what nothing runs without, or that somebody else than the agent started.
pub const UNSEALED: u8 = 2;

/// Put on what is wanted and do `work`, which is told what holds. `args` is how this process was started, without its name.
///
/// Only the test that shows what each layer stops, and a model on a card, which its driver's files are needed for, want less than all.
pub fn start(
    profile: &Profile,
    args: &[String],
    wanted: Layers,
    work: impl FnOnce(Layers) -> ExitCode,
) -> ExitCode {
    let inside = args.last().is_some_and(|last| last == INSIDE);
    let unsealed = ExitCode::from(UNSEALED);
    let bare = wanted.without(Layer::Namespaces).without(Layer::EmptyRoot);
    let wanted = match (inside, wanted.has(Layer::Namespaces)) {
        (false, true) => match namespaces::enter() {
            Ok(()) => return again(profile, args, wanted).unwrap_or(unsealed),
            // What was made of them may have come with every capability.
            Err(_) if namespaces::no_capabilities().is_err() => return unsealed,
            Err(_) => bare,
        },
        (true, true) => wanted,
        (_, false) => bare,
    };
    put_on(profile, wanted).map_or(unsealed, work)
}

/// Start the same program again, inside; wait for it with nothing left to do but that; pass its end on.
fn again(profile: &Profile, args: &[String], wanted: Layers) -> io::Result<ExitCode> {
    if wanted.has(Layer::DiesWithParent) {
        die_with_parent()?;
    }
    let environment = std::env::vars_os(); // what the agent gave it, which is next to nothing
    let mut child = Command::new("/proc/self/exe")
        .arg0(profile.name().to_string_lossy().as_ref())
        .args(args)
        .arg(INSIDE)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .spawn()?;
    if wanted.has(Layer::Seccomp) {
        syscalls::allow(syscalls::WAITING)?;
    }
    Ok(ExitCode::from(code(child.wait()?)))
}

/// 128 and the signal's number for one that a signal ended, as shells have it.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

/// Put on these layers, and say which hold. What a system may refuse is left out then; what it may not ends here.
fn put_on(profile: &Profile, wanted: Layers) -> io::Result<Layers> {
    set_name(profile.name())?;
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO); // where it cannot be said, the kernel's own judgement stands
    let mut held = Layers::default();
    for layer in ORDER.into_iter().filter(|layer| wanted.has(*layer)) {
        let holds = match layer {
            Layer::DiesWithParent => die_with_parent().map(|()| true),
            Layer::NoNewPrivileges => set_no_new_privs().map(|()| true).map_err(io::Error::from),
            Layer::Descriptors => close_descriptors().map(|()| true),
            // Made by the first start; here is its number 1.
            Layer::Namespaces => Ok(true),
            Layer::EmptyRoot => Ok(namespaces::empty_root().is_ok()),
            Layer::Undumpable => set_dumpable(false).map(|()| true).map_err(io::Error::from),
            Layer::Rlimits => rlimits(profile, held).map(|()| true),
            Layer::Landlock => Ok(landlock::deny_all()),
            Layer::Seccomp => profile.filter().map(|()| true),
        };
        if holds? {
            held = held.with(layer);
        }
        if layer == Layer::EmptyRoot {
            namespaces::no_capabilities()?;
        }
    }
    Ok(held)
}

/// Each step needs what the later ones take: a list of descriptors is read from a file, Landlock's rules are a descriptor for a moment, and
/// the filter takes all the rest.
const ORDER: [Layer; 9] = [
    Layer::DiesWithParent,
    Layer::NoNewPrivileges,
    Layer::Descriptors,
    Layer::Namespaces,
    Layer::EmptyRoot,
    Layer::Undumpable,
    Layer::Landlock,
    Layer::Rlimits,
    Layer::Seccomp,
];

fn die_with_parent() -> io::Result<()> {
    Ok(set_pdeathsig(Signal::SIGKILL)?)
}

/// Descriptors that some library of the agent left open for its children.
fn close_descriptors() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|n| n.parse::<i32>().ok()));
    }
    for descriptor in open.into_iter().filter(|n| *n > 2) {
        let _ = nix::unistd::close(descriptor); // the list's own is closed by now
    }
    Ok(())
}

fn rlimits(profile: &Profile, held: Layers) -> io::Result<()> {
    for (resource, limit) in profile.rlimits(held) {
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}
