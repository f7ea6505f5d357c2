//! One file as text, and what can be wrong with it.

use crate::bindings::exports::cloister::text::text::{Failure, Fault};
use values::source::{Source, Unread, read_all};
use values::text::decode;

/// A file's name and its decoded text.
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Document {
    /// The lines with their numbers, which count from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u32, &str)> {
        (1u32..).zip(self.text.lines())
    }
}

/// Read and decode `source`, at most `limit` bytes.
pub(crate) fn read(file: String, source: &impl Source, limit: u64) -> Result<Document, Failure> {
    let bytes = match read_all(source, limit) {
        Ok(bytes) => bytes,
        Err(Unread::TooLarge) => {
            return Err(too_large(
                file,
                &format!("it holds more than {limit} bytes"),
            ));
        }
        Err(Unread::Failed) => return Err(not_text(file, "it could not be read")),
    };
    match decode(&bytes) {
        Some(text) => Ok(Document { file, text }),
        None => Err(not_text(file, "it holds bytes that are not text")),
    }
}

pub(crate) fn too_large(file: String, why: &str) -> Failure {
    Failure {
        fault: Fault::TooLarge,
        detail: format!("`{file}` is too much: {why}"),
        file,
    }
}

fn not_text(file: String, why: &str) -> Failure {
    Failure {
        fault: Fault::NotText,
        detail: format!("`{file}` is not a text: {why}"),
        file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(&'static [u8]);

    impl Source for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read(&self, offset: u64, _: u32) -> Option<Vec<u8>> {
            Some(self.0[offset as usize..].to_vec())
        }
    }

    #[test]
    fn lines_count_from_one() {
        let document = read("a.txt".into(), &Bytes(b"\xef\xbb\xbfone\r\ntwo\n"), 99).unwrap();
        assert_eq!(
            document.lines().collect::<Vec<_>>(),
            [(1, "one"), (2, "two")]
        );
    }

    #[test]
    fn faults() {
        let fault = |bytes, limit| {
            read("a".into(), &Bytes(bytes), limit)
                .map(|_| ())
                .unwrap_err()
        };
        assert_eq!(fault(b"\x7fELF\0\0", 99).fault, Fault::NotText);
        assert_eq!(fault(b"four", 3).fault, Fault::TooLarge);
        assert_eq!(
            fault(b"four", 3).detail,
            "`a` is too much: it holds more than 3 bytes"
        );
    }
}
