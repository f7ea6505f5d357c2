//! One file as pages. What it is told by its first bytes; only where they say nothing, by the ending of its name.

mod archive;
mod html;
mod mail;
mod odt;
mod pdf;
mod rtf;
mod word;
mod xml;

use crate::pages::Page;
use crate::unreadable::Unreadable;
use archive::Archive;
use values::source::{Source, Unread, read_all};
use values::text::decode;

/// A document's pages, and whether its format can hold tables.
#[derive(Debug)]
pub struct Document {
    /// Its name, as the person knows it.
    pub file: String,
    /// Its pages; one where its format has none.
    pub pages: Vec<Page>,
    /// Whether its format can hold tables.
    pub can_hold_tables: bool,
}

/// What an old Word file or an encrypted new one begins with.
const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Read what a handle of this name holds, at most `limit` bytes.
///
/// # Errors
/// [`Unreadable`].
pub fn open(name: &str, source: &impl Source, limit: u64) -> Result<Document, Unreadable> {
    let bytes = read_all(source, limit).map_err(|unread| match unread {
        Unread::TooLarge => Unreadable::TooLarge(format!("holds more than {limit} bytes")),
        Unread::Failed => Unreadable::NotADocument("could not be read".to_owned()),
    })?;
    read(name, &bytes)
}

/// Read `bytes`, which a file of this name holds.
///
/// # Errors
/// [`Unreadable`].
pub fn read(file: &str, bytes: &[u8]) -> Result<Document, Unreadable> {
    let is_pdf = is_pdf(file, bytes);
    let pages = if is_pdf {
        pdf::read(bytes)?
    } else if bytes.starts_with(b"PK") {
        packed(bytes)?
    } else if bytes.starts_with(COMPOUND) {
        return Err(compound(bytes));
    } else if bytes.starts_with(b"{\\rtf") {
        rtf::read(bytes)?
    } else {
        plain(file, bytes)?
    };
    if pages.iter().all(|page| page.text.is_empty()) {
        return Err(Unreadable::NoText);
    }
    Ok(Document {
        file: file.to_owned(),
        pages,
        can_hold_tables: !is_pdf,
    })
}

/// A pdf may begin with something else, but a mail may hold one.
fn is_pdf(file: &str, bytes: &[u8]) -> bool {
    let mark = b"%PDF-";
    let start = bytes.get(..1024).unwrap_or(bytes);
    bytes.starts_with(mark)
        || file.to_lowercase().ends_with(".pdf") && start.windows(mark.len()).any(|w| w == mark)
}

fn packed(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut archive = Archive::open(bytes)?;
    if let Some(body) = archive.part("word/document.xml")? {
        return word::read(&body);
    }
    let body = archive.part("content.xml")?.ok_or_else(|| {
        Unreadable::NotADocument("is an archive that holds neither a docx nor an odt".to_owned())
    })?;
    let manifest = archive.part("META-INF/manifest.xml")?.unwrap_or_default();
    if manifest.windows(15).any(|w| w == b"encryption-data") {
        return Err(Unreadable::Encrypted);
    }
    odt::read(&body)
}

/// Office keeps an encrypted docx in the container of the old formats, under this name.
fn compound(bytes: &[u8]) -> Unreadable {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    if bytes.windows(name.len()).any(|w| w == name) {
        return Unreadable::Encrypted;
    }
    Unreadable::NotADocument("is of the old binary Word format: save it as docx".to_owned())
}

fn plain(file: &str, bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let ending = file
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase());
    match ending.as_deref() {
        Some("eml") => mail::read(bytes),
        Some("html" | "htm") => html::read(&decode(bytes).ok_or_else(not_text)?),
        _ => Err(Unreadable::NotADocument(
            "is no pdf, docx, odt, html, eml or rtf by what it begins with".to_owned(),
        )),
    }
}

fn not_text() -> Unreadable {
    Unreadable::NotADocument("holds bytes that are not text".to_owned())
}

#[cfg(test)]
mod tests;
