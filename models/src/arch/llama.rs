//! Llama 1 to 3 and what shares its graph (SmolLM2, Mistral). Reads metadata only.

use super::{Blueprint, Pairs};
use crate::{Gguf, ModelError};

pub(super) fn blueprint(gguf: &Gguf<'_>) -> Result<Blueprint, ModelError> {
    Ok(Blueprint {
        pairs: Pairs::Neighbours,
        ..Blueprint::common(gguf, "llama")?
    })
}
