//! The text of a pdf, page by page, as its fonts say what their glyphs mean.

use crate::limits::LIMITS;
use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;
use lopdf::{DecompressError, Document, Error, LoadOptions};

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let options = LoadOptions::with_max_decompressed_size(LIMITS.unpacked_bytes);
    let document = Document::load_mem_with_options(bytes, options).map_err(unreadable)?;
    if document.is_encrypted() || document.was_encrypted() {
        return Err(Unreadable::Encrypted);
    }
    let mut pages = Pages::new();
    for number in document.get_pages().into_keys() {
        let text = document
            .extract_text_with_limit(&[number], LIMITS.unpacked_bytes)
            .map_err(unreadable)?;
        for line in text.lines() {
            pages.text(line)?;
            pages.end_paragraph();
        }
        pages.end_page()?;
    }
    pages.finish()
}

fn unreadable(error: Error) -> Unreadable {
    match error {
        Error::InvalidPassword | Error::Decryption(_) => Unreadable::Encrypted,
        Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => {
            Unreadable::TooLarge(format!(
                "would unpack to more than {} MiB",
                LIMITS.unpacked_bytes >> 20
            ))
        }
        other => Unreadable::broken(other),
    }
}
