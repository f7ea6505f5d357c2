//! Two things at once: one here, one on a thread that ends with it. Touches that thread.

use std::thread;

/// Does `aside` on a thread of its own while `here` runs; where none can be had, afterwards.
pub(crate) fn meanwhile<A: Send, B>(
    mut aside: impl FnMut() -> A + Send,
    here: impl FnOnce() -> B,
) -> (A, B) {
    let (done, here) = thread::scope(|scope| {
        let running = thread::Builder::new().spawn_scoped(scope, &mut aside);
        let here = here();
        (running.ok().map(thread::ScopedJoinHandle::join), here)
    });
    let done = done.unwrap_or_else(|| Ok(aside()));
    let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    (done, here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn both_run_at_once() {
        let met = Barrier::new(2);
        // One after the other, the first would wait for ever.
        let (aside, here) = meanwhile(|| met.wait().is_leader(), || met.wait().is_leader());
        assert!(aside != here);
    }
}
