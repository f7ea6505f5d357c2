//! Why a component is not taken at all.

use crate::limits::Limit;

/// A component that cannot be compiled or must not be run. What happens while it runs is [`crate::Ended`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// The engine could not be made.
    #[error("the cage cannot start: {0}")]
    Engine(String),
    /// There is no file in memory for what is compiled.
    #[error("there is no memory that can be sealed: {0}")]
    Memory(std::io::Error),
    /// The cage's process did not start, or did not put on what nothing runs without.
    #[error("the cage's process did not start: {0}")]
    Process(String),
    /// Not a component, or one that uses features the cage leaves out (threads, 64-bit memory, simd, …).
    #[error("it does not compile: {0}")]
    NotAComponent(String),
    /// Too large, or too deeply nested.
    #[error("it is beyond the limit `{0}`")]
    Limit(Limit),
    /// It imports something that no tool may have.
    #[error("it imports `{import}`, which no tool may have")]
    Import {
        /// The import as the component names it.
        import: String,
    },
    /// An export that is neither an interface of plain functions.
    #[error("it exports `{export}`, which is not an interface of plain functions")]
    Export {
        /// The export as the component names it.
        export: String,
    },
}

impl CageError {
    #[cfg(feature = "engine")]
    pub(crate) fn engine(error: wasmtime::Error) -> CageError {
        CageError::Engine(format!("{error:#}"))
    }

    #[cfg(feature = "engine")]
    pub(crate) fn memory(error: impl Into<std::io::Error>) -> CageError {
        CageError::Memory(error.into())
    }
}
