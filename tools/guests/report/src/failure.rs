//! The failures of this tool: what is wrong with which file, as a sentence.

use crate::bindings::exports::cloister::report::report::{Failure, Fault};

/// `what` goes on after the file's name: "`a.txt` is not a text".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}
