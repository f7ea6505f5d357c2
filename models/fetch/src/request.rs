//! What was asked for, parsed once: none of these values can reach out of a folder or change the meaning of a URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Letters that mean nothing in a path or in a URL.
fn harmless(text: &str) -> bool {
    let named = !text.is_empty() && text.len() <= 255 && text != "." && text != "..";
    named
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-+=,()".contains(&b))
}

/// `ORG/REPO@REV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) id: String,
    pub(crate) revision: String,
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('@')
            .and_then(|(id, revision)| Some((id.split_once('/')?, revision)));
        match parts {
            Some(((org, repo), revision))
                if harmless(org) && harmless(repo) && revision.split('/').all(harmless) =>
            {
                Ok(Self {
                    id: format!("{org}/{repo}"),
                    revision: revision.to_owned(),
                })
            }
            _ => Err("it should be like `Qwen/Qwen2.5-0.5B-Instruct-GGUF@main`".to_owned()),
        }
    }
}

/// A file's path inside its repository: relative, without `..`, of harmless letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath(String);

impl FilePath {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it goes below a folder.
    pub(crate) fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() <= 1024 && text.split('/').all(harmless) {
            Ok(Self(text.to_owned()))
        } else {
            Err("it should be a path inside the repository, of letters, digits and `._-+=,()`, without `..`".to_owned())
        }
    }
}

/// A SHA-256; read from 64 hex digits, written in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sha256Hex([u8; 32]);

impl Sha256Hex {
    pub(crate) fn of(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl FromStr for Sha256Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it should be 64 hex digits".to_owned();
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut out = [0; 32];
        if pairs.len() != out.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in out.iter_mut().zip(pairs) {
            *byte = digit(*high)
                .zip(digit(*low))
                .map(|(h, l)| h << 4 | l)
                .ok_or_else(wrong)?;
        }
        Ok(Self(out))
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
