//! The cage. On the agent's side it compiles a component, states its type, and has one function of it run on the handles it is given, within
//! [`Limits`]: by a process of its own that holds nothing (`src/main.rs`, `src/inside.rs`), started anew for each call, which asks here for
//! every byte that it reads, brings every byte that it writes, and asks what it asks the model.
//!
//! The only crate that names wasmtime. It knows no policy and no path, opens no file and no socket, and reads the clock only to stop a
//! call that takes too long. What a component sees as time and chance comes from [`Moment`], so a call can be replayed bit for bit.
//!
//! Features: `engine` is the agent's side, `process` the other one. Without either only the types of what is exchanged are left: the fuzz
//! targets read signatures, arguments and frames by them, and wasmtime with their coverage would take an hour to compile.

#[cfg(feature = "engine")]
mod call;
#[cfg(feature = "engine")]
mod component;
#[cfg(feature = "link")]
mod error;
#[cfg(feature = "link")]
mod handles;
#[cfg(feature = "process")]
pub mod inside;
mod limits;
#[cfg(feature = "link")]
mod link;
#[cfg(feature = "link")]
mod mind;
mod outcome;
#[cfg(feature = "engine")]
mod program;
mod question;
mod shape;
#[cfg(feature = "link")]
mod state;
mod value;
#[cfg(feature = "link")]
mod wasi;
pub mod wire;

#[cfg(feature = "engine")]
pub use call::run;
pub use cloister_process::{Layer, Layers};
#[cfg(feature = "engine")]
pub use component::{Component, engine};
#[cfg(feature = "link")]
pub use error::CageError;
pub use limits::{HOST_BYTES, Limit, Limits};
pub use outcome::{Ended, Fault, Moment, Move, Run, Terms, Used};
#[cfg(feature = "engine")]
pub use program::Program;
pub use question::{Kind, Mind, Nobody, Question, Task, UNSEEN, Unanswered};
pub use shape::{Function, Handle, Shape};
pub use value::{Arg, Input, Movable, Output, Place, Sink, Source, Value};
