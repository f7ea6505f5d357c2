//! What is measured of a group. Sums are decimal and exact as long as 28 digits suffice.

use crate::asked::{Kind, Measure, Operation};
use crate::cell::{Cell, exact};
use crate::failure::{Failure, Fault, failure, holds};
use crate::select::position;
use crate::table::Table;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// Where a measure's column stands in one table; `None` for a count of rows.
pub(super) fn place(table: &Table, measure: &Measure) -> Result<Option<usize>, Failure> {
    let name = match measure.operation {
        Operation::Sum => "sum",
        Operation::Count => "count",
        Operation::Average => "average",
        Operation::Median => "median",
        Operation::Smallest => "smallest value",
        Operation::Largest => "largest value",
        Operation::Share => "share",
    };
    let Some(column) = &measure.column else {
        let missing = || {
            failure(
                Fault::NoSuchColumn,
                &table.file,
                &format!("cannot be measured: a {name} needs a column"),
            )
        };
        return if [Operation::Count, Operation::Share].contains(&measure.operation) {
            Ok(None)
        } else {
            Err(missing())
        };
    };
    let at = position(table, column)?;
    let kind = table
        .columns
        .get(at)
        .map_or(Kind::Empty, |column| column.kind);
    let fits = match measure.operation {
        Operation::Count => true,
        Operation::Sum | Operation::Average | Operation::Median | Operation::Share => {
            matches!(kind, Kind::Number | Kind::Mixed | Kind::Empty)
        }
        Operation::Smallest | Operation::Largest => {
            matches!(kind, Kind::Number | Kind::Date | Kind::Mixed | Kind::Empty)
        }
    };
    let what = || {
        format!(
            "has {} in column `{column}` of `{}`, so it has no {name}",
            holds(kind),
            table.worksheet
        )
    };
    if fits {
        Ok(Some(at))
    } else {
        Err(failure(Fault::WrongKind, &table.file, &what()))
    }
}

/// Whether a cell counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taken {
    Counted,
    /// An empty cell is neither counted nor worth a word.
    Blank,
    /// A value of another kind, such as a text among numbers.
    Unfit,
}

/// A measure as it grows.
pub(super) enum Tally {
    Count(u32),
    Sum(Sum),
    Average(Sum),
    Median(Vec<f64>),
    Smallest(Cell),
    Largest(Cell),
    /// Of a column's sum, or of the rows where there is no column: then each counts one.
    Share(Sum),
}

/// What the groups together come to, for those measures that are a part of it.
pub(super) enum Whole {
    Of(Decimal),
    /// Nothing, or more than decimals can hold: a part of it cannot be told.
    Unknown,
}

impl Tally {
    pub(super) fn new(measure: &Measure) -> Self {
        match measure.operation {
            Operation::Count => Self::Count(0),
            Operation::Sum => Self::Sum(Sum::default()),
            Operation::Average => Self::Average(Sum::default()),
            Operation::Median => Self::Median(Vec::new()),
            Operation::Smallest => Self::Smallest(Cell::Empty),
            Operation::Largest => Self::Largest(Cell::Empty),
            Operation::Share => Self::Share(Sum::default()),
        }
    }

    /// Take one row's cell in; `None` where rows are counted.
    pub(super) fn take(&mut self, cell: Option<&Cell>) -> Taken {
        if let Some(Cell::Empty) = cell {
            return Taken::Blank;
        }
        match (self, cell) {
            (Self::Count(count), _) => *count = count.saturating_add(1),
            (
                Self::Sum(sum) | Self::Average(sum) | Self::Share(sum),
                Some(Cell::Number(number)),
            ) => sum.add(*number),
            (Self::Share(sum), None) => sum.add(1.0),
            (Self::Median(numbers), Some(Cell::Number(number))) => numbers.push(*number),
            (Self::Smallest(best), Some(cell @ (Cell::Number(_) | Cell::Date(_)))) => {
                keep(best, cell, Ordering::Less)
            }
            (Self::Largest(best), Some(cell @ (Cell::Number(_) | Cell::Date(_)))) => {
                keep(best, cell, Ordering::Greater)
            }
            _ => return Taken::Unfit,
        }
        Taken::Counted
    }

