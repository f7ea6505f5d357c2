//! Why a document was not read.

use std::fmt;

/// Each goes on after the file's name: "`a.pdf` is encrypted".
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is something else, or torn.
    NotADocument(String),
    /// It wants a password.
    Encrypted,
    /// Its pages hold pictures only.
    NoText,
    /// It is beyond a limit.
    TooLarge(String),
}

impl Unreadable {
    pub(crate) fn broken(why: impl fmt::Display) -> Self {
        Self::NotADocument(format!("cannot be read: {why}"))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADocument(what) | Self::TooLarge(what) => f.write_str(what),
            Self::Encrypted => f.write_str("is encrypted: save it without a password"),
            Self::NoText => {
                f.write_str("holds no text: it may be a scan, and pictures are not read")
            }
        }
    }
}
