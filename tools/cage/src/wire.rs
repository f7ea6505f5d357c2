//! What the agent and the cage's process say to each other: frames of a length and that many bytes. The cage's process runs what nobody
//! trusts, so the agent reads what it says as it would read a file from a stranger: bounded, and refused as a whole at the first oddity.

mod message;
mod order;
mod value;

use std::io::{self, ErrorKind, Read, Write};

pub use message::{Answer, Told};
pub use order::{Handles, Order, Remote};
pub use value::Budget;

/// Bytes of one frame. The largest is a result of `Limits::result_bytes`, whose field names come on top.
pub const FRAME_BYTES: usize = 16 << 20;
/// Bytes of one piece of an input or output; larger ones go in several frames.
pub const PIECE_BYTES: usize = 1 << 20;

/// A frame that does not say anything. The whole of it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Send one frame.
///
/// # Errors
/// What the writer says; `InvalidInput` for a frame beyond [`FRAME_BYTES`].
pub fn send(to: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= FRAME_BYTES)
        .ok_or(ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(payload)
}

/// Receive one frame.
///
/// # Errors
/// What the reader says, `UnexpectedEof` at the end among it; `InvalidData` for a frame beyond [`FRAME_BYTES`].
pub fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length))
        .ok()
        .filter(|length| *length <= FRAME_BYTES)
        .ok_or(ErrorKind::InvalidData)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(payload)
}

/// Writes a payload.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn u8(&mut self, n: u8) {
        self.bytes.push(n);
    }

    pub(crate) fn u16(&mut self, n: u16) {
        self.bytes.extend(n.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, n: u32) {
        self.bytes.extend(n.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, n: u64) {
        self.bytes.extend(n.to_le_bytes());
    }

    /// How many follow. No list of ours has more than 2^32 elements: each is bounded far below.
    pub(crate) fn count(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a payload from its beginning.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: bytes }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u64()?).map_err(|_| Malformed)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// How many follow: no more than there are bytes left, since each has one at least.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if count > self.rest.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    pub(crate) fn raw(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count()?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        std::str::from_utf8(self.raw()?)
            .map(str::to_owned)
            .map_err(|_| Malformed)
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests;
