//! A process of ours from the agent's side: started with one line to it, killed and waited for when nobody needs it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long sealing may take. It takes some milliseconds; a machine that swaps takes longer.
pub const SEALING: Duration = Duration::from_secs(20);
/// How long the end of a process is waited for. It takes some milliseconds.
const ENDING: Duration = Duration::from_millis(200);
/// How often it is looked for.
const ENDED: Duration = Duration::from_millis(2);

/// How long a wait goes on that is to end at once: long enough to cost nothing, short enough not to be noticed.
pub const LOOK: Duration = Duration::from_millis(100);
/// What an end on request looks like among errors of the line; a socket pair has none of this kind.
pub const CALLED_OFF: ErrorKind = ErrorKind::ConnectionAborted;

/// A process that holds nothing. It is killed and waited for when this is dropped.
#[derive(Debug)]
pub struct Process {
    stream: UnixStream,
    child: Child,
}

impl Process {
    /// Start it with this environment and nothing but a line on its descriptor 0, what `handed` gives on 1, and nowhere on 2.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(
        command: &mut Command,
        environment: &[(&str, String)],
        handed: Stdio,
    ) -> std::io::Result<Process> {
        let (stream, theirs) = UnixStream::pair()?;
        let child = command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(handed)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Process { stream, child })
    }

    /// Somebody else at the other end of the line, who speaks for a process that does nothing: for tests of what is answered.
    ///
    /// # Errors
    /// What the system says.
    pub fn played(stream: UnixStream) -> std::io::Result<Process> {
        let child = Command::new("true").spawn()?;
        Ok(Process { stream, child })
    }

    /// Its line.
    #[must_use]
    pub fn line(&self) -> &UnixStream {
        &self.stream
    }

    /// To speak with it until then, or until it is to `stop`.
    #[must_use]
    pub fn until<'a>(&'a self, deadline: Instant, stop: &'a dyn Fn() -> bool) -> Until<'a> {
        Until {
            stream: &self.stream,
            deadline,
            stop,
            look: Instant::now(),
        }
    }

    /// The system's number for it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kill it, if it does not end by itself, and say how it ended.
    pub fn end(&mut self) -> String {
        // What is about to be gone by itself is waited for a moment, for how it ends is worth knowing.
        let until = Instant::now() + ENDING;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(ENDED);
        }
        let _ = self.child.kill(); // it may have gone meanwhile
        match self.child.wait() {
            Ok(status) => format!("it ended with {}", told(status.code())),
            Err(error) => error.to_string(),
        }
    }
}

/// The code by which the process that waits passes on how its inner one ended.
fn told(code: Option<i32>) -> String {
    match code {
        Some(159) => "signal 31: a system call that it may not do".to_owned(),
        Some(code) if code > 128 => format!("signal {}", code.saturating_sub(128)),
        Some(code) => format!("exit code {code}"),
        None => "a signal".to_owned(),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // gone already, most times
        let _ = self.child.wait();
    }
}

/// A line on which every read and write ends at one time, so that bytes coming drop by drop do not put the end off.
pub struct Until<'a> {
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
