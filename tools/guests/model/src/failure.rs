//! The failures of this tool: what is wrong with which file, as a sentence.

use crate::bindings::exports::cloister::model::model::{Failure, Fault};
use reading::Unreadable;

/// A file that was not read.
pub(crate) fn unread(file: &str, why: &Unreadable) -> Failure {
    let fault = match why {
        Unreadable::NotADocument(_) => Fault::NotADocument,
        Unreadable::Encrypted => Fault::Encrypted,
        Unreadable::NoText => Fault::NoText,
        Unreadable::TooLarge(_) => Fault::TooLarge,
    };
    failure(fault, file, &why.to_string())
}

/// `what` goes on after the file's name: "`a.pdf` is encrypted".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}
