//! Giving everything up, in the order in which each step still can.

use std::io;

use nix::sys::prctl::{set_dumpable, set_name, set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use super::{landlock, namespaces, syscalls};
use crate::layer::{Layer, Layers};

/// Seconds of processor time. The agent's clock ends a call long before; this ends one whose agent stands still.
const CPU_SECONDS: u64 = 300;
/// Bytes of addresses beside the memory that may be written: wasmtime reserves 4 GiB and guards for each of two linear memories. What is only
/// reserved or read takes no memory, but for its page tables: one byte in 512, so 24 MiB.
const ADDRESS_BYTES: u64 = 12 << 30;
/// Bytes of the process's own stack, which no other limit counts. Linux's usual 8 MiB, whatever the agent was started with.
const STACK_BYTES: u64 = 8 << 20;

/// Put on these layers, and say which hold. What a system may refuse is left out then; what it may not ends here.
///
/// # Errors
/// For a layer without which nothing may run.
pub fn put_on(wanted: Layers, memory: u64) -> io::Result<Layers> {
    set_name(c"cloister-cage")?;
    let mut held = Layers::default();
    for layer in ORDER.into_iter().filter(|layer| wanted.has(*layer)) {
        let holds = match layer {
            Layer::DiesWithParent => die_with_parent().map(|()| true),
            Layer::NoNewPrivileges => set_no_new_privs().map(|()| true).map_err(io::Error::from),
            Layer::Descriptors => close_descriptors().map(|()| true),
            // Made by the first start; here is its number 1.
            Layer::Namespaces => Ok(true),
            Layer::EmptyRoot => Ok(namespaces::empty_root().is_ok()),
            Layer::Undumpable => set_dumpable(false).map(|()| true).map_err(io::Error::from),
            Layer::Rlimits => rlimits(memory).map(|()| true),
            Layer::Landlock => Ok(landlock::deny_all()),
            Layer::Seccomp => syscalls::allow(syscalls::SEALED).map(|()| true),
        };
        if holds? {
            held = held.with(layer);
        }
        if layer == Layer::EmptyRoot {
            namespaces::no_capabilities()?;
        }
    }
    Ok(held)
}

/// Each step needs what the later ones take: a list of descriptors is read from a file, Landlock's rules are a descriptor for a moment, and
/// the filter takes all the rest.
const ORDER: [Layer; 9] = [
    Layer::DiesWithParent,
    Layer::NoNewPrivileges,
    Layer::Descriptors,
    Layer::Namespaces,
    Layer::EmptyRoot,
    Layer::Undumpable,
    Layer::Landlock,
    Layer::Rlimits,
    Layer::Seccomp,
];

pub(super) fn die_with_parent() -> io::Result<()> {
    Ok(set_pdeathsig(Signal::SIGKILL)?)
}

/// Descriptors that some library of the agent left open for its children.
fn close_descriptors() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|n| n.parse::<i32>().ok()));
    }
    for descriptor in open.into_iter().filter(|n| *n > 2) {
        let _ = nix::unistd::close(descriptor); // the list's own is closed by now
    }
    Ok(())
}

/// Memory as much as the call may use, and nothing else of anything.
fn rlimits(memory: u64) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_DATA, memory),
        (Resource::RLIMIT_AS, memory.saturating_add(ADDRESS_BYTES)),
        (Resource::RLIMIT_STACK, STACK_BYTES),
        (Resource::RLIMIT_CPU, CPU_SECONDS),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NOFILE, 3), // the three that it has
        (Resource::RLIMIT_NPROC, 0),
    ] {
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}
