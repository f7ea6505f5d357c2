//! One decoder layer: norm, attention, norm, feed-forward, each added to the stream. Computes on the device, writes to the cache.

use candle_core::Tensor;
use candle_nn::ops::{rms_norm, softmax_last_dim};

use super::linear::Linear;
use super::loader::Loader;
use super::rope::Angles;
use super::{Blueprint, Cache, Gate, Part};
use crate::ModelError;

/// What all layers of one kind share in one forward.
pub(super) struct Step {
    pub(super) angles: Angles,
    /// `[positions, all positions]`, 0 where a position may look and minus infinity where not; none when all may.
    pub(super) mask: Option<Tensor>,
}

pub(super) struct Layer {
    attention_norm: Norm,
    attention: Attention,
    after_attention: Option<Norm>,
    feed_forward_norm: Norm,
    feed_forward: FeedForward,
    after_feed_forward: Option<Norm>,
}

impl Layer {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        plan: &Blueprint,
        index: usize,
    ) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let mut norm = |part: &str, here: Part| match here {
            Part::Present => Norm::load(loader, &name(part), plan.hidden, plan.epsilon).map(Some),
            Part::Absent => Ok(None),
        };
        let after_attention = norm("post_attention_norm", plan.after_norms)?;
        let after_feed_forward = norm("post_ffw_norm", plan.after_norms)?;
        Ok(Self {
            attention_norm: Norm::load(loader, &name("attn_norm"), plan.hidden, plan.epsilon)?,
            attention: Attention::load(loader, plan, index)?,
            after_attention,
            feed_forward_norm: Norm::load(loader, &name("ffn_norm"), plan.hidden, plan.epsilon)?,
            feed_forward: FeedForward::load(loader, plan, index)?,
            after_feed_forward,
        })
    }

    /// `[positions, hidden]` to the same.
    pub(super) fn forward(
        &self,
        xs: &Tensor,
        step: &Step,
        cache: &mut Cache,
    ) -> Result<Tensor, ModelError> {
        let seen = self
            .attention
            .forward(&self.attention_norm.forward(xs)?, step, cache)?;
        let xs = (xs + after(self.after_attention.as_ref(), seen)?)?;
        let thought = self
            .feed_forward
            .forward(&self.feed_forward_norm.forward(&xs)?)?;
        Ok((&xs + after(self.after_feed_forward.as_ref(), thought)?)?)
    }
}

fn after(norm: Option<&Norm>, xs: Tensor) -> Result<Tensor, ModelError> {
    match norm {
        Some(norm) => norm.forward(&xs),
        None => Ok(xs),
    }
}

/// Root mean square norm over the last dimension.
pub(super) struct Norm {
    weight: Tensor,
    epsilon: f32,
}

impl Norm {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        name: &str,
        len: usize,
        epsilon: f32,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"), len)?,
            epsilon,
        })
    }

    pub(super) fn forward(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(rms_norm(&xs.contiguous()?, &self.weight, self.epsilon)?)
    }
}

struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    head_norms: Option<(Norm, Norm)>,
    layer: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    scale: f64,
}

impl Attention {
    fn load(loader: &mut Loader<'_>, plan: &Blueprint, layer: usize) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{layer}.attn_{part}");
        let [wide, narrow, _] = plan.projections();
        let head_norms = match plan.head_norms {
            Part::Present => Some((
                Norm::load(loader, &name("q_norm"), plan.head, plan.epsilon)?,
                Norm::load(loader, &name("k_norm"), plan.head, plan.epsilon)?,
            )),
            Part::Absent => None,
        };
        let [query, key, value] = match plan.fused {
            Part::Present => {
                let [query, key, value] =
                    loader.fused(&name("qkv"), plan.projections(), plan.hidden)?;
                [
                    Linear::new(query, None)?,
                    Linear::new(key, None)?,
                    Linear::new(value, None)?,
                ]
            }
            Part::Absent => [
                loader.linear(&name("q"), wide, plan.hidden, plan.bias)?,
                loader.linear(&name("k"), narrow, plan.hidden, plan.bias)?,
                loader.linear(&name("v"), narrow, plan.hidden, plan.bias)?,
            ],
        };
        Ok(Self {
            query,
            key,
            value,
            output: loader.linear(&name("output"), plan.hidden, wide, Part::Absent)?,
            head_norms,
            layer,
            heads: plan.heads,
            kv_heads: plan.kv_heads,
            head: plan.head,
            scale: plan.query_scale,
        })
    }

