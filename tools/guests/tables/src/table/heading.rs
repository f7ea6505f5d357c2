//! Which row of a worksheet is the heading.

use crate::book::Row;
use crate::cell::Cell;
use crate::limits::LIMITS;
use crate::table::Span;
use values::date::{self, Order};
use values::number::{self, Mark};

/// Rows below a candidate that show how wide the table is.
const ROWS_BELOW: usize = 20;

/// The heading's index among `rows`, and the columns of its table.
pub(super) fn find(rows: &[Row]) -> Option<(usize, Span)> {
    let top = (0..rows.len().min(LIMITS.rows_above)).find(|at| is_heading(rows, *at))?;
    let header = rows.get(top)?;
    let (first, last) = (header.cells.first()?.0, header.cells.last()?.0);
    let below = rows.get(top.saturating_add(1)..).unwrap_or_default();
    let end = widened(below, last.saturating_add(1));
    Some((top, first..end.min(first.saturating_add(LIMITS.columns))))
}

fn is_heading(rows: &[Row], at: usize) -> bool {
    let Some(row) = rows.get(at) else {
        return false;
    };
    let headings = row.cells.iter().filter(|(_, cell)| speaks(cell)).count();
    let others = row
        .cells
        .iter()
        .all(|(_, cell)| speaks(cell) || names_a_time(cell));
    let below = rows.get(at.saturating_add(1)..).unwrap_or_default();
    let usual = usual_width(below);
    // One column alone is a table only where the data below are of another kind.
    let alone = row.cells.len() == 1
        && usual == 1
        && below
            .first()
            .is_some_and(|next| next.cells.iter().all(|(_, cell)| !speaks(cell)));
    // A title of two words in two cells stands above something wider: three quarters of the usual width are asked for.
    let wide = headings >= 2 && row.cells.len().saturating_mul(4) >= usual.saturating_mul(3);
    others && headings >= 1 && (wide || alone)
}

/// The middle of the numbers of cells in the next rows.
fn usual_width(below: &[Row]) -> usize {
    let mut widths: Vec<usize> = below
        .iter()
        .take(ROWS_BELOW)
        .map(|row| row.cells.len())
        .collect();
    widths.sort_unstable();
    widths.get(widths.len() / 2).copied().unwrap_or(0)
}

/// Columns without a heading belong to the table where most rows have a value in them.
fn widened(below: &[Row], end: u32) -> u32 {
    let sample: Vec<&Row> = below.iter().take(ROWS_BELOW).collect();
    let filled = |column: u32| {
        sample
            .iter()
            .filter(|row| row.cells.iter().any(|(at, _)| *at == column))
            .count()
    };
    (end..)
        .find(|column| filled(*column).saturating_mul(2) <= sample.len())
        .unwrap_or(end)
}

/// A text that is neither number nor date.
pub(super) fn speaks(cell: &Cell) -> bool {
    let Cell::Text(text) = cell else { return false };
    let number = number::parse(text, Mark::Point).or_else(|| number::parse(text, Mark::Comma));
    number.is_none()
        && date::parse_with_time(text, Order::DayFirst)
            .or_else(|| date::parse_with_time(text, Order::MonthFirst))
            .is_none()
}

/// Years and days may head columns too.
fn names_a_time(cell: &Cell) -> bool {
    match cell {
        Cell::Date(_) => true,
        Cell::Number(number) => (1900.0..=2100.0).contains(number) && number.fract() == 0.0,
        Cell::Text(text) => text
            .parse()
            .is_ok_and(|year: u16| (1900..=2100).contains(&year)),
        Cell::Empty | Cell::Truth(_) => false,
    }
}
