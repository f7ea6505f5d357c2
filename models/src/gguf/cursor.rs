//! A reader that never reads past the end and says where it was. Touches only the bytes it was given.

use super::{LIMITS, bounded};
use crate::ModelError;

/// A position in the file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    len: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a file of `len` bytes, of which `bytes` are the first.
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Self {
        Self { bytes, at: 0, len }
    }

    /// Bytes from the start of the file.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Length of the file, bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What was read since `start`, an earlier position.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// The next bytes of the header, which ends within the file and within its limit.
    pub(super) fn take(
        &mut self,
        inside: &'static str,
        needed: u64,
    ) -> Result<&'a [u8], ModelError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let cut = ModelError::Cut {
            inside,
            at: self.at,
            needed,
            len: self.len,
        };
        let Ok(length) = usize::try_from(needed) else {
            return Err(cut);
        };
        let end = self.at.saturating_add(length);
        if end <= self.len {
            bounded("the length of the header", end as u64, LIMITS.header)?;
        }
        let Some(taken) = rest.get(..length) else {
            return Err(cut);
        };
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        inside: &'static str,
    ) -> Result<[u8; N], ModelError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(inside, N as u64)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, inside: &'static str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(inside)?))
    }

    pub(super) fn u64(&mut self, inside: &'static str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(inside)?))
    }

    /// A length-prefixed byte string.
    pub(super) fn string(&mut self, inside: &'static str) -> Result<&'a [u8], ModelError> {
        let length = self.u64(inside)?;
        self.take(inside, length)
    }

    /// A key or tensor name: short, UTF-8, and fit to be shown.
    pub(super) fn name(&mut self, what: &'static str) -> Result<&'a str, ModelError> {
        let length = bounded("the length of a name", self.u64(what)?, LIMITS.name)?;
        let at = self.at;
        let bytes = self.take(what, length)?;
        let name = std::str::from_utf8(bytes).map_err(|_| ModelError::NotText { what, at })?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(ModelError::Unprintable { what, at });
        }
        Ok(name)
    }
}
