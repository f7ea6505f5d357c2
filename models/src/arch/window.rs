//! Layers that see only the last positions. Reads metadata only.

use super::positive;
use super::scaling::Rotary;
use crate::{Gguf, ModelError};

/// Layers that see only the last `window` positions: all but each `every`-th, all where that is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Local {
    pub(super) window: usize,
    pub(super) every: usize,
    /// How they turn heads, where not as the others do.
    pub(super) rotary: Option<Rotary>,
}

/// What an architecture's files leave unsaid.
#[derive(Default)]
pub(super) struct Usual {
    pub(super) every: u32,
    pub(super) base: Option<f32>,
}

impl Local {
    /// As the file says, whatever the architecture; a window of zero is none. llama.cpp, of the architectures known here, keeps to Gemma's only: in
    /// a longer text than the window of a Phi its logits are others than ours, by intention.
    pub(super) fn read(
        gguf: &Gguf<'_>,
        arch: &str,
        usual: Usual,
    ) -> Result<Option<Self>, ModelError> {
        let key = |name: &str| format!("{arch}.{name}");
        let window = gguf
            .find::<u32>(&key("attention.sliding_window"))?
            .unwrap_or(0);
        let every = gguf
            .find::<u32>(&key("attention.sliding_window_pattern"))?
            .unwrap_or(usual.every);
        let base = match positive(gguf, &key("rope.freq_base_swa"))? {
            Some(base) => Some(base),
            None => positive(gguf, &key("rope.local.freq_base"))?, // Ollama's name
        };
        Ok((window > 0).then_some(Self {
            window: window as usize,
            every: every as usize,
            rotary: base.or(usual.base).map(Rotary::plain),
        }))
    }

    /// Whether it holds for layer `layer`.
    pub(super) fn holds(&self, layer: usize) -> bool {
        !layer.saturating_add(1).is_multiple_of(self.every)
    }
}
