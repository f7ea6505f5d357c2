//! A zipped workbook looked over before any parser unpacks it: which kind it is, and whether it is a bomb.

use std::io::Cursor;

use crate::book::Unreadable;
use crate::limits::LIMITS;
use zip::ZipArchive;

/// The kinds of zipped workbooks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Packed {
    Xlsx,
    Xlsb,
    Ods,
}

/// The kind of the workbook; fails where it would unpack to more than the limit.
pub(super) fn inspect(bytes: &[u8]) -> Result<Packed, Unreadable> {
    let broken = |error| Unreadable::NotAWorkbook(format!("its archive is broken ({error})"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > LIMITS.parts {
        return Err(Unreadable::TooLarge(format!(
            "is packed of more than {} parts",
            LIMITS.parts
        )));
    }
    check_sizes(&mut archive)?;
    kind(&archive)
}

fn kind(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<Packed, Unreadable> {
    let names: Vec<String> = archive
        .file_names()
        .flatten()
        .map(|name| name.replace('\\', "/").to_lowercase())
        .collect();
    let has = |end: &str| names.iter().any(|name| name.trim_start_matches('/') == end);
    if has("xl/workbook.bin") {
        Ok(Packed::Xlsb)
    } else if has("xl/workbook.xml") || names.iter().any(|name| name.starts_with("xl/")) {
        Ok(Packed::Xlsx)
    } else if has("content.xml") {
        Ok(Packed::Ods)
    } else {
        Err(Unreadable::NotAWorkbook(
            "its archive holds no worksheets".to_owned(),
        ))
    }
}

/// The declared sizes can be believed: unpacking stops with an error where a part grows beyond its own (see the tests).
fn check_sizes(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<(), Unreadable> {
    let bomb = || {
        Unreadable::TooLarge(format!(
            "would unpack to more than {} MiB",
            LIMITS.unpacked_bytes >> 20
        ))
    };
    let mut left = LIMITS.unpacked_bytes;
    for index in 0..archive.len() {
        // A part that cannot be opened is the workbook parser's to judge, which cannot open it either.
        let Ok(part) = archive.by_index_raw(index) else {
            continue;
        };
        left = left.checked_sub(part.size()).ok_or_else(bomb)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn packed(parts: &[(&str, usize)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, size) in parts {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            let piece = vec![b' '; 1 << 20];
            let mut left = *size;
            while left > 0 {
                let length = left.min(piece.len());
                writer.write_all(&piece[..length]).unwrap();
                left -= length;
            }
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn kinds() {
        assert_eq!(
            inspect(&packed(&[("xl/workbook.xml", 1)])),
            Ok(Packed::Xlsx)
        );
        assert_eq!(
            inspect(&packed(&[("xl/workbook.bin", 1)])),
            Ok(Packed::Xlsb)
        );
        assert_eq!(inspect(&packed(&[("content.xml", 1)])), Ok(Packed::Ods));
        assert!(matches!(
            inspect(&packed(&[("word/document.xml", 1)])),
            Err(Unreadable::NotAWorkbook(_))
        ));
    }

    /// The same archive with one byte of room passes, so it is the count that refuses.
    #[test]
    fn a_bomb_is_refused_though_it_is_small() {
        let limit = usize::try_from(LIMITS.unpacked_bytes).unwrap();
        let bomb = packed(&[("xl/workbook.xml", 1), ("xl/worksheets/sheet1.xml", limit)]);
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(inspect(&bomb), Err(Unreadable::TooLarge(_))));
        assert_eq!(
            inspect(&packed(&[
                ("xl/workbook.xml", 1),
                ("xl/worksheets/sheet1.xml", limit - 1)
            ])),
            Ok(Packed::Xlsx)
        );
    }

    /// The same part with its honest size is read in full, so it is the declared size that stops the reading.
    #[test]
    fn a_part_is_not_unpacked_beyond_its_declared_size() {
        let size = 40 << 20;
        let honest = packed(&[("xl/workbook.xml", size)]);
        let mut lying = honest.clone();
        let claim = u32::try_from(size).unwrap().to_le_bytes();
        let claims: Vec<usize> = honest
            .windows(4)
            .enumerate()
            .filter(|(_, bytes)| *bytes == claim)
            .map(|(at, _)| at)
            .collect();
        assert!(!claims.is_empty());
        for at in claims {
            lying[at..at + 4].copy_from_slice(&7u32.to_le_bytes());
        }
        let unpacked = |bytes: &[u8]| {
            let mut out = Vec::new();
            let read = ZipArchive::new(Cursor::new(bytes))
                .unwrap()
                .by_index(0)
                .unwrap()
                .read_to_end(&mut out);
            (read.is_ok(), out.len())
        };
        assert_eq!(unpacked(&honest), (true, size));
        assert!(matches!(unpacked(&lying), (false, 0..=1_000_000)));
    }
}
