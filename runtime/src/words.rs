//! What stands in the request itself: words, paths, addresses, numbers, periods. Pure: text in, typed finds out.
//!
//! The planner offers a choice only where the person's own words leave one open, so everything here is taken from the request and
//! nothing from a document.

pub(crate) mod numbers;
pub(crate) mod periods;

use std::path::Path;

use rust_stemmers::{Algorithm, Stemmer};

/// File endings that make a word a file name even where no such file is known.
pub(crate) const ENDINGS: [&str; 18] = [
    "xlsx", "xlsm", "xls", "xlsb", "ods", "csv", "tsv", "txt", "md", "json", "pdf", "docx", "doc",
    "odt", "html", "eml", "rtf", "zip",
];

/// Short forms behind which a full stop ends no sentence.
const ABBREVIATED: [&str; 13] = [
    "no", "nr", "co", "st", "dr", "mr", "mrs", "ms", "vs", "inc", "ltd", "approx", "resp",
];

/// One word of the request: as typed, without its punctuation; folded for values; stemmed for headings and cues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) typed: String,
    pub(crate) fold: String,
    pub(crate) stem: String,
    pub(crate) role: Role,
    /// Whether a sentence or clause ends with it.
    pub(crate) ends: bool,
    /// What closes a sentence behind it: `.`, `!` or `?`.
    pub(crate) stop: Option<char>,
}

/// What a word is before anything else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Path,
    Address,
}

/// The request, read once.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    text: String,
    words: Vec<Word>,
}

impl Words {
    /// Split a request into words.
    pub(crate) fn read(text: &str) -> Words {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut words: Vec<Word> = Vec::new();
        for raw in text.split_whitespace() {
            match word(raw, &stemmer) {
                Some(word) => words.push(word),
                // A mark that stands alone closes the word before it.
                None => {
                    if let Some(last) = words.last_mut() {
                        last.ends |= ends(raw);
                        last.stop = last.stop.or(stop(raw));
                    }
                }
            }
        }
        Words {
            text: text.to_owned(),
            words,
        }
    }

    /// The request as it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn all(&self) -> &[Word] {
        &self.words
    }

    /// Words that look like files or folders, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.with_role(Role::Path)
    }

    /// E-mail addresses, hosts and links, in order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.with_role(Role::Address)
    }

    /// The sentences, each to be read by itself. A full stop ends one only before a capital, so that "approx. 5" stays whole.
    pub(crate) fn sentences(&self) -> Vec<Words> {
        let mut sentences = vec![Vec::new()];
        for (at, word) in self.words.iter().enumerate() {
            if let Some(sentence) = sentences.last_mut() {
                sentence.push(word.clone());
            }
            let next = self.words.get(at.saturating_add(1));
            let capital = next.is_some_and(|w| w.typed.starts_with(char::is_uppercase));
            let short = word.role == Role::Plain && word.typed.contains('.')
                || ABBREVIATED.contains(&word.fold.as_str());
            match word.stop {
                Some('?' | '!') => sentences.push(Vec::new()),
                Some(_) if capital && !short => sentences.push(Vec::new()),
                _ => {}
            }
        }
        let full = sentences.into_iter().filter(|s| !s.is_empty());
        full.map(|words| Words {
            text: self.text.clone(),
            words,
        })
        .collect()
    }

    fn with_role(&self, role: Role) -> impl Iterator<Item = &str> {
        self.words
            .iter()
            .filter(move |w| w.role == role)
            .map(|w| w.typed.as_str())
    }

    /// Where a heading or cue stands, whatever its number or form: `Customer` is found in "per customers".
    pub(crate) fn mention(&self, phrase: &str) -> Option<usize> {
        let stems = stems(phrase);
        self.find(stems.len(), |w, i| {
            stems.get(i).is_some_and(|s| *s == w.stem)
        })
    }

    /// Where a value stands as it is, apart from case: `North` in "for region North only".
    pub(crate) fn literal(&self, value: &str) -> Option<usize> {
        let folds: Vec<String> = value.split_whitespace().map(fold).collect();
        self.find(folds.len(), |w, i| {
            folds.get(i).is_some_and(|f| *f == w.fold)
        })
    }

    /// The first place where one of the cues stands; cues are stems or several words.
    pub(crate) fn cue(&self, cues: &[&str]) -> Option<usize> {
        cues.iter().filter_map(|c| self.mention(c)).min()
    }

    /// The stem of the word `back` places before `at`.
    pub(crate) fn stem_before(&self, at: usize, back: usize) -> Option<&str> {
        let index = at.checked_sub(back)?;
        self.words.get(index).map(|w| w.stem.as_str())
    }

    fn find(&self, length: usize, same: impl Fn(&Word, usize) -> bool) -> Option<usize> {
        if length == 0 {
            return None;
        }
        self.words.windows(length).position(|part| {
            part.iter()
                .enumerate()
                .all(|(i, w)| w.role == Role::Plain && same(w, i))
        })
    }
}

