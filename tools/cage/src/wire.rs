//! What the agent and the cage's process say to each other, in frames. The cage's process runs what nobody
//! trusts, so the agent reads what it says as it would read a file from a stranger: bounded, and refused as a whole at the first oddity.

mod message;
mod order;
mod value;

use std::io::{self, Read, Write};

use cloister_process::frame;
pub use cloister_process::frame::Malformed;
pub(crate) use cloister_process::frame::{Decoder, Encoder};

pub use message::{Answer, Told};
pub use order::{Handles, Order, Remote};
pub use value::Budget;

/// Bytes of one frame. The largest is a result of `Limits::result_bytes`, whose field names come on top.
pub const FRAME_BYTES: usize = 16 << 20;
/// Bytes of one piece of an input or output; larger ones go in several frames.
pub const PIECE_BYTES: usize = 1 << 20;

/// Send one frame.
///
/// # Errors
/// What the writer says; `InvalidInput` for a frame beyond [`FRAME_BYTES`].
pub fn send(to: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    frame::send(to, payload, FRAME_BYTES)
}

/// Receive one frame.
///
/// # Errors
/// What the reader says, `UnexpectedEof` at the end among it; `InvalidData` for a frame beyond [`FRAME_BYTES`].
pub fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    frame::receive(from, FRAME_BYTES)
}

#[cfg(test)]
mod tests;
