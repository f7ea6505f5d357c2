//! Canonical JSON (RFC 8785), integers only: writing it, and refusing what is not byte for byte canonical. Pure.

mod order;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AttestError;

/// Canonical bytes of `value`.
///
/// # Errors
/// When `value` holds a number that is not a safe integer.
pub(crate) fn write<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, AttestError> {
    let malformed = |why: String| AttestError::Malformed { what, why };
    // Strings and integers are written by serde_json as RFC 8785 has them; the order of members is that of the types, or a map's.
    let compact = serde_json::to_vec(value).map_err(|error| malformed(error.to_string()))?;
    order::canonical(&compact).map_err(|why| malformed(why.to_owned()))
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
