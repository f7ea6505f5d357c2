//! Metadata values: scalars by value, arrays as ranges of the file. Touches only the bytes it was given.

use std::marker::PhantomData;

use super::cursor::Cursor;
use super::{LIMITS, bounded};
use crate::ModelError;

/// One metadata value. Arrays are checked for length when the header is read and decoded when they are iterated.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// Any unsigned integer type.
    Unsigned(u64),
    /// Any signed integer type.
    Signed(i64),
    /// `f32` or `f64`.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// An array of texts.
    Texts(Strings<'a>),
    /// An array of numbers or truth values of one type: the GGUF type number and its bytes.
    Numbers {
        /// GGUF value type, 0..=12 without 8 and 9.
        kind: u32,
        /// Little-endian elements.
        bytes: &'a [u8],
    },
}

/// An array of length-prefixed byte strings.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl Strings<'_> {
    /// How many strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (string, rest) = rest.split_at_checked(length)?;
        self.bytes = rest;
        self.count = self.count.saturating_sub(1);
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

/// An array of numbers of one type.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a, T> {
    bytes: &'a [u8],
    element: PhantomData<T>,
}

macro_rules! numbers {
    ($($type:ty, $kind:literal, $size:literal, $expected:literal;)*) => { $(
        impl Iterator for Numbers<'_, $type> {
            type Item = $type;

            fn next(&mut self) -> Option<$type> {
                let (element, rest) = self.bytes.split_first_chunk::<$size>()?;
                self.bytes = rest;
                Some(<$type>::from_le_bytes(*element))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                let count = self.bytes.len() / $size;
                (count, Some(count))
            }
        }

        impl ExactSizeIterator for Numbers<'_, $type> {}

        impl<'a> FromValue<'a> for Numbers<'a, $type> {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value<'a>) -> Option<Self> {
                match *value {
                    Value::Numbers { kind: $kind, bytes } => Some(Self { bytes, element: PhantomData }),
                    _ => None,
                }
            }
        }
    )* };
}

numbers! {
    u32, 4, 4, "an array of u32";
    i32, 5, 4, "an array of i32";
    f32, 6, 4, "an array of f32";
}

/// A Rust type that a metadata value can be read as.
pub trait FromValue<'a>: Sized {
    /// What to tell the person when the value is something else.
    const EXPECTED: &'static str;

    /// The value, if it has this type and fits.
    fn from_value(value: &Value<'a>) -> Option<Self>;
}

impl<'a> FromValue<'a> for &'a str {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: &Value<'a>) -> Option<Self> {
        match *value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromValue<'_> for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match *value {
            Value::Unsigned(number) => number.try_into().ok(),
            Value::Signed(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

impl FromValue<'_> for f32 {
    const EXPECTED: &'static str = "a finite number";

    #[expect(
        clippy::cast_possible_truncation,
        reason = "an f64 key is rounded to what the graph computes in"
    )]
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match *value {
            Value::Float(number) if (number as Self).is_finite() => Some(number as Self),
            _ => None,
        }
    }
}

impl FromValue<'_> for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_value(value: &Value<'_>) -> Option<Self> {
        match *value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for Strings<'a> {
    const EXPECTED: &'static str = "an array of texts";

    fn from_value(value: &Value<'a>) -> Option<Self> {
        match *value {
            Value::Texts(strings) => Some(strings),
            _ => None,
        }
    }
}

/// Reads the value of `key`, type number first.
pub(super) fn read<'a>(cursor: &mut Cursor<'a>, key: &str) -> Result<Value<'a>, ModelError> {
    const WHAT: &str = "a metadata value";
    let kind = cursor.u32("a metadata type")?;
    Ok(match kind {
        0 => Value::Unsigned(u8::from_le_bytes(cursor.array(WHAT)?).into()),
        1 => Value::Signed(i8::from_le_bytes(cursor.array(WHAT)?).into()),
        2 => Value::Unsigned(u16::from_le_bytes(cursor.array(WHAT)?).into()),
        3 => Value::Signed(i16::from_le_bytes(cursor.array(WHAT)?).into()),
        4 => Value::Unsigned(u32::from_le_bytes(cursor.array(WHAT)?).into()),
        5 => Value::Signed(i32::from_le_bytes(cursor.array(WHAT)?).into()),
        6 => Value::Float(f32::from_le_bytes(cursor.array(WHAT)?).into()),
        7 => Value::Bool(read_bool(cursor, key)?),
        8 => Value::Text(read_text(cursor)?),
        9 => read_array(cursor, key)?,
        10 => Value::Unsigned(cursor.u64(WHAT)?),
        11 => Value::Signed(i64::from_le_bytes(cursor.array(WHAT)?)),
        12 => Value::Float(f64::from_le_bytes(cursor.array(WHAT)?)),
        _ => {
            return Err(ModelError::ValueKind {
                key: key.to_owned(),
                kind,
            });
        }
    })
}

fn read_bool(cursor: &mut Cursor<'_>, key: &str) -> Result<bool, ModelError> {
    match cursor.array("a truth value")? {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err(ModelError::KeyValue {
            key: key.to_owned(),
            expected: bool::EXPECTED,
        }),
    }
}

fn read_text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, ModelError> {
    let at = cursor.at();
    let bytes = cursor.string("a text")?;
    std::str::from_utf8(bytes).map_err(|_| ModelError::NotText { what: "a text", at })
}

fn read_array<'a>(cursor: &mut Cursor<'a>, key: &str) -> Result<Value<'a>, ModelError> {
    const WHAT: &str = "an array";
    let kind = cursor.u32("an array type")?;
    let count = bounded("the length of an array", cursor.u64(WHAT)?, LIMITS.elements)?;
    let size = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => return read_strings(cursor, count),
        _ => {
            return Err(ModelError::ValueKind {
                key: key.to_owned(),
                kind,
            });
        }
    };
    let bytes = cursor.take(WHAT, count.saturating_mul(size))?;
    Ok(Value::Numbers { kind, bytes })
}

/// Walks the strings once, so that iterating them later cannot run out of bytes.
fn read_strings<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Value<'a>, ModelError> {
    let start = cursor.at();
    for _ in 0..count {
        cursor.string("an array of texts")?;
    }
    let bytes = cursor.since(start);
    Ok(Value::Texts(Strings {
        count: usize::try_from(count).unwrap_or(usize::MAX),
        bytes,
    }))
}
