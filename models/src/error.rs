//! The one error of this crate: what was wrong, with the culprit in backticks, and a hint where the person can act.

use thiserror::Error;

use crate::TensorInfo;
use crate::registry::{ModelName, Sum};

/// Why a model could not be read, loaded or run.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A model's name that cannot be one.
    #[error("`{name}` cannot name a model")]
    Name {
        /// What was given, escaped.
        name: String,
    },
    /// Not a SHA-256 in hex.
    #[error("`{text}` is not a SHA-256 in 64 lower-case hex digits")]
    Digest {
        /// What was given, escaped.
        text: String,
    },
    /// A lock that cannot be read or written.
    #[error("`models.lock` is refused: {why}")]
    Lock {
        /// What is wrong with it.
        why: String,
    },
    /// No pin of this name.
    #[error("model `{name}` is not pinned in `models.lock`")]
    NotPinned {
        /// The name asked for.
        name: ModelName,
    },
    /// The bytes are not those that were pinned.
    #[error("model `{name}` has {got}, `models.lock` pins {want}")]
    WrongHash {
        /// The model.
        name: ModelName,
        /// Its digest now.
        got: Sum,
        /// The pinned digest of the same kind.
        want: Sum,
    },
    /// The file is not as long as the pinned one.
    #[error("model `{name}` has {got} bytes, `models.lock` pins {want}")]
    WrongLength {
        /// The model.
        name: ModelName,
        /// Its bytes; reading stops at one more than are pinned.
        got: u64,
        /// The pinned length.
        want: u64,
    },
    /// The reader handed in failed.
    #[error("the model could not be read: {source}")]
    Read {
        /// Why.
        source: std::io::Error,
    },
    /// No memory for a model of this size.
    #[error("there is no memory for the {bytes} bytes of model `{name}`")]
    Memory {
        /// The model.
        name: ModelName,
        /// Its pinned length.
        bytes: u64,
    },
    /// No memory for a tensor.
    #[error("there is no memory for the {bytes} bytes of tensor `{name}`")]
    TensorMemory {
        /// The tensor.
        name: String,
        /// Its bytes in the file.
        bytes: u64,
    },
    /// What the model would take is more than there is. Said before anything is taken.
    #[error(
        "there is no memory for the model: {} MiB of weights and {} MiB for a session, {} MiB are available",
        mebibytes(*weights), mebibytes(*session), available >> 20
    )]
    Room {
        /// The weights, bytes.
        weights: u64,
        /// A session of the full context, bytes.
        session: u64,
        /// What may be taken, bytes.
        available: u64,
    },
    /// The tokenizer in the file cannot be used.
    #[error("the file's tokenizer is refused: {why}")]
    Tokenizer {
        /// What is wrong with it.
        why: String,
    },
    /// Splitting rules that are not known; guessing would silently give other tokens than the model was trained on.
    #[error("the tokenizer splits text by the rules `{pre}`, which are not known here")]
    Pretokenizer {
        /// The value of `tokenizer.ggml.pre`.
        pre: String,
    },
    /// The chat template is none of those known.
    #[error("the model's chat template is not known: {why}")]
    Template {
        /// What was looked for and not found.
        why: String,
    },
    /// A constraint that no output satisfies, or that is beyond the limits.
    #[error("the constraint is refused: {why}")]
    Grammar {
        /// What is wrong with it.
        why: String,
    },
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: it starts with bytes `{found}`")]
    Magic {
        /// The bytes found, in hexadecimal.
        found: String,
    },
    /// A GGUF version that is not read here.
    #[error("GGUF version `{version}` is not read, only 2 and 3, little-endian")]
    Version {
        /// The version field, as read little-endian.
        version: u32,
    },
    /// The header ends before it is complete.
    #[error(
        "the file has {len} bytes and ends inside {inside}, which needs {needed} bytes at byte {at}"
    )]
    Cut {
        /// What was being read.
        inside: &'static str,
        /// Offset of the read, in bytes.
        at: usize,
        /// How many bytes were needed there.
        needed: u64,
        /// Length of the file, in bytes.
        len: usize,
    },
    /// A number in the header is over its limit.
    #[error("{what} is {value}, the limit is {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The number found.
        value: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// Header text that is not UTF-8.
    #[error("{what} at byte {at} is not UTF-8")]
    NotText {
        /// Which text.
        what: &'static str,
        /// Offset, in bytes.
        at: usize,
    },
    /// A name that cannot be shown: no writer makes one.
    #[error("{what} at byte {at} is empty or holds control characters")]
    Unprintable {
        /// Which name.
        what: &'static str,
        /// Offset, in bytes.
        at: usize,
    },
    /// The same metadata key or tensor name twice.
    #[error("{what} `{name}` is there twice")]
    Twice {
        /// `key` or `tensor`.
        what: &'static str,
        /// The repeated name.
        name: String,
    },
    /// A metadata value of a type that GGUF does not know, or a nested array.
    #[error("key `{key}` has value type {kind}, which is not read")]
    ValueKind {
        /// The key.
        key: String,
        /// The type number found.
        kind: u32,
    },
    /// `general.alignment` is not usable.
    #[error("alignment `{alignment}` is not a power of two between 8 and 4096")]
    Alignment {
        /// The alignment found, bytes.
        alignment: u64,
    },
    /// A metadata key that is needed is absent.
    #[error("key `{key}` is missing")]
    KeyMissing {
        /// The key.
        key: String,
    },
    /// A metadata value is there but has another type or an unusable value.
    #[error("key `{key}` should be {expected}")]
    KeyValue {
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A key of the architecture that is not understood here.
    #[error("key `{key}` is not known here, and may change what the model computes")]
    KeyUnknown {
        /// The key.
        key: String,
    },
    /// A tensor's entry in the header is wrong.
    #[error("tensor `{name}`: {fault}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A tensor's bytes lie outside the file.
    #[error("tensor `{name}` ends at byte {end}, the file has {len}")]
    TensorCut {
        /// The tensor.
        name: String,
        /// Where it should end, in bytes from the start of the file.
        end: u64,
        /// Length of the file, in bytes.
        len: u64,
    },
    /// Two tensors share bytes.
    #[error("tensors `{first}` and `{second}` overlap")]
    Overlap {
        /// The one that starts first.
        first: String,
        /// The one that starts inside it.
        second: String,
    },
    /// Bytes that are no padding and of which the header says nothing.
    #[error("{bytes} bytes at byte {at} belong to no tensor")]
    Stray {
        /// How many, padding included.
        bytes: u64,
        /// Where they begin, in bytes from the start of the file.
        at: u64,
    },
    /// The file is one of several that make up a model.
    #[error("the model was split into {parts} files, and this is one of them")]
    Split {
        /// Into how many.
        parts: u32,
    },
    /// A tensor that the architecture needs is absent.
    #[error("tensor `{name}` is missing")]
    TensorMissing {
        /// The tensor.
        name: String,
    },
    /// No graph for this architecture.
    #[error("architecture `{name}` is not known; known are {known}")]
    Architecture {
        /// The value of `general.architecture`.
        name: String,
        /// The known ones, comma separated.
        known: String,
    },
    /// A hyper-parameter that contradicts another or the tensors.
    #[error("the model's `{what}` is {value}: {fault}")]
    Shape {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What is wrong.
        fault: &'static str,
    },
    /// The prompt is longer than the context.
    #[error("prompt of {tokens} tokens does not fit context of {context}")]
    ContextFull {
        /// Tokens that would have to be held.
        tokens: usize,
        /// Tokens that can be held.
        context: usize,
    },
    /// Keys and values of that many positions are more than memory can be asked for.
    #[error("keys and values of {positions} positions do not fit in memory")]
    Positions {
        /// Positions asked for.
        positions: usize,
    },
    /// A token id outside the vocabulary.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    TokenRange {
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// A step was asked for that needs at least one token before it.
    #[error("nothing was read yet: the session holds no token")]
    NothingRead,
    /// The logits hold no number to choose by (all are NaN or minus infinity, or the grammar allows no token).
    #[error("no token can be chosen: {why}")]
    NoChoice {
        /// Why.
        why: &'static str,
    },
    /// The constraint was not satisfied within the limit.
    #[error("the output is not complete after {tokens} tokens")]
    Endless {
        /// Tokens written.
        tokens: usize,
    },
    /// The caller's `Watch` asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// This build has no such device.
    #[error("device `{device}` is not available: {reason}")]
    Device {
        /// The device asked for.
        device: &'static str,
        /// Why not.
        reason: String,
    },
    /// A computation in candle failed.
    #[error("inference failed: {0}")]
    Compute(#[from] candle_core::Error),
}

/// A text of a file, fit to be shown: no control characters, and not at any length.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80; // characters: a line
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.escape_debug().to_string()
}

