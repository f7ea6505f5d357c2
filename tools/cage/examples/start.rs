//! What a process of its own costs a call: a component that does nothing, from start to end with every layer that this system has, beside a
//! native program that does nothing (`/bin/true`), in turn. `make bench-cage` runs it.

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use cloister_cage::{Component, Ended, Limits, Moment, Nobody, Program, Terms, run};

/// How often each is started. Enough for a 95th percentile.
const TIMES: usize = 300;

const NOTHING: &str = r#"(component
  (core module $m (func (export "run")))
  (core instance $m (instantiate $m))
  (func $run (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "bench:nothing/nothing@0.1.0" (instance $e)))"#;

fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits::STANDARD;
    let program = Program::load()?;
    let component = Component::compile(&wat::parse_str(NOTHING)?, &limits)?;
    let moment = Moment {
        unix_millis: 0,
        seed: 0,
    };
    let interface = "bench:nothing/nothing@0.1.0";
    let (mut caged, mut native) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let terms = Terms {
            limits: &limits,
            moment,
            stop: &|| false,
            mind: &mut Nobody,
        };
        let begun = Instant::now();
        let ended = run(&program, &component, interface, "run", Vec::new(), terms).ended;
        caged.push(begun.elapsed());
        if ended != Ended::Returned(None) {
            return Err(format!("{ended:?}").into());
        }
        let begun = Instant::now();
        Command::new("/bin/true").status()?;
        native.push(begun.elapsed());
    }
    let missing: Vec<_> = program
        .layers()
        .missing()
        .map(|layer| layer.name())
        .collect();
    println!("layers missing here: {missing:?}");
    println!("a call of nothing in the cage: {}", told(caged));
    println!("/bin/true:                     {}", told(native));
    Ok(())
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    format!("median {:.1?}, 95 % {:.1?}", at(50), at(95))
}
