//! What the two kinds of processes are left with: the cage's runs one component for one call, the mind computes with a model.

use std::ffi::CStr;
use std::io;

use nix::sys::resource::Resource;

use super::syscalls;

/// Seconds of processor time of a call. The agent's clock ends one long before; this ends one whose agent stands still.
const CALL_CPU_SECONDS: u64 = 300;
/// Bytes of addresses beside the memory that may be written: wasmtime reserves 4 GiB and guards for each of two linear memories. What is only
/// reserved or read takes no memory, but for its page tables: one byte in 512, so 24 MiB.
const ADDRESS_BYTES: u64 = 12 << 30;
/// Bytes of the process's own stack, which no other limit counts. Linux's usual 8 MiB, whatever the agent was started with.
const STACK_BYTES: u64 = 8 << 20;

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

    /// Nothing of anything that it does not need. A mind's memory, time and threads are not counted here: what a model takes was held against
    /// what the machine has before it is loaded, how long it thinks is the person's affair, and its filter lets it start threads alone.
    pub(super) fn rlimits(&self) -> Vec<(Resource, u64)> {
        let mut limits = vec![
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_FSIZE, 0),
            (Resource::RLIMIT_MEMLOCK, 0),
            (Resource::RLIMIT_MSGQUEUE, 0),
            (Resource::RLIMIT_NOFILE, 3), // the three that it has
        ];
        if let Profile::Cage { memory } = self {
            limits.extend([
                (Resource::RLIMIT_DATA, *memory),
                (Resource::RLIMIT_AS, memory.saturating_add(ADDRESS_BYTES)),
                (Resource::RLIMIT_STACK, STACK_BYTES),
                (Resource::RLIMIT_CPU, CALL_CPU_SECONDS),
                (Resource::RLIMIT_NPROC, 0),
            ]);
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
