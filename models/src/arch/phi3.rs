//! Phi 3, 3.5 and 4: query, key and value are rows of one tensor, gate and up of another. Reads metadata only.
//!
//! The sliding window that a file names is kept to, as the model was trained and as its authors compute it; llama.cpp ignores
//! it (see `window.rs`).

use super::{Blueprint, Part};
use crate::{Gguf, ModelError};

pub(super) fn blueprint(gguf: &Gguf<'_>) -> Result<Blueprint, ModelError> {
    Ok(Blueprint {
        fused: Part::Present,
        ..Blueprint::common(gguf, "phi3")?
    })
}