/// What a file claims is asked for, and not taken for granted.
pub(crate) fn no_memory_for(tensor: &TensorInfo<'_>) -> ModelError {
    ModelError::TensorMemory {
        name: tensor.name().to_owned(),
        bytes: tensor.range().len() as u64,
    }
}

/// Begun ones count: what is needed is not understated.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl ModelError {
    /// What the person can do about it, printed as a second line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Magic { .. }
            | Self::Version { .. }
            | Self::Cut { .. }
            | Self::TensorCut { .. }
            | Self::Stray { .. } => {
                "fetch the model again; the file is not a whole GGUF file and nothing else"
            }
            Self::Split { .. } => {
                "join the files with `llama-gguf-split --merge`, or fetch the model in one file"
            }
            Self::Architecture { .. } | Self::KeyUnknown { .. } => {
                "choose a model of a known architecture"
            }
            Self::ContextFull { .. } => {
                "ask for less at once, or load the model with a larger context"
            }
            Self::Positions { .. } => "ask for a smaller context, or choose a smaller model",
            Self::Device { .. } => "run on the processor, or build with the feature of that device",
            Self::Name { .. } => "use 1 to 64 of a-z, 0-9, `.`, `_` and `-`, not starting with `.`",
            Self::NotPinned { .. } => {
                "`cloister models list` shows what is pinned, `cloister models import FILE --name NAME` adds a file"
            }
            Self::WrongHash { .. } | Self::WrongLength { .. } => {
                "the file was changed or damaged after it was pinned: import it again from where it came from"
            }
            Self::Memory { .. } | Self::TensorMemory { .. } | Self::Room { .. } => {
                "end other programs, or choose a smaller model"
            }
            Self::Pretokenizer { .. } | Self::Template { .. } => {
                "choose an instruction-tuned model of the Qwen, Llama 3, SmolLM2, Gemma 3 or Phi families"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
