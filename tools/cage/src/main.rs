//! `cloister-cage`: the process that runs one component for one call. It is started by the agent and by nobody else, and holds no compiler,
//! no parser and no grammar.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloister_cage::inside::main()
}
