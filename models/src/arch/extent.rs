//! How much memory the two graphs take for a file. Reads the header only.

use candle_core::quantized::GgmlDType;
use cloister_kernels::Matrix;

use super::cpu;
use super::{Blueprint, Gguf};
use crate::session::LIMITS;
use crate::{ModelError, TensorInfo};

/// A number of a graph.
const F32: usize = 4;
/// A number of a cache of our kernels.
const F16: usize = 2;

/// Memory in bytes, by what it grows with.
pub(crate) struct Extent {
    pub(crate) weights: u64,
    /// For each position that a session holds.
    pub(crate) position: u64,
    /// For a session that holds none: what the longest step computes in.
    pub(crate) step: u64,
    /// Positions that the model was trained for.
    pub(crate) context: usize,
}

impl Extent {
    /// On the graph that loading would choose.
    pub(crate) fn on_processor(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        let plan = Blueprint::read(gguf)?;
        match cpu::obstacle(gguf, &plan) {
            None => Ok(of_kernels(gguf, &plan)),
            Some(_) => Ok(of_candle(gguf, &plan)),
        }
    }

    /// On candle's tensors, on the processor.
    pub(crate) fn of_candle(gguf: &Gguf<'_>) -> Result<Self, ModelError> {
        Blueprint::read(gguf).map(|plan| of_candle(gguf, &plan))
    }
}

fn of_kernels(gguf: &Gguf<'_>, plan: &Blueprint) -> Extent {
    let nearby = plan.local.and_then(|local| local.rotary);
    let tables = 1 + usize::from(nearby.is_some());
    let angles = product(&[tables, plan.turned, F32]);
    Extent {
        weights: gguf
            .tensors()
            .map(|tensor| packed(plan, tensor))
            .fold(0, u64::saturating_add),
        position: cached(plan, F16).saturating_add(angles),
        step: step(gguf, plan),
        context: plan.context,
    }
}

fn of_candle(gguf: &Gguf<'_>, plan: &Blueprint) -> Extent {
    // The mask, the scores and their softmax have a row for each position of the chunk and each head.
    let scores = product(&[
        LIMITS.chunk,
        plan.heads.saturating_mul(2).saturating_add(1),
        F32,
    ]);
    let repeated = product(&[plan.heads, plan.head, 2, F32]);
    let more = scores.saturating_add(repeated);
    Extent {
        weights: gguf.tensors().map(unpacked).fold(0, u64::saturating_add),
        position: cached(plan, F32).saturating_add(more),
        step: step(gguf, plan),
        context: plan.context,
    }
}

/// A key and a value of each layer.
fn cached(plan: &Blueprint, number: usize) -> u64 {
    product(&[plan.layers, plan.kv_heads, plan.head, 2, number])
}

/// The activations of a chunk, as much again for what products round and attention joins, and the logits of the positions that are scored at once.
fn step(gguf: &Gguf<'_>, plan: &Blueprint) -> u64 {
    let heads = plan.heads.saturating_add(plan.kv_heads);
    let row = [
        plan.hidden,
        plan.hidden,
        heads.saturating_mul(plan.head).saturating_mul(2),
        plan.feed_forward,
    ];
    let row = row.into_iter().fold(0, usize::saturating_add);
    let vocabulary = gguf
        .tensor("token_embd.weight")
        .map_or(0, |embeddings| rows(embeddings).0);
    product(&[LIMITS.chunk, row, 2, F32]).saturating_add(product(&[LIMITS.scored, vocabulary, F32]))
}

/// In tiles of sixteen rows, each matrix of a tensor by itself; a vector too, until it is a norm or a bias.
fn packed(plan: &Blueprint, tensor: &TensorInfo<'_>) -> u64 {
    let (_, columns) = rows(tensor);
    let Some(format) = cpu::format(tensor.dtype()) else {
        return tensor.range().len() as u64; // not on this graph
    };
    let matrices = plan.cuts(tensor).into_iter();
    matrices
        .map(|rows| Matrix::packed_bytes(format, rows, columns) as u64)
        .fold(0, u64::saturating_add)
}

/// In its blocks, but for the type that is read as a wider one.
fn unpacked(tensor: &TensorInfo<'_>) -> u64 {
    let bytes = tensor.range().len() as u64;
    match tensor.dtype() {
        GgmlDType::Q5_0 => bytes / 22 * 34,
        _ => bytes,
    }
}

fn rows(tensor: &TensorInfo<'_>) -> (usize, usize) {
    match tensor.dims() {
        [outer @ .., columns] => (
            outer.iter().fold(1, |all, dim| all.saturating_mul(*dim)),
            *columns,
        ),
        [] => (0, 0),
    }
}

fn product(numbers: &[usize]) -> u64 {
    numbers
        .iter()
        .fold(1, |all, number| all.saturating_mul(*number as u64))
}
