//! Numbers in a request, in digits and in words.

use super::Words;

const SPELLED: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// A number and the place of its word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub(crate) at: usize,
    pub(crate) value: f64,
    pub(crate) plain: String,
}

/// Every number of the request, in order. Years and periods are not told apart here.
pub(crate) fn numbers(words: &Words) -> Vec<Number> {
    words
        .all()
        .iter()
        .enumerate()
        .filter_map(|(at, word)| {
            let plain = spelled(&word.fold).or_else(|| digits(&word.fold))?;
            Some(Number {
                at,
                value: plain.parse().ok()?,
                plain,
            })
        })
        .collect()
}

fn spelled(word: &str) -> Option<String> {
    SPELLED
        .iter()
        .position(|s| *s == word)
        .map(|n| n.to_string())
}

/// `1,234.50`, `1200`, `€500`, `2k` as a plain decimal.
fn digits(word: &str) -> Option<String> {
    let bare = word
        .trim_matches(|c: char| "€$£¥".contains(c))
        .trim_end_matches("eur")
        .trim_end_matches("usd");
    let (bare, thousands) = bare.strip_suffix('k').map_or((bare, ""), |b| (b, "000"));
    let grouped: String = bare.chars().filter(|c| *c != ',').collect();
    let fits = !grouped.is_empty()
        && grouped.chars().all(|c| c.is_ascii_digit() || c == '.')
        && grouped.matches('.').count() <= 1;
    (fits && grouped.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| format!("{grouped}{thousands}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_words_and_money() {
        let found: Vec<f64> = numbers(&Words::read(
            "the five largest over €1,234.50, or 2k, in Q4 of inv-17",
        ))
        .iter()
        .map(|n| n.value)
        .collect();
        assert_eq!(found, [5.0, 1234.5, 2000.0]);
    }
}
