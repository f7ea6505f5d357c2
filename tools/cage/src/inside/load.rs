//! Loading what the agent compiled: the three `unsafe` lines of the cage.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use cloister_process::seal::{Handed, syscalls};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

use super::call::Loaded;
use crate::link;
use crate::wire::Order;

/// Map the compiled component from what was handed over and load it; from then on no memory becomes code.
pub(super) fn component(order: &Order) -> Result<Loaded, String> {
    let mut settings = link::settings(&order.limits);
    settings.with_custom_code_memory(Some(Arc::new(Code)));
    let engine = Engine::new(&settings).map_err(|e| format!("{e:#}"))?;
    let code = usize::try_from(order.component_bytes)
        .ok()
        .and_then(|length| map(length).ok())
        .ok_or("the compiled component cannot be read")?;
    let code = deserialize(&engine, code).map_err(|e| format!("{e:#}"))?;
    syscalls::no_more_code().map_err(|e| e.to_string())?;
    Ok(Loaded { engine, code })
}

/// The bytes where they lie, for reading: to copy them would take longer than many a call, which reaches few of them.
#[expect(unsafe_code, reason = "memory of a descriptor")]
fn map(length: usize) -> io::Result<NonNull<[u8]>> {
    let (prot, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
    // SAFETY: the kernel picks the place, so nothing that is in use is replaced. Nobody changes or cuts the bytes: the agent sealed them.
    let start = unsafe { mmap(ptr::null_mut(), length, prot, flags, Handed, 0)? };
    NonNull::new(start.cast())
        .map(|start| NonNull::slice_from_raw_parts(start, length))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Bytes. To ask for the size of this system's pages would take a system call; `mprotect` refuses what begins within a page, and
/// the compiler fills the last one.
const SMALLEST_PAGE: usize = 4096;

/// How the part of [`map`]'s memory that is code becomes code. It is never writable, before or after.
struct Code;

impl CustomCodeMemory for Code {
    fn required_alignment(&self) -> usize {
        SMALLEST_PAGE
    }

    #[expect(unsafe_code, reason = "memory becomes code")]
    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: wasmtime gives the whole pages of code in the memory that `deserialize` gave it. Whoever reads them may go on, and nobody writes.
        unsafe { mprotect(start.cast_mut().cast(), length, flags) }?;
        Ok(())
    }

    fn unpublish_executable(&self, _start: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(()) // the process ends
    }
}

#[expect(unsafe_code, reason = "what was compiled is loaded as it is")]
fn deserialize(engine: &Engine, code: NonNull<[u8]>) -> wasmtime::Result<Component> {
    // SAFETY: the memory comes from `map`, is used by nothing else, and stays for as long as this process. Its bytes come from
    // `Component::serialize`. The agent opened the descriptor on memory that `Component::compiled` wrote and sealed before anybody else could
    // reach it: with what was compiled in this session, or with what was kept when the tool was pinned and has the digest that the admin signed.
    // Who could hand this process another one is the agent. wasmtime holds version and settings against its own.
    unsafe { Component::deserialize_raw(engine, code) }
}
