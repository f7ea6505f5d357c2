//! The failures of this tool: what is wrong with which file, as a sentence.

use crate::bindings::exports::cloister::document::document::{Failure, Fault};

/// Why a document was not read; each text goes on after the file's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    NotADocument(String),
    Encrypted,
    NoText,
    TooLarge(String),
}

impl Unreadable {
    pub(crate) fn broken(why: impl std::fmt::Display) -> Self {
        Self::NotADocument(format!("cannot be read: {why}"))
    }

    pub(crate) fn of(self, file: &str) -> Failure {
        let (fault, what) = match self {
            Self::NotADocument(what) => (Fault::NotADocument, what),
            Self::Encrypted => (
                Fault::Encrypted,
                "is encrypted: save it without a password".to_owned(),
            ),
            Self::NoText => (
                Fault::NoText,
                "holds no text: it may be a scan, and pictures are not read".to_owned(),
            ),
            Self::TooLarge(what) => (Fault::TooLarge, what),
        };
        failure(fault, file, &what)
    }
}

/// `what` goes on after the file's name: "`a.pdf` is encrypted".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}
