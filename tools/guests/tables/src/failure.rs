//! What can be wrong with a table: in which file, as a sentence.

use crate::asked::Kind;

/// Why tables did not give what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no workbook and no table.
    NotAWorkbook,
    /// A password is needed.
    Encrypted,
    /// The file has no such worksheet.
    NoSuchWorksheet,
    /// The table has no such column.
    NoSuchColumn,
    /// No row of headings was found.
    NoTable,
    /// What the column holds cannot be compared or measured so.
    WrongKind,
    /// A limit of [`crate::limits`].
    TooLarge,
}

/// A fault, the file and a sentence that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub fault: Fault,
    /// The file's name.
    pub file: String,
    /// For the person.
    pub detail: String,
}

/// `what` goes on after the file's name: "`a.xlsx` is encrypted".
pub(crate) fn failure(fault: Fault, file: &str, what: &str) -> Failure {
    Failure {
        fault,
        file: file.to_owned(),
        detail: format!("`{file}` {what}"),
    }
}

/// Names in backticks, separated by commas; a long list is cut.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
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
