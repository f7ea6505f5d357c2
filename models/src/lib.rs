//! Tokens in, tokens out: a model's bytes become an [`Engine`], a prompt becomes a [`Session`], and a [`Constraint`] decides what may be said.
//! No file, no clock, no network: bytes come verified, and whoever waits passes a [`Watch`].

mod arch;
mod available;
mod decode;
mod engine;
mod error;
mod gguf;
mod grammar;
mod needs;
mod registry;
mod sampler;
mod session;
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
pub use decode::{Decoded, Forward, Mark, Stop, Weight};
pub use engine::{DeviceChoice, Engine};
pub use error::ModelError;
pub use gguf::{FromValue, Gguf, Numbers, Strings, TensorInfo, Value};
pub use grammar::{Begun, Callable, Constraint, End, Mask, Matcher, Vocabulary};
pub use needs::Needs;
pub use registry::{Lock, ModelDigest, ModelName, Pin, Verified};
pub use sampler::{Sampler, Sampling};
pub use session::{Session, Tally};
pub use sweep::Sweep;
pub use template::{Ended, Prompt, Template};
pub use tokenizer::Tokenizer;
pub use watch::{Progress, Unwatched, Watch};
pub use write::{Hear, Likelihood, Over, Step, Writing, Written};
