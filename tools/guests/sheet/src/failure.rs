//! The failures of this tool: what is wrong with which file, as a sentence.

use crate::bindings::exports::cloister::sheet::sheet::{Failure, Fault};

/// `what` goes on after the file's name: "`a.xlsx` is encrypted".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}
