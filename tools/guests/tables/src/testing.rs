//! Tables for tests.

use crate::book::{Book, Budget, Worksheet, parsed};
use crate::table::Table;

pub(crate) fn book(file: &str, bytes: &[u8]) -> Book {
    parsed(file, bytes.to_vec(), &mut Budget::whole()).unwrap()
}

/// The only worksheet of a CSV file.
pub(crate) fn worksheet(text: &str) -> Option<Worksheet> {
    book("a.csv", text.as_bytes()).worksheets.pop()
}

pub(crate) fn table(text: &str) -> Table {
    Table::find("a.csv", worksheet(text).unwrap()).unwrap()
}
