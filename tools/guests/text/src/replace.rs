//! Words replaced by others. Whole words only: who renames `Art` does not mean `party`.

use crate::bindings::exports::cloister::text::text::{Failure, Fault};
use crate::document::Document;

/// The new text, and the line of each place that was replaced, in order.
pub(crate) fn replace(
    document: &Document,
    words: &str,
    by: &str,
) -> Result<(String, Vec<u32>), Failure> {
    let words = words.trim();
    let text = document.text.as_str();
    let mut replaced = String::with_capacity(text.len());
    let (mut copied, mut line) = (0, 1_u32);
    let mut lines = Vec::new();
    for at in places(text, words) {
        let between = text.get(copied..at).unwrap_or_default();
        line = line.saturating_add(breaks(between));
        lines.push(line);
        replaced.push_str(between);
        replaced.push_str(by);
        copied = at.saturating_add(words.len());
        line = line.saturating_add(breaks(words));
    }
    if lines.is_empty() {
        return Err(Failure {
            fault: Fault::NotFound,
            file: document.file.clone(),
            detail: format!("`{}` does not hold `{words}`", document.file),
        });
    }
    replaced.push_str(text.get(copied..).unwrap_or_default());
    Ok((replaced, lines))
}

/// Where the words begin, as they are spelled; never within a longer word.
fn places<'t>(text: &'t str, words: &'t str) -> impl Iterator<Item = usize> + 't {
    let continues = |inside: Option<char>, outside: Option<char>| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        letter(inside) && letter(outside)
    };
    let found = text.match_indices(words).filter(|_| !words.is_empty());
    let whole = found.filter(move |(at, found)| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        let end = at.saturating_add(found.len());
        let after = text.get(end..).and_then(|t| t.chars().next());
        !continues(found.chars().next(), before) && !continues(found.chars().next_back(), after)
    });
    whole.map(|(at, _)| at)
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|b| *b == b'\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document {
            file: "a.txt".into(),
            text: text.into(),
        }
    }

    #[test]
    fn whole_words_everywhere() {
        let text = "Art and party, Art.\nStart\n\nof Art's";
        let (new, lines) = replace(&document(text), " Art ", "Craft").unwrap();
        assert_eq!(new, "Craft and party, Craft.\nStart\n\nof Craft's");
        assert_eq!(lines, [1, 1, 4]);
    }

    #[test]
    fn signs_are_no_letters() {
        let (new, _) = replace(&document("10 EUR, 10% of 110%"), "10%", "12%").unwrap();
        assert_eq!(new, "10 EUR, 12% of 110%");
        let (new, _) = replace(&document("a--b"), "--", ", ").unwrap();
        assert_eq!(new, "a, b");
    }

    #[test]
    fn what_is_not_there_is_said() {
        for words in ["art", "", "Ar"] {
            let failure = replace(&document("Art"), words, "x").unwrap_err();
            assert_eq!(failure.fault, Fault::NotFound);
            assert_eq!(failure.detail, format!("`a.txt` does not hold `{words}`"));
        }
    }
}
