//! What rows are grouped by: headings and spans of time that the request announces as groups.

use serde_json::{Value, json};

use super::tables::{Column, Columns, Kind};
use super::{Alternative, Decide, Slot};
use crate::failure::Failure;
use crate::words::{Words, stems};

const GRAINS: [(&str, &[&str], &[&str]); 4] = [
    ("month", &["month"], &["monthly"]),
    ("quarter", &["quarter"], &["quarterly"]),
    ("year", &["year"], &["yearly", "annual", "annually"]),
    ("day", &["day", "date"], &["daily"]),
];
/// "top five customers", "which customer": the heading behind these is what is ranked.
const RANKERS: [&str; 10] = [
    "top", "best", "largest", "biggest", "highest", "smallest", "lowest", "which", "what", "worst",
];

/// The keys of the groups; `used` are the words that conditions took.
pub(crate) fn find(
    words: &Words,
    columns: &Columns,
    used: &[usize],
    decide: &mut dyn Decide,
) -> Result<Vec<Value>, Failure> {
    let mut placed: Vec<(usize, Value)> = Vec::new();
    for (at, grain) in grains(words, used) {
        let dates = columns.of_kind(Kind::Date).map(|c| {
            Alternative::new(
                format!("{grain} of {}", c.name),
                json!({"column": c.name, "grain": grain}),
            )
        });
        if let Some(key) = Slot::new("group by", dates.collect()).decided(decide)? {
            placed.push((at, key));
        }
    }
    let named = |c: &&Column| c.kind != Kind::Date && c.kind != Kind::Empty;
    for column in columns.iter().filter(named) {
        if let Some(at) = announced(words, columns, column, used) {
            decide.settled("group by", &column.name);
            placed.push((at, json!({"column": column.name, "grain": "value"})));
        }
    }
    placed.sort_by_key(|(at, _)| *at);
    if placed.is_empty() {
        return loose(words, columns, used, decide);
    }
    Ok(placed.into_iter().map(|(_, key)| key).collect())
}

/// The heading that tells rows of several tables apart: one that all of them have and the request names. Without one the tool looks for it.
pub(crate) fn shared(words: &Words, headings: &[&str]) -> Option<String> {
    let placed = headings
        .iter()
        .filter_map(|h| words.mention(h).map(|at| (super::groups(words, at), *h)));
    let grouped_first = placed.max_by_key(|(grouped, h)| (*grouped, super::length(h)));
    grouped_first.map(|(_, heading)| heading.to_owned())
}

/// Spans of time asked for as groups: "monthly", "by quarter", "for each year"; not those inside a period.
fn grains(words: &Words, used: &[usize]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, word) in words
        .all()
        .iter()
        .enumerate()
        .filter(|(at, _)| !used.contains(at))
    {
        for (grain, nouns, adverbs) in GRAINS {
            let asked = adverbs.contains(&word.fold.as_str())
                || nouns.contains(&word.stem.as_str()) && super::groups(words, at);
            if asked && !found.iter().any(|(_, g)| *g == grain) {
                found.push((at, grain));
            }
        }
    }
    found
}

/// Where a heading is announced as a group: behind "by", "per", "each"; in a list that began so; or as what is ranked.
fn announced(words: &Words, columns: &Columns, column: &Column, used: &[usize]) -> Option<usize> {
    let at = words.mention(&column.name)?;
    let grouped = super::groups(words, at) || listed(words, columns, at);
    let each = (1..=2)
        .filter_map(|b| words.stem_before(at, b))
        .any(|s| ["per", "each", "everi"].contains(&s));
    if column.kind == Kind::Number {
        let another = columns
            .of_kind(Kind::Number)
            .any(|c| c.name != column.name && words.mention(&c.name).is_some());
        return (each || grouped && another).then_some(at);
    }
    let ranked = (1..=2)
        .filter_map(|back| words.all().get(at.checked_sub(back)?))
        .any(|w| RANKERS.contains(&w.fold.as_str()));
    (grouped || ranked && !used.contains(&at)).then_some(at)
}

