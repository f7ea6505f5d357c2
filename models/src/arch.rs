//! From a file's metadata to a graph: which architecture, with which numbers, on which tensors. Computes on the device, touches nothing else.
//!
//! One blueprint serves them all, and two graphs compute it: `cpu` on our kernels, `decoder` on candle's tensors, which is also what the first is
//! tested against. A file per architecture says only what differs. A file with tensors that the graph would not use is
//! refused, because leaving one out would give a model that is quietly wrong.

mod block;
mod cache;
mod cpu;
mod decoder;
mod extent;
mod feed;
mod gemma3;
mod graph;
mod keys;
mod linear;
mod llama;
mod loader;
mod phi3;
mod qwen2;
mod qwen3;
mod rope;
mod scaling;
mod shelf;
mod window;

use cache::Cache;
use cloister_kernels::{Gate, Pairs};
use decoder::Decoder;
pub(crate) use extent::Extent;
pub(crate) use feed::Feed;
pub use graph::Backend;
pub(crate) use graph::{Graph, Memory};
use scaling::{Factors, Rotary};
use window::{Local, Usual};

use crate::error::shown;
use crate::{Gguf, ModelError, TensorInfo};

/// What a model may be. Reaching any of these refuses the file.
struct Limits {
    /// Decoder layers. The largest open models have 126.
    layers: usize,
    /// Any width: hidden, feed-forward, heads × head size; in elements. The widest open models have 53 248.
    width: usize,
    /// Positions. A rope table is made for those in use only, but a file that claims more is not believed.
    context: usize,
}

const LIMITS: Limits = Limits {
    layers: 512,
    width: 1 << 17,
    context: 1 << 24,
};

/// Whether an optional part of the block is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Present,
    Absent,
}

/// Everything the decoder needs to know beyond the weights.
#[derive(Debug, Clone, PartialEq)]
struct Blueprint {
    layers: usize,
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    feed_forward: usize,
    context: usize,
    epsilon: f32,
    pairs: Pairs,
    /// Values of a head that are turned, from its first on.
    turned: usize,
    rotary: Rotary,
    factors: Factors,
    local: Option<Local>,
    gate: Gate,
    /// Queries are multiplied by this: the root of the head size, inverted.
    query_scale: f64,
    /// Embeddings are multiplied by this; 1 for most.
    embedding_scale: f64,
    /// Bias on query, key and value.
    bias: Part,
    /// Norm of each query and key head before the rotation.
    head_norms: Part,
    /// Norms after attention and after feed-forward, before each is added.
    after_norms: Part,
    /// Whether query, key and value are one tensor, and gate and up another.
    fused: Part,
}

