//! Rotary positions: tables of cosines and sines in f32, grown as positions come into use.
//!
//! f32 tables because a rounded angle at position 1000 is off by a third of a radian in f16.

use candle_core::{Device, Tensor};
use cloister_kernels::{Pairs, Rope};

use super::Rotary;
use crate::ModelError;

/// Cosines and sines for a run of positions, each `[positions, head / 2]`.
#[derive(Debug, Clone)]
pub(super) struct Angles {
    cos: Tensor,
    sin: Tensor,
    pairs: Pairs,
}

/// Angle per position of each pair of a head.
#[derive(Debug, Clone)]
pub(super) struct Frequencies {
    per_position: Vec<f64>,
    pairs: Pairs,
}

impl Frequencies {
    /// `factors` (Llama 3.1 and later) divide the frequency of each pair; empty for none.
    pub(super) fn new(rotary: Rotary, head: usize, pairs: Pairs, factors: &[f32]) -> Self {
        let factors = factors.iter().copied().chain(std::iter::repeat(1.0));
        let per_position = (0..head / 2).zip(factors).map(|(pair, factor)| {
            #[expect(clippy::cast_precision_loss, reason = "head sizes are far below 2^53")]
            let exponent = (2 * pair) as f64 / head as f64;
            f64::from(rotary.base).powf(-exponent) / f64::from(rotary.divisor) / f64::from(factor)
        });
        Self {
            per_position: per_position.collect(),
            pairs,
        }
    }

    /// Tables for our kernels, for up to `limit` positions.
    pub(super) fn tables(&self, limit: usize) -> Rope {
        Rope::new(self.per_position.clone(), self.pairs, limit)
    }

    /// The table of positions `from..from + count`. Angles are reduced in f64 and rounded once.
    #[expect(clippy::cast_precision_loss, reason = "positions are below 2^24")]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cosines are computed in f32"
    )]
    pub(super) fn angles(
        &self,
        from: usize,
        count: usize,
        device: &Device,
    ) -> Result<Angles, ModelError> {
        let angles = (from..from.saturating_add(count)).flat_map(|position| {
            self.per_position
                .iter()
                .map(move |angle| position as f64 * angle)
        });
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles
            .map(|angle| (angle.cos() as f32, angle.sin() as f32))
            .unzip();
        let shape = (count, self.per_position.len());
        Ok(Angles {
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
            pairs: self.pairs,
        })
    }
}

impl Angles {
    /// Rotates `[1, heads, positions, head]`.
    pub(super) fn rotate(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.pairs {
            Pairs::Halves => candle_nn::rotary_emb::rope(xs, &self.cos, &self.sin)?,
            Pairs::Neighbours => candle_nn::rotary_emb::rope_i(xs, &self.cos, &self.sin)?,
        })
    }
}
