//! The table in a worksheet: where its heading is, which rows are data, and what its columns hold.

mod heading;
mod kinds;
mod totals;
mod typed;

pub use typed::typed;

use std::collections::BTreeSet;

use crate::asked::Kind;
use crate::book::{Row, Worksheet};
use crate::cell::Cell;
use crate::limits::LIMITS;
use values::text::folded;

/// One column's heading, unique in its table, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
}

/// Data rows under a heading; every row is as long as there are columns.
#[derive(Debug)]
pub struct Table {
    /// The file's name.
    pub file: String,
    /// The worksheet's name.
    pub worksheet: String,
    /// The row of the headings.
    /// Counts from 1.
    pub header_row: u32,
    /// In their order.
    pub columns: Vec<Column>,
    /// Where each column stands in the worksheet, from 0.
    pub places: Vec<u32>,
    /// The data rows.
    pub rows: Vec<Vec<Cell>>,
    /// The last data row, or the heading where there is none; counts from 1.
    pub last_row: u32,
    /// What was left out, as sentences.
    pub notes: Vec<String>,
}

impl Table {
    /// The worksheet's table, if it has one.
    pub fn find(file: &str, worksheet: Worksheet) -> Option<Self> {
        let (top, span) = heading::find(&worksheet.rows)?;
        let mut below = worksheet.rows.into_iter().skip(top);
        let header = &below.next()?;
        let names = names(header, &span);
        let mut body = totals::body(header, below, &span);
        let kinds = kinds::settle(&mut body.rows, names.len(), worksheet.mark);
        totals::drop_unlabelled(&mut body, &kinds);
        let columns = names
            .into_iter()
            .zip(kinds)
            .map(|(name, kind)| Column { name, kind })
            .collect();
        let mut notes = body.notes;
        if worksheet.errors > 0 {
            notes.push(format!(
                "{} cells hold errors and count as empty",
                worksheet.errors
            ));
        }
        let here = |note: String| format!("`{file}`: {note}");
        let table = Self {
            file: file.to_owned(),
            worksheet: worksheet.name,
            header_row: header.number,
            columns,
            places: span.clone().collect(),
            last_row: body.numbers.last().copied().unwrap_or(header.number),
            rows: body.rows,
            notes: notes.into_iter().map(here).collect(),
        };
        Some(table.without_blank_columns(header, span.start))
    }

    /// Where the column stands, whatever the case and blanks of its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        let name = folded(name);
        self.columns
            .iter()
            .position(|column| folded(&column.name) == name)
    }

    /// A column that has neither heading nor data only keeps others apart.
    fn without_blank_columns(mut self, header: &Row, start: u32) -> Self {
        let headed = |at: usize| {
            header
                .cells
                .iter()
                .any(|(column, _)| column.saturating_sub(start) as usize == at)
        };
        let kept: Vec<bool> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| headed(at) || column.kind != Kind::Empty)
            .collect();
        if kept.iter().all(|kept| *kept) {
            return self;
        }
        self.columns = only(self.columns, &kept);
        self.places = only(self.places, &kept);
        self.rows = self.rows.into_iter().map(|row| only(row, &kept)).collect();
        self
    }
}

fn only<T>(all: Vec<T>, kept: &[bool]) -> Vec<T> {
    all.into_iter()
        .zip(kept)
        .filter(|(_, kept)| **kept)
        .map(|(one, _)| one)
        .collect()
}

/// The columns of a table, counted from 0.
type Span = std::ops::Range<u32>;

/// A row's cells in the span, blanks filled in.
fn slice(row: Row, span: &Span) -> Vec<Cell> {
    let mut cells = vec![Cell::Empty; span.len()];
    for (column, cell) in row.cells {
        let at = column
            .checked_sub(span.start)
            .and_then(|at| cells.get_mut(at as usize));
        if let Some(place) = at {
            *place = cell;
        }
    }
    cells
}

/// Headings without line breaks; one that is missing is called by its letter, one that stands twice is counted.
fn names(header: &Row, span: &Span) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for (column, cell) in span.clone().zip(slice(header.clone(), span)) {
        let words: Vec<String> = cell.shown().split_whitespace().map(str::to_owned).collect();
        let mut name: String = words
            .join(" ")
            .chars()
            .filter(|character| !character.is_control())
            .take(LIMITS.text_characters)
            .collect();
        if name.is_empty() {
            name = format!("Column {}", letters(column));
        }
        let plain = name.clone();
        for again in 2u32.. {
            if taken.insert(folded(&name)) {
                break;
            }
            name = format!("{plain} ({again})");
        }
        names.push(name);
    }
    names
}

/// A column's letters: 0 is `A`, 26 is `AA`.
pub fn letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = column.saturating_add(1);
    while let Some(one) = left.checked_sub(1) {
        letters.push(char::from(
            b'A'.saturating_add(u8::try_from(one % 26).unwrap_or(0)),
        ));
        left = one / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{table, worksheet};

    fn shape(text: &str) -> String {
        let Some(table) = worksheet(text).and_then(|worksheet| Table::find("a.csv", worksheet))
        else {
            return "none".into();
        };
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("{} {:?}", column.name, column.kind))
            .collect();
        format!(
            "row {}, {} rows: {}",
            table.header_row,
            table.rows.len(),
            columns.join(", ")
        )
    }

    #[test]
    fn plain() {
        assert_eq!(
            shape("Name,Amount\nAnn,1.5\nBob,2"),
            "row 1, 2 rows: Name Text, Amount Number"
        );
        assert_eq!(
            shape("Name,Amount\n"),
            "row 1, 0 rows: Name Empty, Amount Empty"
        );
    }

    #[test]
    fn titles_and_blank_rows_above() {
        assert_eq!(
            shape(
                "Report 2025,,\n,,\nMade by,Ann,\n\nDay,Shop,Paid\n2025-10-03,North,\"1,200.50\"\n2025-10-04,South,3\n"
            ),
            "row 5, 2 rows: Day Date, Shop Text, Paid Number"
        );
    }

    #[test]
    fn missing_and_doubled_headings() {
        assert_eq!(
            shape("Name,Paid,,Paid,\nAnn,1,x,2,\nBob,3,y,4,\n"),
            "row 1, 2 rows: Name Text, Paid Number, Column C Text, Paid (2) Number"
        );
        assert_eq!(
            letters(0) + &letters(25) + &letters(26) + &letters(701) + &letters(702),
            "AZAAZZAAA"
        );
    }

    #[test]
    fn no_table() {
        assert_eq!(shape("1,2\n3,4\n"), "none");
        assert_eq!(shape("only a note\n"), "none");
        assert_eq!(shape(""), "none");
    }

    #[test]
    fn columns_are_found_whatever_their_case() {
        let table = table("Net  Amount,Day\n1,2025-01-01\n");
        assert_eq!(table.position(" net amount"), Some(0));
        assert_eq!(table.position("net"), None);
    }
}
