//! Judges calls that another program replays: JSON lines in, one JSON line out for each. `runtime/tests/attacks` drives it; `make agentdojo` runs that.
//!
//! The lines are those of `replay.rs`. Each argument of the command line is one more alias of types that are sinks (`amount`), beside those of the
//! shipped settings.

mod replay;

use std::error::Error;
use std::io::{self, BufRead, Write};

use replay::{Court, Line};

fn main() -> Result<(), Box<dyn Error>> {
    let aliases: Vec<String> = std::env::args().skip(1).collect();
    let mut court = Court::sit(&aliases)?;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line: Line = serde_json::from_str(&line?)?;
        let ruling = court.hear(line)?;
        serde_json::to_writer(&mut out, &ruling)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}
