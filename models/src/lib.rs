//! Tokens in, tokens out: a model's bytes become an [`Engine`], a prompt becomes a [`Session`], and a [`Constraint`] decides what may be said.
//! No file, no clock, no network: a reader is passed in, what it gives is hashed, and whoever waits passes a [`Watch`].

mod arch;
mod available;
mod decode;
mod draft;
mod engine;
mod error;
mod facts;
mod forward;
mod gains;
mod gguf;
mod grammar;
mod logits;
mod meanwhile;
mod needs;
mod registry;
mod sampler;
mod session;
mod snapshot;
mod sweep;
mod template;
#[cfg(test)]
mod testing;
mod tokenizer;
mod watch;
mod write;

pub use arch::Backend;
pub use available::available_memory;
pub use cloister_kernels::{Isa, processors};
pub use decode::{Decoded, Stop, Weight};
pub use engine::{DeviceChoice, Engine};
pub use error::ModelError;
pub use facts::Facts;
pub use forward::{Forward, Mark};
pub use gains::{Drafts, Forced, Gains, Head, Masks};
pub use gguf::{FromValue, Gguf, Numbers, Strings, TensorInfo, Value};
pub use grammar::{Begun, Callable, Constraint, End, Mask, Matcher, Vocabulary};
pub use logits::{Ask, Logits};
pub use needs::Needs;
pub use registry::{Hashed, Lock, ModelDigest, ModelName, Pin, QuickDigest, Sum, Sums};
pub use sampler::{Sampler, Sampling};
pub use session::{Session, Tally};
pub use snapshot::{Miss, StateKey};
pub use sweep::Sweep;
pub use template::{Ended, Prompt, Template};
pub use tokenizer::Tokenizer;
pub use watch::{Progress, Unwatched, Watch};
pub use write::{Counts, Hear, Likelihood, Over, Step, Writing, Written};
