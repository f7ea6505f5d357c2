//! The graph on our kernels: the same blueprint as candle's graph, fused steps, no allocation a token. Computes on the processor's threads.

mod intake;
mod layer;
mod state;
mod weights;

use cloister_kernels::{Isa, LANES, Linear, Norm, Team, WIDEST_HEAD};

use self::layer::Layer;
pub(crate) use self::state::State;
use self::weights::Weights;
pub(super) use self::weights::format;
use super::feed::Feed;
use super::rope::Rotations;
use super::{Blueprint, Part};
use crate::logits::Tiles;
use crate::{Gguf, ModelError};

/// What keeps the kernels from computing this file, if anything does.
pub(super) fn obstacle(gguf: &Gguf<'_>, plan: &Blueprint) -> Option<String> {
    let widths = [
        ("hidden width", plan.hidden),
        ("feed-forward width", plan.feed_forward),
        ("head", plan.head),
    ];
    if let Some((what, width)) = widths.iter().find(|(_, width)| width % LANES != 0) {
        return Some(format!(
            "its {what} of {width} is not a multiple of {LANES}"
        ));
    }
    if plan.head > WIDEST_HEAD {
        return Some(format!("its heads of {} are too wide", plan.head));
    }
    let unknown = gguf
        .tensors()
        .find(|tensor| format(tensor.dtype()).is_none());
    unknown.map(|tensor| format!("`{}` is {:?}", tensor.name(), tensor.dtype()))
}

/// A model's weights in tiles. Immutable: what changes is in the [`State`].
pub(crate) struct Decoder {
    plan: Blueprint,
    embeddings: Linear,
    layers: Vec<Layer>,
    norm: Norm,
    /// None where the embeddings serve as head.
    head: Option<Linear>,
    rotations: Rotations,
    isa: Isa,
    threads: usize,
}

impl Decoder {
    /// Reads and packs every tensor of the file.
    ///
    /// # Errors
    /// What is missing, left over or of the wrong shape.
    pub(super) fn load(
        gguf: &Gguf<'_>,
        plan: Blueprint,
        threads: usize,
        feed: &mut Feed<'_>,
    ) -> Result<Self, ModelError> {
        let mut weights = Weights::new(intake::take(gguf, &plan, feed, threads)?);
        let vocabulary = weights.rows("token_embd.weight")?;
        let embeddings = weights.linear("token_embd", vocabulary, plan.hidden, Part::Absent)?;
        let head = match weights.has("output.weight") {
            true => Some(weights.linear("output", vocabulary, plan.hidden, Part::Absent)?),
            false => None,
        };
        let rotations = Rotations::load(&plan, |name, len| weights.vector(name, len))?;
        let layers = (0..plan.layers)
            .map(|index| Layer::load(&mut weights, &plan, index))
            .collect::<Result<_, _>>()?;
        let norm = weights.norm("output_norm", plan.hidden, plan.epsilon)?;
        weights.finish()?;
        Ok(Self {
            embeddings,
            layers,
            norm,
            head,
            rotations,
            isa: Isa::detect(),
            threads,
            plan,
        })
    }

    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Rows of the head: logits a position.
    pub(super) fn vocabulary(&self) -> usize {
        self.embeddings.matrix.rows()
    }

    /// Positions the model was trained for.
    pub(super) fn context(&self) -> usize {
        self.plan.context
    }

    /// Memory for at most `limit` positions.
    ///
    /// # Errors
    /// [`ModelError::Positions`].
    pub(super) fn state(&self, limit: usize) -> Result<State, ModelError> {
        let team = Team::new(self.threads, self.isa);
        State::new(&self.plan, team, limit, &self.rotations)
    }

    /// See `Graph::forward`.
    pub(super) fn forward(
        &self,
        tokens: &[u32],
        state: &mut State,
        mut after_layer: impl FnMut(usize, usize) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let mut step = state.begin(&self.plan, tokens.len())?;
        self.embed(tokens, step.stream());
        for (index, layer) in self.layers.iter().enumerate() {
            layer.forward(&self.plan, index, &mut step);
            after_layer(index.saturating_add(1), self.plan.layers)?;
        }
        state.advance(tokens.len());
        Ok(())
    }

    /// See `Graph::head`.
    pub(super) fn head(
        &self,
        state: &mut State,
        rows: usize,
        tiles: &Tiles,
        logits: &mut Vec<f32>,
    ) {
        let head = self.head.as_ref().unwrap_or(&self.embeddings);
        let width = tiles.width(self.vocabulary());
        logits.resize(rows.saturating_mul(width), 0.0);
        if !logits.is_empty() {
            state.logits(rows, &self.norm, head, tiles, logits);
        }
    }

    fn embed(&self, tokens: &[u32], stream: &mut [f32]) {
        #[expect(clippy::cast_possible_truncation, reason = "activations are f32")]
        let scale = self.plan.embedding_scale as f32;
        for (token, row) in tokens.iter().zip(stream.chunks_exact_mut(self.plan.hidden)) {
            self.embeddings.matrix.row(*token as usize, row);
            if scale != 1.0 {
                row.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}
