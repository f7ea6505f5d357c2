//! Tables and files for tests.

use crate::book::{Book, Budget, Worksheet, open};
use crate::table::Table;
use crate::write::Target;
use values::source::Source;

/// A file in memory.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Source for Bytes<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let rest = self.0.get(usize::try_from(offset).ok()?..)?;
        Some(rest.iter().copied().take(length as usize).collect())
    }
}

pub(crate) fn book(file: &str, bytes: &[u8]) -> Book {
    open(file, &Bytes(bytes), &mut Budget::whole()).unwrap()
}

/// The only worksheet of a CSV file.
pub(crate) fn worksheet(text: &str) -> Option<Worksheet> {
    book("a.csv", text.as_bytes()).worksheets.pop()
}

pub(crate) fn table(text: &str) -> Table {
    Table::find("a.csv", worksheet(text).unwrap()).unwrap()
}

/// A file to write to, in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) name: String,
    pub(crate) bytes: std::cell::RefCell<Vec<u8>>,
}

impl Memory {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

impl Target for Memory {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn write(&self, bytes: &[u8]) -> Option<()> {
        self.bytes.borrow_mut().extend(bytes);
        Some(())
    }
}