/// How an architecture reads its metadata.
type Reader = fn(&Gguf<'_>) -> Result<Blueprint, ModelError>;

/// The one place that knows every architecture.
const KNOWN: [(&str, Reader); 5] = [
    ("gemma3", gemma3::blueprint),
    ("llama", llama::blueprint),
    ("phi3", phi3::blueprint),
    ("qwen2", qwen2::blueprint),
    ("qwen3", qwen3::blueprint),
];

impl Blueprint {
    fn read(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let name = gguf.str("general.architecture")?;
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, blueprint)) => {
                keys::check(gguf, name)?;
                blueprint(gguf)?.consistent()
            }
            None => Err(ModelError::Architecture {
                name: shown(name),
                known: KNOWN.map(|(known, _)| known).join(", "),
            }),
        }
    }

    /// The keys that all architectures share, with the commonest choices for the rest.
    fn common(gguf: &Gguf<'_>, arch: &str) -> Result<Self, ModelError> {
        let key = |name: &str| format!("{arch}.{name}");
        let count = |name: &str| gguf.u32(&key(name)).map(|value| value as usize);
        let optional = |name: &str| {
            gguf.find::<u32>(&key(name))
                .map(|value| value.map(|v| v as usize))
        };
        let (hidden, heads) = (count("embedding_length")?, count("attention.head_count")?);
        let head = match optional("attention.key_length")? {
            Some(head) => head,
            None => shared_out(hidden, heads)?,
        };
        if let Some(value) = optional("attention.value_length")?.filter(|value| *value != head) {
            return Err(ModelError::Shape {
                what: "attention.value_length",
                value: value as u64,
                fault: "it is not that of the keys",
            });
        }
        let epsilon = positive(gguf, &key("attention.layer_norm_rms_epsilon"))?;
        Ok(Self {
            layers: count("block_count")?,
            hidden,
            heads,
            kv_heads: optional("attention.head_count_kv")?.unwrap_or(heads),
            head,
            feed_forward: count("feed_forward_length")?,
            context: count("context_length")?,
            epsilon: epsilon.ok_or_else(|| ModelError::KeyMissing {
                key: key("attention.layer_norm_rms_epsilon"),
            })?,
            pairs: Pairs::Halves,
            turned: optional("rope.dimension_count")?.unwrap_or(head),
            rotary: Rotary::read(gguf, arch)?,
            factors: Factors::find(gguf, arch)?,
            local: Local::read(gguf, arch, Usual::default())?,
            gate: Gate::Silu,
            query_scale: inverse_root(head),
            embedding_scale: 1.0,
            bias: Part::Absent,
            head_norms: Part::Absent,
            after_norms: Part::Absent,
            fused: Part::Absent,
        })
    }

    /// Refuses numbers that contradict each other, so that the graph need not ask again.
    fn consistent(self) -> Result<Self, ModelError> {
        let fault = |what, value: usize, fault| {
            Err(ModelError::Shape {
                what,
                value: value as u64,
                fault,
            })
        };
        let within = |value: usize, limit: usize| (1..=limit).contains(&value);
        if !within(self.layers, LIMITS.layers) {
            return fault("block_count", self.layers, "it is zero or over the limit");
        }
        if !within(self.hidden, LIMITS.width) {
            return fault(
                "embedding_length",
                self.hidden,
                "it is zero or over the limit",
            );
        }
        if !within(self.feed_forward, LIMITS.width) {
            return fault(
                "feed_forward_length",
                self.feed_forward,
                "it is zero or over the limit",
            );
        }
        if !within(self.context, LIMITS.context) {
            return fault(
                "context_length",
                self.context,
                "it is zero or over the limit",
            );
        }
        if !within(self.heads, LIMITS.width) {
            return fault(
                "attention.head_count",
                self.heads,
                "it is zero or over the limit",
            );
        }
        if !within(self.heads.saturating_mul(self.head), LIMITS.width)
            || !self.head.is_multiple_of(2)
        {
            return fault(
                "attention.key_length",
                self.head,
                "it is zero, odd or over the limit",
            );
        }
        if !within(self.turned, self.head) || !self.turned.is_multiple_of(2) {
            return fault(
                "rope.dimension_count",
                self.turned,
                "it is zero, odd or wider than a head",
            );
        }
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return fault(
                "attention.head_count_kv",
                self.kv_heads,
                "it does not divide the number of heads",
            );
        }
        Ok(self)
    }

    /// Outputs of query, key and value.
    fn projections(&self) -> [usize; 3] {
        let narrow = self.kv_heads.saturating_mul(self.head);
        [self.heads.saturating_mul(self.head), narrow, narrow]
    }

    /// Outputs of gate and up.
    fn gates(&self) -> [usize; 2] {
        [self.feed_forward; 2]
    }

    /// Rows of each matrix that a tensor holds, one below the other: all of its rows, but for the fused ones.
    fn cuts(&self, tensor: &TensorInfo<'_>) -> Vec<usize> {
        let outer = tensor
            .dims()
            .split_last()
            .map_or(&[][..], |(_, outer)| outer);
        let rows: usize = outer.iter().product();
        let several = match (self.fused, tensor.name().rsplit('.').nth(1)) {
            (Part::Present, Some("attn_qkv")) => self.projections().to_vec(),
            (Part::Present, Some("ffn_up")) => self.gates().to_vec(),
            _ => Vec::new(),
        };
        let fits = several
            .iter()
            .fold(0, |sum: usize, rows| sum.saturating_add(*rows))
            == rows;
        if fits { several } else { vec![rows] }
    }

    /// The window of layer `layer`, if it sees only a part.
    fn local_at(&self, layer: usize) -> Option<Local> {
        self.local.filter(|local| local.holds(layer))
    }
}

/// The head size of a file that does not say it. None at all where there are no heads, which is refused later.
fn shared_out(hidden: usize, heads: usize) -> Result<usize, ModelError> {
    match hidden.checked_rem(heads) {
        None => Ok(0),
        Some(0) => Ok(hidden / heads),
        Some(_) => Err(ModelError::Shape {
            what: "attention.head_count",
            value: heads as u64,
            fault: "it does not divide the embedding's width",
        }),
    }
}

/// A float that the graph divides by, if the key is there.
fn positive(gguf: &Gguf<'_>, key: &str) -> Result<Option<f32>, ModelError> {
    match gguf.find::<f32>(key)? {
        Some(value) if value <= 0.0 => Err(ModelError::KeyValue {
            key: key.to_owned(),
            expected: "positive",
        }),
        value => Ok(value),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a width, far below 2^53")]
fn inverse_root(width: usize) -> f64 {
    (width as f64).sqrt().recip()
}

#[cfg(test)]
mod tests;
