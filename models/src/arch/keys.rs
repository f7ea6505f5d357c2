//! The keys of an architecture that are understood. Any other might change what the model computes, so a file that has one is refused: left out it
//! would give a model that is quietly wrong, like a tensor that is left out. Reads metadata only.

use crate::gguf::Value;
use crate::{Gguf, ModelError};

/// What follows `ARCH.` in keys that are read, or that say nothing about the computation.
const UNDERSTOOD: [&str; 26] = [
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.local.freq_base",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
    "tensor_data_layout",
    "vocab_size",
];

/// Refuses a key that is not understood, unless its value says that there is no such thing.
pub(super) fn check(gguf: &Gguf<'_>, arch: &str) -> Result<(), ModelError> {
    let mut unknown: Vec<&str> = gguf
        .values()
        .filter_map(|(key, value)| Some((key, key.strip_prefix(arch)?.strip_prefix('.')?, value)))
        .filter(|(_, name, value)| !UNDERSTOOD.contains(name) && !absent(name, value))
        .map(|(key, ..)| key)
        .collect();
    unknown.sort_unstable();
    match unknown.first() {
        None => Ok(()),
        Some(key) => Err(ModelError::KeyUnknown {
            key: (*key).to_owned(),
        }),
    }
}

/// Zero experts, caps and scales are none; only a mask that is not causal is said with `false`.
fn absent(name: &str, value: &Value<'_>) -> bool {
    match *value {
        Value::Bool(truth) => truth == (name == "attention.causal"),
        Value::Unsigned(number) => number == 0,
        Value::Signed(number) => number == 0,
        Value::Float(number) => number == 0.0,
        Value::Text(_) | Value::Texts(_) | Value::Numbers { .. } => false,
    }
}
