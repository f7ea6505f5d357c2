//! Which rows: every literal is a value of its column, or a number or period that stands in the request.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tables::{Column, Columns, Kind};
use super::{Alternative, Decide, Slot};
use crate::failure::Failure;
use crate::words::{Words, numbers, periods};

const NEGATIONS: [&str; 7] = ["except", "exclud", "without", "not", "than", "but", "non"];
/// Values that are ordinary words of a request; they need their heading beside them.
const COMMON: [&str; 14] = [
    "yes", "no", "all", "in", "on", "to", "a", "the", "total", "sum", "other", "none", "new", "y",
];

/// Conditions found, and the words they used up.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) list: Vec<Value>,
    pub(crate) used: Vec<usize>,
}

/// Find the conditions that the request states over these columns.
pub(crate) fn find(
    words: &Words,
    columns: &Columns,
    decide: &mut dyn Decide,
) -> Result<Conditions, Failure> {
    let mut found = Conditions::default();
    values(words, columns, decide, &mut found)?;
    yes_or_no(words, columns, &mut found);
    in_periods(words, columns, decide, &mut found)?;
    compared(words, columns, decide, &mut found)?;
    Ok(found)
}

/// Values of text columns that stand in the request as they are.
fn values(
    words: &Words,
    columns: &Columns,
    decide: &mut dyn Decide,
    found: &mut Conditions,
) -> Result<(), Failure> {
    let mut places: BTreeMap<usize, Vec<(&Column, &str)>> = BTreeMap::new();
    for column in columns.iter().filter(|c| !c.is_yes_or_no()) {
        for value in &column.values {
            if let Some(at) = words
                .literal(value)
                .filter(|at| stands(words, column, value, *at))
            {
                places.entry(at).or_default().push((column, value));
            }
        }
    }
    let mut chosen: BTreeMap<String, Vec<(usize, &Column, &str)>> = BTreeMap::new();
    for (at, mut here) in places {
        here.retain(|(_, v)| !longer_elsewhere(words, columns, v, at));
        let near: Vec<_> = here
            .iter()
            .copied()
            .filter(|(c, _)| beside(words, &c.name, at))
            .collect();
        let open = if near.is_empty() { here } else { near };
        let alternatives = open
            .iter()
            .map(|(c, v)| Alternative::new(format!("{} is {v}", c.name), json!(c.name)))
            .collect();
        let Some(pick) = Slot::new("rows where", alternatives).decided(decide)? else {
            continue;
        };
        if let Some((column, value)) = open.iter().find(|(c, _)| pick == json!(c.name)) {
            chosen
                .entry(column.name.clone())
                .or_default()
                .push((at, column, value));
        }
    }
    for (_, hits) in chosen {
        of_one_column(words, &hits, found);
    }
    Ok(())
}

/// Several values of one column mean any of them.
fn of_one_column(words: &Words, hits: &[(usize, &Column, &str)], found: &mut Conditions) {
    for (at, _, value) in hits {
        let length = value.split_whitespace().count();
        found.used.extend(*at..at.saturating_add(length));
    }
    let Some((_, column, _)) = hits.first() else {
        return;
    };
    let negated = hits
        .iter()
        .any(|(at, column, _)| negated(words, column, *at));
    match hits {
        [(_, _, only)] if !negated => found.list.push(condition(&column.name, "equals", only)),
        _ if negated => {
            let each = hits
                .iter()
                .map(|(_, c, v)| condition(&c.name, "differs", v));
            found.list.extend(each);
        }
        _ => {
            let written: Vec<String> = hits.iter().map(|(_, _, v)| listed(v)).collect();
            found
                .list
                .push(condition(&column.name, "one-of", &written.join("|")));
        }
    }
}

/// A value as it stands in the list of `one-of`.
fn listed(value: &str) -> String {
    value.replace('\\', "\\\\").replace('|', "\\|")
}

fn yes_or_no(words: &Words, columns: &Columns, found: &mut Conditions) {
    for column in columns.iter().filter(|c| c.is_yes_or_no()) {
        let plain = words.mention(&column.name);
        let opposite = words
            .mention(&format!("un{}", column.name.to_lowercase()))
            .or_else(|| words.mention(&format!("non-{}", column.name.to_lowercase())));
        let Some(at) = plain.or(opposite).filter(|at| !super::groups(words, *at)) else {
            continue;
        };
        let said_no = words
            .all()
            .get(at.saturating_add(1))
            .is_some_and(|w| w.fold == "no" || w.fold == "false");
        let wants = !(opposite.is_some() || said_no || negated(words, column, at));
        let value = column
            .values
            .iter()
            .find(|v| v.to_lowercase().starts_with(['y', 't']) == wants);
        let literal = value.map_or(if wants { "true" } else { "false" }, String::as_str);
        found.used.push(at);
        found.list.push(condition(&column.name, "equals", literal));
    }
}

