//! Files that hold the same bytes: compared by size first, and only where sizes agree by SHA-256.

use std::collections::BTreeMap;

use crate::bindings::exports::cloister::files::files::{Duplicate, Failure, Fault};
use sha2::{Digest, Sha256};
use values::source::Source;

/// Bytes asked for in one read; the host hands out at most this much a call.
pub(crate) const PIECE: u32 = 1 << 20;

/// Each file whose bytes an earlier one holds too, with that earlier one.
pub(crate) fn duplicates(files: &[(String, impl Source)]) -> Result<Vec<Duplicate>, Failure> {
    let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, file) in files {
        let count = sizes.entry(file.size()).or_default();
        *count = count.saturating_add(1);
    }
    let mut firsts: BTreeMap<(u64, [u8; 32]), &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (name, file) in files {
        let bytes = file.size();
        if sizes.get(&bytes).is_none_or(|count| *count < 2) {
            continue;
        }
        let digest = digest(file).ok_or_else(|| not_read(name))?;
        match firsts.get(&(bytes, digest)) {
            Some(first) => found.push(Duplicate {
                file: name.clone(),
                same_as: (*first).to_owned(),
                bytes,
            }),
            None => {
                firsts.insert((bytes, digest), name);
            }
        }
    }
    Ok(found)
}

fn digest(file: &impl Source) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut offset = 0_u64;
    loop {
        let piece = file.read(offset, PIECE)?;
        if piece.is_empty() {
            return Some(hash.finalize().into());
        }
        hash.update(&piece);
        offset = offset.checked_add(u64::try_from(piece.len()).ok()?)?;
    }
}

pub(crate) fn not_read(file: &str) -> Failure {
    Failure {
        fault: Fault::NotRead,
        file: file.to_owned(),
        detail: format!("`{file}` could not be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Option<&'static [u8]>);

    impl Source for Bytes {
        fn size(&self) -> u64 {
            self.0.map_or(3, |bytes| bytes.len() as u64)
        }
        fn read(&self, offset: u64, _: u32) -> Option<Vec<u8>> {
            Some(self.0?[offset as usize..].to_vec())
        }
    }

    fn file(name: &str, bytes: &'static [u8]) -> (String, Bytes) {
        (name.to_owned(), Bytes(Some(bytes)))
    }

    #[test]
    fn the_same_bytes_under_other_names() {
        let files = [
            file("a", b"one"),
            file("b", b"two"),
            file("c", b"one"),
            file("d", b"longer"),
            file("e", b"one"),
        ];
        let found = duplicates(&files).unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|d| (d.file.as_str(), d.same_as.as_str(), d.bytes))
            .collect();
        assert_eq!(pairs, [("c", "a", 3), ("e", "a", 3)]);
    }

    /// A file whose size no other has is not read, so it cannot fail either.
    #[test]
    fn what_cannot_be_read_is_named() {
        let broken = || ("x".to_owned(), Bytes(None));
        assert_eq!(
            duplicates(&[broken(), file("a", b"four")]).unwrap().len(),
            0
        );
        let failure = duplicates(&[broken(), file("a", b"one")]).unwrap_err();
        assert_eq!(failure.detail, "`x` could not be read");
    }
}