/// "by region and customer": a heading behind "and" whose neighbour is a group is one too.
fn listed(words: &Words, columns: &Columns, at: usize) -> bool {
    if words.stem_before(at, 1) != Some("and") {
        return false;
    }
    let Some(before) = at.checked_sub(2) else {
        return false;
    };
    let ends_there = |c: &Column| {
        words.mention(&c.name).is_some_and(|m| {
            m.saturating_add(stems(&c.name).len()) == before.saturating_add(1)
                && super::groups(words, m)
        })
    };
    let span = words.all().get(before).is_some_and(|w| {
        GRAINS
            .iter()
            .any(|(_, nouns, _)| nouns.contains(&w.stem.as_str()))
    }) && super::groups(words, before);
    columns.iter().any(ends_there) || span
}

/// Nothing was announced: a text heading that is mentioned for no other reason may be one, and the model says.
fn loose(
    words: &Words,
    columns: &Columns,
    used: &[usize],
    decide: &mut dyn Decide,
) -> Result<Vec<Value>, Failure> {
    let free = |at: usize| !near(used, at) && !counted(words, at);
    let mentioned = |c: &&Column| c.kind == Kind::Text && words.mention(&c.name).is_some_and(free);
    let mut alternatives = vec![Alternative::new("nothing", Value::Null)];
    alternatives.extend(
        columns
            .iter()
            .filter(mentioned)
            .map(|c| Alternative::new(c.name.clone(), json!({"column": c.name, "grain": "value"}))),
    );
    let key = Slot::new("group by", alternatives).decided(decide)?;
    Ok(key.into_iter().filter(|k| !k.is_null()).collect())
}

/// "how many suppliers": what is counted is not what rows are grouped by.
fn counted(words: &Words, at: usize) -> bool {
    matches!(
        (words.stem_before(at, 2), words.stem_before(at, 1)),
        (Some("how"), Some("mani")) | (Some("number"), Some("of")) | (_, Some("count"))
    )
}

fn near(used: &[usize], at: usize) -> bool {
    used.iter().any(|u| u.abs_diff(at) <= 2)
}

#[cfg(test)]
mod tests {
    use super::super::First;
    use super::super::conditions;
    use super::super::tables::sample;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let words = Words::read(text);
        let used = conditions::find(&words, &sample(), &mut First)
            .unwrap()
            .used;
        let keys = find(&words, &sample(), &used, &mut First).unwrap();
        keys.iter()
            .map(|k| {
                format!(
                    "{} of {}",
                    k["grain"].as_str().unwrap(),
                    k["column"].as_str().unwrap()
                )
            })
            .collect()
    }

    #[test]
    fn months_are_grains_of_the_date_column() {
        assert_eq!(found("turnover by month"), ["month of Date"]);
        assert_eq!(
            found("Monthly losses in the second quarter, orchard Hillside only"),
            ["month of Date"]
        );
    }

    #[test]
    fn headings_behind_a_grouping_word() {
        assert_eq!(
            found("What has each grower delivered?"),
            ["value of Grower"]
        );
        assert_eq!(
            found("Net weight by orchard and grower"),
            ["value of Orchard", "value of Grower"]
        );
        assert_eq!(
            found("losses per month and orchard"),
            ["month of Date", "value of Orchard"]
        );
    }

    #[test]
    fn rows_of_several_tables_are_told_apart_by_a_heading_that_all_have() {
        let named = |text: &str| shared(&Words::read(text), &["Batch", "Net weight"]);
        assert_eq!(
            named("Compare a.csv and b.csv by batch").as_deref(),
            Some("Batch")
        );
        assert_eq!(
            named("Which net weights differ per batch?").as_deref(),
            Some("Batch")
        );
        assert_eq!(named("Compare the growers"), None);
    }

    #[test]
    fn what_is_ranked_is_a_group() {
        assert_eq!(
            found("the top seven growers by net weight"),
            ["value of Grower"]
        );
        assert_eq!(
            found("Which grower had the most loss?"),
            ["value of Grower"]
        );
    }

    #[test]
    fn what_is_counted_is_no_group() {
        assert!(found("How many growers are on the terrace?").is_empty());
    }

    #[test]
    fn a_total_needs_no_group() {
        assert!(found("How much loss is in all lists together?").is_empty());
    }
}
