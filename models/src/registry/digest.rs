//! What names a model's bytes: SHA-256, by which the world knows the file, and BLAKE3, which is quick enough to be asked at every start. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ModelError;

/// SHA-256 of a model file; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelDigest(pub(super) [u8; 32]);

impl ModelDigest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`ModelError::Digest`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        parse(text).map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.0, f)
    }
}

impl fmt::Debug for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for ModelDigest {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        Self::parse(&text)
    }
}

impl From<ModelDigest> for String {
    fn from(digest: ModelDigest) -> Self {
        digest.to_string()
    }
}

/// BLAKE3 of a model file, unkeyed, 32 bytes; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QuickDigest(pub(super) [u8; 32]);

impl fmt::Display for QuickDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.0, f)
    }
}

impl fmt::Debug for QuickDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for QuickDigest {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        parse(&text).map(Self)
    }
}

impl From<QuickDigest> for String {
    fn from(digest: QuickDigest) -> Self {
        digest.to_string()
    }
}

fn parse(text: &str) -> Result<[u8; 32], ModelError> {
    let wrong = || ModelError::Digest {
        text: text.escape_debug().to_string(),
    };
    let mut out = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != out.len() || !rest.is_empty() {
        return Err(wrong());
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = nibble(*high)
            .zip(nibble(*low))
            .map(|(h, l)| h << 4 | l)
            .ok_or_else(wrong)?;
    }
    Ok(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn print(digest: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A digest, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// The slow one, where nothing else is pinned.
    Sha256(ModelDigest),
    /// The quick one.
    Blake3(QuickDigest),
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "SHA-256 {digest}"),
            Self::Blake3(digest) => write!(f, "BLAKE3 {digest}"),
        }
    }
}
