//! The whole graph: embeddings, layers, final norm, head. Computes on the device, writes to the cache.

use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};
use cloister_kernels::LANES;

use super::block::{Layer, Norm, Step};
use super::feed::Feed;
use super::linear::Linear;
use super::loader::Loader;
use super::rope::{Frequencies, Rotations};
use super::{Blueprint, Cache, Part};
use crate::logits::Tiles;
use crate::{Gguf, ModelError};

/// A model's weights on a device. Immutable: what changes is in the [`Cache`].
pub(crate) struct Decoder {
    plan: Blueprint,
    embeddings: Arc<QTensor>,
    layers: Vec<Layer>,
    norm: Norm,
    head: Linear,
    rotations: Rotations,
    device: Device,
    vocabulary: usize,
}

impl Decoder {
    /// Reads the architecture and every tensor.
    ///
    /// # Errors
    /// What is missing, left over or of the wrong shape.
    pub(super) fn load(
        gguf: &Gguf<'_>,
        device: &Device,
        feed: &mut Feed<'_>,
    ) -> Result<Self, ModelError> {
        let plan = Blueprint::read(gguf)?;
        let mut loader = Loader::read(gguf, &plan, device, feed)?;
        let vocabulary = loader.rows("token_embd.weight")?;
        let embeddings = loader.quantized("token_embd.weight", &[vocabulary, plan.hidden])?;
        let head = if loader.has("output.weight") {
            loader.linear("output", vocabulary, plan.hidden, Part::Absent)?
        } else {
            Linear::new(Arc::clone(&embeddings), None)?
        };
        let rotations = Rotations::load(&plan, |name, len| {
            Ok(loader.vector(name, len)?.to_vec1()?)
        })?;
        let layers = (0..plan.layers)
            .map(|index| Layer::load(&mut loader, &plan, index))
            .collect::<Result<_, _>>()?;
        let norm = Norm::load(&mut loader, "output_norm", plan.hidden, plan.epsilon)?;
        let device = loader.device().clone();
        loader.finish()?;
        Ok(Self {
            plan,
            embeddings,
            layers,
            norm,
            head,
            rotations,
            device,
            vocabulary,
        })
    }

    /// Rows of the head: logits a position.
    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Positions the model was trained for.
    pub(super) fn context(&self) -> usize {
        self.plan.context
    }

    /// An empty cache for at most `limit` positions.
    pub(super) fn cache(&self, limit: usize) -> Cache {
        Cache::new(
            self.plan.layers,
            self.plan.kv_heads,
            self.plan.head,
            limit,
            &self.device,
        )
    }

    /// See `Graph::forward`.
    pub(super) fn read(
        &self,
        tokens: &[u32],
        cache: &mut Cache,
        after_layer: impl FnMut(usize, usize) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        let hidden = self.forward(tokens, cache, after_layer)?;
        cache.keep(hidden, tokens.len());
        Ok(())
    }

    /// See `Graph::head`. candle's products are whole, so what is not wanted is computed too, and left out.
    pub(super) fn head(
        &self,
        cache: &Cache,
        rows: usize,
        tiles: &Tiles,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let hidden = cache.last(rows)?;
        let all: Vec<f32> = self.logits(&hidden)?.flatten_all()?.to_vec1()?;
        let Tiles::Some(list) = tiles else {
            *logits = all;
            return Ok(());
        };
        for row in all.chunks_exact(self.vocabulary) {
            for tile in list {
                let start = (*tile as usize).saturating_mul(LANES);
                let lanes = row.iter().skip(start).copied();
                logits.extend(lanes.chain(std::iter::repeat(0.0)).take(LANES));
            }
        }
        Ok(())
    }

    /// Appends `tokens` to the cache and gives their hidden states, `[tokens, hidden]`. `after_layer` is told how many of how many
    /// layers are done, so that a long prompt can be interrupted within a chunk.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`]; what `after_layer` says. The cache then holds what it held before.
    fn forward(
        &self,
        tokens: &[u32],
        cache: &mut Cache,
        mut after_layer: impl FnMut(usize, usize) -> Result<(), ModelError>,
    ) -> Result<Tensor, ModelError> {
        cache.reserve(tokens.len())?;
        let (everywhere, nearby) = self.steps(cache, tokens.len())?;
        let ids = Tensor::new(tokens, &self.device)?;
        let mut xs = (self.embeddings.embedding(&ids)? * self.plan.embedding_scale)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let step = match &nearby {
                Some(nearby) if self.plan.local_at(index).is_some() => nearby,
                _ => &everywhere,
            };
            xs = layer.forward(&xs, step, cache)?;
            after_layer(index.saturating_add(1), self.plan.layers)?;
        }
        cache.advance(tokens.len());
        Ok(xs)
    }

    /// Logits of hidden states, `[rows, vocabulary]`.
    fn logits(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        self.head.forward(&self.norm.forward(hidden)?)
    }

    /// What the layers share that see everything, and what those share that see a window, if there are any.
    fn steps(&self, cache: &Cache, count: usize) -> Result<(Step, Option<Step>), ModelError> {
        let step = |frequencies: &Frequencies, window| -> Result<Step, ModelError> {
            Ok(Step {
                angles: frequencies.angles(cache.len(), count, &self.device)?,
                mask: mask(cache.len(), count, window, &self.device)?,
            })
        };
        let everywhere = self.rotations.everywhere(cache.limit());
        let nearby = self.rotations.nearby().unwrap_or(everywhere);
        let local = self.plan.local.map(|local| step(nearby, local.window));
        Ok((step(everywhere, usize::MAX)?, local.transpose()?))
    }
}

/// A position sees itself and what came before it, at most `window` positions in all.
fn mask(
    from: usize,
    count: usize,
    window: usize,
    device: &Device,
) -> Result<Option<Tensor>, ModelError> {
    let all = from.saturating_add(count);
    if count == 1 && all <= window {
        return Ok(None);
    }
    let cells = (from..all).flat_map(|here| {
        (0..all).map(move |there| {
            let seen = there <= here && here.saturating_sub(there) < window;
            if seen { 0.0 } else { f32::NEG_INFINITY }
        })
    });
    Ok(Some(Tensor::from_vec(
        cells.collect::<Vec<f32>>(),
        (count, all),
        device,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(from: usize, count: usize, window: usize) -> Vec<String> {
        let mask = mask(from, count, window, &Device::Cpu).unwrap().unwrap();
        let row = |row: Vec<f32>| {
            row.iter()
                .map(|cell| if *cell == 0.0 { '#' } else { '.' })
                .collect()
        };
        mask.to_vec2::<f32>()
            .unwrap()
            .into_iter()
            .map(row)
            .collect()
    }

    #[test]
    fn a_position_sees_itself_and_before() {
        assert_eq!(seen(0, 3, usize::MAX), ["#..", "##.", "###"]);
        assert_eq!(seen(2, 2, usize::MAX), ["###.", "####"]);
    }

    #[test]
    fn a_window_counts_the_position_itself() {
        assert_eq!(seen(2, 2, 2), [".##.", "..##"]);
        assert_eq!(seen(4, 1, 3), ["..###"]);
    }

    #[test]
    fn one_position_inside_the_window_needs_no_mask() {
        assert!(mask(2, 1, 3, &Device::Cpu).unwrap().is_none());
        assert!(mask(3, 1, 3, &Device::Cpu).unwrap().is_some());
    }
}
