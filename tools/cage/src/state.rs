//! What the host holds for one call: the handles, what has been spent, what was asked for.

use std::collections::BTreeSet;

use wasmtime::component::{Resource, ResourceTable, ResourceTableError};

use crate::limits::{Limit, Limits};
use crate::outcome::{Moment, Move, Used};
use crate::question::Mind;

/// A limit was reached; travels through wasmtime as the reason of the trap.
#[derive(Debug, thiserror::Error)]
#[error("stopped by the limit `{0}`")]
pub(crate) struct Stopped(pub(crate) Limit);

/// The guest ended itself through `wasi:cli/exit`.
#[derive(Debug, thiserror::Error)]
#[error("the tool ended itself")]
pub(crate) struct Exited;

/// The host's side of one call. Made for it, dropped after it.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limits: Limits,
    pub(crate) used: Used,
    pub(crate) moves: Vec<Move>,
    pub(crate) moved: BTreeSet<u32>,
    pub(crate) diagnostics: Vec<u8>,
    pub(crate) mind: Box<dyn Mind + Send>,
    memory: usize,
    moment: Moment,
    ticks: u64,
    random: u64,
}

impl State {
    #[cfg(feature = "process")]
    pub(crate) fn new(limits: &Limits, moment: Moment, mind: Box<dyn Mind + Send>) -> State {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        State {
            table,
            limits: limits.clone(),
            used: Used::default(),
            moves: Vec::new(),
            moved: BTreeSet::new(),
            diagnostics: Vec::new(),
            mind,
            memory: 0,
            moment,
            ticks: 0,
            random: moment.seed,
        }
    }

    pub(crate) fn push<T: Send + 'static>(&mut self, entry: T) -> wasmtime::Result<Resource<T>> {
        match self.table.push(entry) {
            Err(ResourceTableError::Full) => Err(Stopped(Limit::Handles).into()),
            other => Ok(other?),
        }
    }

    /// Count bytes read; the call ends when there are too many.
    pub(crate) fn spend_read(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.used.read_bytes = self.used.read_bytes.saturating_add(bytes as u64);
        if self.used.read_bytes > self.limits.read_bytes {
            Err(Stopped(Limit::Read).into())
        } else {
            Ok(())
        }
    }

    /// Count bytes before they are written; the call ends when there would be too many.
    pub(crate) fn spend_write(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let after = self.used.written_bytes.saturating_add(bytes as u64);
        if after > self.limits.write_bytes {
            return Err(Stopped(Limit::Write).into());
        }
        self.used.written_bytes = after;
        Ok(())
    }

    /// Keep what fits of a message; the rest is dropped.
    pub(crate) fn diagnose(&mut self, bytes: &[u8]) {
        let room = self
            .limits
            .diagnostics_bytes
            .saturating_sub(self.diagnostics.len());
        self.diagnostics.extend(bytes.iter().take(room));
    }

    /// Seconds and nanoseconds since 1970: the session's time, standing still.
    pub(crate) fn wall_clock(&self) -> (u64, u32) {
        let millis = self.moment.unix_millis;
        let nanos = u32::try_from((millis % 1000).saturating_mul(1_000_000)).unwrap_or_default();
        (millis / 1000, nanos)
    }

    /// Nanoseconds that only count how often somebody asked: monotonic, and the same in every replay.
    pub(crate) fn monotonic_clock(&mut self) -> u64 {
        self.ticks = self.ticks.saturating_add(1000);
        self.ticks
    }

    /// The next number of SplitMix64 (Steele, Lea, Flood 2014) from the session's seed. Repeatable, so no secret: tools hold none.
    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.random;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl wasmtime::ResourceLimiter for State {
    /// Counts all memories of the call together; a refusal traps at once, since a Rust guest could only abort.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let after = self.memory.saturating_sub(current).saturating_add(desired);
        if after > self.limits.memory_bytes {
            return Err(Stopped(Limit::Memory).into());
        }
        self.memory = after;
        self.used.memory_bytes = self.used.memory_bytes.max(after as u64);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.limits.table_elements {
            Err(Stopped(Limit::Table).into())
        } else {
            Ok(true)
        }
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}
