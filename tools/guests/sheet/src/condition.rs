//! Conditions on rows: what a literal means is settled once, by what the column holds.

use std::cmp::Ordering;

use crate::bindings::exports::cloister::sheet::sheet::{
    Comparison, Condition, Failure, Fault, Kind,
};
use crate::cell::{Cell, exact};
use crate::failure::{failure, holds};
use crate::period::Period;
use crate::table::Table;
use rust_decimal::Decimal;
use values::number;
use values::text::folded;

/// One condition on one table.
#[derive(Debug)]
pub(crate) struct Test {
    at: usize,
    comparison: Comparison,
    meaning: Meaning,
}

/// What a literal means beside a column.
#[derive(Debug)]
enum Meaning {
    /// An empty literal: the empty cell.
    Nothing,
    Text(String),
    Number(Decimal),
    Days(Period),
    Truth(bool),
    /// In a mixed column each cell is compared with the literal as its own kind.
    Any {
        text: String,
        number: Option<Decimal>,
        days: Option<Period>,
    },
}

impl Test {
    /// Fails where the column does not exist or the comparison makes no sense for what it holds.
    pub(crate) fn new(table: &Table, condition: &Condition) -> Result<Self, Failure> {
        let at = crate::select::position(table, &condition.column)?;
        let kind = table
            .columns
            .get(at)
            .map_or(Kind::Empty, |column| column.kind);
        let comparison = condition.comparison;
        match meaning(kind, comparison, &condition.literal) {
            Some(meaning) => Ok(Self {
                at,
                comparison,
                meaning,
            }),
            None => Err(failure(
                Fault::WrongKind,
                &table.file,
                &unfit(table, condition, kind),
            )),
        }
    }

    pub(crate) fn holds(&self, row: &[Cell]) -> bool {
        let cell = row.get(self.at).unwrap_or(&Cell::Empty);
        match self.comparison {
            Comparison::Equals | Comparison::Within => self.equals(cell),
            Comparison::Differs => !self.equals(cell),
            Comparison::Contains => self.contains(cell),
            Comparison::Above => self.order(cell) == Some(Ordering::Greater),
            Comparison::AtLeast => {
                matches!(self.order(cell), Some(Ordering::Greater | Ordering::Equal))
            }
            Comparison::Below => self.order(cell) == Some(Ordering::Less),
            Comparison::AtMost => {
                matches!(self.order(cell), Some(Ordering::Less | Ordering::Equal))
            }
        }
    }

    fn equals(&self, cell: &Cell) -> bool {
        match (&self.meaning, cell) {
            (Meaning::Nothing, cell) => cell.is_empty(),
            (Meaning::Truth(truth), Cell::Truth(value)) => truth == value,
            (Meaning::Text(text) | Meaning::Any { text, .. }, Cell::Text(value)) => {
                folded(value) == *text
            }
            (Meaning::Any { text, .. }, Cell::Truth(value)) => value.to_string() == *text,
            _ => self.order(cell) == Some(Ordering::Equal),
        }
    }

    fn contains(&self, cell: &Cell) -> bool {
        match &self.meaning {
            Meaning::Text(text) | Meaning::Any { text, .. } => folded(&cell.shown()).contains(text),
            Meaning::Nothing | Meaning::Number(_) | Meaning::Days(_) | Meaning::Truth(_) => false,
        }
    }

    /// How the cell stands to the literal, where the two can be compared.
    fn order(&self, cell: &Cell) -> Option<Ordering> {
        match (&self.meaning, cell) {
            (
                Meaning::Number(number)
                | Meaning::Any {
                    number: Some(number),
                    ..
                },
                Cell::Number(value),
            ) => Some(order(*value, *number)),
            (
                Meaning::Days(period)
                | Meaning::Any {
                    days: Some(period), ..
                },
                Cell::Date(at),
            ) => {
                let day = at.date();
                match period {
                    _ if period.contains(day) => Some(Ordering::Equal),
                    Period::Between(first, _) => Some(day.cmp(first)),
                    Period::Quarter(_) | Period::Month(_) | Period::AnyOf(_) => None,
                }
            }
            _ => None,
        }
    }
}

/// Exact where the cell's number fits a decimal, so that a price of 0.3 equals 0.1 + 0.2.
fn order(value: f64, number: Decimal) -> Ordering {
    match exact(value) {
        Some(value) => value.cmp(&number),
        None if value > 0.0 => Ordering::Greater,
        None => Ordering::Less,
    }
}

fn meaning(kind: Kind, comparison: Comparison, literal: &str) -> Option<Meaning> {
    let literal = literal.trim();
    let equality = matches!(comparison, Comparison::Equals | Comparison::Differs);
    if literal.is_empty() {
        return equality.then_some(Meaning::Nothing);
    }
    let text = folded(literal);
    match (kind, comparison) {
        (Kind::Empty, _) => Some(Meaning::Text(text)),
        (Kind::Number, Comparison::Within) | (Kind::Date, Comparison::Contains) => None,
        (Kind::Number | Kind::Truth, Comparison::Contains) => Some(Meaning::Text(text)),
        (Kind::Number, _) => number::literal(literal).map(Meaning::Number),
        (Kind::Date, _) => days(comparison, literal).map(Meaning::Days),
        (Kind::Text, _) => {
            (equality || comparison == Comparison::Contains).then_some(Meaning::Text(text))
        }
        (Kind::Truth, _) if equality => truth(&text).map(Meaning::Truth),
        (Kind::Truth, _) => None,
        (Kind::Mixed, Comparison::Within) => Period::parse(literal).map(Meaning::Days),
        (Kind::Mixed, _) => {
            let (number, days) = (number::literal(literal), days(comparison, literal));
            let comparable = equality
                || comparison == Comparison::Contains
                || number.is_some()
                || days.is_some();
            comparable.then_some(Meaning::Any { text, number, days })
        }
    }
}

