//! One call: fresh store, handles in, value out. Whatever the component does, it ends here as a value.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use wasmtime::component::Val;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::component::Component;
use crate::convert::{Room, to_val};
use crate::limits::{Limit, Limits};
use crate::shape::Function;
use crate::state::{Exited, State, Stopped};
use crate::value::{Arg, Value};

/// Time and chance as the component sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970-01-01T00:00:00Z. Stands still during a call.
    pub unix_millis: u64,
    /// Where the random numbers start; the same seed gives the same call again.
    pub seed: u64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It gave this back; nothing for a function without a result.
    Returned(Option<Value>),
    /// It did something that no component may, or gave up. The text may hold the component's own words.
    Trapped(Fault, String),
    /// It reached a limit.
    StoppedBy(Limit),
    /// It never started: no such function, or arguments that do not fit it.
    NotStarted(String),
}

/// What a component did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It gave up: a panic in Rust, or an exit.
    GaveUp,
    /// It reached outside its memory or a table.
    OutOfBounds,
    /// It divided by zero or overflowed.
    Arithmetic,
    /// It called something that the cage leaves undefined.
    Undefined,
    /// Anything else that wasmtime calls a trap.
    Other,
}

impl Fault {
    /// A stable name for records.
    pub fn code(self) -> &'static str {
        match self {
            Fault::GaveUp => "gave-up",
            Fault::OutOfBounds => "out-of-bounds",
            Fault::Arithmetic => "arithmetic",
            Fault::Undefined => "undefined",
            Fault::Other => "other",
        }
    }
}

/// A move that was asked for, by the host's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The number of the movable.
    pub file: u32,
    /// The number of the place.
    pub place: u32,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Time on the wall.
    pub wall: Duration,
    /// Units of fuel.
    pub fuel: u64,
    /// Largest linear memory, bytes.
    pub memory_bytes: u64,
    /// Bytes read through handles.
    pub read_bytes: u64,
    /// Bytes written through handles.
    pub written_bytes: u64,
}

/// A finished call.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub ended: Ended,
    /// Moves it asked for, in order. Of no effect by themselves.
    pub moves: Vec<Move>,
    /// What it used.
    pub used: Used,
    /// What it said on standard output and error: the component's own words, for a log that escapes them.
    pub diagnostics: Vec<u8>,
}

/// Run `function` of `interface` once. Never panics and never fails: how it ended is a value.
pub fn run(
    component: &Component,
    interface: &str,
    function: &str,
    args: Vec<Arg>,
    limits: &Limits,
    moment: Moment,
) -> Run {
    let started = Instant::now();
    let mut store = Store::new(&component.engine, State::new(limits, moment));
    let found = component
        .functions()
        .iter()
        .find(|f| f.interface == interface && f.name == function);
    let ended = match found {
        None => Ended::NotStarted("there is no such function".into()),
        Some(_) if bound(&mut store, limits, started).is_err() => {
            Ended::NotStarted("the limits cannot be set".into())
        }
        Some(function) => watched(&component.engine, limits.wall, || {
            call(component, &mut store, function, args, limits)
        }),
    };
    let fuel = limits
        .fuel
        .saturating_sub(store.get_fuel().unwrap_or_default());
    let state = store.into_data();
    let used = Used {
        wall: started.elapsed(),
        fuel,
        ..state.used
    };
    Run {
        ended,
        moves: state.moves,
        used,
        diagnostics: state.diagnostics,
    }
}

fn bound(store: &mut Store<State>, limits: &Limits, started: Instant) -> wasmtime::Result<()> {
    store.limiter(|state| state);
    store.set_fuel(limits.fuel)?;
    store.set_hostcall_fuel(limits.hostcall_bytes);
    store.set_epoch_deadline(1);
    let wall = limits.wall;
    // Another call's watchdog moves the same epoch, so each call looks at its own time.
    store.epoch_deadline_callback(move |_| {
        if started.elapsed() >= wall {
            Err(Stopped(Limit::Wall).into())
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    });
    Ok(())
}

/// Do `work` while a second thread waits to move the epoch when the time is up; it ends with the work.
fn watched(engine: &Engine, wall: Duration, work: impl FnOnce() -> Ended) -> Ended {
    let (done, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let watchdog = std::thread::Builder::new()
            .name("cage-clock".into())
            .spawn_scoped(scope, move || {
                if ended.recv_timeout(wall) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            });
        if watchdog.is_err() {
            return Ended::NotStarted("no thread for the clock".into());
        }
        let result = work();
        drop(done);
        result
    })
}