/// Periods bind to a date column; several of them mean any. A word before one can turn it round or open it at one end.
fn in_periods(
    words: &Words,
    columns: &Columns,
    decide: &mut dyn Decide,
    found: &mut Conditions,
) -> Result<(), Failure> {
    let periods = periods::periods(words);
    let dates: Vec<&Column> = columns.of_kind(Kind::Date).collect();
    if periods.is_empty() || dates.is_empty() {
        return Ok(());
    }
    let named: Vec<&Column> = dates
        .iter()
        .copied()
        .filter(|c| words.mention(&c.name).is_some())
        .collect();
    let open = if named.is_empty() { dates } else { named };
    let alternatives = open
        .iter()
        .map(|c| Alternative::new(c.name.clone(), json!(c.name)))
        .collect();
    let Some(Value::String(column)) =
        Slot::new("period of column", alternatives).decided(decide)?
    else {
        return Ok(());
    };
    let mut within = Vec::new();
    for period in &periods {
        found
            .used
            .extend(period.at..period.at.saturating_add(period.length));
        match bound(words, period.at) {
            None => within.push(period.spelled.as_str()),
            Some(comparison) => found
                .list
                .push(bounded(&column, comparison, &period.spelled)?),
        }
    }
    if !within.is_empty() {
        found
            .list
            .push(condition(&column, "within", &within.join(",")));
    }
    Ok(())
}

/// What the word before a period makes of it: "since 2024-03", "before October 2025", "except May 2025".
fn bound(words: &Words, at: usize) -> Option<&'static str> {
    (1..=2)
        .filter_map(|back| words.stem_before(at, back))
        .find_map(|stem| match stem {
            "sinc" => Some("at-least"),
            "after" => Some("above"),
            "befor" => Some("below"),
            "until" | "till" => Some("at-most"),
            _ if NEGATIONS.contains(&stem) => Some("differs"),
            _ => None,
        })
}

/// Only a period with a year has a before and an after; guessing the year would give numbers that look right.
fn bounded(column: &str, comparison: &str, period: &str) -> Result<Value, Failure> {
    let dated = period.starts_with(|c: char| c.is_ascii_digit()) && !period.contains(',');
    if dated {
        return Ok(condition(column, comparison, period));
    }
    Err(Failure::new(
        crate::failure::Kind::NoPlan,
        format!("the period `{period}` has no year, so nothing is before or after it"),
    )
    .hint("say the year: `since October 2025`, `except Q3 2025`".to_owned()))
}

/// Numbers behind "over", "at least" and their like.
fn compared(
    words: &Words,
    columns: &Columns,
    decide: &mut dyn Decide,
    found: &mut Conditions,
) -> Result<(), Failure> {
    for number in numbers::numbers(words)
        .into_iter()
        .filter(|n| !found.used.contains(&n.at))
        .collect::<Vec<_>>()
    {
        let Some(comparison) = comparison(words, number.at) else {
            continue;
        };
        let numeric: Vec<&Column> = columns.of_kind(Kind::Number).collect();
        let named: Vec<&Column> = numeric
            .iter()
            .copied()
            .filter(|c| words.mention(&c.name).is_some())
            .collect();
        let open = if named.is_empty() { numeric } else { named };
        let alternatives = open
            .iter()
            .map(|c| Alternative::new(c.name.clone(), json!(c.name)))
            .collect();
        if let Some(Value::String(column)) =
            Slot::new("compared column", alternatives).decided(decide)?
        {
            found.used.push(number.at);
            found
                .list
                .push(condition(&column, comparison, &number.plain));
        }
    }
    Ok(())
}