/// The stems of a phrase's words; `Unit price` and `unit_price` give the same.
pub(crate) fn stems(phrase: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    phrase
        .split(|c: char| c.is_whitespace() || c == '_' || c == '-')
        .map(fold)
        .filter(|w| !w.is_empty())
        .map(|w| stemmer.stem(&w).into_owned())
        .collect()
}

fn word(raw: &str, stemmer: &Stemmer) -> Option<Word> {
    let typed = raw
        .trim_matches(|c: char| "\"'`“”‘’«»()[]{}<>,;:!?".contains(c))
        .trim_end_matches(['.', '？']);
    if typed.is_empty() {
        return None;
    }
    let fold = fold(typed);
    let stem = stemmer.stem(&fold).into_owned();
    Some(Word {
        role: role(typed),
        typed: typed.to_owned(),
        fold,
        stem,
        ends: ends(raw),
        stop: stop(raw),
    })
}

fn ends(raw: &str) -> bool {
    raw.ends_with(['.', ',', ';', ':', '!', '?', '？'])
}

/// The mark that closes a sentence, also within quotes or brackets; a full-width question mark is one.
fn stop(raw: &str) -> Option<char> {
    let bare = raw.trim_end_matches(|c: char| "\"'`”’»)]}>".contains(c));
    let mark = bare.chars().next_back()?;
    match mark {
        '.' | '!' | '?' => Some(mark),
        '？' => Some('?'),
        _ => None,
    }
}

fn fold(word: &str) -> String {
    let trimmed = word.trim_matches(|c: char| "\"'`“”‘’«»()[]{}<>,;:!?.".contains(c));
    let lower = trimmed.to_lowercase();
    lower
        .strip_suffix("'s")
        .or_else(|| lower.strip_suffix("’s"))
        .map_or(lower.clone(), str::to_owned)
}

fn role(typed: &str) -> Role {
    if is_address(typed) {
        Role::Address
    } else if is_path(typed) {
        Role::Path
    } else {
        Role::Plain
    }
}

fn is_address(word: &str) -> bool {
    let mail = word
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    mail || word.contains("://") || word.starts_with("www.")
}

/// A word is a path when it is written like one: from a root, home or parent, with a folder's slash and an ending, or with a document's ending.
fn is_path(word: &str) -> bool {
    let rooted = ["/", "~/", "./", "../", "\\\\"]
        .iter()
        .any(|p| word.starts_with(p))
        || word.ends_with('/') && word.len() > 1;
    let ending = Path::new(word)
        .extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| ENDINGS.contains(&e.to_lowercase().as_str()));
    rooted || ending || word.contains("/../") || word == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_gives_up_its_paths_and_addresses() {
        let words = Words::read(
            "Post \"tides-2024-03.xlsx\" to jo@example.org, then open ../vault/secret.xlsx.",
        );
        assert_eq!(
            words.paths().collect::<Vec<_>>(),
            ["tides-2024-03.xlsx", "../vault/secret.xlsx"]
        );
        assert_eq!(words.addresses().collect::<Vec<_>>(), ["jo@example.org"]);
    }

    #[test]
    fn ordinary_slashes_and_dots_are_not_paths() {
        let words = Words::read("Sales and/or costs, i.e. 3.5 per cent in Q3/Q4 etc.");
        assert_eq!(words.paths().count(), 0);
    }

    #[test]
    fn sentences_are_read_apart_but_not_at_a_short_form() {
        let text = "What did e.g. Anna buy? Sum up approx. 5 rows of Co. X. Save it to a.xlsx. (\"Really?\") Yes ? No";
        let lengths: Vec<usize> = Words::read(text)
            .sentences()
            .iter()
            .map(|s| s.all().len())
            .collect();
        assert_eq!(lengths, [5, 8, 4, 1, 1, 1]);
    }

    #[test]
    fn headings_are_found_in_any_form_and_values_only_as_they_are() {
        let words = Words::read("Yields per categories for orchard Hillside only");
        assert!(words.mention("Category").is_some());
        assert!(words.literal("hillside").is_some());
        assert!(words.literal("Hillsid").is_none());
    }

    #[test]
    fn a_word_inside_a_path_is_no_mention() {
        assert_eq!(Words::read("save out/grower.xlsx").mention("grower"), None);
    }
}
