//! The GGUF header, read strictly before anything else sees the bytes. Pure over `&[u8]`; knows nothing of architectures.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian. Every count is bounded, every
//! offset checked, names are unique, tensors lie inside the file and apart from each other, and nothing lies between or behind them. Large
//! arrays (the vocabulary) stay ranges of the file.

mod cursor;
mod tensors;
mod value;

use std::collections::HashMap;
use std::io::Read;

use crate::ModelError;
use cursor::Cursor;
pub use tensors::TensorInfo;
pub use value::{FromValue, Numbers, Strings, Value};

/// What a header may hold. Reaching any of these refuses the file.
struct Limits {
    /// Metadata entries. The largest public models have under 100.
    keys: u64,
    /// Tensors. A 100-layer model with 20 tensors a layer has 2 000.
    tensors: u64,
    /// Bytes of a key or a tensor name. The specification allows keys of 65 535; real ones are under 64.
    name: u64,
    /// Elements of an array. The largest vocabularies have 262 144 entries; twice as many merges.
    elements: u64,
    /// Bytes of the whole header. 256 MiB: the largest vocabularies take some 16 MB with their merges.
    header: u64,
    /// Bytes read before the header is tried first, twice as many each time it was cut. 1 MiB: a header is read at most twice over.
    front: u64,
}

const LIMITS: Limits = Limits {
    keys: 4_096,
    tensors: 32_768,
    name: 256,
    elements: 4 << 20,
    header: 256 << 20,
    front: 1 << 20,
};

/// A parsed header over the bytes that it was read from.
pub struct Gguf<'a> {
    values: HashMap<&'a str, Value<'a>>,
    tensors: HashMap<&'a str, TensorInfo<'a>>,
}

impl<'a> Gguf<'a> {
    /// Reads and checks the whole header of a file.
    ///
    /// # Errors
    /// Names the first fault found: see [`ModelError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        Self::parse_front(bytes, bytes.len())
    }

    /// The same from the front of a file of `len` bytes, which has to hold the header, and nothing of the tensors.
    ///
    /// # Errors
    /// As [`Gguf::parse`].
    pub fn parse_front(bytes: &'a [u8], len: usize) -> Result<Self, ModelError> {
        let mut cursor = Cursor::new(bytes, len);
        let (tensor_count, key_count) = preamble(&mut cursor)?;
        let values = read_values(&mut cursor, key_count)?;
        let alignment = alignment(&values)?;
        let tensors = tensors::read(&mut cursor, tensor_count, alignment)?;
        let gguf = Self { values, tensors };
        gguf.whole()?;
        Ok(gguf)
    }

    /// Refuses one part of a model that was split into several files.
    fn whole(&self) -> Result<(), ModelError> {
        match self.find::<u32>("split.count")? {
            None | Some(0 | 1) => Ok(()),
            Some(parts) => Err(ModelError::Split { parts }),
        }
    }

    /// The value of a key, if the key is there.
    ///
    /// # Errors
    /// [`ModelError::KeyValue`] when it has another type.
    pub fn find<T: FromValue<'a>>(&self, key: &str) -> Result<Option<T>, ModelError> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match T::from_value(value) {
            Some(typed) => Ok(Some(typed)),
            None => Err(ModelError::KeyValue {
                key: key.to_owned(),
                expected: T::EXPECTED,
            }),
        }
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// [`ModelError::KeyMissing`], or [`ModelError::KeyValue`] when it has another type.
    pub fn need<T: FromValue<'a>>(&self, key: &str) -> Result<T, ModelError> {
        self.find(key)?.ok_or_else(|| ModelError::KeyMissing {
            key: key.to_owned(),
        })
    }

    /// A text that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn str(&self, key: &str) -> Result<&'a str, ModelError> {
        self.need(key)
    }

    /// A whole number that must be there, of any integer type that fits. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn u32(&self, key: &str) -> Result<u32, ModelError> {
        self.need(key)
    }

    /// A float that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn f32(&self, key: &str) -> Result<f32, ModelError> {
        self.need(key)
    }

    /// A truth value that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn bool(&self, key: &str) -> Result<bool, ModelError> {
        self.need(key)
    }

    /// An array of texts that must be there, as bytes, borrowed from the file. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn strings(&self, key: &str) -> Result<Strings<'a>, ModelError> {
        self.need(key)
    }

    /// An array of `u32` that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn u32s(&self, key: &str) -> Result<Numbers<'a, u32>, ModelError> {
        self.need(key)
    }

    /// An array of `i32` that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn i32s(&self, key: &str) -> Result<Numbers<'a, i32>, ModelError> {
        self.need(key)
    }

    /// An array of `f32` that must be there. As [`Gguf::need`].
    #[expect(clippy::missing_errors_doc, reason = "said at `need`")]
    pub fn f32s(&self, key: &str) -> Result<Numbers<'a, f32>, ModelError> {
        self.need(key)
    }

    /// All keys with their values, in no order.
    pub fn values(&self) -> impl Iterator<Item = (&'a str, &Value<'a>)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    /// All tensors, in no order.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo<'a>> {
        self.tensors.values()
    }

    /// One tensor by name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo<'a>> {
        self.tensors.get(name)
    }

    /// All tensors, in the order of their bytes.
    pub(crate) fn in_order(&self) -> Vec<&TensorInfo<'a>> {
        let mut all: Vec<_> = self.tensors().collect();
        all.sort_unstable_by_key(|tensor| tensor.range().start);
        all
    }
}

