//! Qwen 2 and 2.5: bias on query, key and value. Reads metadata only.

use super::{Blueprint, Part};
use crate::{Gguf, ModelError};

pub(super) fn blueprint(gguf: &Gguf<'_>) -> Result<Blueprint, ModelError> {
    Ok(Blueprint {
        bias: Part::Present,
        ..Blueprint::common(gguf, "qwen2")?
    })
}
