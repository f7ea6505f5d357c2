//! Qwen 3 (dense): each query and key head is normed before the rotation. Reads metadata only.

use super::{Blueprint, Part};
use crate::{Gguf, ModelError};

pub(super) fn blueprint(gguf: &Gguf<'_>) -> Result<Blueprint, ModelError> {
    Ok(Blueprint {
        head_norms: Part::Present,
        ..Blueprint::common(gguf, "qwen3")?
    })
}