/// A month of any year has no before and after.
fn days(comparison: Comparison, literal: &str) -> Option<Period> {
    let ordered = matches!(
        comparison,
        Comparison::Above | Comparison::AtLeast | Comparison::Below | Comparison::AtMost
    );
    Period::parse(literal).filter(|period| !ordered || matches!(period, Period::Between(..)))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn unfit(table: &Table, condition: &Condition, kind: Kind) -> String {
    let holds = holds(kind);
    let comparison = match condition.comparison {
        Comparison::Equals => "equals",
        Comparison::Differs => "differs from",
        Comparison::Contains => "contains",
        Comparison::Above => "above",
        Comparison::AtLeast => "at least",
        Comparison::Below => "below",
        Comparison::AtMost => "at most",
        Comparison::Within => "within",
    };
    format!(
        "has {holds} in column `{}` of `{}`, to which `{comparison} {}` does not apply",
        condition.column, table.worksheet, condition.literal
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    const TABLE: &str = "Name,Paid,Day,Done\nAnn,0.3,2025-10-03,true\nBOB lee,\"1,234.50\",2025-12-31,false\n,,,\nCy,-2,2024-10-09,true\n,5,2025-01-01,true\n";

    fn condition(column: &str, comparison: Comparison, literal: &str) -> Condition {
        Condition {
            column: column.into(),
            comparison,
            literal: literal.into(),
        }
    }

    fn kept(column: &str, comparison: Comparison, literal: &str) -> String {
        let table = table(TABLE);
        let test = Test::new(&table, &condition(column, comparison, literal)).unwrap();
        table
            .rows
            .iter()
            .filter(|row| test.holds(row))
            .map(|row| row[1].shown())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn texts() {
        assert_eq!(kept("name", Comparison::Equals, " bob  LEE"), "1234.5");
        assert_eq!(kept("Name", Comparison::Contains, "b"), "1234.5");
        assert_eq!(kept("Name", Comparison::Differs, "ann"), "1234.5 -2 5");
        assert_eq!(kept("Name", Comparison::Equals, ""), "5");
    }

    #[test]
    fn numbers() {
        assert_eq!(kept("Paid", Comparison::Equals, "0.30"), "0.3");
        assert_eq!(kept("Paid", Comparison::Above, "1,234.49"), "1234.5");
        assert_eq!(kept("Paid", Comparison::AtLeast, "5"), "1234.5 5");
        assert_eq!(kept("Paid", Comparison::Below, "0"), "-2");
        assert_eq!(kept("Paid", Comparison::AtMost, "€ 0.30"), "0.3 -2");
        assert_eq!(kept("Paid", Comparison::Contains, "34"), "1234.5");
    }

    #[test]
    fn dates() {
        assert_eq!(kept("Day", Comparison::Within, "2025-Q4"), "0.3 1234.5");
        assert_eq!(kept("Day", Comparison::Within, "--10"), "0.3 -2");
        assert_eq!(kept("Day", Comparison::Equals, "3 October 2025"), "0.3");
        assert_eq!(kept("Day", Comparison::Above, "2025-10"), "1234.5");
        assert_eq!(kept("Day", Comparison::AtLeast, "2025-10"), "0.3 1234.5");
        assert_eq!(kept("Day", Comparison::Below, "2025"), "-2");
        assert_eq!(kept("Day", Comparison::AtMost, "2025-01-01"), "-2 5");
    }

    #[test]
    fn truths() {
        assert_eq!(kept("Done", Comparison::Equals, "No"), "1234.5");
    }

    #[test]
    fn what_does_not_apply() {
        let table = table(TABLE);
        let fault = |column, comparison, literal| {
            Test::new(&table, &condition(column, comparison, literal)).unwrap_err()
        };
        for (column, comparison, literal) in [
            ("Name", Comparison::Above, "3"),
            ("Name", Comparison::Within, "2025"),
            ("Paid", Comparison::Within, "2025"),
            ("Paid", Comparison::Above, "much"),
            ("Day", Comparison::Below, "Q4"),
            ("Day", Comparison::Equals, "soon"),
            ("Done", Comparison::Above, "true"),
        ] {
            assert_eq!(fault(column, comparison, literal).fault, Fault::WrongKind);
        }
        assert_eq!(
            fault("Name", Comparison::Above, "3").detail,
            "`a.csv` has texts in column `Name` of `a`, to which `above 3` does not apply"
        );
        assert_eq!(
            fault("Price", Comparison::Above, "3").fault,
            Fault::NoSuchColumn
        );
    }
}