fn comparison(words: &Words, at: usize) -> Option<&'static str> {
    let before = |back| words.stem_before(at, back);
    let (one, two) = (before(1).unwrap_or_default(), before(2).unwrap_or_default());
    match (two, one) {
        ("at", "least") | (_, "minimum") => Some("at-least"),
        ("at", "most") | (_, "maximum") | ("up", "to") => Some("at-most"),
        ("more" | "greater" | "higher" | "larger", "than") | (_, "over" | "abov" | "exceed") => {
            Some("above")
        }
        ("less" | "fewer" | "lower" | "smaller", "than") | (_, "under" | "below") => Some("below"),
        _ => None,
    }
}

fn condition(column: &str, comparison: &str, literal: &str) -> Value {
    json!({"column": column, "comparison": comparison, "literal": literal})
}

/// A value that is also an ordinary word, or a heading, counts only beside its own heading.
fn stands(words: &Words, column: &Column, value: &str, at: usize) -> bool {
    let common = COMMON.contains(&value.to_lowercase().as_str()) || value.chars().count() < 2;
    !common || beside(words, &column.name, at)
}

/// Whether a longer value of any column covers this place: `North` inside `North Bay`.
fn longer_elsewhere(words: &Words, columns: &Columns, value: &str, at: usize) -> bool {
    let length = value.split_whitespace().count();
    columns.iter().flat_map(|c| &c.values).any(|other| {
        let more = other.split_whitespace().count();
        more > length
            && words
                .literal(other)
                .is_some_and(|start| (start..start.saturating_add(more)).contains(&at))
    })
}

/// Whether a heading stands within two words of a place.
fn beside(words: &Words, heading: &str, at: usize) -> bool {
    words.mention(heading).is_some_and(|m| {
        let end = m.saturating_add(super::length(heading));
        m.abs_diff(at) <= 3 || end.abs_diff(at) <= 2
    })
}

fn negated(words: &Words, column: &Column, at: usize) -> bool {
    let direct = (1..=2)
        .filter_map(|back| words.stem_before(at, back))
        .any(|s| NEGATIONS.contains(&s));
    let over_heading = words
        .mention(&column.name)
        .filter(|m| *m < at && at.abs_diff(*m) <= 2);
    direct
        || over_heading
            .and_then(|m| words.stem_before(m, 1))
            .is_some_and(|s| NEGATIONS.contains(&s))
}

#[cfg(test)]
mod tests {
    use super::super::First;
    use super::super::tables::sample;
    use super::*;

    fn found(text: &str) -> Vec<Value> {
        find(&Words::read(text), &sample(), &mut First)
            .unwrap()
            .list
    }

    #[test]
    fn values_stand_for_their_column() {
        assert_eq!(
            found("Only the fresh batches of orchard Hillside"),
            [
                condition("Grade", "equals", "fresh"),
                condition("Orchard", "equals", "Hillside")
            ]
        );
        assert_eq!(
            found("everything except orchard Terrace"),
            [condition("Orchard", "differs", "Terrace")]
        );
    }

    #[test]
    fn two_values_of_a_column_mean_either() {
        assert_eq!(
            found("yields for Hillside and Meadow"),
            [condition("Orchard", "one-of", "Hillside|Meadow")]
        );
    }

    #[test]
    fn periods_bind_to_the_date_column() {
        assert_eq!(
            found("losses in the second quarter"),
            [condition("Date", "within", "Q2")]
        );
        assert_eq!(
            found("March 2024 and May 2024"),
            [condition("Date", "within", "2024-03,2024-05")]
        );
    }

    #[test]
    fn a_period_can_be_turned_round_or_open_at_one_end() {
        let all = found("all batches except March 2024");
        assert_eq!(all, [condition("Date", "differs", "2024-03")]);
        let since = found("yields since 2024-03");
        assert_eq!(since, [condition("Date", "at-least", "2024-03")]);
        let words = Words::read("yields before June");
        assert!(find(&words, &sample(), &mut First).is_err());
    }

    #[test]
    fn numbers_are_compared_with_the_named_column() {
        assert_eq!(
            found("batches with a loss over 1,000.50"),
            [condition("Loss", "above", "1000.50")]
        );
        assert!(found("the seven largest by loss").is_empty());
    }

    #[test]
    fn an_adjective_of_yes_or_no() {
        assert_eq!(
            found("weight of the inspected batches"),
            [condition("Inspected", "equals", "yes")]
        );
        assert_eq!(
            found("batches that are not inspected"),
            [condition("Inspected", "equals", "no")]
        );
        assert!(found("count per inspected").is_empty());
    }

    #[test]
    fn nothing_is_invented() {
        assert!(found("Yield per grower over all lists").is_empty());
    }
}
