//! The agent's end of the mind's line: it waits, but not past the person's wish to stop, nor for ever.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::interrupt::Interrupt;

/// How often the wish to stop is looked for while nothing comes: nobody notices a tenth of a second.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How long a mind may take for one frame, or for taking one. Ten minutes: it says something after each layer of a chunk and each token, which
/// take below a minute even where memory is swapped.
pub(super) const SILENCE: Duration = Duration::from_secs(600);

/// One frame's worth of waiting.
pub(super) struct Patience<'a> {
    interrupt: &'a Interrupt,
    until: Instant,
}

impl<'a> Patience<'a> {
    pub(super) fn new(interrupt: &'a Interrupt) -> Patience<'a> {
        Patience {
            interrupt,
            until: Instant::now() + SILENCE,
        }
    }

    /// Go on waiting, or fail: `ConnectionAborted` by the person, `TimedOut` by the clock.
    pub(super) fn go_on(&self) -> io::Result<()> {
        if self.interrupt.raised() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(ErrorKind::TimedOut.into()),
        }
    }
}

/// The line, for one frame.
pub(super) struct Waiting<'a> {
    stream: &'a UnixStream,
    patience: Patience<'a>,
}

impl<'a> Waiting<'a> {
    pub(super) fn on(stream: &'a UnixStream, interrupt: &'a Interrupt) -> io::Result<Waiting<'a>> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        Ok(Waiting {
            stream,
            patience: Patience::new(interrupt),
        })
    }
}

fn is_still(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Read for Waiting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if is_still(&error) => self.patience.go_on()?,
                other => return other,
            }
        }
    }
}

impl Write for Waiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if is_still(&error) => self.patience.go_on()?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
