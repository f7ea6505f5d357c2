//! Texts that a request quotes, and what each is for: one that is announced as a title is a title, and nothing to look for in a document. Pure.

use serde_json::{Map, Value};

use crate::words::{Words, stems};

const MARKS: [char; 3] = ['"', '“', '”'];
/// How far before a text the word may stand that says what it is for.
const NEAR: usize = 6;
/// Words that announce the text of a parameter, beside its own name.
const ANNOUNCING: [(&str, &[&str]); 2] = [
    ("title", &["titled", "headline", "headed"]),
    (
        "introduction",
        &[
            "introductory",
            "intro",
            "introduce",
            "opening",
            "preface",
            "paragraph",
            "sentence",
        ],
    ),
];

/// Every quoted text.
pub(super) fn quoted(text: &str) -> Vec<String> {
    let inner = pieces(text).filter_map(|(quoted, piece)| quoted.then_some(piece));
    inner
        .filter(|piece| !piece.trim().is_empty())
        .map(|piece| piece.trim().to_owned())
        .collect()
}

/// The quoted text that the request announces as this parameter's.
pub(super) fn announced(text: &str, name: &str) -> Option<String> {
    let mut before = "";
    for (quoted, piece) in pieces(text) {
        if quoted && is_for(before, name) && !piece.trim().is_empty() {
            return Some(piece.trim().to_owned());
        }
        before = piece;
    }
    None
}

/// The request without the texts that a call took as announced: what they say is asked of nothing else.
pub(crate) fn rest(words: &Words, args: &Map<String, Value>) -> Words {
    let taken: Vec<&str> = args
        .iter()
        .filter_map(|(name, value)| {
            let value = value.as_str()?;
            announced(words.text(), name).filter(|text| text == value)?;
            Some(value)
        })
        .collect();
    if taken.is_empty() {
        return words.clone();
    }
    let kept = pieces(words.text()).map(|(quoted, piece)| match quoted {
        true if taken.contains(&piece.trim()) => String::new(),
        true => format!("\"{piece}\""),
        false => piece.to_owned(),
    });
    Words::read(&kept.collect::<String>())
}

/// What stands between marks, in turn outside and inside.
fn pieces(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let parts = text.split(MARKS).enumerate();
    parts.map(|(at, piece)| (at % 2 == 1, piece))
}

/// Whether the word nearest before a quoted text that announces anything announces this.
fn is_for(before: &str, name: &str) -> bool {
    let announces = |stem: &str, name: &str| {
        let others = ANNOUNCING.iter().find(|(of, _)| *of == name);
        let all = others.map_or(&[][..], |(_, words)| *words);
        [name].iter().chain(all).any(|word| stems(word) == [stem])
    };
    let words = Words::read(before);
    let near = words.all().iter().rev().take(NEAR);
    let nearest = near.into_iter().find(|word| {
        announces(&word.stem, name) || ANNOUNCING.iter().any(|(of, _)| announces(&word.stem, of))
    });
    nearest.is_some_and(|word| announces(&word.stem, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_for_the_nearest_word_that_announces_one() {
        let text = "Write a report titled “Sales of 2025” with the introductory sentence \"For the board.\" of region \"North\"";
        assert_eq!(announced(text, "title").as_deref(), Some("Sales of 2025"));
        assert_eq!(
            announced(text, "introduction").as_deref(),
            Some("For the board.")
        );
        assert_eq!(announced(text, "region").as_deref(), Some("North"));
        assert_eq!(quoted(text).len(), 3);
        assert_eq!(
            announced(
                "The rows with the title in \"North\" to \"x\"",
                "introduction"
            ),
            None
        );
        assert_eq!(announced("A report, headline \"\"", "title"), None);
    }

    #[test]
    fn what_a_title_says_is_asked_of_nothing_else() {
        let words =
            Words::read("Total per town titled \"The North in 2024\" where region is \"South\"");
        let args = json!({"title": "The North in 2024", "save": "North"});
        let rest = rest(&words, args.as_object().unwrap());
        assert!(rest.literal("North").is_none() && rest.literal("2024").is_none());
        assert!(rest.literal("South").is_some());
        let unused = super::rest(&words, &Map::new());
        assert!(unused.literal("North").is_some());
    }
}
