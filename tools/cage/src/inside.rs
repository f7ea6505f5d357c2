//! The cage's process. It is started twice for a call: first it makes namespaces and starts itself again as number 1 in them, since a
//! process cannot move there itself; then it gives up everything, says so, and only then takes its order and touches the component.

mod call;
mod convert;
mod landlock;
mod line;
mod load;
mod namespaces;
pub mod seal;
pub mod syscalls;

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use crate::layer::{Layer, Layers};
use crate::outcome::{Ended, Run, Used};
use crate::wire::{Order, Told};
use line::Line;

/// What the first start says to the second, after the arguments that it was given.
const INSIDE: &str = "inside";
/// The exit code of a process that could not put on what nothing runs without.
const UNSEALED: u8 = 2;

/// Be the cage's process, with every layer on.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    start(&args, Layers::from_iter(Layer::ALL), serve)
}

/// Put on what is wanted and do `work`. The first of `args` says how many bytes of memory the process may have.
///
/// Only the test that shows what each layer stops wants less than all.
pub fn start(args: &[String], wanted: Layers, work: impl FnOnce(Layers) -> ExitCode) -> ExitCode {
    let Some(memory) = args.first().and_then(|bytes| bytes.parse().ok()) else {
        return ExitCode::from(UNSEALED); // somebody else than the agent
    };
    let inside = args.last().is_some_and(|last| last == INSIDE);
    let wanted = match (inside, wanted.has(Layer::Namespaces)) {
        (false, true) if namespaces::enter().is_ok() => {
            return again(args, wanted).unwrap_or(ExitCode::from(UNSEALED));
        }
        (true, true) => wanted,
        _ => wanted.without(Layer::Namespaces).without(Layer::EmptyRoot),
    };
    seal::put_on(wanted, memory).map_or(ExitCode::from(UNSEALED), work)
}

/// Start the same program again, inside; wait for it with nothing left to do but that; pass its end on.
fn again(args: &[String], wanted: Layers) -> io::Result<ExitCode> {
    if wanted.has(Layer::DiesWithParent) {
        seal::die_with_parent()?;
    }
    let mut child = Command::new("/proc/self/exe")
        .args(args)
        .arg(INSIDE)
        .env_clear()
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

/// Say what holds, take the order, do it.
fn serve(layers: Layers) -> ExitCode {
    let told = Line.say(&Told::Sealed(layers));
    // Without an order nothing runs: the agent only wanted to see what holds, or does not like it.
    match told.and_then(|()| Line.order()) {
        Ok(order) => Line
            .say(&Told::Done(run(order)))
            .and_then(|()| Line.dismissed())
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(_) => ExitCode::SUCCESS,
    }
}

fn run(order: Order) -> Run {
    match load::component(&order) {
        Ok(loaded) => call::run(&loaded, order),
        Err(reason) => Run {
            ended: Ended::NotStarted(reason),
            moves: Vec::new(),
            used: Used::default(),
            diagnostics: Vec::new(),
        },
    }
}
