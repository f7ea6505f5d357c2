//! A zip archive of files, the same bytes for the same files.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use crate::bindings::exports::cloister::files::files::{Archive, Failure, Fault};
use crate::duplicates::{PIECE, not_read};
use values::source::Source;
use values::target::Target;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Bytes gathered before one write to the handle, whose every call is copied.
const GATHERED: usize = 1 << 20;

struct Sink<'a, T>(&'a T);

impl<T: Target> Write for Sink<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes);
        written.ok_or(io::ErrorKind::Other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Write copies of the files into one archive, under their names.
pub(crate) fn pack(
    files: &[(String, impl Source)],
    target: &impl Target,
) -> Result<Archive, Failure> {
    let to = target.name();
    let not_written = |why: &str| Failure {
        fault: Fault::NotWritten,
        detail: format!("`{to}` could not be written: {why}"),
        file: to.clone(),
    };
    let refused = |_: ZipError| not_written("the host refused");
    let mut zip = ZipWriter::new_stream(BufWriter::with_capacity(GATHERED, Sink(target)));
    let mut taken = BTreeSet::new();
    let mut bytes = 0_u64;
    for (name, file) in files {
        // The time of packing is in the ledger; in the archive it would make every copy differ.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .large_file(file.size() > u64::from(u32::MAX));
        zip.start_file(free(within(name), &mut taken), options)
            .map_err(refused)?;
        let mut offset = 0_u64;
        loop {
            let piece = file.read(offset, PIECE).ok_or_else(|| not_read(name))?;
            if piece.is_empty() {
                break;
            }
            zip.write_all(&piece)
                .map_err(|_| not_written("the host refused"))?;
            offset = offset.saturating_add(piece.len() as u64);
        }
        bytes = bytes.saturating_add(offset);
    }
    let mut out = zip.finish().map_err(refused)?;
    out.flush().map_err(|_| not_written("the host refused"))?;
    Ok(Archive {
        file: to.clone(),
        files: u32::try_from(files.len()).unwrap_or(u32::MAX),
        bytes,
    })
}

/// A name that cannot lead out of the folder in which the archive is unpacked.
fn within(name: &str) -> String {
    let parts = name.split(['/', '\\']);
    let plain: Vec<&str> = parts
        .filter(|part| !["", ".", ".."].contains(part) && !part.ends_with(':'))
        .collect();
    if plain.is_empty() {
        "file".to_owned()
    } else {
        plain.join("/")
    }
}

/// The name, or one numbered where an earlier file has it already.
fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2_u32;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = match name.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}-{number}.{ending}"),
            None => format!("{name}-{number}"),
        };
        number = number.saturating_add(1);
    }
    candidate
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Read;

    use super::*;

    #[derive(Default)]
    struct Memory(RefCell<Vec<u8>>);

    impl Target for Memory {
        fn name(&self) -> String {
            "out.zip".to_owned()
        }
        fn write(&self, bytes: &[u8]) -> Option<()> {
            self.0.borrow_mut().extend(bytes);
            Some(())
        }
    }

    struct Full;

    impl Target for Full {
        fn name(&self) -> String {
            "out.zip".to_owned()
        }
        fn write(&self, _: &[u8]) -> Option<()> {
            None
        }
    }

    struct Bytes(&'static [u8]);

    impl Source for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
            let rest = self.0.get(offset as usize..)?;
            Some(rest.iter().copied().take(length as usize).collect())
        }
    }

    struct Broken;

    impl Source for Broken {
        fn size(&self) -> u64 {
            1
        }
        fn read(&self, _: u64, _: u32) -> Option<Vec<u8>> {
            None
        }
    }

    fn file(name: &str, bytes: &'static [u8]) -> (String, Bytes) {
        (name.to_owned(), Bytes(bytes))
    }

    fn packed(files: &[(String, Bytes)]) -> Vec<u8> {
        let memory = Memory::default();
        pack(files, &memory).unwrap();
        memory.0.into_inner()
    }

    #[test]
    fn what_is_packed_is_unpacked_under_names_that_stay_inside() {
        let files = [
            file("notes/a.txt", b"one"),
            file("../../notes/A.txt", b"two"),
            file("C:\\x\\b", b""),
            file("/", b"root"),
        ];
        let memory = Memory::default();
        let told = pack(&files, &memory).unwrap();
        assert_eq!((told.files, told.bytes), (4, 10));
        let mut zip = zip::ZipArchive::new(io::Cursor::new(memory.0.into_inner())).unwrap();
        let mut found = Vec::new();
        for at in 0..zip.len() {
            let mut entry = zip.by_index(at).unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((entry.name().unwrap().into_owned(), text));
        }
        let expected = [
            ("notes/a.txt", "one"),
            ("notes/A-2.txt", "two"),
            ("x/b", ""),
            ("file", "root"),
        ];
        assert_eq!(found, expected.map(|(n, t)| (n.to_owned(), t.to_owned())));
    }

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let files = [file("a", b"one"), file("b", b"two")];
        assert!(packed(&files) == packed(&files));
    }

    #[test]
    fn failures_name_the_file() {
        let failure = pack(&[("x".to_owned(), Broken)], &Memory::default()).unwrap_err();
        assert_eq!(failure.detail, "`x` could not be read");
        let failure = pack(&[file("a", b"one")], &Full).unwrap_err();
        assert_eq!(
            failure.detail,
            "`out.zip` could not be written: the host refused"
        );
    }
}
