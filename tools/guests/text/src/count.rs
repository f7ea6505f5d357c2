//! Lines, words and characters of a text.

use crate::bindings::exports::cloister::text::text::Tally;
use crate::document::Document;

/// Words are what stands between blanks; characters include blanks and line ends.
pub(crate) fn count(document: &Document) -> Tally {
    Tally {
        file: document.file.clone(),
        lines: narrow(document.text.lines().count()),
        words: narrow(document.text.split_whitespace().count()),
        characters: narrow(document.text.chars().count()),
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_bytes() {
        let counted = count(&Document {
            file: "a".into(),
            text: "zwei Größen\n\nx".into(),
        });
        assert_eq!(
            (counted.lines, counted.words, counted.characters),
            (3, 3, 14)
        );
    }
}
