//! The cage: compiles one component, states its type, runs one function on the handles it is given, within [`Limits`].
//!
//! The only crate that names wasmtime. It knows no policy and no path, opens no file and no socket, and reads the clock only to stop a
//! call that takes too long. What a component sees as time and chance comes from [`Moment`], so a call can be replayed bit for bit.

mod component;
mod convert;
mod error;
mod handles;
mod limits;
mod run;
mod shape;
mod state;
mod value;
mod wasi;

pub use component::Component;
pub use error::CageError;
pub use limits::{Limit, Limits};
pub use run::{Ended, Fault, Moment, Move, Run, Used, run};
pub use shape::{Function, Handle, Shape};
pub use value::{Arg, Input, Movable, Output, Place, Sink, Source, Value};
