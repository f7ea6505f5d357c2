//! How fast this machine reads memory now: every thread adds up its part of a buffer. What decoding is measured against, in the same run.

use std::hint::black_box;
use std::num::NonZero;
use std::time::{Duration, Instant};

/// Passes of one measurement, which takes their mean: starting the threads, 50 µs, is then lost in it.
const PASSES: u32 = 4;

/// A buffer as large as what one token reads of the weights.
pub(super) struct Sweep {
    words: Vec<u64>,
    threads: NonZero<usize>,
}

impl Sweep {
    /// A buffer of `bytes`, written once so that every page is there.
    pub(super) fn new(bytes: u64, threads: usize) -> Sweep {
        let words = usize::try_from(bytes / 8).unwrap_or(usize::MAX);
        let pattern = (1_u64..).take(words);
        Sweep {
            words: pattern.collect(),
            threads: NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN),
        }
    }

    /// How long reading the whole buffer once takes.
    pub(super) fn pass(&self) -> Duration {
        let part = self.words.len().div_ceil(self.threads.get()).max(1);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in self.words.chunks(part) {
                scope.spawn(move || (0..PASSES).for_each(|_| read(part)));
            }
        });
        start.elapsed() / PASSES
    }

    /// Bytes a second, from how long a pass took.
    pub(super) fn bandwidth(&self, pass: Duration) -> f64 {
        (self.words.len() as f64) * 8.0 / pass.as_secs_f64()
    }
}

/// Thirty-two sums side by side: enough loads under way at once that memory, not the adder, is waited for.
fn read(words: &[u64]) {
    let mut sums = [0_u64; 32];
    let (blocks, rest) = black_box(words).as_chunks::<32>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    black_box((sums, rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_time_is_half_the_bandwidth() {
        let sweep = Sweep::new(8 << 20, 2);
        let (one, two) = (Duration::from_millis(1), Duration::from_millis(2));
        assert!((sweep.bandwidth(one) / sweep.bandwidth(two) - 2.0).abs() < 1e-9);
        assert!((sweep.bandwidth(one) - 8.388_608e9).abs() < 1.0);
    }

    #[test]
    fn a_buffer_smaller_than_its_threads_is_still_read() {
        assert!(Sweep::new(8, 4).pass() > Duration::ZERO);
        assert!(Sweep::new(0, 4).pass() < Duration::from_secs(1));
    }
}
