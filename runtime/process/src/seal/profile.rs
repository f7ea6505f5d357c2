//! What the two kinds of processes are left with: the cage's runs one component for one call, the mind computes with a model.

use std::ffi::CStr;
use std::io;

use nix::sys::resource::Resource;

use super::syscalls;
use crate::layer::{Layer, Layers};

/// Seconds of processor time of a call. The agent's clock ends one long before; this ends one whose agent stands still.
const CALL_CPU_SECONDS: u64 = 300;
/// Bytes of addresses beside the memory that may be written: wasmtime reserves 4 GiB and guards for each of two linear memories. What is only
/// reserved or read takes no memory, but for its page tables: one byte in 512, so 24 MiB.
const ADDRESS_BYTES: u64 = 12 << 30;
/// Bytes of the process's own stack, which no other limit counts. Linux's usual 8 MiB, whatever the agent was started with.
const STACK_BYTES: u64 = 8 << 20;

/// Threads of a mind: two for each processor of the largest machines.
const MIND_THREADS: u64 = 1024;
/// The first Linux that counts a user namespace's processes by themselves.
const COUNTS_BY_NAMESPACE: (u32, u32) = (5, 14);

/// Which kind of process this is.
#[derive(Debug, Clone, Copy)]
pub enum Profile {
    /// One thread, and as many bytes of memory.
    Cage {
        /// Bytes.
        memory: u64,
    },
    /// Threads, and whatever memory a model takes.
    Mind,
}

impl Profile {
    /// What the process is called.
    #[must_use]
    pub fn name(&self) -> &'static CStr {
        match self {
            Profile::Cage { .. } => c"cloister-cage",
            Profile::Mind => c"cloister-mind",
        }
    }

    /// The system calls that are left.
    #[must_use]
    pub fn calls(&self) -> &'static [syscalls::Allowed] {
        match self {
            Profile::Cage { .. } => syscalls::CAGE,
            Profile::Mind => syscalls::MIND,
        }
    }

    /// Those that are refused, where any other ends the process.
    #[must_use]
    pub fn refused(&self) -> &'static [syscalls::Allowed] {
        match self {
            Profile::Cage { .. } => &[],
            Profile::Mind => syscalls::REFUSED,
        }
    }

    /// Nothing of anything that it does not need. A mind's memory and time are not counted here: what a model takes was held against what the
    /// machine has before it is loaded, where memory is short it is the first to go, and how long it thinks is the person's affair. Its threads
    /// are counted where they are those of its own namespace; elsewhere the system would count all that the person runs.
    pub(super) fn rlimits(&self, held: Layers) -> Vec<(Resource, u64)> {
        let mut limits = vec![
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_FSIZE, 0),
            (Resource::RLIMIT_MEMLOCK, 0),
            (Resource::RLIMIT_MSGQUEUE, 0),
            (Resource::RLIMIT_NOFILE, 3), // the three that it has
        ];
        match self {
            Profile::Cage { memory } => limits.extend([
                (Resource::RLIMIT_DATA, *memory),
                (Resource::RLIMIT_AS, memory.saturating_add(ADDRESS_BYTES)),
                (Resource::RLIMIT_STACK, STACK_BYTES),
                (Resource::RLIMIT_CPU, CALL_CPU_SECONDS),
                (Resource::RLIMIT_NPROC, 0),
            ]),
            Profile::Mind if held.has(Layer::Namespaces) && counts_by_namespace() => {
                limits.push((Resource::RLIMIT_NPROC, MIND_THREADS));
            }
            Profile::Mind => {}
        }
        limits
    }

    /// The cage loads code first, and takes that away from itself afterwards; a mind has none to load.
    pub(super) fn filter(&self) -> io::Result<()> {
        match self {
            Profile::Cage { .. } => syscalls::allow(self.calls()),
            Profile::Mind => syscalls::allow_model(),
        }
    }
}

fn counts_by_namespace() -> bool {
    let Ok(system) = nix::sys::utsname::uname() else {
        return false;
    };
    let mut numbers = system
        .release()
        .to_str()
        .unwrap_or_default()
        .split(['.', '-']);
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= COUNTS_BY_NAMESPACE)
}
