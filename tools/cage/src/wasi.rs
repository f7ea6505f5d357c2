//! The little of WASI that Rust's standard library imports whether it uses it or not. Time and chance come from the session, standard
//! output and error become diagnostics, and everything else traps when called. Nothing here reaches the system.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType};

use crate::limits::Limit;
use crate::state::{Exited, State, Stopped};

/// Interfaces that may be imported, any 0.2 version. Not among them: file systems, sockets, http.
#[cfg(feature = "engine")]
const ALLOWED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

type Store<'a> = StoreContextMut<'a, State>;

/// Standard output and standard error alike.
struct Stream;
/// `wasi:io/error.error`; never made.
struct IoError;
/// `wasi:io/streams.input-stream`; never made.
struct InputStream;
/// `wasi:io/poll.pollable`; never made.
struct Pollable;

/// `variant stream-error`. Our streams never fail, but the type must be stated.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "no stream of ours fails")]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// `record datetime`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn interface(name: &str) -> Option<&str> {
    name.split_once('@')
        .filter(|(_, version)| version.starts_with("0.2."))
        .map(|(name, _)| name)
}

/// Whether the import `name` is on the list.
#[cfg(feature = "engine")]
pub(crate) fn allowed(name: &str) -> bool {
    interface(name).is_some_and(|name| ALLOWED.contains(&name))
}

/// Define what the import `name` needs; what stays undefined traps.
pub(crate) fn link(linker: &mut Linker<State>, name: &str) -> wasmtime::Result<()> {
    let Some(known) = interface(name) else {
        return Ok(());
    };
    let mut at = linker.instance(name)?;
    resources(&mut at, known)?;
    match known {
        "wasi:cli/environment" => environment(&mut at),
        "wasi:cli/exit" => at.func_wrap(
            "exit",
            |_: Store<'_>, _: (Result<(), ()>,)| -> wasmtime::Result<()> { Err(Exited.into()) },
        ),
        "wasi:cli/stderr" => stream(&mut at, "get-stderr"),
        "wasi:cli/stdout" => stream(&mut at, "get-stdout"),
        "wasi:clocks/monotonic-clock" => at.func_wrap("now", |mut s: Store<'_>, ()| {
            Ok((s.data_mut().monotonic_clock(),))
        }),
        "wasi:clocks/wall-clock" => at.func_wrap("now", |s: Store<'_>, ()| {
            let (seconds, nanoseconds) = s.data().wall_clock();
            Ok((Datetime {
                seconds,
                nanoseconds,
            },))
        }),
        "wasi:io/streams" => streams(&mut at),
        "wasi:random/random" => random(&mut at, "get-random-bytes", "get-random-u64"),
        "wasi:random/insecure" => random(
            &mut at,
            "get-insecure-random-bytes",
            "get-insecure-random-u64",
        ),
        "wasi:random/insecure-seed" => at.func_wrap("insecure-seed", |mut s: Store<'_>, ()| {
            let state = s.data_mut();
            Ok(((state.random(), state.random()),))
        }),
        _ => Ok(()),
    }
}

fn environment(at: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    at.func_wrap("get-environment", |_: Store<'_>, ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    at.func_wrap("get-arguments", |_: Store<'_>, ()| {
        Ok((Vec::<String>::new(),))
    })?;
    at.func_wrap("initial-cwd", |_: Store<'_>, ()| {
        Ok((Option::<String>::None,))
    })
}

fn stream(at: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    at.func_wrap(name, |mut s: Store<'_>, ()| {
        Ok((s.data_mut().push(Stream)?,))
    })
}

/// The resources that an interface makes or uses. One that uses another's must name the very same type, or the component does not fit.
fn resources(at: &mut LinkerInstance<'_, State>, interface: &str) -> wasmtime::Result<()> {
    let named: &[&str] = match interface {
        "wasi:io/error" => &["error"],
        "wasi:io/poll" | "wasi:clocks/monotonic-clock" => &["pollable"],
        "wasi:io/streams" => &["error", "pollable", "input-stream", "output-stream"],
        "wasi:cli/stdin" => &["input-stream"],
        "wasi:cli/stdout" | "wasi:cli/stderr" => &["output-stream"],
        _ => &[],
    };
    for name in named {
        match *name {
            "error" => at.resource(name, ResourceType::host::<IoError>(), |_, _| Ok(()))?,
            "pollable" => at.resource(name, ResourceType::host::<Pollable>(), |_, _| Ok(()))?,
            "input-stream" => {
                at.resource(name, ResourceType::host::<InputStream>(), |_, _| Ok(()))?
            }
            _ => at.resource(
                name,
                ResourceType::host::<Stream>(),
                |mut s: Store<'_>, rep| {
                    s.data_mut()
                        .table
                        .delete(Resource::<Stream>::new_own(rep))?;
                    Ok(())
                },
            )?,
        }
    }
    Ok(())
}

fn streams(at: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    at.func_wrap(
        "[method]output-stream.check-write",
        |s: Store<'_>, _: (Resource<Stream>,)| {
            Ok((Ok::<u64, StreamError>(
                s.data().limits.diagnostics_bytes as u64,
            ),))
        },
    )?;
    for name in [
        "[method]output-stream.write",
        "[method]output-stream.blocking-write-and-flush",
    ] {
        at.func_wrap(
            name,
            |mut s: Store<'_>, (_, bytes): (Resource<Stream>, Vec<u8>)| {
                s.data_mut().diagnose(&bytes);
                Ok((Ok::<(), StreamError>(()),))
            },
        )?;
    }
    for name in [
        "[method]output-stream.flush",
        "[method]output-stream.blocking-flush",
    ] {
        at.func_wrap(name, |_: Store<'_>, _: (Resource<Stream>,)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    Ok(())
}

fn random(at: &mut LinkerInstance<'_, State>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    at.func_wrap(bytes, |mut s: Store<'_>, (length,): (u64,)| {
        let state = s.data_mut();
        if length > state.limits.random_bytes {
            return Err(Stopped(Limit::Random).into());
        }
        let length = usize::try_from(length)?;
        let mut bytes = Vec::with_capacity(length.saturating_add(8));
        while bytes.len() < length {
            bytes.extend(state.random().to_le_bytes());
        }
        bytes.truncate(length);
        Ok((bytes,))
    })?;
    at.func_wrap(number, |mut s: Store<'_>, ()| Ok((s.data_mut().random(),)))
}
