//! The cage: compiles one component, states its type, runs one function on the handles it is given, within [`Limits`].
//!
//! The only crate that names wasmtime. It knows no policy and no path, opens no file and no socket, and reads the clock only to stop a
//! call that takes too long. What a component sees as time and chance comes from [`Moment`], so a call can be replayed bit for bit.
//!
//! Without the feature `engine` only the types of what is exchanged are left: the fuzz targets read signatures and arguments by them, and
//! wasmtime with their coverage would take an hour to compile.

mod shape;
mod value;

/// What runs it. Its files lie here, beside the others.
#[cfg(feature = "engine")]
#[path = ""]
mod engine {
    pub(crate) mod component;
    pub(crate) mod convert;
    pub(crate) mod error;
    pub(crate) mod handles;
    pub(crate) mod limits;
    pub(crate) mod run;
    pub(crate) mod state;
    pub(crate) mod wasi;

    pub use component::Component;
    pub use error::CageError;
    pub use limits::{Limit, Limits};
    pub use run::{Ended, Fault, Moment, Move, Run, Used, run};
}

#[cfg(feature = "engine")]
pub use engine::*;
pub use shape::{Function, Handle, Shape};
pub use value::{Arg, Input, Movable, Output, Place, Sink, Source, Value};