    fn forward(&self, xs: &Tensor, step: &Step, cache: &mut Cache) -> Result<Tensor, ModelError> {
        let count = xs.dim(0)?;
        let query = self.split(
            &self.query.forward(xs)?,
            self.heads,
            self.head_norms.as_ref().map(|norms| &norms.0),
        )?;
        let key = self.split(
            &self.key.forward(xs)?,
            self.kv_heads,
            self.head_norms.as_ref().map(|norms| &norms.1),
        )?;
        let value = self.split(&self.value.forward(xs)?, self.kv_heads, None)?;
        let query = (step.angles.rotate(&query)? * self.scale)?;
        let key = step.angles.rotate(&key)?;
        let (keys, values) = cache.append(self.layer, &key.squeeze(0)?, &value.squeeze(0)?)?;
        let mixed = self.mix(&query, &keys, &values, step, count)?;
        self.output.forward(&mixed)
    }

    /// `[positions, heads * head]` to `[1, heads, positions, head]`.
    fn split(&self, xs: &Tensor, heads: usize, norm: Option<&Norm>) -> Result<Tensor, ModelError> {
        let xs = xs.reshape((1, xs.dim(0)?, heads, self.head))?;
        let xs = match norm {
            Some(norm) => norm.forward(&xs)?,
            None => xs,
        };
        Ok(xs.transpose(1, 2)?.contiguous()?)
    }

    /// Query heads that share a key head are rows of one product, so keys and values are never repeated.
    fn mix(
        &self,
        query: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        step: &Step,
        count: usize,
    ) -> Result<Tensor, ModelError> {
        let (group, all) = (self.heads / self.kv_heads, keys.dim(1)?);
        let query = query.reshape((self.kv_heads, group.saturating_mul(count), self.head))?;
        let scores = query.matmul(&keys.t()?)?;
        let scores = match &step.mask {
            Some(mask) => scores
                .reshape((self.heads, count, all))?
                .broadcast_add(mask)?
                .reshape(scores.shape())?,
            None => scores,
        };
        let mixed = softmax_last_dim(&scores)?.matmul(values)?;
        let mixed = mixed
            .reshape((self.heads, count, self.head))?
            .transpose(0, 1)?;
        Ok(mixed.reshape((count, self.heads.saturating_mul(self.head)))?)
    }
}

struct FeedForward {
    gate: Linear,
    up: Linear,
    down: Linear,
    activation: Gate,
}

impl FeedForward {
    fn load(loader: &mut Loader<'_>, plan: &Blueprint, layer: usize) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{layer}.ffn_{part}");
        let outputs = plan.feed_forward;
        let [gate, up] = match plan.fused {
            Part::Present => {
                let [gate, up] = loader.fused(&name("up"), plan.gates(), plan.hidden)?;
                [Linear::new(gate, None)?, Linear::new(up, None)?]
            }
            Part::Absent => [
                loader.linear(&name("gate"), outputs, plan.hidden, Part::Absent)?,
                loader.linear(&name("up"), outputs, plan.hidden, Part::Absent)?,
            ],
        };
        Ok(Self {
            gate,
            up,
            down: loader.linear(&name("down"), plan.hidden, plan.feed_forward, Part::Absent)?,
            activation: plan.gate,
        })
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        let gate = self.gate.forward(xs)?;
        let gate = match self.activation {
            Gate::Silu => gate.silu()?,
            Gate::GeluTanh => gate.gelu()?, // candle's `gelu` is the tanh approximation; `gelu_erf` is the exact one
        };
        self.down.forward(&(gate * self.up.forward(xs)?)?)
    }
}
