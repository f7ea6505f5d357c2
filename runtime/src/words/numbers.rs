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

/// `1,234.50`, `1200`, `€500`, `2.5k` as a plain decimal. A comma must set off three digits, or it would be a guess: `1,5` is no number here.
fn digits(word: &str) -> Option<String> {
    let bare = word
        .trim_matches(|c: char| "€$£¥".contains(c))
        .trim_end_matches("eur")
        .trim_end_matches("usd");
    let (bare, thousand) = bare.strip_suffix('k').map_or((bare, false), |b| (b, true));
    let (whole, part) = bare.split_once('.').map_or((bare, ""), |(w, p)| (w, p));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let grouped =
        whole == first || first.len() <= 3 && groups.clone().all(|g| g.len() == 3 && digits(g));
    if first.is_empty() || !digits(first) || !digits(part) || !grouped || bare.ends_with('.') {
        return None;
    }
    let whole: String = whole.chars().filter(|c| *c != ',').collect();
    Some(match (thousand, part) {
        (true, part) => in_thousands(&whole, part),
        (false, "") => whole,
        (false, part) => format!("{whole}.{part}"),
    })
}

/// `2.5` of `2.5k` times a thousand, by moving the point.
fn in_thousands(whole: &str, part: &str) -> String {
    let padded = format!("{part:0<3}");
    let (moved, rest) = padded.split_at_checked(3).unwrap_or((&padded, ""));
    if rest.is_empty() {
        format!("{whole}{moved}")
    } else {
        format!("{whole}{moved}.{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_multiplied_and_guesses_are_not_made() {
        let plain = |text: &str| -> Vec<String> {
            numbers(&Words::read(text))
                .into_iter()
                .map(|n| n.plain)
                .collect()
        };
        assert_eq!(
            plain("over 2.5k or 2k or 1,234.50"),
            ["2500", "2000", "1234.50"]
        );
        assert!(plain("1,5 and 1.234,50 and 12,34").is_empty());
    }

    #[test]
    fn digits_words_and_money() {
        let found: Vec<f64> = numbers(&Words::read(
            "the seven heaviest over €1,234.50, or 2k, in Q2 of lot-17",
        ))
        .iter()
        .map(|n| n.value)
        .collect();
        assert_eq!(found, [7.0, 1234.5, 2000.0]);
    }
}
