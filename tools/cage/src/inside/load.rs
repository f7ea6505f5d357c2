//! Loading what the agent compiled: the one `unsafe` line of the cage.

use std::io::Read as _;

use cloister_process::seal::{Handed, syscalls};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::call::Loaded;
use crate::link;
use crate::wire::Order;

/// Read the compiled component from descriptor 1 and load it; from then on no memory becomes code.
pub(super) fn component(order: &Order) -> Result<Loaded, String> {
    let engine = Engine::new(&link::settings(&order.limits)).map_err(|e| format!("{e:#}"))?;
    let code = usize::try_from(order.component_bytes)
        .ok()
        .and_then(|length| read(length).ok())
        .ok_or("the compiled component cannot be read")?;
    let code = deserialize(&engine, &code).map_err(|e| format!("{e:#}"))?;
    syscalls::no_more_code().map_err(|e| e.to_string())?;
    Ok(Loaded { engine, code })
}

fn read(length: usize) -> std::io::Result<Vec<u8>> {
    let mut code = vec![0; length];
    Handed.read_exact(&mut code)?;
    Ok(code)
}

#[expect(unsafe_code, reason = "what was compiled is loaded as it is")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come from `Component::serialize`. Descriptor 1 is opened by the agent on memory that `Component::compiled` wrote and
    // sealed before anybody else could reach it: with what was compiled in this session, or with what was kept when the tool was pinned and has
    // the digest that the admin signed. Who could hand this process another one is the agent. wasmtime holds version and settings against its own.
    unsafe { Component::deserialize(engine, code) }
}
