//! One call: fresh store, handles in, value out. Whatever the component does, it ends here as a value; the agent's clock ends it from outside.

use std::time::Instant;

use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store, Trap};

use super::convert::{Room, to_val};
use super::line::Line;
use crate::limits::{Limit, Limits};
use crate::link;
use crate::outcome::{Ended, Fault, Run, Used};
use crate::shape::Function;
use crate::state::{Exited, State, Stopped};
use crate::value::{Arg, Value};
use crate::wire::Order;

/// A component that was loaded, and what it is linked to.
pub(crate) struct Loaded {
    pub(crate) engine: Engine,
    pub(crate) code: Component,
}

/// Do what the order says. How it ended is a value.
pub(crate) fn run(loaded: &Loaded, order: Order) -> Run {
    let started = Instant::now();
    let limits = order.limits.clone();
    let mut store = Store::new(
        &loaded.engine,
        State::new(&limits, order.moment, Box::new(Line)),
    );
    let ended = bound(&mut store, &limits)
        .map_err(|_| Ended::NotStarted("the limits cannot be set".into()))
        .and_then(|()| find(loaded, &order))
        .map_or_else(
            |ended| ended,
            |(linker, function)| call(loaded, &linker, &mut store, &function, order.args, &limits),
        );
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

fn bound(store: &mut Store<State>, limits: &Limits) -> wasmtime::Result<()> {
    store.limiter(|state| state);
    store.set_fuel(limits.fuel)?;
    store.set_hostcall_fuel(limits.hostcall_bytes);
    store.set_max_component_handles(limits.handles);
    Ok(())
}

/// The function that the order names, and what the component is linked to.
fn find(loaded: &Loaded, order: &Order) -> Result<(Linker<State>, Function), Ended> {
    let failed = |error: String| Ended::NotStarted(error);
    let linker = link::link(&loaded.engine, &loaded.code).map_err(|e| failed(format!("{e:#}")))?;
    let functions = link::reflect(&loaded.engine, &loaded.code, &linker, &order.limits)
        .map_err(|e| failed(e.to_string()))?;
    functions
        .into_iter()
        .find(|f| f.interface == order.interface && f.name == order.function)
        .map(|function| (linker, function))
        .ok_or_else(|| failed("there is no such function".into()))
}

fn call(
    loaded: &Loaded,
    linker: &Linker<State>,
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
    match invoke(loaded, linker, store, function, &vals, limits) {
        Ok(value) => Ended::Returned(value),
        Err(error) => classify(&error),
    }
}

fn invoke(
    loaded: &Loaded,
    linker: &Linker<State>,
    store: &mut Store<State>,
    function: &Function,
    args: &[Val],
    limits: &Limits,
) -> wasmtime::Result<Option<Value>> {
    let instance = linker.instantiate(&mut *store, &loaded.code)?;
    let missing = || wasmtime::Error::msg("the export has gone");
    let interface = loaded
        .code
        .get_export_index(None, &function.interface)
        .ok_or_else(missing)?;
    let index = loaded
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
        _ => {}
    }
    named_by_text(&format!("{error:#}"))
}

/// wasmtime has no type for these; the tests hold the texts.
fn named_by_text(text: &str) -> Option<Limit> {
    [
        (
            "fuel allocated for hostcalls has been exhausted",
            Limit::Hostcall,
        ),
        ("store handle limit exceeded", Limit::Handles),
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
