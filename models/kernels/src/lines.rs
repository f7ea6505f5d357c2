//! Memory in whole cache lines, zeroed, aligned to a line. Touches its own allocation only.

/// A buffer whose start lies on a cache line.
pub(crate) struct Lines {
    /// From the allocator as zeros, which for a large buffer are pages that the system gives when they are first written: by the thread
    /// that packs them, and not before.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Lines {
    /// Bytes of a line, of every processor we know.
    pub(crate) const SIZE: usize = 64;

    /// At least `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let len = bytes.next_multiple_of(Self::SIZE);
        let memory = vec![0; len + Self::SIZE - 1];
        let start = memory.as_ptr().align_offset(Self::SIZE);
        Self { memory, start, len }
    }

    /// Grows to at least `bytes`, by doubling, so that a slowly growing need seldom allocates. What was inside is lost.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        if self.len < bytes {
            *self = Self::zeroed(bytes.next_power_of_two());
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes_mut().as_mut_ptr()
    }
}
