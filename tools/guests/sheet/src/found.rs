//! What a function found: typed for the workbook, as text for the planner.

use crate::bindings::exports::cloister::sheet::sheet::{self as wit, Direction};
use crate::cell::{Cell, exact};
use crate::limits::LIMITS;

/// Decimals of an average in a result; the workbook has them all.
const ROUNDED: u32 = 4;

/// A column of a result.
#[derive(Clone, Debug)]
pub(crate) struct Heading {
    pub(crate) name: String,
    pub(crate) rounded: Option<u32>,
}

impl Heading {
    pub(crate) fn plain(name: String) -> Self {
        Self {
            name,
            rounded: None,
        }
    }

    /// A column whose numbers may have decimals without end.
    pub(crate) fn rounded(name: String) -> Self {
        Self {
            name,
            rounded: Some(ROUNDED),
        }
    }
}

/// A result before it is shown or written.
pub(crate) struct Found {
    pub(crate) headings: Vec<Heading>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// A row below the others that measures all of them.
    pub(crate) foot: Option<Vec<Cell>>,
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// Order by the values at one place; empty cells stay last, equals keep their order.
    pub(crate) fn order_by(&mut self, at: usize, direction: Direction) {
        let value = |row: &[Cell]| row.get(at).cloned().unwrap_or_default();
        self.rows.sort_by(|left, right| {
            let (left, right) = (value(left), value(right));
            match direction {
                Direction::LargestFirst if !left.is_empty() && !right.is_empty() => {
                    right.order(&left)
                }
                Direction::LargestFirst | Direction::SmallestFirst => left.order(&right),
            }
        });
    }

    pub(crate) fn limit(&mut self, limit: Option<u32>, what: &str) {
        let all = self.rows.len();
        let Some(limit) = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit < all)
        else {
            return;
        };
        self.rows.truncate(limit);
        self.notes
            .push(format!("{limit} of {all} {what} are shown"));
    }

    /// As texts, the first rows only.
    pub(crate) fn into_table(mut self) -> wit::Table {
        let total = self.rows.len();
        if total > LIMITS.result_rows {
            self.notes.push(format!(
                "the first {} of {total} rows are listed here",
                LIMITS.result_rows
            ));
        }
        let shown = self.rows.iter().take(LIMITS.result_rows).chain(&self.foot);
        let rows = shown.map(|row| {
            row.iter()
                .zip(&self.headings)
                .map(|(cell, heading)| shown_in(cell, heading))
                .collect()
        });
        wit::Table {
            rows: rows.collect(),
            columns: self
                .headings
                .into_iter()
                .map(|heading| heading.name)
                .collect(),
            total: u32::try_from(total).unwrap_or(u32::MAX),
            notes: self.notes,
        }
    }
}

fn shown_in(cell: &Cell, heading: &Heading) -> String {
    let rounded = match (cell, heading.rounded) {
        (Cell::Number(number), Some(decimals)) => {
            exact(*number).map(|number| number.round_dp(decimals).normalize().to_string())
        }
        _ => None,
    };
    let shown = rounded.unwrap_or_else(|| cell.shown());
    if shown.chars().count() > LIMITS.text_characters {
        return shown
            .chars()
            .take(LIMITS.text_characters)
            .chain(['…'])
            .collect();
    }
    shown
}
