//! Frames: a length and that many bytes. Whoever reads them does as with a file from a stranger: bounded, and refused as a whole at the
//! first oddity.

use std::io::{self, ErrorKind, Read, Write};

/// A frame that does not say anything. The whole of it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Send one frame of at most `most` bytes.
///
/// # Errors
/// What the writer says; `InvalidInput` for a longer frame.
pub fn send(to: &mut impl Write, payload: &[u8], most: usize) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= most)
        .ok_or(ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(payload)
}

/// Receive one frame of at most `most` bytes.
///
/// # Errors
/// What the reader says, `UnexpectedEof` at the end among it; `InvalidData` for a longer frame.
pub fn receive(from: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length))
        .ok()
        .filter(|length| *length <= most)
        .ok_or(ErrorKind::InvalidData)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(payload)
}

/// Writes a payload.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// One byte.
    pub fn u8(&mut self, n: u8) {
        self.bytes.push(n);
    }

    /// Two bytes.
    pub fn u16(&mut self, n: u16) {
        self.bytes.extend(n.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, n: u32) {
        self.bytes.extend(n.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, n: u64) {
        self.bytes.extend(n.to_le_bytes());
    }

    /// How many follow. No list of ours has more than 2^32 elements: each is bounded far below.
    pub fn count(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Bytes, and how many before them.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend(bytes);
    }

    /// The same of a text.
    pub fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a payload from its beginning.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

/// Every method is [`Malformed`] where there are fewer bytes, or other ones, than what is read has.
#[expect(clippy::missing_errors_doc, reason = "one sentence for all of them")]
impl<'a> Decoder<'a> {
    /// At the beginning of these.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: bytes }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes that this machine can count with.
    pub fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u64()?).map_err(|_| Malformed)
    }

    /// 0 or 1.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// How many follow: no more than there are bytes left, since each has one at least.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if count > self.rest.len() {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// Bytes, as many as are said before them.
    pub fn raw(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count()?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The same of a text.
    pub fn text(&mut self) -> Result<String, Malformed> {
        std::str::from_utf8(self.raw()?)
            .map(str::to_owned)
            .map_err(|_| Malformed)
    }

    /// As many bytes as the array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Nothing may follow.
    pub fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}
