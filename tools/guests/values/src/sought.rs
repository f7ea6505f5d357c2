//! Words that somebody looks for: the phrase as a whole, or all its words in any order.

use crate::text::folded;

/// Letters that may follow a sought word of four letters or more, so that `invoice` finds `invoices` and `invoiced` but `art` not `article`.
const ENDING: usize = 3;

/// What is looked for, without the quotes around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought(String);

impl Sought {
    /// `None` where nothing is looked for.
    pub fn new(words: &str) -> Option<Sought> {
        let quote = |mark: char| mark.is_whitespace() || "\"'“”„‚‘’".contains(mark);
        let phrase = folded(words.trim_matches(quote));
        (!phrase.is_empty()).then_some(Sought(phrase))
    }

    /// Whether `line` holds the phrase.
    pub fn whole_in(&self, line: &str) -> bool {
        holds(&folded(line), &self.0)
    }

    /// Whether `line` holds each word, in any order.
    pub fn words_in(&self, line: &str) -> bool {
        let line = folded(line);
        self.0.split(' ').all(|word| holds(&line, word))
    }
}

/// Whether the folded `line` holds `phrase` from the beginning of a word to the end of one, give or take an ending.
fn holds(line: &str, phrase: &str) -> bool {
    let last_word = phrase.rsplit(' ').next().unwrap_or(phrase);
    let ending = if last_word.chars().count() < 4 {
        0
    } else {
        ENDING
    };
    line.match_indices(phrase).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line
            .get(at.saturating_add(phrase.len())..)
            .unwrap_or_default();
        let rest = after
            .chars()
            .take_while(|character| character.is_alphanumeric());
        let open_start = phrase.starts_with(|first: char| !first.is_alphanumeric());
        let open_end = phrase.ends_with(|last: char| !last.is_alphanumeric());
        let starts = open_start || !before.is_some_and(char::is_alphanumeric);
        let inflected = rest.clone().count() <= ending && rest.clone().all(char::is_alphabetic);
        starts && (open_end || inflected || rest.eq(['s']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_looked_for_in_quotes_alone() {
        assert_eq!(Sought::new(" “” "), None);
    }

    #[test]
    fn a_phrase_is_stricter_than_its_words() {
        let sought = Sought::new("'Final  Invoice'").unwrap();
        assert!(sought.whole_in("the final invoices"));
        assert!(!sought.whole_in("invoice, final"));
        assert!(sought.words_in("invoice, final"));
    }
}