fn call(
    component: &Component,
    store: &mut Store<State>,
    function: &Function,
    args: Vec<Arg>,
    limits: &Limits,
) -> Ended {
    if args.len() != function.params.len() {
        return Ended::NotStarted("the number of arguments is wrong".into());
    }
    let vals = function
        .params
        .iter()
        .zip(args)
        .map(|((_, shape), arg)| to_val(store, shape, arg))
        .collect::<wasmtime::Result<Vec<_>>>();
    let vals = match vals {
        Ok(vals) => vals,
        Err(error) => {
            return stop(&error)
                .map_or_else(|| Ended::NotStarted(format!("{error:#}")), Ended::StoppedBy);
        }
    };
    match invoke(component, store, function, &vals, limits) {
        Ok(value) => Ended::Returned(value),
        Err(error) => classify(&error),
    }
}

fn invoke(
    component: &Component,
    store: &mut Store<State>,
    function: &Function,
    args: &[Val],
    limits: &Limits,
) -> wasmtime::Result<Option<Value>> {
    let instance = component.linker.instantiate(&mut *store, &component.code)?;
    let missing = || wasmtime::Error::msg("the export has gone");
    let interface = component
        .code
        .get_export_index(None, &function.interface)
        .ok_or_else(missing)?;
    let index = component
        .code
        .get_export_index(Some(&interface), &function.name)
        .ok_or_else(missing)?;
    let func = instance.get_func(&mut *store, index).ok_or_else(missing)?;
    let mut results = vec![Val::Bool(false); usize::from(function.result.is_some())];
    func.call(&mut *store, args, &mut results)?;
    let mut room = Room {
        bytes: limits.result_bytes,
        nesting: limits.nesting,
    };
    results.pop().map(|val| room.take(val)).transpose()
}

fn stop(error: &wasmtime::Error) -> Option<Limit> {
    if let Some(Stopped(limit)) = error.downcast_ref() {
        return Some(*limit);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Some(Limit::Fuel),
        Some(Trap::StackOverflow) => return Some(Limit::Stack),
        Some(Trap::Interrupt) => return Some(Limit::Wall),
        _ => {}
    }
    named_by_text(&format!("{error:#}"))
}

/// wasmtime has no type for these four; the tests hold the texts.
fn named_by_text(text: &str) -> Option<Limit> {
    [
        (
            "fuel allocated for hostcalls has been exhausted",
            Limit::Hostcall,
        ),
        ("resource limit exceeded: instance", Limit::Instances),
        ("resource limit exceeded: memory", Limit::Memory),
        ("resource limit exceeded: table", Limit::Table),
    ]
    .iter()
    .find(|(part, _)| text.contains(part))
    .map(|(_, limit)| *limit)
}

fn classify(error: &wasmtime::Error) -> Ended {
    if let Some(limit) = stop(error) {
        return Ended::StoppedBy(limit);
    }
    let fault = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Fault::GaveUp,
        Some(
            Trap::MemoryOutOfBounds
            | Trap::TableOutOfBounds
            | Trap::StringOutOfBounds
            | Trap::ListOutOfBounds,
        ) => Fault::OutOfBounds,
        Some(
            Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger,
        ) => Fault::Arithmetic,
        Some(_) => Fault::Other,
        None if error.is::<Exited>() => Fault::GaveUp,
        None if format!("{error:#}").contains("unknown import") => Fault::Undefined,
        None => Fault::Other,
    };
    Ended::Trapped(fault, format!("{:#}", error.root_cause()))
}