/// Reads the front of a file of `len` bytes: at least its header, for [`Gguf::parse_front`].
///
/// # Errors
/// The first fault of the header; [`ModelError::Read`] when the reader fails.
pub(crate) fn read_front(reader: &mut dyn Read, len: usize) -> Result<Vec<u8>, ModelError> {
    let mut front = Vec::new();
    loop {
        let had = front.len() as u64;
        let more = had.max(LIMITS.front).min(LIMITS.header.saturating_sub(had));
        let got = (&mut *reader).take(more).read_to_end(&mut front);
        let got = got.map_err(|source| ModelError::Read { source })?;
        match Gguf::parse_front(&front, len).map(drop) {
            Err(ModelError::Cut { at, needed, .. })
                if got > 0 && (at as u64).saturating_add(needed) <= len as u64 => {}
            told => return told.map(|()| front),
        }
    }
}

impl std::fmt::Debug for Gguf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gguf")
            .field("keys", &self.values.len())
            .field("tensors", &self.tensors.len())
            .finish()
    }
}

/// Magic, version and the two counts.
fn preamble(cursor: &mut Cursor<'_>) -> Result<(u64, u64), ModelError> {
    let magic = cursor.take("the magic", 4)?;
    if magic != b"GGUF" {
        let found = magic.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(ModelError::Magic { found });
    }
    let version = cursor.u32("the version")?;
    if !matches!(version, 2 | 3) {
        return Err(ModelError::Version { version });
    }
    let tensors = bounded(
        "the number of tensors",
        cursor.u64("the number of tensors")?,
        LIMITS.tensors,
    )?;
    let keys = bounded(
        "the number of keys",
        cursor.u64("the number of keys")?,
        LIMITS.keys,
    )?;
    Ok((tensors, keys))
}

fn read_values<'a>(
    cursor: &mut Cursor<'a>,
    count: u64,
) -> Result<HashMap<&'a str, Value<'a>>, ModelError> {
    let mut values = HashMap::new();
    for _ in 0..count {
        let key = cursor.name("a key")?;
        let value = value::read(cursor, key)?;
        if values.insert(key, value).is_some() {
            return Err(ModelError::Twice {
                what: "key",
                name: key.to_owned(),
            });
        }
    }
    Ok(values)
}

/// `general.alignment`: 32 unless told. The specification asks for a multiple of 8; a power of two up to a page is what writers use.
fn alignment(values: &HashMap<&str, Value<'_>>) -> Result<u64, ModelError> {
    let key = "general.alignment";
    let Some(value) = values.get(key) else {
        return Ok(32);
    };
    let Some(alignment) = u32::from_value(value).map(u64::from) else {
        return Err(ModelError::KeyValue {
            key: key.to_owned(),
            expected: u32::EXPECTED,
        });
    };
    if !alignment.is_power_of_two() || !(8..=4096).contains(&alignment) {
        return Err(ModelError::Alignment { alignment });
    }
    Ok(alignment)
}

fn bounded(what: &'static str, value: u64, limit: u64) -> Result<u64, ModelError> {
    if value > limit {
        return Err(ModelError::TooMany { what, value, limit });
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
