//! A session's keys and values as bytes, sealed under what they stand for: so that the beginning of a prompt need not be read again by the next
//! process. What cannot be used is a [`Miss`], never wrong state.
//!
//! The bytes: [`MAGIC`]; the [`StateKey`]; keys and values as the kernels save them; SHA-256 of all before.

use std::fmt;

use cloister_kernels::Isa;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::registry::ModelDigest;

/// Its last byte is the version of the layout and of the computations whose results are kept: a new one makes all that was kept a miss.
const MAGIC: [u8; 12] = *b"cloister kv1";
/// Bytes of a SHA-256.
const SUM: usize = 32;
/// Everything but keys and values.
const AROUND: usize = MAGIC.len() + 2 * SUM;

/// What keys and values stand for: these tokens, read from the beginning by this model's weights on this instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKey([u8; SUM]);

impl StateKey {
    /// Angles and shapes follow from the model's bytes; what this program makes of them, from its version and [`MAGIC`].
    pub(crate) fn new(model: ModelDigest, isa: Isa, tokens: &[u32]) -> Self {
        let mut sum = Sha256::new();
        sum.update(MAGIC);
        for text in [env!("CARGO_PKG_VERSION"), isa.name()] {
            sum.update((text.len() as u64).to_le_bytes());
            sum.update(text);
        }
        sum.update(model.bytes());
        for token in tokens {
            sum.update(token.to_le_bytes());
        }
        Self(sum.finalize().into())
    }
}

/// Lower-case hexadecimal: fit to name a file.
impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why bytes cannot be taken for keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Miss {
    /// They are not as many as these tokens come to, or not of this form.
    #[error("it is no state of so many tokens")]
    Form,
    /// They stand for something else.
    #[error("it is the state of another model, prompt or instruction set")]
    Foreign,
    /// They are not what was written.
    #[error("it was torn or changed")]
    Torn,
    /// Nothing can be kept here: another engine computes, or the context has no room.
    #[error("this session cannot take up a state")]
    Unfit,
}

/// Bytes of a snapshot with so many of keys and values.
pub(crate) fn len(state: usize) -> usize {
    state.saturating_add(AROUND)
}

/// Has `save` append keys and values, and seals them.
pub(crate) fn seal(key: StateKey, state: usize, save: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len(state));
    bytes.extend(MAGIC);
    bytes.extend(key.0);
    save(&mut bytes);
    let sum: [u8; SUM] = Sha256::digest(&bytes).into();
    bytes.extend(sum);
    bytes
}

/// The keys and values in a snapshot, if it is whole and of this key.
pub(crate) fn unseal(key: StateKey, state: usize, bytes: &[u8]) -> Result<&[u8], Miss> {
    if bytes.len() != len(state) {
        return Err(Miss::Form);
    }
    let (sealed, sum) = bytes.split_last_chunk::<SUM>().ok_or(Miss::Form)?;
    let state = sealed.strip_prefix(&MAGIC).ok_or(Miss::Form)?;
    let state = state.strip_prefix(&key.0).ok_or(Miss::Foreign)?;
    let found: [u8; SUM] = Sha256::digest(sealed).into();
    match found == *sum {
        true => Ok(state),
        false => Err(Miss::Torn),
    }
}

#[cfg(test)]
mod tests;
