//! The two ways in: descriptor 0, the line to the agent, and 1, from which the bytes come that the process works on.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// The line.
#[derive(Debug, Clone, Copy)]
pub struct Line;

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(io::stdin(), buffer)?)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::unistd::write(io::stdin(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was handed over at the start.
#[derive(Debug, Clone, Copy)]
pub struct Handed;

impl Read for Handed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(io::stdout(), buffer)?)
    }
}

impl AsFd for Handed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdout()
    }
}
