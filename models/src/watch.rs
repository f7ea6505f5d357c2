//! How whoever waits sees progress and says stop. Nothing else is shared with the caller while the model computes.

use std::ops::ControlFlow;

use crate::ModelError;

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of a model read.
    Load {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// Prompt tokens computed.
    Prefill {
        /// So far, in this call.
        done: usize,
        /// In all, in this call.
        total: usize,
    },
    /// Tokens written so far, in this call.
    Decode {
        /// How many.
        tokens: usize,
    },
}

/// Told between any two decoded tokens, after every layer of every chunk of a prompt, and every few megabytes while a model is read.
pub trait Watch {
    /// Break ends the work with [`ModelError::Interrupted`].
    fn on(&mut self, progress: Progress) -> ControlFlow<()>;

    /// Memory that may be taken, bytes, if whoever waits knows: what a model needs is held against it before the model is loaded.
    fn available(&self) -> Option<u64> {
        None
    }
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Watch for F {
    fn on(&mut self, progress: Progress) -> ControlFlow<()> {
        self(progress)
    }
}

/// Nobody waits: never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn on(&mut self, _: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells the watcher, and turns its wish to stop into an error.
pub(crate) fn tell(watch: &mut dyn Watch, progress: Progress) -> Result<(), ModelError> {
    match watch.on(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ModelError::Interrupted),
    }
}
