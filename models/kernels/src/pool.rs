//! Threads that wait for work by spinning for a moment and then sleep. Touches threads only.
//!
//! One job runs on every thread at once, the caller's among them, and [`Pool::run`] returns when all are done. Within a job the threads may
//! meet at a [`Meeting`]. Spinning is bounded everywhere, so that a processor that somebody else needs is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// How long to spin before giving the processor up.
struct Limits {
    /// Turns of the loop, each some 40 ns of `pause`: about 0.1 ms, longer than any gap within a token and shorter than anybody notices.
    turns: usize,
    /// Threads of one pool. No machine we know has more cores; each costs a stack.
    threads: usize,
}

const LIMITS: Limits = Limits {
    turns: 2_500,
    threads: 256,
};

/// How many threads this machine runs at once; 1 where it does not say.
#[must_use]
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What every thread does in one job.
type Work<'a> = dyn Fn(Place<'_>) + Sync + 'a;

/// Which of how many threads this is, and where they meet.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) index: usize,
    pub(crate) size: usize,
    meeting: &'a Meeting,
}

impl Place<'_> {
    /// Returns when every thread of the job has called it as often; what they wrote before is then seen by all.
    pub(crate) fn meet(self) {
        self.meeting.meet(self.size);
    }

    /// This thread's share of `count` things: neighbours, and as many as any other's, give or take one.
    pub(crate) fn share(self, count: usize) -> std::ops::Range<usize> {
        count * self.index / self.size..count * (self.index + 1) / self.size
    }
}

/// A barrier that counts rounds, so that it can be used again at once.
#[derive(Default)]
struct Meeting {
    here: AtomicUsize,
    round: AtomicUsize,
}

impl Meeting {
    fn meet(&self, size: usize) {
        let round = self.round.load(Ordering::Acquire);
        if self.here.fetch_add(1, Ordering::AcqRel) + 1 == size {
            self.here.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
        } else {
            spin(|| self.round.load(Ordering::Acquire) != round);
        }
    }
}

/// Spins until `ready`, and lets others run now and then when it takes long.
fn spin(ready: impl Fn() -> bool) {
    loop {
        for _ in 0..LIMITS.turns {
            if ready() {
                return;
            }
            std::hint::spin_loop();
        }
        thread::yield_now();
    }
}

#[derive(Default)]
struct Shared {
    /// The job in hand; null asks the workers to end.
    job: AtomicPtr<&'static Work<'static>>,
    /// Grows by one with each job.
    round: AtomicUsize,
    /// Workers that have not finished the job in hand.
    left: AtomicUsize,
    /// Threads of a job.
    size: AtomicUsize,
    meeting: Meeting,
}

struct Worker {
    asleep: Arc<AtomicBool>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

/// A caller and its workers.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

impl Pool {
    /// `threads` threads, the caller's included; at least one. Fewer where the system gives no more.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let size = threads.clamp(1, LIMITS.threads);
        let workers = (1..size)
            .map_while(|index| Worker::start(&shared, index))
            .collect();
        Self { shared, workers }
    }

    /// How many threads run a job.
    pub(crate) fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `work` once on every thread and returns when all are done.
    pub(crate) fn run(&mut self, work: &Work<'_>) {
        let size = self.size();
        let place = |index| Place {
            index,
            size,
            meeting: &self.shared.meeting,
        };
        if self.workers.is_empty() {
            return work(place(0));
        }
        // SAFETY: only the lifetime changes. `work` outlives this call, and no worker touches it after `left` reached zero, which is awaited below.
        let work: &'static Work<'static> =
            unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
        let mut job = work;
        self.shared
            .left
            .store(self.workers.len(), Ordering::Relaxed);
        self.shared.size.store(size, Ordering::Relaxed);
        self.shared.job.store(&raw mut job, Ordering::Relaxed);
        self.announce();
        let unwinding = AbortOnUnwind;
        work(place(0));
        std::mem::forget(unwinding);
        spin(|| self.shared.left.load(Ordering::Acquire) == 0);
    }

