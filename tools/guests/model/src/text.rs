//! One file as the text that the model is asked about.

use crate::bindings::exports::cloister::model::model::{Failure, Fault};
use crate::failure::{failure, unread};
use crate::limits::LIMITS;
use reading::{LIMITS as READ, Unreadable};
use values::source::Source;
use values::text::decode;

/// Endings of files that are text as they stand.
const PLAIN: [&str; 4] = ["txt", "text", "md", "markdown"];

/// A file's name and its text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Text {
    /// Read what a handle of this name holds.
    pub(crate) fn read(file: String, source: &impl Source) -> Result<Text, Failure> {
        let ending = file
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_lowercase());
        let plain = ending.is_some_and(|ending| PLAIN.contains(&ending.as_str()));
        let text = if plain {
            as_it_stands(source)
        } else {
            reading::open(&file, source, READ.file_bytes).map(|document| {
                let pages = document.pages.into_iter().map(|page| page.text);
                pages.collect::<Vec<_>>().join("\n")
            })
        };
        let text = text.map_err(|why| unread(&file, &why))?.trim().to_owned();
        if text.is_empty() {
            return Err(unread(&file, &Unreadable::NoText));
        }
        Ok(Text { file, text })
    }

    /// The text, where it is no longer than what can be asked about at once.
    pub(crate) fn whole(&self) -> Result<&str, Failure> {
        if self.text.len() > LIMITS.piece_bytes {
            let what = format!(
                "is too long: it holds {} bytes of text, and the model reads {} at once",
                self.text.len(),
                LIMITS.piece_bytes
            );
            return Err(failure(Fault::TooLarge, &self.file, &what));
        }
        Ok(&self.text)
    }

    /// The text in pieces that can be asked about, cut between lines where it can be.
    pub(crate) fn pieces(&self) -> Result<Vec<&str>, Failure> {
        let pieces = cut(&self.text, LIMITS.piece_bytes);
        if pieces.len() > LIMITS.pieces {
            let what = format!(
                "is too long: it holds {} bytes of text, and the model reads {} pieces of {} at most",
                self.text.len(),
                LIMITS.pieces,
                LIMITS.piece_bytes
            );
            return Err(failure(Fault::TooLarge, &self.file, &what));
        }
        Ok(pieces)
    }
}

fn as_it_stands(source: &impl Source) -> Result<String, Unreadable> {
    let bytes = values::source::read_all(source, READ.text_bytes as u64)
        .map_err(|_| Unreadable::TooLarge(format!("holds more than {} bytes", READ.text_bytes)))?;
    let not_text = || Unreadable::NotADocument("holds bytes that are not text".to_owned());
    decode(&bytes).ok_or_else(not_text)
}

/// A text in pieces of `most` bytes at most, none of them blank.
fn cut(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while rest.len() > most {
        let start = values::text::first_bytes(rest, most);
        let at = [start.rfind('\n'), start.rfind(' ')];
        let at = at.into_iter().flatten().next().filter(|at| *at > 0);
        let (piece, behind) = rest.split_at(at.unwrap_or(start.len()));
        pieces.push(piece.trim_end());
        rest = behind.trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bytes;

    fn read(file: &str, bytes: &'static [u8]) -> Result<Text, Failure> {
        Text::read(file.into(), &Bytes(bytes))
    }

    #[test]
    fn a_text_is_read_as_it_stands_and_a_document_by_what_it_says() {
        let text = |file, bytes| read(file, bytes).unwrap().text;
        assert_eq!(text("a.md", b"\n# Dear\nall\n"), "# Dear\nall");
        assert_eq!(text("a.HTML", b"<p>Dear</p><p>all</p>"), "Dear\nall");
        let fault = |file, bytes| read(file, bytes).unwrap_err().fault;
        assert_eq!(fault("a.txt", b" \n"), Fault::NoText);
        assert_eq!(fault("a.txt", b"\x7fELF\0"), Fault::NotADocument);
        assert_eq!(fault("a.docx", b"PK\x03\x04"), Fault::NotADocument);
    }

    #[test]
    fn pieces_hold_every_word_and_are_cut_between_lines_where_they_can_be() {
        assert_eq!(cut("one two\nthree four", 12), ["one two", "three four"]);
        assert_eq!(cut("one two three", 8), ["one two", "three"]);
        assert_eq!(cut("ääää", 5), ["ää", "ää"]);
        assert_eq!(cut(" a ", 5), ["a"]);
        let long = "word ".repeat(10_000);
        let pieces = cut(&long, 100);
        assert!(pieces.iter().all(|piece| piece.len() <= 100));
        let words = pieces.iter().flat_map(|piece| piece.split_whitespace());
        assert_eq!(words.count(), 10_000);
    }

    #[test]
    fn a_text_that_is_too_long_is_said_to_be() {
        let text = Text {
            file: "a.txt".into(),
            text: "x".repeat(LIMITS.piece_bytes * LIMITS.pieces),
        };
        assert_eq!(text.whole().unwrap_err().fault, Fault::TooLarge);
        assert_eq!(text.pieces().unwrap().len(), LIMITS.pieces);
        let text = Text {
            text: text.text + "x",
            ..text
        };
        let failure = text.pieces().unwrap_err();
        assert!(
            failure
                .detail
                .starts_with("`a.txt` is too long: it holds 98305 bytes")
        );
    }
}
