//! Serves one model to other programs of this machine, in the forms that OpenAI's clients speak. Listens on a Unix socket or on loopback
//! and nowhere else; the agent does not use it and does not link it.

mod answer;
mod ask;
mod chat;
mod completions;
mod dialogue;
mod http;
mod job;
mod limits;
mod listen;
mod metrics;
mod model;
mod outflow;
mod refusal;
mod responses;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cloister_models::Engine;
use cloister_states::States;
use tokio::sync::{mpsc, oneshot};

use answer::{Served, now};
use http::Shared;
use limits::LIMITS;
use listen::{Address, Listener};
use metrics::Metrics;
use model::Named;

/// Serves a model on this machine: /v1/chat/completions, /v1/responses, /v1/completions, /v1/models, /health, /metrics.
#[derive(Parser)]
#[command(name = "cloister-serve", version, about)]
struct Arguments {
    /// A model pinned in the home by its name, or a GGUF file by its path, as in ./model.gguf.
    #[arg(long, value_name = "NAME|FILE")]
    model: String,
    /// Where to listen: a Unix socket that only you can open, or a loopback port.
    #[arg(
        long,
        value_name = "unix:PATH|127.0.0.1:PORT",
        default_value = "127.0.0.1:8080"
    )]
    listen: Address,
    /// The home whose `models.lock` is read. The usual one of `cloister` if none is named.
    #[arg(long, env = "CLOISTER_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// The SHA-256 that a file must have, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// A folder where the model's state after a system text and its functions is kept, so that after a restart they need not be read again.
    #[arg(long, value_name = "DIR")]
    states: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let named = Named {
        model: &arguments.model,
        sha256: arguments.sha256.as_deref(),
        home: arguments.home.as_deref(),
    };
    let engine = match model::load(&named) {
        Ok(engine) => engine,
        Err(error) => {
            let hint = error.hint();
            return complain(&error, hint.as_deref());
        }
    };
    let states = arguments.states.map(States::at);
    match serve(engine, &arguments.listen, states) {
        Ok(()) => complain(&"the engine has stopped", None),
        Err(error) => {
            let place = format!("cannot listen on {:?}: {error}", arguments.listen);
            complain(&place, Some("choose another address with --listen"))
        }
    }
}

fn complain(error: &dyn std::fmt::Display, hint: Option<&str>) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Runs until the engine stops, which it does only by a fault.
fn serve(engine: Engine, address: &Address, states: Option<States>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = Listener::bind(address).await?;
        let served = Served {
            name: engine.name().to_string(),
            fingerprint: engine.sha256().to_string().chars().take(16).collect(),
            since: now(),
        };
        let place = listener.place(address);
        let metrics = Arc::new(Metrics::new());
        let (jobs, taken) = mpsc::channel(LIMITS.queue);
        let (alive, dead) = oneshot::channel::<()>();
        let counted = Arc::clone(&metrics);
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let _alive = alive; // dropped when the thread ends, however it ends
                if let Err(error) = worker::run(&engine, taken, &counted, states.as_ref()) {
                    let _ = writeln!(std::io::stderr(), "error: {error}");
                }
            })?;
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{} is served on {place}", served.name).and_then(|()| out.flush()); // nobody may be reading
        let shared = Arc::new(Shared {
            jobs,
            metrics,
            served,
        });
        tokio::spawn(http::serve(listener, shared));
        let _ = dead.await; // nothing is ever sent: it resolves when the engine's thread ends
        Ok(())
    })
}
