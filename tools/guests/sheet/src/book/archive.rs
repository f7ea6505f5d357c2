//! A zipped workbook looked over before any parser unpacks it: which kind it is, and whether it is a bomb.

use std::io::{Cursor, Read, copy, sink};

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
        return Err(Unreadable::TooLarge(format!("is packed of more than {} parts", LIMITS.parts)));
    }
    let kind = kind(&archive)?;
    // Where even the best packed bytes stay below the limit there is nothing to count.
    let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_mul(LIMITS.deflate_ratio);
    if most > LIMITS.unpacked_bytes {
        count_out(&mut archive)?;
    }
    Ok(kind)
}

fn kind(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<Packed, Unreadable> {
    let names: Vec<String> = archive.file_names().flatten().map(|name| name.replace('\\', "/").to_lowercase()).collect();
    let has = |end: &str| names.iter().any(|name| name.trim_start_matches('/') == end);
    if has("xl/workbook.bin") {
        Ok(Packed::Xlsb)
    } else if has("xl/workbook.xml") || names.iter().any(|name| name.starts_with("xl/")) {
        Ok(Packed::Xlsx)
    } else if has("content.xml") {
        Ok(Packed::Ods)
    } else {
        Err(Unreadable::NotAWorkbook("its archive holds no worksheets".to_owned()))
    }
}

/// Unpack every part into nothing. The sizes that an archive declares are claims, so the bytes themselves are counted.
fn count_out(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<(), Unreadable> {
    let bomb = || Unreadable::TooLarge(format!("would unpack to more than {} MiB", LIMITS.unpacked_bytes >> 20));
    let mut left = LIMITS.unpacked_bytes;
    for index in 0..archive.len() {
        // A part that cannot be opened is the workbook parser's to judge.
        let Ok(part) = archive.by_index(index) else { continue };
        if part.size() > left {
            return Err(bomb());
        }
        // A checksum that fails ends the reading, here as there.
        let unpacked = copy(&mut part.take(left.saturating_add(1)), &mut sink()).unwrap_or(0);
        left = left.checked_sub(unpacked).ok_or_else(bomb)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn packed(parts: &[(&str, usize)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, size) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
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
        assert_eq!(inspect(&packed(&[("xl/workbook.xml", 1)])), Ok(Packed::Xlsx));
        assert_eq!(inspect(&packed(&[("xl/workbook.bin", 1)])), Ok(Packed::Xlsb));
        assert_eq!(inspect(&packed(&[("content.xml", 1)])), Ok(Packed::Ods));
        assert!(matches!(inspect(&packed(&[("word/document.xml", 1)])), Err(Unreadable::NotAWorkbook(_))));
    }

    /// The same archive with one byte of room passes, so it is the count that refuses.
    #[test]
    fn a_bomb_is_refused_though_it_is_small() {
        let limit = usize::try_from(LIMITS.unpacked_bytes).unwrap();
        let bomb = packed(&[("xl/workbook.xml", 1), ("xl/worksheets/sheet1.xml", limit)]);
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(inspect(&bomb), Err(Unreadable::TooLarge(_))));
        assert_eq!(inspect(&packed(&[("xl/workbook.xml", 1), ("xl/worksheets/sheet1.xml", limit - 1)])), Ok(Packed::Xlsx));
    }

    #[test]
    fn a_bomb_that_declares_a_small_size_is_counted_all_the_same() {
        let limit = usize::try_from(LIMITS.unpacked_bytes).unwrap();
        let mut bomb = packed(&[("xl/workbook.xml", 1), ("xl/worksheets/sheet1.xml", limit + 1)]);
        let honest = u32::try_from(limit + 1).unwrap().to_le_bytes();
        let claims: Vec<usize> = bomb.windows(4).enumerate().filter(|(_, bytes)| *bytes == honest).map(|(at, _)| at).collect();
        assert!(!claims.is_empty());
        for at in claims {
            bomb[at..at + 4].copy_from_slice(&7u32.to_le_bytes());
        }
        assert!(matches!(inspect(&bomb), Err(Unreadable::TooLarge(_))));
    }
}
