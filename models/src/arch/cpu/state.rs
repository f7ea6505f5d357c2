//! What one session holds: threads, keys and values, tables of angles, and the memory that a step computes in. Owns all of it.

use cloister_kernels::{KvCache, Linear, Norm, Rope, Team};

use crate::ModelError;
use crate::arch::Blueprint;
use crate::arch::rope::Rotations;
use crate::logits::Tiles;

/// Everything that changes while a model reads.
pub(crate) struct State {
    pub(super) team: Team,
    pub(super) cache: KvCache,
    pub(super) everywhere: Rope,
    pub(super) nearby: Option<Rope>,
    pub(super) activations: Activations,
    len: usize,
    limit: usize,
    /// How many of the last positions the stream still holds.
    fresh: usize,
}

/// Activations of one step, `[rows][width]` each. Their memory stays from step to step.
#[derive(Default)]
pub(super) struct Activations {
    pub(super) stream: Vec<f32>,
    pub(super) queries: Vec<f32>,
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) mixed: Vec<f32>,
    pub(super) gated: Vec<f32>,
    /// What a norm comes after; empty without such norms.
    pub(super) apart: Vec<f32>,
}

/// One forward under way: the state, and where its rows stand.
pub(super) struct Step<'s> {
    pub(super) state: &'s mut State,
    pub(super) from: usize,
}

impl State {
    pub(super) fn new(
        plan: &Blueprint,
        team: Team,
        limit: usize,
        rotations: &Rotations,
    ) -> Result<Self, ModelError> {
        let cache = KvCache::new(plan.layers, plan.kv_heads, plan.head, limit)
            .ok_or(ModelError::Positions { positions: limit })?;
        Ok(Self {
            team,
            cache,
            everywhere: rotations.everywhere(limit).tables(limit)?,
            nearby: rotations
                .nearby()
                .map(|frequencies| frequencies.tables(limit))
                .transpose()?,
            activations: Activations::default(),
            len: 0,
            limit,
            fresh: 0,
        })
    }

    /// Positions held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The most positions that can be held.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many of the last positions the head can be computed for.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh
    }

    /// Bytes of the first `len` positions' keys and values.
    pub(crate) fn saved_len(&self, len: usize) -> usize {
        self.cache.saved_len(len)
    }

    /// Appends them.
    pub(crate) fn save(&self, len: usize, into: &mut Vec<u8>) {
        self.cache.save(len, into);
    }

    /// Holds `len` positions with these keys and values and nothing else.
    pub(crate) fn load(&mut self, len: usize, bytes: &[u8]) {
        self.cache.load(len, bytes);
        self.len = len;
        self.fresh = 0;
    }

    /// Forgets all but the first `len` positions.
    pub(crate) fn rewind(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.fresh = 0;
        }
    }

    /// Counts `more` positions as held: those that the stream holds.
    pub(super) fn advance(&mut self, more: usize) {
        self.len = self.len.saturating_add(more);
        self.fresh = more;
    }

    /// Logits of the last `rows` positions, which are fresh.
    pub(super) fn logits(
        &mut self,
        rows: usize,
        norm: &Norm,
        head: &Linear,
        tiles: &Tiles,
        logits: &mut [f32],
    ) {
        let stream = &self.activations.stream;
        let rows = rows.saturating_mul(norm.len());
        let from = stream.len().saturating_sub(rows);
        let stream = stream.get(from..).unwrap_or_default();
        match tiles {
            Tiles::All => self.team.project(stream, Some(norm), [(head, logits)]),
            Tiles::Some(list) => self
                .team
                .project_tiles(stream, Some(norm), head, list, logits),
        }
    }

    /// Makes room for `rows` more positions.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`].
    pub(super) fn begin(&mut self, plan: &Blueprint, rows: usize) -> Result<Step<'_>, ModelError> {
        let end = self.len.saturating_add(rows);
        if end > self.limit {
            return Err(ModelError::ContextFull {
                tokens: end,
                context: self.limit,
            });
        }
        self.everywhere.cover(end);
        if let Some(nearby) = &mut self.nearby {
            nearby.cover(end);
        }
        self.activations.resize(plan, rows);
        self.fresh = 0;
        let from = self.len;
        Ok(Step { state: self, from })
    }
}

impl Activations {
    fn resize(&mut self, plan: &Blueprint, rows: usize) {
        let size =
            |buffer: &mut Vec<f32>, width: usize| buffer.resize(rows.saturating_mul(width), 0.0);
        let (wide, narrow) = (
            plan.heads.saturating_mul(plan.head),
            plan.kv_heads.saturating_mul(plan.head),
        );
        size(&mut self.stream, plan.hidden);
        size(&mut self.queries, wide);
        size(&mut self.keys, narrow);
        size(&mut self.values, narrow);
        size(&mut self.mixed, wide);
        size(&mut self.gated, plan.feed_forward);
        size(&mut self.apart, plan.hidden);
    }
}

impl Step<'_> {
    pub(super) fn stream(&mut self) -> &mut [f32] {
        &mut self.state.activations.stream
    }
}
