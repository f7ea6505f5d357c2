//! What is measured: an operation and, but for counting rows, a numeric column.

use serde_json::{Value, json};

use super::tables::{Column, Columns, Kind};
use super::{Alternative, Decide, Slot};
use crate::failure::Failure;
use crate::words::Words;

/// Operation, how the plan says it, and the words that ask for it.
const OPERATIONS: [(&str, &str, &[&str]); 7] = [
    (
        "count",
        "count of rows",
        &["count", "number of", "how many"],
    ),
    (
        "sum",
        "sum of",
        &[
            "sum",
            "total",
            "add up",
            "altogether",
            "together",
            "how much",
            "revenue",
            "turnover",
        ],
    ),
    ("average", "average of", &["average", "mean", "avg"]),
    ("median", "median of", &["median"]),
    (
        "smallest",
        "smallest",
        &["minimum", "min", "smallest", "lowest", "cheapest"],
    ),
    (
        "largest",
        "largest",
        &["maximum", "max", "largest", "highest", "biggest"],
    ),
    (
        "share",
        "share of",
        &[
            "share of",
            "share in",
            "what share",
            "percentage",
            "percent of",
            "proportion",
        ],
    ),
];

/// Operations that measure rows where no column is named, and how the plan says so.
const OF_ROWS: [(&str, &str); 2] = [("count", "count of rows"), ("share", "share of rows")];

/// The measures of each group; `keys` are the columns already used to group.
pub(crate) fn find(
    words: &Words,
    columns: &Columns,
    keys: &[Value],
    decide: &mut dyn Decide,
) -> Result<Vec<Value>, Failure> {
    let named = named(words, columns, keys);
    let asked = asked(words, &named);
    let certain: Vec<Value> = asked
        .iter()
        .flat_map(|(op, _)| for_each(op, &named))
        .collect();
    if !certain.is_empty() && asked.iter().all(|(op, _)| of_rows(op) || !named.is_empty()) {
        for measure in &certain {
            decide.settled("measure", &shown(measure));
        }
        return Ok(certain);
    }
    let open = alternatives(columns, &named, &asked, keys);
    let counts = asked
        .iter()
        .any(|(op, _)| *op == "count")
        .then(|| measure("count", None));
    let chosen = Slot::new("measure", open)
        .decided(decide)?
        .filter(|m| Some(m) != counts.as_ref());
    Ok(counts.into_iter().chain(chosen).collect())
}

fn of_rows(operation: &str) -> bool {
    OF_ROWS.iter().any(|(op, _)| *op == operation)
}

/// Numeric columns that the request names and does not group by.
fn named<'a>(words: &Words, columns: &'a Columns, keys: &[Value]) -> Vec<&'a Column> {
    let is_key = |c: &Column| keys.iter().any(|k| k.get("column") == Some(&json!(c.name)));
    let mut found: Vec<(usize, &Column)> = columns
        .of_kind(Kind::Number)
        .filter(|c| !is_key(c))
        .filter_map(|c| words.mention(&c.name).map(|at| (at, c)))
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, c)| c).collect()
}