    fn announce(&self) {
        // Sequentially consistent, as is the worker's look at the round after it says that it is asleep: one of the two sees the other.
        self.shared.round.fetch_add(1, Ordering::SeqCst);
        for worker in &self.workers {
            if worker.asleep.load(Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared
            .job
            .store(std::ptr::null_mut(), Ordering::Relaxed);
        self.announce();
        for worker in &mut self.workers {
            if let Some(handle) = worker.handle.take() {
                // A worker that panicked has already ended the process.
                let _ = handle.join();
            }
        }
    }
}

impl Worker {
    fn start(shared: &Arc<Shared>, index: usize) -> Option<Self> {
        let asleep = Arc::new(AtomicBool::new(false));
        let (theirs, flag) = (Arc::clone(shared), Arc::clone(&asleep));
        let handle = thread::Builder::new()
            .name(format!("kernel-{index}"))
            .spawn(move || serve(&theirs, &flag, index))
            .ok()?;
        Some(Self {
            asleep,
            thread: handle.thread().clone(),
            handle: Some(handle),
        })
    }
}

/// A panic on one thread would leave the others at a meeting for ever, and the job's data in use.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

fn serve(shared: &Shared, asleep: &AtomicBool, index: usize) {
    let unwinding = AbortOnUnwind;
    let mut round = 0;
    loop {
        round = next_round(shared, asleep, round);
        let job = shared.job.load(Ordering::Acquire);
        if job.is_null() {
            break;
        }
        // SAFETY: `run` keeps the job alive until `left` is zero, and this worker has not counted itself out yet.
        let work = unsafe { *job };
        work(Place {
            index,
            size: shared.size.load(Ordering::Relaxed),
            meeting: &shared.meeting,
        });
        shared.left.fetch_sub(1, Ordering::Release);
    }
    std::mem::forget(unwinding);
}

/// Waits until the round is another one: spins for a moment, then sleeps.
fn next_round(shared: &Shared, asleep: &AtomicBool, seen: usize) -> usize {
    for _ in 0..LIMITS.turns {
        let round = shared.round.load(Ordering::Acquire);
        if round != seen {
            return round;
        }
        std::hint::spin_loop();
    }
    // A swap, where a store would do in the language's model: QEMU on x86 lets a later load pass a store, and the wake-up is lost.
    asleep.swap(true, Ordering::SeqCst);
    let round = loop {
        let round = shared.round.load(Ordering::SeqCst);
        if round != seen {
            break round;
        }
        thread::park();
    };
    asleep.store(false, Ordering::Relaxed);
    round
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_thread_runs_every_job_once() {
        for threads in [1, 2, 3] {
            let mut pool = Pool::new(threads);
            let counts: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
            for _ in 0..2_000 {
                pool.run(&|place: Place<'_>| {
                    counts[place.index].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(
                counts
                    .iter()
                    .all(|count| count.load(Ordering::Relaxed) == 2_000)
            );
        }
    }

    #[test]
    fn who_meets_sees_what_the_others_wrote() {
        let mut pool = Pool::new(3);
        let written: Vec<AtomicU64> = (0..3).map(|_| AtomicU64::new(0)).collect();
        for round in 1..500 {
            pool.run(&|place: Place<'_>| {
                written[place.index].store(round, Ordering::Relaxed);
                place.meet();
                assert!(
                    written
                        .iter()
                        .all(|value| value.load(Ordering::Relaxed) == round)
                );
                place.meet();
            });
        }
    }

    #[test]
    fn a_pool_that_slept_wakes() {
        let mut pool = Pool::new(2);
        let count = AtomicU64::new(0);
        for _ in 0..3 {
            thread::sleep(std::time::Duration::from_millis(20));
            pool.run(&|_: Place<'_>| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn shares_cover_everything_once() {
        let meeting = Meeting::default();
        for (count, size) in [(0, 2), (1, 2), (7, 3), (9496, 2)] {
            let all: Vec<usize> = (0..size)
                .flat_map(|index| {
                    Place {
                        index,
                        size,
                        meeting: &meeting,
                    }
                    .share(count)
                })
                .collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
