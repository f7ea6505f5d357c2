//! How fast this machine reads memory now, on the engine's threads. What decoding is measured against, in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Passes of one measurement, which takes their mean: waking the threads is then lost in it.
const PASSES: u32 = 4;

/// A buffer as large as what one token reads of the weights.
pub(super) struct Sweep(cloister_models::Sweep);

impl Sweep {
    /// A buffer of `bytes`.
    pub(super) fn new(bytes: u64, threads: usize) -> Sweep {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Sweep(cloister_models::Sweep::new(bytes, threads))
    }

    /// How long reading the whole buffer once takes.
    pub(super) fn pass(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..PASSES {
            black_box(self.0.pass());
        }
        start.elapsed() / PASSES
    }

    /// Bytes a second, from how long a pass took.
    pub(super) fn bandwidth(&self, pass: Duration) -> f64 {
        self.0.bytes() as f64 / pass.as_secs_f64()
    }
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