/// Operations asked for, in the order of the request. "How many" before a numeric column asks for its sum.
fn asked(words: &Words, named: &[&Column]) -> Vec<(&'static str, usize)> {
    let mut found: Vec<(&'static str, usize)> = OPERATIONS
        .iter()
        .filter_map(|(op, _, cues)| words.cue(cues).map(|at| (*op, at)))
        .collect();
    found.sort_by_key(|(_, at)| *at);
    let counted = words.cue(&["how many", "number of"]);
    let units = counted.is_some_and(|at| {
        named.iter().any(|c| {
            words
                .mention(&c.name)
                .is_some_and(|m| m > at && m.saturating_sub(at) <= 4)
        })
    });
    if units {
        found.retain(|(op, at)| *op != "count" || Some(*at) != counted);
        if !found.iter().any(|(op, _)| *op == "sum") {
            found.insert(0, ("sum", counted.unwrap_or_default()));
        }
    }
    // A ranking word is an order, not a measure, where another operation is named; "total" names none beside an average of its own.
    let others = found
        .iter()
        .any(|(op, _)| !["largest", "smallest"].contains(op));
    found.retain(|(op, _)| !others || !["largest", "smallest"].contains(op));
    found
}

fn for_each(op: &str, named: &[&Column]) -> Vec<Value> {
    if op == "count" || of_rows(op) && named.is_empty() {
        return vec![measure(op, None)];
    }
    named.iter().map(|c| measure(op, Some(&c.name))).collect()
}

/// What the model may pick from: the asked operations, or all, over the named columns, or all numeric ones.
fn alternatives(
    columns: &Columns,
    named: &[&Column],
    asked: &[(&str, usize)],
    keys: &[Value],
) -> Vec<Alternative> {
    let is_key = |c: &&Column| keys.iter().any(|k| k.get("column") == Some(&json!(c.name)));
    let over: Vec<&Column> = if named.is_empty() {
        columns
            .of_kind(Kind::Number)
            .filter(|c| !is_key(c))
            .collect()
    } else {
        named.to_vec()
    };
    let wanted = |op: &str| {
        let unasked = || op != "share" && asked.iter().all(|(a, _)| *a == "count");
        op != "count" && (unasked() || asked.iter().any(|(a, _)| *a == op))
    };
    let mut open: Vec<Alternative> = OPERATIONS
        .iter()
        .filter(|(op, ..)| wanted(op))
        .flat_map(|(op, ..)| over.iter().map(|c| measure(op, Some(&c.name))))
        .map(|m| Alternative::new(shown(&m), m))
        .collect();
    if asked.iter().any(|(a, _)| *a == "count") || open.is_empty() || asked.is_empty() {
        let count = measure("count", None);
        let place = if open.is_empty() || asked.iter().any(|(a, _)| *a == "count") {
            0
        } else {
            open.len()
        };
        open.insert(place, Alternative::new(shown(&count), count));
    }
    // Counting alone was asked, and no column is named: nothing is left open.
    if asked.len() == 1 && asked.iter().all(|(a, _)| *a == "count") && named.is_empty() {
        open.truncate(1);
    }
    open
}

fn measure(operation: &str, column: Option<&str>) -> Value {
    json!({"operation": operation, "column": column})
}

fn shown(measure: &Value) -> String {
    let operation = measure
        .get("operation")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let phrase = OPERATIONS
        .iter()
        .find(|(op, ..)| *op == operation)
        .map_or(operation, |(_, phrase, _)| phrase);
    match measure.get("column").and_then(Value::as_str) {
        Some(column) => format!("{phrase} {column}"),
        None => OF_ROWS
            .iter()
            .find(|(op, _)| *op == operation)
            .map_or(phrase, |(_, rows)| rows)
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::First;
    use super::super::tables::sample;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        find(&Words::read(text), &sample(), &[], &mut First)
            .unwrap()
            .iter()
            .map(shown)
            .collect()
    }

    #[test]
    fn named_operations_over_named_columns() {
        assert_eq!(found("total Net weight per grower"), ["sum of Net weight"]);
        assert_eq!(
            found("how many batches there are, and the median and the average of Net weight"),
            [
                "count of rows",
                "median of Net weight",
                "average of Net weight"
            ]
        );
        assert_eq!(
            found("average Net weight and the average Loss"),
            ["average of Net weight", "average of Loss"]
        );
    }

    #[test]
    fn counting_takes_no_column_and_units_are_summed() {
        assert_eq!(
            found("count the batches in each orchard"),
            ["count of rows"]
        );
        assert_eq!(
            found("how many units (loss) are on the terrace"),
            ["sum of Loss"]
        );
    }

    #[test]
    fn shares_are_of_a_named_column_or_of_the_rows_and_never_unasked() {
        assert_eq!(
            found("the share of Net weight of each orchard"),
            ["share of Net weight"]
        );
        assert_eq!(
            found("total Net weight per orchard and its percentage"),
            ["sum of Net weight", "share of Net weight"]
        );
        assert_eq!(
            found("What percentage of the batches is from each orchard?"),
            ["share of rows"]
        );
        let open = alternatives(&sample(), &[], &[], &[]);
        assert!(
            !open.iter().any(|a| a.shown.starts_with("share")),
            "{open:?}"
        );
    }

    #[test]
    fn an_unnamed_column_is_left_to_the_model() {
        assert_eq!(found("the turnover of each quarter"), ["sum of Net weight"]);
    }
}
