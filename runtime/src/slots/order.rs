//! In which order, and how many: only where the request holds a ranking word or a number that says so.

use serde_json::{Value, json};

use super::tables::{Columns, Kind};
use super::{Alternative, Decide, Slot};
use crate::failure::Failure;
use crate::words::{Words, numbers};

const LARGEST: [&str; 12] = [
    "largest",
    "biggest",
    "highest",
    "top",
    "most",
    "latest",
    "newest",
    "descending",
    "recent",
    "best",
    "expensive",
    "longest",
];
const SMALLEST: [&str; 10] = [
    "smallest",
    "lowest",
    "least",
    "earliest",
    "oldest",
    "ascending",
    "cheapest",
    "bottom",
    "fewest",
    "shortest",
];
const ONE_OF: [&str; 2] = ["which", "who"];

/// The direction that the request asks for. "At least" and "at most" are comparisons, not rankings.
pub(crate) fn direction(words: &Words) -> Option<&'static str> {
    let ranked = |cues: &[&str]| {
        words
            .all()
            .iter()
            .enumerate()
            .find(|(at, w)| {
                cues.contains(&w.fold.as_str()) && words.stem_before(*at, 1) != Some("at")
            })
            .map(|(at, _)| at)
    };
    match (ranked(&LARGEST), ranked(&SMALLEST)) {
        (Some(l), Some(s)) => Some(if l <= s {
            "largest-first"
        } else {
            "smallest-first"
        }),
        (Some(_), None) => Some("largest-first"),
        (None, Some(_)) => Some("smallest-first"),
        (None, None) => None,
    }
}

/// How many rows: a number beside a ranking word, or one where a single best is asked for.
pub(crate) fn limit(words: &Words, used: &[usize]) -> Option<u32> {
    direction(words)?;
    let rank = words.all().iter().position(|w| {
        LARGEST.contains(&w.fold.as_str())
            || SMALLEST.contains(&w.fold.as_str())
            || w.fold == "first"
    })?;
    let beside = numbers::numbers(words)
        .into_iter()
        .filter(|n| !used.contains(&n.at) && n.value >= 1.0 && n.value <= 10_000.0);
    let near = beside
        .filter(|n| n.at.abs_diff(rank) <= 4)
        .min_by_key(|n| n.at.abs_diff(rank));
    if let Some(number) = near {
        return number.plain.parse().ok();
    }
    let single = words
        .all()
        .first()
        .is_some_and(|w| ONE_OF.contains(&w.fold.as_str()) || w.fold == "what");
    let plural = words
        .all()
        .get(rank.saturating_add(1))
        .is_some_and(|w| w.fold.ends_with('s') && !w.fold.ends_with("ss"));
    let sorted = words.cue(&["first"]).is_some_and(|at| at > rank)
        || words.cue(&["sort", "order", "rank"]).is_some();
    (single && !plural && !sorted).then_some(1)
}

/// The column to order rows by: a named one that has an order, else the model's choice among those that do.
pub(crate) fn order(
    words: &Words,
    columns: &Columns,
    decide: &mut dyn Decide,
) -> Result<Option<Value>, Failure> {
    let Some(direction) = direction(words) else {
        return Ok(None);
    };
    let ordered: Vec<_> = columns
        .of_kind(Kind::Number)
        .chain(columns.of_kind(Kind::Date))
        .collect();
    let named: Vec<_> = ordered
        .iter()
        .copied()
        .filter(|c| words.mention(&c.name).is_some())
        .collect();
    let open = if named.is_empty() { ordered } else { named };
    let alternatives = open
        .iter()
        .map(|c| {
            Alternative::new(
                c.name.clone(),
                json!({"column": c.name, "direction": direction}),
            )
        })
        .collect();
    Slot::new("order by", alternatives).decided(decide)
}

#[cfg(test)]
mod tests {
    use super::super::First;
    use super::super::tables::sample;
    use super::*;

    #[test]
    fn a_number_beside_a_ranking_word_is_the_limit() {
        let words = Words::read("Note the eight lowest batches by net weight, lowest first");
        assert_eq!(
            (direction(&words), limit(&words, &[])),
            (Some("smallest-first"), Some(8))
        );
        assert_eq!(
            order(&words, &sample(), &mut First).unwrap().unwrap()["column"],
            "Net weight"
        );
    }

    #[test]
    fn the_number_may_stand_before_its_noun() {
        let words = Words::read("Show the three hives with the lowest moisture");
        assert_eq!(limit(&words, &[]), Some(3));
    }

    #[test]
    fn one_best_and_all_sorted() {
        assert_eq!(
            limit(&Words::read("Which grower lost the most?"), &[]),
            Some(1)
        );
        assert_eq!(limit(&Words::read("All growers, highest first"), &[]), None);
        assert_eq!(direction(&Words::read("at least 5 crates")), None);
    }

    #[test]
    fn no_ranking_word_no_limit() {
        assert_eq!(limit(&Words::read("the 12 batches of May"), &[]), None);
    }
}
