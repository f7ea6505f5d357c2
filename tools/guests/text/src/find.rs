//! Lines that hold some words: the phrase as a whole, and only where no file has it, all its words in any order on one line.

use crate::bindings::exports::cloister::text::text::{Failure, Hit};
use crate::document::{Document, too_large};
use crate::limits::LIMITS;
use values::sought::Sought;
use values::text::first_bytes;

/// All lines of all files that hold `words`, in the order of the files.
pub(crate) fn find(documents: &[Document], words: &str) -> Result<Vec<Hit>, Failure> {
    let Some(sought) = Sought::new(words) else {
        return Ok(Vec::new());
    };
    let hits = matching(documents, |line| sought.whole_in(line))?;
    if !hits.is_empty() {
        return Ok(hits);
    }
    matching(documents, |line| sought.words_in(line))
}

fn matching(documents: &[Document], fits: impl Fn(&str) -> bool) -> Result<Vec<Hit>, Failure> {
    let mut hits = Vec::new();
    for document in documents {
        for (line, text) in document.lines().filter(|(_, text)| fits(text)) {
            if hits.len() >= LIMITS.results {
                return Err(too_large(
                    document.file.clone(),
                    &format!("more than {} lines hold these words", LIMITS.results),
                ));
            }
            let text = first_bytes(text.trim(), LIMITS.line_bytes).to_owned();
            hits.push(Hit {
                file: document.file.clone(),
                line,
                text,
            });
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str], words: &str) -> Vec<(String, u32)> {
        let documents: Vec<Document> = texts
            .iter()
            .zip('a'..)
            .map(|(text, name)| Document {
                file: name.into(),
                text: (*text).into(),
            })
            .collect();
        find(&documents, words)
            .unwrap()
            .into_iter()
            .map(|hit| (hit.file, hit.line))
            .collect()
    }

    #[test]
    fn the_phrase_comes_before_its_words() {
        let texts = ["the final invoice\n", "invoice the final time\n"];
        assert_eq!(found(&texts, "Final  Invoice"), [("a".to_owned(), 1)]);
        assert_eq!(found(&texts, "time invoice"), [("b".to_owned(), 1)]);
        assert_eq!(found(&texts, "final refund"), []);
    }

    #[test]
    fn whole_words_with_endings() {
        assert_eq!(
            found(&["article\nparty\nart\narts\nART!"], "art"),
            [3, 4, 5].map(|line| ("a".to_owned(), line))
        );
        assert_eq!(
            found(&["Rechnungen\ninvoices, invoiced\nreinvoice"], "invoice"),
            [("a".to_owned(), 2)]
        );
        assert_eq!(found(&["20250\n2025"], "2025"), [("a".to_owned(), 2)]);
    }

    #[test]
    fn quotes_and_nothing() {
        assert_eq!(
            found(&["a rent increase"], "“rent increase”"),
            [("a".to_owned(), 1)]
        );
        assert_eq!(found(&["", "x"], "  "), []);
    }

    #[test]
    fn too_many_lines_are_said_not_cut() {
        let document = Document {
            file: "a".into(),
            text: "word\n".repeat(LIMITS.results + 1),
        };
        assert!(
            find(&[document], "word")
                .unwrap_err()
                .detail
                .contains("more than 2000 lines")
        );
    }
}
