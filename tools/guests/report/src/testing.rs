//! Tables and files for tests.

use std::cell::RefCell;

use tables::book::{Book, Budget, parsed};
use values::source::Source;
use values::target::Target;

/// A file in memory.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let rest = self.0.get(usize::try_from(offset).ok()?..)?;
        Some(rest.iter().copied().take(length as usize).collect())
    }
}

pub(crate) fn book(file: &str, text: &str) -> Book {
    parsed(file, text.as_bytes().to_vec(), &mut Budget::whole()).unwrap()
}

/// A file to write to, in memory.
pub(crate) struct Memory {
    name: String,
    pub(crate) bytes: RefCell<Vec<u8>>,
}

impl Memory {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            bytes: RefCell::default(),
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
