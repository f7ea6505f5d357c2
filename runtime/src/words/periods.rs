//! Periods in a request: days, months, quarters, years. The spelling that comes out is the one `sheet`'s `within` reads.

use super::Words;

const MONTHS: [(&str, &str); 12] = [
    ("january", "jan"),
    ("february", "feb"),
    ("march", "mar"),
    ("april", "apr"),
    ("may", "may"),
    ("june", "jun"),
    ("july", "jul"),
    ("august", "aug"),
    ("september", "sep"),
    ("october", "oct"),
    ("november", "nov"),
    ("december", "dec"),
];
const ORDINALS: [&[&str]; 4] = [
    &["first", "1st"],
    &["second", "2nd"],
    &["third", "3rd"],
    &["fourth", "4th", "last", "final"],
];

/// A period and the place of its first word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) at: usize,
    pub(crate) spelled: String,
    pub(crate) length: usize,
}

/// Every period of the request, in order; a year beside a month or quarter belongs to it.
pub(crate) fn periods(words: &Words) -> Vec<Period> {
    let folds: Vec<&str> = words.all().iter().map(|w| w.fold.as_str()).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < folds.len() {
        let taken = half(&folds, at)
            .or_else(|| day(&folds, at))
            .or_else(|| quarter(&folds, at))
            .or_else(|| month(&folds, at))
            .or_else(|| lone_year(&folds, at));
        if let Some((spelled, length)) = taken {
            found.push(Period {
                at,
                spelled,
                length,
            });
            at = at.saturating_add(length);
        } else {
            at = at.saturating_add(1);
        }
    }
    found
}

type Taken = Option<(String, usize)>;

fn day(folds: &[&str], at: usize) -> Taken {
    let word = folds.get(at)?;
    let date: jiff::civil::Date = (word.len() == 10).then(|| word.parse().ok()).flatten()?;
    Some((format!("{date}..{date}"), 1))
}

fn quarter(folds: &[&str], at: usize) -> Taken {
    let word = *folds.get(at)?;
    let joined = word
        .split_once(['/', '-'])
        .filter(|(a, b)| a.len() == 4 || b.len() == 4);
    let (spelled, year, mut length) = match joined {
        Some((a, b)) if year_of(b).is_some() => (a, year_of(b), 1),
        Some((a, b)) if year_of(a).is_some() => (b, year_of(a), 1),
        _ => (word, None, 1),
    };
    let number = match spelled
        .strip_prefix('q')
        .and_then(|n| n.parse::<usize>().ok())
    {
        Some(n) => n,
        None => {
            let next = folds
                .get(at.saturating_add(1))
                .filter(|w| **w == "quarter")?;
            length = if next.is_empty() { 1 } else { 2 };
            ORDINALS
                .iter()
                .position(|names| names.contains(&spelled))?
                .saturating_add(1)
        }
    };
    (1..=4).contains(&number).then(|| {
        let (year, more) = year.map_or_else(
            || year_after(folds, at.saturating_add(length)),
            |y| (Some(y), 0),
        );
        (
            year.map_or_else(|| format!("Q{number}"), |y| format!("{y}-Q{number}")),
            length.saturating_add(more),
        )
    })
}

fn month(folds: &[&str], at: usize) -> Taken {
    let word = *folds.get(at)?;
    if let Some((year, number)) = word
        .split_once('-')
        .filter(|(y, m)| y.len() == 4 && m.len() == 2)
    {
        let number: u32 = number.parse().ok().filter(|n| (1..=12).contains(n))?;
        return year_of(year).map(|y| (format!("{y}-{number:02}"), 1));
    }
    let number = MONTHS
        .iter()
        .position(|(long, short)| *long == word || *short == word)?
        .saturating_add(1);
    // "may" is a verb more often than a month; a preposition or a year beside it decides.
    let (year, more) = year_after(folds, at.saturating_add(1));
    let placed = at
        .checked_sub(1)
        .and_then(|i| folds.get(i))
        .is_some_and(|w| ["in", "of", "for", "during", "since", "until", "and"].contains(w));
    if word == "may" && year.is_none() && !placed {
        return None;
    }
    Some((
        year.map_or_else(|| format!("--{number:02}"), |y| format!("{y}-{number:02}")),
        more.saturating_add(1),
    ))
}

/// `first half of 2025`, `H2`: two quarters.
fn half(folds: &[&str], at: usize) -> Taken {
    let word = *folds.get(at)?;
    let next_is_half = folds.get(at.saturating_add(1)) == Some(&"half");
    let (first, length) = match word {
        "h1" => (1, 1),
        "h2" => (3, 1),
        "first" if next_is_half => (1, 2),
        "second" | "last" if next_is_half => (3, 2),
        _ => return None,
    };
    let (year, more) = year_after(folds, at.saturating_add(length));
    let prefix = year.map_or_else(String::new, |y| format!("{y}-"));
    let second = u8::saturating_add(first, 1);
    Some((
        format!("{prefix}Q{first},{prefix}Q{second}"),
        length.saturating_add(more),
    ))
}

/// A bare year, unless a comparison makes it an amount: "over 2000".
fn lone_year(folds: &[&str], at: usize) -> Taken {
    let before = at
        .checked_sub(1)
        .and_then(|i| folds.get(i))
        .copied()
        .unwrap_or_default();
    let compared = [
        "over",
        "above",
        "below",
        "under",
        "than",
        "least",
        "most",
        "exceeding",
    ]
    .contains(&before);
    folds
        .get(at)
        .filter(|_| !compared)
        .and_then(|w| year_of(w))
        .map(|y| (y.to_string(), 1))
}

/// A year directly after, or after "of" or "in".
fn year_after(folds: &[&str], at: usize) -> (Option<u16>, usize) {
    let direct = folds.get(at).and_then(|w| year_of(w));
    let behind = folds
        .get(at)
        .filter(|w| ["of", "in"].contains(*w))
        .and_then(|_| folds.get(at.saturating_add(1)))
        .and_then(|w| year_of(w));
    match (direct, behind) {
        (Some(y), _) => (Some(y), 1),
        (None, Some(y)) => (Some(y), 2),
        (None, None) => (None, 0),
    }
}

fn year_of(word: &str) -> Option<u16> {
    (word.len() == 4)
        .then(|| word.parse().ok())
        .flatten()
        .filter(|y| (1990..=2099).contains(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        periods(&Words::read(text))
            .into_iter()
            .map(|p| p.spelled)
            .collect()
    }

    #[test]
    fn quarters() {
        assert_eq!(spelled("the Q2 harvest"), ["Q2"]);
        assert_eq!(spelled("in the third quarter of 2024"), ["2024-Q3"]);
        assert_eq!(
            spelled("Q3/2024 and 2024-q1 and Q2 2024"),
            ["2024-Q3", "2024-Q1", "2024-Q2"]
        );
    }

    #[test]
    fn months_years_and_days() {
        assert_eq!(
            spelled("for March 2024, in May and during 2023"),
            ["2024-03", "--05", "2023"]
        );
        assert_eq!(
            spelled("on 2025-03-04 or in 2025-06"),
            ["2025-03-04..2025-03-04", "2025-06"]
        );
    }

    #[test]
    fn halves_are_two_quarters_and_amounts_are_no_years() {
        assert_eq!(spelled("in the first half of 2024"), ["2024-Q1,2024-Q2"]);
        assert_eq!(spelled("yields of H2"), ["Q3,Q4"]);
        assert!(spelled("crates over 2000").is_empty());
    }

    #[test]
    fn a_verb_is_not_a_month() {
        assert!(spelled("what may we pick").is_empty());
    }
}
