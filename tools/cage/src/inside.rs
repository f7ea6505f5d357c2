//! The cage's process: it gives up everything, says so, and only then takes its order and touches the component.

mod call;
mod convert;
mod line;
mod load;

use std::process::ExitCode;

use cloister_process::seal::{self, Profile};
use cloister_process::{Layer, Layers};

use crate::outcome::{Ended, Run, Used};
use crate::wire::{Order, Told};
use line::Line;

/// Be the cage's process, with every layer on.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match profile(&args) {
        Some(profile) => seal::start(&profile, &args, Layers::from_iter(Layer::ALL), serve),
        None => ExitCode::from(seal::UNSEALED), // started by somebody else than the agent
    }
}

/// The first of `args` says how many bytes of memory the process may have.
pub fn profile(args: &[String]) -> Option<Profile> {
    let memory = args.first()?.parse().ok()?;
    Some(Profile::Cage { memory })
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
