//! Gemma 3 (text): scaled embeddings, four norms a layer, five local layers to each global one. Reads metadata only.
//!
//! The `+1` of Gemma's norms is already in the weights of a GGUF file (convert_hf_to_gguf.py adds it). The local layers' rope base and the
//! pattern are not in the metadata of older files; the published models all use these.

use super::{Blueprint, Gate, Local, Part, Usual, inverse_root};
use crate::{Gguf, ModelError};

/// Every sixth layer sees everything.
const PATTERN: u32 = 6;
const LOCAL_BASE: f32 = 10_000.0;

pub(super) fn blueprint(gguf: &Gguf<'_>) -> Result<Blueprint, ModelError> {
    let common = Blueprint::common(gguf, "gemma3")?;
    let usual = Usual {
        every: PATTERN,
        base: Some(LOCAL_BASE),
    };
    // The 27B model, known by its 62 layers, scales queries by the hidden width per head; the key for it is not in the files.
    let scaled_over = if common.layers == 62 {
        common.hidden / common.heads.max(1)
    } else {
        common.head
    };
    Ok(Blueprint {
        query_scale: inverse_root(scaled_over),
        local: Local::read(gguf, "gemma3", usual)?,
        gate: Gate::GeluTanh,
        embedding_scale: inverse_root(common.hidden).recip(),
        head_norms: Part::Present,
        after_norms: Part::Present,
        ..common
    })
}
