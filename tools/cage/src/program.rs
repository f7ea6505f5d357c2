//! The cage's own program: built with this crate, part of the agent's binary and so of its digest, and started from memory that nobody can
//! change. No file that could be swapped is looked for.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use crate::component::sealed;
use crate::error::CageError;
use crate::layer::{Layer, Layers};
use crate::limits::{HOST_BYTES, Limits};
use crate::wire::{Told, receive};

/// What `build.rs` built.
const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloister-cage"));

/// How long sealing may take. It takes some milliseconds; a machine that swaps takes longer.
pub(crate) const SEALING: Duration = Duration::from_secs(20);

/// How long a call goes on that is to end at once: long enough to cost nothing, short enough not to be noticed.
const LOOK: Duration = Duration::from_millis(100);

/// What an end on request looks like among errors of the line; a socket pair has none of this kind.
pub(crate) const CALLED_OFF: ErrorKind = ErrorKind::ConnectionAborted;

/// The program, and what it could put on when it was tried.
#[derive(Debug)]
pub struct Program {
    image: File,
    layers: Layers,
}

/// A process of the cage. It is killed and waited for when this is dropped.
pub(crate) struct Process {
    stream: UnixStream,
    child: Child,
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
        program.layers = tried.sealed()?;
        Ok(program)
    }

    /// What every process of it puts on, or it is given no order.
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// Start it with `component` to read. It is told nothing yet.
    pub(crate) fn start(&self, component: Stdio, limits: &Limits) -> Result<Process, CageError> {
        let failed = |e: std::io::Error| CageError::Process(e.to_string());
        let (stream, theirs) = UnixStream::pair().map_err(failed)?;
        let memory = limits.memory_bytes.saturating_add(HOST_BYTES);
        let child = Command::new(format!("/proc/self/fd/{}", self.image.as_raw_fd()))
            .arg0("cloister-cage")
            .arg(memory.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(component)
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        Ok(Process { stream, child })
    }
}

impl Process {
    /// Wait until it has put everything on, and hear what that is.
    pub(crate) fn sealed(&mut self) -> Result<Layers, CageError> {
        let payload = receive(&mut self.until(Instant::now() + SEALING, &|| false));
        let payload = payload.map_err(|_| CageError::Process(self.end()))?;
        match Told::decode(&payload, &Limits::STANDARD) {
            Ok(Told::Sealed(layers)) => Ok(layers),
            _ => Err(CageError::Process("it said something else first".into())),
        }
    }

    /// Somebody else at the other end of the line.
    #[cfg(test)]
    pub(crate) fn played(stream: UnixStream) -> Process {
        let child = Command::new("true").spawn().unwrap();
        Process { stream, child }
    }

    /// To speak with it until then, or until it is to `stop`.
    pub(crate) fn until<'a>(&'a self, deadline: Instant, stop: &'a dyn Fn() -> bool) -> Until<'a> {
        Until {
            stream: &self.stream,
            deadline,
            stop,
            look: Instant::now(),
        }
    }

    /// The most memory that it had at once, as the system counts it, while it is there to be asked about.
    pub(crate) fn peak(&self, layers: Layers) -> Option<u64> {
        let first = self.child.id();
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

    /// Kill it, if it has not ended by itself, and say how it ended.
    pub(crate) fn end(&mut self) -> String {
        // What has closed its end is about to be gone by itself, and how is worth knowing; what has not is not waited for.
        let closed = self
            .stream
            .set_read_timeout(Some(Duration::from_millis(200)));
        if closed.is_err() || !matches!(self.stream.read(&mut [0]), Ok(0)) {
            let _ = self.child.kill(); // it may have gone meanwhile
        }
        match self.child.wait() {
            Ok(status) => format!("it ended with {}", told(status.code())),
            Err(error) => error.to_string(),
        }
    }
}

fn only_child(of: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    children.trim().parse().ok()
}

/// The code by which the cage passes on how its inner process ended.
fn told(code: Option<i32>) -> String {
    match code {
        Some(159) => "signal 31: a system call that it may not do".to_owned(),
        Some(code) if code > 128 => format!("signal {}", code.saturating_sub(128)),
        Some(code) => format!("exit code {code}"),
        None => "a signal".to_owned(),
    }
}

/// Its line, on which every read and write ends at one time, so that bytes coming drop by drop do not put the end off.
pub(crate) struct Until<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
    stop: &'a dyn Fn() -> bool,
    /// When to ask again whether to stop.
    look: Instant,
}

impl Until<'_> {
    /// How long to wait for the other end before looking up.
    fn left(&mut self) -> std::io::Result<Option<Duration>> {
        let now = Instant::now();
        if now >= self.look {
            if (self.stop)() {
                return Err(CALLED_OFF.into());
            }
            self.look = now + LOOK;
        }
        let left = self.deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into()); // as a time-out, nothing would mean for ever
        }
        Ok(Some(left.min(LOOK)))
    }

    /// Do something with the line that waits no longer than `left`, again and again until it is done.
    fn patiently(
        &mut self,
        mut act: impl FnMut(&UnixStream, Option<Duration>) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        loop {
            let left = self.left()?;
            match act(self.stream, left) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.patiently(|mut stream, left| {
            stream.set_read_timeout(left)?;
            stream.read(buffer)
        })
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.patiently(|mut stream, left| {
            stream.set_write_timeout(left)?;
            stream.write(bytes)
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // gone already, most times
        let _ = self.child.wait();
    }
}
