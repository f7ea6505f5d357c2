//! A packed document, opened with care: few parts, and none unpacked beyond the limit.

use std::io::{Cursor, Read};

use crate::limits::LIMITS;
use crate::unreadable::Unreadable;
use zip::ZipArchive;
use zip::result::ZipError;

/// A zip archive in memory.
pub(super) struct Archive<'a>(ZipArchive<Cursor<&'a [u8]>>);

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(Unreadable::broken)?;
        if archive.len() > LIMITS.parts {
            return Err(Unreadable::TooLarge(format!(
                "is packed of more than {} parts",
                LIMITS.parts
            )));
        }
        Ok(Self(archive))
    }

    /// The part of this name, if there is one. Reading stops at the limit, whatever size the part claims.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let part = match self.0.by_name(name) {
            Ok(part) => part,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(why)) if why == ZipError::PASSWORD_REQUIRED => {
                return Err(Unreadable::Encrypted);
            }
            Err(error) => return Err(Unreadable::broken(error)),
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(LIMITS.unpacked_bytes).unwrap_or(u64::MAX);
        part.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Unreadable::broken)?;
        if bytes.len() > LIMITS.unpacked_bytes {
            return Err(Unreadable::TooLarge(format!(
                "would unpack to more than {} MiB",
                LIMITS.unpacked_bytes >> 20
            )));
        }
        Ok(Some(bytes))
    }
}
