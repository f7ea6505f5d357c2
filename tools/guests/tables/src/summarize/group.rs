//! What makes rows belong together.

use std::cmp::Ordering;

use crate::asked::{Grain, Key, Kind};
use crate::cell::Cell;
use crate::failure::{Failure, Fault, failure, holds};
use crate::period::quarter;
use crate::select::position;
use crate::table::Table;
use jiff::civil::Time;
use smol_str::format_smolstr;

/// Where a key stands in one table, and how finely it is taken.
pub(super) struct Place {
    at: usize,
    grain: Grain,
}

/// The place of a key; months and the like need a column of dates.
pub(super) fn place(table: &Table, key: &Key) -> Result<Place, Failure> {
    let at = position(table, &key.column)?;
    let kind = table
        .columns
        .get(at)
        .map_or(Kind::Empty, |column| column.kind);
    let dated = matches!(kind, Kind::Date | Kind::Mixed | Kind::Empty);
    let units = match key.grain {
        Grain::Value => {
            return Ok(Place {
                at,
                grain: key.grain,
            });
        }
        Grain::Day => "days",
        Grain::Month => "months",
        Grain::Quarter => "quarters",
        Grain::Year => "years",
    };
    if dated {
        return Ok(Place {
            at,
            grain: key.grain,
        });
    }
    let what = format!(
        "has {} in column `{}` of `{}`, so it has no {units}",
        holds(kind),
        key.column,
        table.worksheet
    );
    Err(failure(Fault::WrongKind, &table.file, &what))
}

/// A group's key values. Two are the same when they are in the same place of the order: case and blanks do not matter.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Cell>);

impl Parts {
    pub(super) fn of(row: &[Cell], keys: &[Place]) -> Self {
        Self(
            keys.iter()
                .map(|key| grained(row.get(key.at).unwrap_or(&Cell::Empty), key.grain))
                .collect(),
        )
    }

    pub(super) fn into_cells(self) -> Vec<Cell> {
        self.0
    }
}

/// Months, quarters and years are texts, so that no program turns `2025-10` into a day.
fn grained(cell: &Cell, grain: Grain) -> Cell {
    if grain == Grain::Value {
        return cell.clone();
    }
    let Cell::Date(at) = cell else {
        return Cell::Empty;
    };
    let day = at.date();
    match grain {
        Grain::Value | Grain::Day => Cell::Date(day.to_datetime(Time::midnight())),
        Grain::Month => Cell::Text(format_smolstr!("{:04}-{:02}", day.year(), day.month())),
        Grain::Quarter => Cell::Text(format_smolstr!("{:04}-Q{}", day.year(), quarter(day))),
        Grain::Year => Cell::Text(format_smolstr!("{:04}", day.year())),
    }
}

impl Ord for Parts {
    fn cmp(&self, other: &Self) -> Ordering {
        let each = self
            .0
            .iter()
            .zip(&other.0)
            .map(|(left, right)| left.order(right));
        each.fold(Ordering::Equal, Ordering::then)
    }
}

impl PartialOrd for Parts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Parts {}
