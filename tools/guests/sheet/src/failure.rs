//! The failures of this tool: what is wrong with which file, as a sentence.

use crate::bindings::exports::cloister::sheet::sheet::{Failure, Fault, Kind};

/// `what` goes on after the file's name: "`a.xlsx` is encrypted".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}

/// Names in backticks, separated by commas; a long list is cut.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 30;
    let mut names = names.into_iter();
    let mut listed: Vec<String> = names
        .by_ref()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.next().is_some() {
        listed.push("…".to_owned());
    }
    listed.join(", ")
}

/// What a column has, in the plural.
pub(crate) fn holds(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "numbers",
        Kind::Date => "dates",
        Kind::Text => "texts",
        Kind::Truth => "true or false",
        Kind::Mixed => "values of several kinds",
        Kind::Empty => "nothing",
    }
}
