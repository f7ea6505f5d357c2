//! The cage's own program: built with this crate, part of the agent's binary and so of its digest, and started from memory that nobody can
//! change. No file that could be swapped is looked for.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use cloister_process::{Layer, Layers, Process, SEALING};
use rustix::fs::MemfdFlags;

use crate::component::sealed;
use crate::error::CageError;
use crate::limits::{HOST_BYTES, Limits};
use crate::wire::{Told, receive};

/// What `build.rs` built.
const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloister-cage"));

/// The program, and what it could put on when it was tried.
#[derive(Debug)]
pub struct Program {
    image: File,
    layers: Layers,
}

impl Program {
    /// Lay the program into memory and start it once without an order, to see which layers this system lets it put on.
    ///
    /// # Errors
    /// [`CageError::Memory`], [`CageError::Process`]: without the cage's process no component runs.
    pub fn load() -> Result<Program, CageError> {
        // Kernels before 6.3 do not know the flag, and need none.
        let image = sealed("cloister-cage", IMAGE, MemfdFlags::EXEC)
            .or_else(|_| sealed("cloister-cage", IMAGE, MemfdFlags::empty()))?;
        let mut program = Program {
            image,
            layers: Layers::default(),
        };
        let mut tried = program.start(Stdio::null(), &Limits::STANDARD)?;
        program.layers = sealed_as(&mut tried)?;
        Ok(program)
    }

    /// What every process of it puts on, or it is given no order.
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// Start it with `component` to read. It is told nothing yet.
    pub(crate) fn start(&self, component: Stdio, limits: &Limits) -> Result<Process, CageError> {
        let memory = limits.memory_bytes.saturating_add(HOST_BYTES);
        let mut command = Command::new(format!("/proc/self/fd/{}", self.image.as_raw_fd()));
        command.arg0("cloister-cage").arg(memory.to_string());
        Process::start(&mut command, &[], component).map_err(|e| CageError::Process(e.to_string()))
    }
}

/// Wait until it has put everything on, and hear what that is.
pub(crate) fn sealed_as(process: &mut Process) -> Result<Layers, CageError> {
    let payload = receive(&mut process.until(Instant::now() + SEALING, &|| false));
    let payload = payload.map_err(|_| CageError::Process(process.end()))?;
    match Told::decode(&payload, &Limits::STANDARD) {
        Ok(Told::Sealed(layers)) => Ok(layers),
        _ => Err(CageError::Process("it said something else first".into())),
    }
}

/// The most memory that it had at once, as the system counts it, while it is there to be asked about.
pub(crate) fn peak(process: &Process, layers: Layers) -> Option<u64> {
    let first = process.id();
    let pid = match layers.has(Layer::Namespaces) {
        true => only_child(first)?, // the first only waits
        false => first,
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn only_child(of: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    children.trim().parse().ok()
}
