//! Memory in whole cache lines, zeroed, aligned to a line. Touches its own allocation only.

use std::alloc::{Layout, alloc_zeroed};

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

    /// At least `bytes` zero bytes, for what the program asks for by itself.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let len = bytes.next_multiple_of(Self::SIZE);
        Self::within(vec![0; len + Self::SIZE - 1], len)
    }

    /// The same for what a file asks for. `None` when the system gives no more.
    pub(crate) fn try_zeroed(bytes: usize) -> Option<Self> {
        let len = bytes.checked_next_multiple_of(Self::SIZE)?;
        let mut memory = zeros(len.checked_add(Self::SIZE - 1)?)?;
        ask_for_large_pages(&mut memory);
        Some(Self::within(memory, len))
    }

    fn within(memory: Vec<u8>, len: usize) -> Self {
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

/// A number that all bits zero is a value of.
///
/// # Safety
/// It is.
pub(crate) unsafe trait Zero {}

// SAFETY: integers have no invalid bits.
unsafe impl Zero for u8 {}
// SAFETY: as above.
unsafe impl Zero for u16 {}

/// `len` zeros straight from the allocator, as `vec![0; len]` takes them, but `None` when it gives no more.
pub(crate) fn zeros<T: Zero>(len: usize) -> Option<Vec<T>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return None;
    }
    // SAFETY: from the global allocator, with the layout of a `Vec` of this capacity, `len` valid numbers long, and nobody else's.
    Some(unsafe { Vec::from_raw_parts(memory, len, len) })
}

/// Asks the system for large pages, of 2 MiB mostly: memory that is written as a whole then comes in a few hundred steps and not in a few hundred
/// thousand, and reading it misses fewer addresses. Whether they are given is the system's affair.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(memory: &mut [u8]) {
    /// Bytes of the smallest page. Where pages are larger the request fails, or is rounded.
    const PAGE: usize = 4096;
    /// Bytes from which it is worth a call; a buffer shares large pages with its neighbours. 64 KiB: sixteen pages.
    const LEAST: usize = 64 << 10;
    let start = memory.as_ptr().align_offset(PAGE);
    let Some(pages) = memory.get_mut(start..).filter(|pages| pages.len() >= LEAST) else {
        return;
    };
    let len = pages.len() / PAGE * PAGE;
    // SAFETY: whole pages of a buffer that is ours alone, and this advice changes no byte of them.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &mut [u8]) {}
