//! From a process that was just started to one that holds the pinned model. This binary starts itself again; the other one gives everything
//! up before it is told anything, and gets the model's bytes over a pipe. They are hashed here, as they are handed on: so the bytes that were
//! hashed are those that were loaded, by the word of no process that has parsed any of them.

use std::fs::File;
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use cloister_models::{
    DeviceChoice, Hashed, ModelDigest, ModelError, Pin, Progress, Watch, processors,
};
use cloister_process::{LOOK, Layers, Process, SEALING};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::line::Bounds;
use super::talk::Talk;
use super::wire::{Ask, Order, Told};
use super::{CARD, NAME, PROCESSOR};
use crate::disk;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::screen::Stage;

/// Bytes handed on at once. 256 KiB: they stay in the second-level cache from being read to being hashed and handed on.
const PIECE_BYTES: usize = 256 << 10;
/// Memory pools of the C library: one for all threads. It asks a file of `/proc` before it makes another one smaller.
const POOLS: &str = "1";

/// A process that is giving everything up.
pub(crate) struct Starting {
    process: Process,
    bytes: PipeWriter,
    device: DeviceChoice,
}

/// A process that holds nothing, and waits.
pub(crate) struct Sealed {
    started: Starting,
    layers: Layers,
}

/// A process that holds the pinned model, and waits to be asked.
pub(crate) struct Loaded {
    pub(super) talk: Talk,
    pub(super) model: ModelDigest,
}

/// Start the process. What is needed to compute on a card cannot be given up, so then it keeps most; it says so.
pub(crate) fn start(device: DeviceChoice) -> Result<Starting, Failure> {
    begin(device).map_err(|e| {
        Failure::failed(format!("the model's process did not start: {e}"))
            .hint("it is this program started once more: `/proc` must be there".to_owned())
    })
}

fn begin(device: DeviceChoice) -> io::Result<Starting> {
    // How many processors there are cannot be looked up once everything is given up.
    let threads = processors();
    let (kind, device) = match device {
        DeviceChoice::Cpu => (PROCESSOR, DeviceChoice::Threads(threads)),
        DeviceChoice::Cuda | DeviceChoice::Metal => (CARD, device),
        other => (PROCESSOR, other),
    };
    let environment = [
        ("RAYON_NUM_THREADS", threads.to_string()),
        ("MALLOC_ARENA_MAX", POOLS.to_owned()),
    ];
    let (theirs, bytes) = cloister_process::wide_pipe()?;
    rustix::fs::fcntl_setfl(&bytes, rustix::fs::OFlags::NONBLOCK)?;
    let mut command = Command::new("/proc/self/exe");
    // A group of its own: ^C at the terminal is for the agent, which ends the mind when it has said so.
    command.arg0(NAME).arg(kind).process_group(0);
    let process = Process::start(&mut command, &environment, Stdio::from(theirs))?;
    Ok(Starting {
        process,
        bytes,
        device,
    })
}

impl Starting {
    /// Wait until it has put everything on, and hear what that is.
    pub(crate) fn sealed(mut self) -> Result<Sealed, Failure> {
        let heard = Told::receive(&mut self.process.until(Instant::now() + SEALING, &|| false));
        match heard {
            Ok(Told::Sealed(layers)) => Ok(Sealed {
                started: self,
                layers,
            }),
            Ok(_) => Err(Failure::failed(
                "the model's process said something else before it was sealed",
            )),
            Err(_) => {
                let how = self.process.end();
                let said = format!("the model's process could not seal itself: {how}");
                Err(Failure::failed(said))
            }
        }
    }
}

impl Sealed {
    /// What holds.
    pub(crate) fn layers(&self) -> Layers {
        self.layers
    }

    /// Hand it the file's bytes, and have it make a model of them. Another file than the pinned one is told before any fault that was found
    /// in its bytes, and ends the process.
    pub(crate) fn load(
        self,
        pin: &Pin,
        mut file: File,
        stage: &mut Stage,
        interrupt: &Interrupt,
    ) -> Result<Loaded, Failure> {
        let Starting {
            process,
            bytes,
            device,
        } = self.started;
        let mut talk = Talk::new(process, Bounds::loading(interrupt));
        talk.say(&Ask::Load(Order {
            pin: pin.clone(),
            device,
            available: disk::available_memory(),
        }))?;
        let mut pipe = Pipe {
            bytes,
            bounds: talk.bounds(),
        };
        let passed = pin.read(&mut file, stage, |bytes, watch| {
            pass(bytes, pin.bytes(), &mut pipe, watch)
        })?;
        drop(pipe); // their end
        match passed {
            Ok(()) => {}
            Err(error) => return Err(talk.failed(&error)),
        }
        match talk.hear(stage)? {
            Told::Loaded => Ok(Loaded {
                talk,
                model: pin.sha256(),
            }),
            _ => Err(talk.lied("it said something else than that it is ready")),
        }
    }
}

/// Hand on everything. That nobody takes it is told after the rest was hashed.
fn pass(
    bytes: &mut Hashed<'_>,
    total: u64,
    pipe: &mut Pipe<'_>,
    watch: &mut dyn Watch,
) -> Result<io::Result<()>, ModelError> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut done = 0_u64;
    loop {
        let got = match bytes.read(&mut piece) {
            Ok(0) => return Ok(Ok(())),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(source) => return Err(ModelError::Read { source }),
        };
        if let Err(error) = pipe.write_all(piece.get(..got).unwrap_or_default()) {
            return Ok(Err(error));
        }
        done = done.saturating_add(got as u64);
        if let ControlFlow::Break(()) = watch.on(Progress::Load { done, total }) {
            return Err(ModelError::Interrupted);
        }
    }
}

/// Where the model's bytes go.
struct Pipe<'a> {
    bytes: PipeWriter,
    bounds: &'a Bounds,
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let timeout = Timespec::try_from(LOOK).map_err(io::Error::other)?;
        loop {
            self.bounds.go_on()?;
            match self.bytes.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            let mut waiting = [PollFd::new(&self.bytes, PollFlags::OUT)];
            match poll(&mut waiting, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
