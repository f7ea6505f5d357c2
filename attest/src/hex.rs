//! Lower-case hex, one spelling per value: upper case is refused, so a text has no twin. Pure.

/// Lower-case hex of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        digits.push(digit(byte >> 4));
        digits.push(digit(byte & 15));
    }
    digits
}

fn digit(nibble: u8) -> char {
    let letter = if nibble < 10 { b'0' } else { b'a' - 10 };
    char::from(letter.saturating_add(nibble))
}

/// The bytes of lower-case hex; `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| byte_of(*pair)).collect()
}

/// Exactly `N` bytes of lower-case hex.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok().filter(|_| rest.is_empty())?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = byte_of(*pair)?;
    }
    Some(bytes)
}

fn byte_of([high, low]: [u8; 2]) -> Option<u8> {
    Some(nibble(high)? << 4 | nibble(low)?)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// `#[serde(with)]` for byte strings kept as lower-case hex.
pub mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::encode(bytes))
    }

    /// Reads them.
    ///
    /// # Errors
    /// Anything but lower-case hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::decode(&text).ok_or_else(|| serde::de::Error::custom("not lower-case hex"))
    }
}

/// The same for byte strings that may be absent.
pub mod some_bytes {
    use serde::{Deserializer, Serializer};

    /// Writes them; what is absent is skipped by its field.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::bytes::serialize(bytes.as_deref().unwrap_or_default(), serializer)
    }

    /// Reads them.
    ///
    /// # Errors
    /// Anything but lower-case hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        super::bytes::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_spelling() {
        assert_eq!(super::encode(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(super::decode("00abff"), Some(vec![0, 0xab, 0xff]));
        for bad in ["0", "0G", "AB", "a b", "é"] {
            assert_eq!(super::decode(bad), None, "{bad}");
        }
        assert_eq!(super::decode_array::<2>("00ab00"), None);
    }
}
