//! Rotary positions: tables of cosines and sines in f32, grown as positions come into use.
//!
//! f32 tables because a rounded angle at position 1000 is off by a third of a radian in f16.

use candle_core::{Device, Tensor};
use cloister_kernels::{Pairs, Rope};

use super::Blueprint;
use super::scaling::{Factors, Rotary};
use super::shelf::divisors;
use crate::ModelError;

/// Cosines and sines for a run of positions, each `[positions, head / 2]`.
#[derive(Debug, Clone)]
pub(super) struct Angles {
    cos: Tensor,
    sin: Tensor,
    pairs: Pairs,
}

/// Angle per position of each pair of a head, and what turned heads are multiplied by.
#[derive(Debug, Clone)]
pub(super) struct Frequencies {
    per_position: Vec<f64>,
    amplitude: f32,
    pairs: Pairs,
}

/// How the layers of a model turn heads.
#[derive(Debug, Clone)]
pub(super) struct Rotations {
    everywhere: Frequencies,
    /// What takes the place of `everywhere` in sessions of more positions than this.
    stretched: Option<(usize, Frequencies)>,
    nearby: Option<Frequencies>,
}

impl Rotations {
    /// As the blueprint says; `numbers` reads a tensor of so many numbers.
    pub(super) fn load(
        plan: &Blueprint,
        mut numbers: impl FnMut(&str, usize) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Self, ModelError> {
        let mut divided = |name: &str| {
            let factors = numbers(name, plan.turned / 2)?;
            divisors(name, &factors)?;
            Ok::<_, ModelError>(Frequencies::new(plan, plan.rotary, &factors))
        };
        let (everywhere, stretched) = match plan.factors {
            Factors::None => (Frequencies::new(plan, plan.rotary, &[]), None),
            Factors::Always => (divided("rope_freqs.weight")?, None),
            Factors::ByLength(most) => {
                let long = divided("rope_factors_long.weight")?;
                (divided("rope_factors_short.weight")?, Some((most, long)))
            }
        };
        let nearby = plan.local.and_then(|local| local.rotary);
        Ok(Self {
            everywhere,
            stretched,
            nearby: nearby.map(|rotary| Frequencies::new(plan, rotary, &[])),
        })
    }

    /// Of layers that see everything, in a session of up to `limit` positions. By the limit and not by the positions in use, as llama.cpp: keys that
    /// were turned one way cannot be compared with queries that were turned another.
    pub(super) fn everywhere(&self, limit: usize) -> &Frequencies {
        match &self.stretched {
            Some((most, stretched)) if limit > *most => stretched,
            _ => &self.everywhere,
        }
    }

    /// Of layers that see a window, where those differ.
    pub(super) fn nearby(&self) -> Option<&Frequencies> {
        self.nearby.as_ref()
    }
}

impl Frequencies {
    /// `factors` divide the angle of each pair; empty for none.
    fn new(plan: &Blueprint, rotary: Rotary, factors: &[f32]) -> Self {
        let factors = factors.iter().copied().chain(std::iter::repeat(1.0));
        let pairs = (0..plan.turned / 2).zip(factors);
        Self {
            per_position: pairs
                .map(|(pair, factor)| rotary.angle(pair, plan.turned, factor))
                .collect(),
            amplitude: rotary.amplitude,
            pairs: plan.pairs,
        }
    }

    /// Tables for our kernels, for up to `limit` positions.
    ///
    /// # Errors
    /// [`ModelError::Positions`].
    pub(super) fn tables(&self, limit: usize) -> Result<Rope, ModelError> {
        Rope::new(self.per_position.clone(), self.pairs, limit)
            .map(|rope| rope.amplified(self.amplitude))
            .ok_or(ModelError::Positions { positions: limit })
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
            .map(|angle| {
                let (sin, cos) = angle.sin_cos();
                (self.amplitude * cos as f32, self.amplitude * sin as f32)
            })
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
    /// Rotates `[1, heads, positions, head]`, of each head as much as there are angles for.
    pub(super) fn rotate(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        let (turned, head) = (self.cos.dim(1)?.saturating_mul(2), xs.dim(3)?);
        if turned == head {
            return self.rotate_whole(xs);
        }
        let first = self.rotate_whole(&xs.narrow(3, 0, turned)?.contiguous()?)?;
        let rest = xs.narrow(3, turned, head.saturating_sub(turned))?;
        Ok(Tensor::cat(&[&first, &rest], 3)?.contiguous()?)
    }

    fn rotate_whole(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.pairs {
            Pairs::Halves => candle_nn::rotary_emb::rope(xs, &self.cos, &self.sin)?,
            Pairs::Neighbours => candle_nn::rotary_emb::rope_i(xs, &self.cos, &self.sin)?,
        })
    }
}
