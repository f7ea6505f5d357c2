//! What makes rows belong together.

use std::cmp::Ordering;

use crate::asked::{Grain, Key, Kind};
use crate::cell::Cell;
use crate::failure::{Failure, Fault, failure, holds};
use crate::period::quarter;
use crate::select::position;
use crate::table::Table;
use jiff::civil::{DateTime, Time};
use smol_str::format_smolstr;
use values::text::fold_into;

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

/// Write down what the rows of one group have in common and no other row has: equal bytes where [`Parts`] are the same. Most rows are of a group
/// that is known, and to find it so takes neither an order of texts nor memory.
pub(super) fn write(row: &[Cell], keys: &[Place], into: &mut Vec<u8>) {
    into.clear();
    for key in keys {
        match row.get(key.at).unwrap_or(&Cell::Empty) {
            Cell::Date(at) => dated(*at, key.grain, into),
            cell if key.grain == Grain::Value => plain(cell, into),
            _ => plain(&Cell::Empty, into),
        }
    }
}

/// Each kind has a letter and, but for texts, one length. No text holds the byte that ends it.
fn plain(cell: &Cell, into: &mut Vec<u8>) {
    match cell {
        Cell::Empty => into.push(b'e'),
        Cell::Text(text) => {
            into.push(b't');
            fold_into(text, into);
            into.push(u8::MAX);
        }
        Cell::Number(number) => {
            into.push(b'n');
            into.extend(number.to_bits().to_be_bytes());
        }
        Cell::Truth(truth) => into.extend([b'b', u8::from(*truth)]),
        Cell::Date(at) => dated(*at, Grain::Value, into),
    }
}

fn dated(at: DateTime, grain: Grain, into: &mut Vec<u8>) {
    let (day, time) = (at.date(), at.time());
    let years = day.year().to_be_bytes();
    into.push(b'd');
    into.extend(years);
    match grain {
        Grain::Year => {}
        Grain::Quarter => into.push(quarter(day).cast_unsigned()),
        Grain::Month => into.push(day.month().cast_unsigned()),
        Grain::Day => into.extend([day.month(), day.day()].map(i8::cast_unsigned)),
        Grain::Value => {
            let clock = [time.hour(), time.minute(), time.second()];
            into.extend([day.month(), day.day()].map(i8::cast_unsigned));
            into.extend(clock.map(i8::cast_unsigned));
            into.extend(time.subsec_nanosecond().to_be_bytes());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let days = (2024i16..2026, 1i8..4, 1i8..3, 0i8..2);
        prop_oneof![
            Just(Cell::Empty),
            "[aA bBßẞ\u{a0}]{0,3}".prop_map(|text| Cell::text(&text)),
            (-1i32..2).prop_map(|number| Cell::number(f64::from(number) * 0.5)),
            any::<bool>().prop_map(Cell::Truth),
            days.prop_map(|(year, month, day, hour)| Cell::Date(
                date(year, month, day).at(hour, 0, 0, 0)
            )),
        ]
    }

    proptest! {
        #[test]
        fn two_rows_have_the_same_bytes_where_they_are_of_the_same_group(
            left in [cell(), cell()], right in [cell(), cell()], grains in [0usize..5, 0usize..5]
        ) {
            let all = [Grain::Value, Grain::Day, Grain::Month, Grain::Quarter, Grain::Year];
            let places = grains.iter().enumerate();
            let places: Vec<_> = places.map(|(at, grain)| Place { at, grain: all[*grain] }).collect();
            let bytes = |row: &[Cell]| {
                let mut bytes = vec![7];
                write(row, &places, &mut bytes);
                bytes
            };
            prop_assert_eq!(bytes(&left) == bytes(&right), Parts::of(&left, &places) == Parts::of(&right, &places));
        }
    }
}
