//! Canonical JSON (RFC 8785), integers only: writing it, and refusing what is not byte for byte canonical. Pure.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::AttestError;

/// Largest integer that every JSON reader keeps exactly, 2^53 - 1 (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Canonical bytes of `value`.
///
/// # Errors
/// When `value` holds a number that is not a safe integer.
pub(crate) fn write<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, AttestError> {
    let malformed = |why: String| AttestError::Malformed { what, why };
    let value = serde_json::to_value(value).map_err(|error| malformed(error.to_string()))?;
    integers_only(&value).map_err(|why| malformed(why.to_owned()))?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| malformed(error.to_string()))
}

/// Reads `bytes` that must be exactly what we would write of what they say: a second spelling (duplicate or unknown keys,
/// `1.0`, spaces, needless escapes, another order) is refused, and so is whatever a signature would not cover.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn read<T: DeserializeOwned + Serialize>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, AttestError> {
    let malformed = |why: String| AttestError::Malformed { what, why };
    let value: T = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if write(what, &value)? != bytes {
        return Err(malformed(
            "its bytes are not the canonical json of what they say".to_owned(),
        ));
    }
    Ok(value)
}

fn integers_only(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(n), _) if n <= MAX_SAFE => Ok(()),
            (None, Some(n)) if n.unsigned_abs() <= MAX_SAFE => Ok(()),
            _ => Err("a number is not an integer below 2^53"),
        },
        Value::Array(items) => items.iter().try_for_each(integers_only),
        Value::Object(members) => members.values().try_for_each(integers_only),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}
