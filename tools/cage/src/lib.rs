//! The cage: compiles one component, states its type, runs one function on the handles it is given, within [`Limits`].
//!
//! The only crate that names wasmtime. It knows no policy and no path, opens no file and no socket, and reads the clock only to stop a
//! call that takes too long. What a component sees as time and chance comes from [`Moment`], so a call can be replayed bit for bit.
//!
//! Without the feature `engine` only the types of what is exchanged are left: the fuzz targets read signatures and arguments by them, and
//! wasmtime with their coverage would take an hour to compile.

#[cfg(feature = "engine")]
mod component;
#[cfg(feature = "engine")]
mod convert;
#[cfg(feature = "engine")]
mod error;
#[cfg(feature = "engine")]
mod handles;
#[cfg(feature = "engine")]
mod limits;
#[cfg(feature = "engine")]
mod run;
mod shape;
#[cfg(feature = "engine")]
mod state;
mod value;
#[cfg(feature = "engine")]
mod wasi;

#[cfg(feature = "engine")]
pub use component::Component;
#[cfg(feature = "engine")]
pub use error::CageError;
#[cfg(feature = "engine")]
pub use limits::{Limit, Limits};
#[cfg(feature = "engine")]
pub use run::{Ended, Fault, Moment, Move, Run, Used, run};
pub use shape::{Function, Handle, Shape};
pub use value::{Arg, Input, Movable, Output, Place, Sink, Source, Value};
