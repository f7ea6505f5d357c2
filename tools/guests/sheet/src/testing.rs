//! Tables and files for tests.

use tables::book::{Book, Budget, parsed};
use values::target::Target;

pub(crate) fn book(file: &str, bytes: &[u8]) -> Book {
    parsed(file, bytes.to_vec(), &mut Budget::whole()).unwrap()
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
