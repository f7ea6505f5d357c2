//! Memory in whole cache lines, zeroed, aligned to a line. Touches its own allocation only.

/// One cache line of every processor we know.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; Lines::SIZE]);

/// A buffer whose start lies on a cache line.
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Bytes of a line.
    pub(crate) const SIZE: usize = 64;

    /// At least `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        Self(vec![Line([0; Self::SIZE]); bytes.div_ceil(Self::SIZE)])
    }

    /// Grows to at least `bytes`, by doubling, so that a slowly growing need seldom allocates. What was inside is lost.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        if self.bytes().len() < bytes {
            *self = Self::zeroed(bytes.next_power_of_two());
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a line is 64 initialised bytes without padding, and lines follow each other.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * Self::SIZE) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.0.len() * Self::SIZE) }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}
