//! The two ways to compute a model: our kernels on the processor, or candle's tensors on any device. Which one is decided once, at loading.

use candle_core::Device;
use cloister_kernels::Isa;

use super::{Blueprint, Cache, Decoder, Feed, cpu};
use crate::logits::Tiles;
use crate::{Gguf, ModelError};

/// What computes a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Our kernels, on the processor.
    Kernels {
        /// The instruction set they were chosen for.
        isa: Isa,
        /// Threads of a session.
        threads: usize,
    },
    /// candle's tensors.
    Candle {
        /// Why not the kernels.
        why: String,
    },
}

/// A model's weights, ready to compute.
pub(crate) enum Graph {
    Kernels(Box<cpu::Decoder>),
    Candle(Box<Decoder>, String),
}

/// What one session remembers: keys, values and memory to compute in.
pub(crate) enum Memory {
    Kernels(Box<cpu::State>),
    Candle(Cache),
}

impl Graph {
    /// Our kernels, or candle on the processor where they do not know the file.
    pub(crate) fn on_processor(
        gguf: &Gguf<'_>,
        threads: usize,
        feed: &mut Feed<'_>,
    ) -> Result<Self, ModelError> {
        let plan = Blueprint::read(gguf)?;
        match cpu::obstacle(gguf, &plan) {
            None => cpu::Decoder::load(gguf, plan, threads, feed)
                .map(|decoder| Self::Kernels(Box::new(decoder))),
            Some(why) => Self::on_device(gguf, &Device::Cpu, why, feed),
        }
    }

    /// candle on a device; `why` says why not the kernels.
    pub(crate) fn on_device(
        gguf: &Gguf<'_>,
        device: &Device,
        why: String,
        feed: &mut Feed<'_>,
    ) -> Result<Self, ModelError> {
        let decoder = Decoder::load(gguf, device, feed)?;
        Ok(Self::Candle(Box::new(decoder), why))
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Kernels(decoder) => Backend::Kernels {
                isa: decoder.isa(),
                threads: decoder.threads(),
            },
            Self::Candle(_, why) => Backend::Candle { why: why.clone() },
        }
    }

    /// Rows of the head: logits a position.
    pub(crate) fn vocabulary(&self) -> usize {
        match self {
            Self::Kernels(decoder) => decoder.vocabulary(),
            Self::Candle(decoder, _) => decoder.vocabulary(),
        }
    }

    /// Positions the model was trained for.
    pub(crate) fn context(&self) -> usize {
        match self {
            Self::Kernels(decoder) => decoder.context(),
            Self::Candle(decoder, _) => decoder.context(),
        }
    }

    /// Memory for at most `limit` positions, empty.
    ///
    /// # Errors
    /// [`ModelError::Positions`].
    pub(crate) fn memory(&self, limit: usize) -> Result<Memory, ModelError> {
        Ok(match self {
            Self::Kernels(decoder) => Memory::Kernels(Box::new(decoder.state(limit)?)),
            Self::Candle(decoder, _) => Memory::Candle(decoder.cache(limit)),
        })
    }

    /// Reads `tokens` behind what `memory` holds. Afterwards the head can be computed for them, until more is read or they are forgotten.
    /// `after_layer` is told how many of how many layers are done, so that a long prompt can be interrupted within a chunk.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`]; [`ModelError::TokenRange`]; what `after_layer` says. The memory then holds what it held before.
    pub(crate) fn forward(
        &self,
        tokens: &[u32],
        memory: &mut Memory,
        after_layer: impl FnMut(usize, usize) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        self.check(tokens)?;
        match (self, memory) {
            (Self::Kernels(decoder), Memory::Kernels(state)) => {
                decoder.forward(tokens, state, after_layer)
            }
            (Self::Candle(decoder, _), Memory::Candle(cache)) => {
                decoder.read(tokens, cache, after_layer)
            }
            _ => Err(ModelError::NothingRead),
        }
    }

    /// Writes these tiles' logits after each of the last `rows` tokens read into `logits`, row after row.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] when fewer were read at last.
    pub(crate) fn head(
        &self,
        memory: &mut Memory,
        rows: usize,
        tiles: &Tiles,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        if rows > memory.fresh() {
            return Err(ModelError::NothingRead);
        }
        match (self, memory) {
            (Self::Kernels(decoder), Memory::Kernels(state)) => {
                decoder.head(state, rows, tiles, logits);
                Ok(())
            }
            (Self::Candle(decoder, _), Memory::Candle(cache)) => {
                decoder.head(cache, rows, tiles, logits)
            }
            _ => Err(ModelError::NothingRead),
        }
    }

    fn check(&self, tokens: &[u32]) -> Result<(), ModelError> {
        let vocabulary = self.vocabulary();
        match tokens.iter().find(|token| **token as usize >= vocabulary) {
            Some(token) => Err(ModelError::TokenRange {
                token: *token,
                vocabulary,
            }),
            None => Ok(()),
        }
    }
}

impl Memory {
    /// Positions held.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Kernels(state) => state.len(),
            Self::Candle(cache) => cache.len(),
        }
    }

    /// The most positions that can be held.
    pub(crate) fn limit(&self) -> usize {
        match self {
            Self::Kernels(state) => state.limit(),
            Self::Candle(cache) => cache.limit(),
        }
    }

    /// How many of the last positions the head can be computed for.
    pub(crate) fn fresh(&self) -> usize {
        match self {
            Self::Kernels(state) => state.fresh(),
            Self::Candle(cache) => cache.fresh(),
        }
    }

    /// Bytes of the first `len` positions' keys and values; none where they cannot be had as bytes, or so many are never held.
    pub(crate) fn saved_len(&self, len: usize) -> Option<usize> {
        match self {
            Self::Kernels(state) if len <= state.limit() => Some(state.saved_len(len)),
            Self::Kernels(_) | Self::Candle(_) => None,
        }
    }

    /// Appends them, where [`Memory::saved_len`] says how many they are.
    pub(crate) fn save(&self, len: usize, into: &mut Vec<u8>) {
        if let Self::Kernels(state) = self {
            state.save(len, into);
        }
    }

    /// Holds `len` positions with these keys and values and nothing else.
    pub(crate) fn load(&mut self, len: usize, bytes: &[u8]) {
        if let Self::Kernels(state) = self {
            state.load(len, bytes);
        }
    }

    /// Forgets all but the first `len` positions.
    pub(crate) fn rewind(&mut self, len: usize) {
        match self {
            Self::Kernels(state) => state.rewind(len),
            Self::Candle(cache) => cache.rewind(len),
        }
    }
}
