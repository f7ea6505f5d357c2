//! What a function found: typed for the workbook, as text for the planner.

use crate::asked::{Direction, Listing};
use crate::cell::{Cell, exact};
use crate::limits::LIMITS;

/// Decimals of an average in a result; the workbook has them all.
const ROUNDED: u32 = 4;

/// How the numbers of a column are written where a person reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As they are: whole ones, rates, measurements.
    Plain,
    /// With two decimals and groups of thousands, as money is.
    Cents,
}

/// A column of a result.
#[derive(Clone, Debug)]
pub struct Heading {
    /// What it is called.
    pub name: String,
    /// Decimals in a result, where the numbers may have some without end.
    pub rounded: Option<u32>,
}

impl Heading {
    /// A column whose numbers are shown as they are.
    pub fn plain(name: String) -> Self {
        Self {
            name,
            rounded: None,
        }
    }

    /// A column whose numbers may have decimals without end.
    pub fn rounded(name: String) -> Self {
        Self {
            name,
            rounded: Some(ROUNDED),
        }
    }
}

/// A result before it is shown or written.
#[derive(Clone, Debug)]
pub struct Found {
    /// The columns in their order.
    pub headings: Vec<Heading>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// A row below the others that measures all of them.
    pub foot: Option<Vec<Cell>>,
    /// What was left out, as sentences.
    pub notes: Vec<String>,
}

impl Found {
    /// Order by the values at one place; empty cells stay last, equals keep their order.
    pub fn order_by(&mut self, at: usize, direction: Direction) {
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

    /// Money-like where any number has up to two decimals or some without end, plain where none has any, or some have more.
    pub fn numbers(&self, column: usize) -> Numbers {
        let endless = self
            .headings
            .get(column)
            .is_some_and(|heading| heading.rounded.is_some());
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let numbers = cells.filter_map(|cell| match cell {
            Cell::Number(number) => exact(*number),
            _ => None,
        });
        match numbers.map(|number| number.scale()).max() {
            _ if endless => Numbers::Cents,
            Some(1..=2) => Numbers::Cents,
            _ => Numbers::Plain,
        }
    }

    /// Keep the first rows, and note how many of what there were.
    pub fn limit(&mut self, limit: Option<u32>, what: &str) {
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
    pub fn into_table(mut self) -> Listing {
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
        Listing {
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