    pub(super) fn whole(&self) -> Whole {
        match self {
            Self::Share(sum) if !sum.beyond_decimals && !sum.decimal.is_zero() => {
                Whole::Of(sum.decimal)
            }
            _ => Whole::Unknown,
        }
    }

    pub(super) fn into_cell(self, whole: &Whole) -> Cell {
        match self {
            Self::Share(sum) => sum.percent_of(whole),
            Self::Count(count) => Cell::number(count.into()),
            Self::Sum(sum) => sum.total(),
            Self::Average(sum) => sum.average(),
            Self::Median(numbers) => median(numbers),
            Self::Smallest(cell) | Self::Largest(cell) => cell,
        }
    }
}

fn keep(best: &mut Cell, cell: &Cell, wanted: Ordering) {
    if best.is_empty() || cell.order(best) == wanted {
        *best = cell.clone();
    }
}

/// A sum in decimals, and beside it one in floating point with its lost digits kept (Neumaier), should the decimals not suffice.
#[derive(Default)]
pub(super) struct Sum {
    decimal: Decimal,
    beyond_decimals: bool,
    float: f64,
    lost: f64,
    count: u32,
}

impl Sum {
    fn add(&mut self, number: f64) {
        match exact(number).and_then(|number| self.decimal.checked_add(number)) {
            Some(sum) => self.decimal = sum,
            None => self.beyond_decimals = true,
        }
        let sum = self.float + number;
        let (large, small) = if self.float.abs() >= number.abs() {
            (self.float, number)
        } else {
            (number, self.float)
        };
        self.lost += (large - sum) + small;
        self.float = sum;
        self.count = self.count.saturating_add(1);
    }

    fn total(self) -> Cell {
        if self.beyond_decimals {
            Cell::number(self.float + self.lost)
        } else {
            Cell::decimal(self.decimal)
        }
    }

    fn percent_of(self, whole: &Whole) -> Cell {
        let Whole::Of(whole) = whole else {
            return Cell::Empty;
        };
        let hundredfold = self.decimal.checked_mul(Decimal::ONE_HUNDRED);
        let percent = hundredfold.and_then(|sum| sum.checked_div(*whole));
        percent
            .filter(|_| !self.beyond_decimals)
            .map_or(Cell::Empty, Cell::decimal)
    }

    fn average(self) -> Cell {
        let count = self.count;
        if count == 0 {
            return Cell::Empty;
        }
        match self.decimal.checked_div(Decimal::from(count)) {
            Some(average) if !self.beyond_decimals => Cell::decimal(average),
            _ => Cell::number((self.float + self.lost) / f64::from(count)),
        }
    }
}

fn median(mut numbers: Vec<f64>) -> Cell {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let at = |index: usize| numbers.get(index).copied();
    let below = if numbers.len().is_multiple_of(2) {
        middle.checked_sub(1).and_then(at)
    } else {
        at(middle)
    };
    let mut sum = Sum::default();
    for number in [below, at(middle)].into_iter().flatten() {
        sum.add(number);
    }
    sum.average()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> String {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum.total().shown()
    }

    #[test]
    fn money_is_exact() {
        assert_eq!(sum(&[0.1, 0.2]), "0.3");
        assert_eq!(sum(&[0.1; 1000]), "100");
        assert_eq!(sum(&[1_000_000_000_000.01, -1_000_000_000_000.0]), "0.01");
    }

    #[test]
    fn what_no_decimal_holds_is_summed_in_floating_point() {
        assert_eq!(sum(&[1e300, 1.0, -1e300]), "1");
        assert_eq!(sum(&[f64::MAX, f64::MAX]), "");
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0]).shown(), "2");
        assert_eq!(median(vec![3.0, 1.0, 10.0]).shown(), "3");
        assert_eq!(median(vec![]), Cell::Empty);
    }
}
