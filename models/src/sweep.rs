//! Reading memory and nothing else, on the threads that compute: what decoding is measured against. Owns its buffer.

use cloister_kernels::{Isa, Team};

/// A buffer and the threads that read it.
pub struct Sweep {
    team: Team,
    buffer: Vec<u8>,
}

impl Sweep {
    /// `bytes` bytes, written once so that every page is there; `threads` threads.
    #[must_use]
    pub fn new(bytes: usize, threads: usize) -> Self {
        Self {
            team: Team::new(threads, Isa::detect()),
            buffer: vec![1; bytes],
        }
    }

    /// Bytes of one pass.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Reads the whole buffer once. What it gives depends on every byte, so that no compiler leaves the reading out.
    pub fn pass(&mut self) -> f32 {
        self.team.sweep(&self.buffer)
    }
}
