//! Conditions on rows: what a literal means is settled once, by what the column holds.

use std::cmp::Ordering;

use crate::asked::{Comparison, Condition, Kind};
use crate::cell::{Cell, exact};
use crate::failure::{Failure, Fault, failure, holds};
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
    /// Several values, of which the cell is to equal one; none of them is [`Meaning::Nothing`].
    OneOf(Vec<Meaning>),
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
            Comparison::Equals | Comparison::Within | Comparison::OneOf => {
                self.meaning.equals(cell)
            }
            Comparison::Differs => !self.meaning.equals(cell),
            Comparison::Contains => self.meaning.contains(cell),
            Comparison::Above => self.meaning.order(cell) == Some(Ordering::Greater),
            Comparison::AtLeast => {
                matches!(
                    self.meaning.order(cell),
                    Some(Ordering::Greater | Ordering::Equal)
                )
            }
            Comparison::Below => self.meaning.order(cell) == Some(Ordering::Less),
            Comparison::AtMost => {
                matches!(
                    self.meaning.order(cell),
                    Some(Ordering::Less | Ordering::Equal)
                )
            }
        }
    }
}

impl Meaning {
    fn equals(&self, cell: &Cell) -> bool {
        match (self, cell) {
            (Meaning::Nothing, cell) => cell.is_empty(),
            (Meaning::OneOf(several), cell) => several.iter().any(|one| one.equals(cell)),
            (Meaning::Truth(truth), Cell::Truth(value)) => truth == value,
            (Meaning::Text(text) | Meaning::Any { text, .. }, Cell::Text(value)) => {
                folded(value) == *text
            }
            (Meaning::Any { text, .. }, Cell::Truth(value)) => value.to_string() == *text,
            _ => self.order(cell) == Some(Ordering::Equal),
        }
    }

    fn contains(&self, cell: &Cell) -> bool {
        match self {
            Meaning::Text(text) | Meaning::Any { text, .. } => folded(&cell.shown()).contains(text),
            Meaning::Nothing
            | Meaning::Number(_)
            | Meaning::Days(_)
            | Meaning::Truth(_)
            | Meaning::OneOf(_) => false,
        }
    }

    /// How the cell stands to the literal, where the two can be compared.
    fn order(&self, cell: &Cell) -> Option<Ordering> {
        match (self, cell) {
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
    if comparison == Comparison::OneOf {
        return one_of(kind, literal);
    }
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

/// Every value must make sense beside the column. Empty ones are left out, so that a blank cell never matches; one at least must remain.
fn one_of(kind: Kind, literal: &str) -> Option<Meaning> {
    let several: Option<Vec<Meaning>> = listed(literal)
        .iter()
        .filter(|value| !value.trim().is_empty())
        .map(|value| meaning(kind, Comparison::Equals, value))
        .collect();
    several
        .filter(|several| !several.is_empty())
        .map(Meaning::OneOf)
}

/// The values between `|`. A backslash before anything but `|` or a backslash stands for itself.
fn listed(literal: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut rest = literal.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '|' => values.push(std::mem::take(&mut value)),
            '\\' => value.push(rest.next_if(|c| matches!(c, '|' | '\\')).unwrap_or('\\')),
            c => value.push(c),
        }
    }
    values.push(value);
    values
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
        Comparison::OneOf => "one of",
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
        kept_of(&table(TABLE), &condition(column, comparison, literal))
    }

    /// The second column of the rows that a condition holds.
    fn kept_of(table: &Table, condition: &Condition) -> String {
        let test = Test::new(table, condition).unwrap();
        let rows = table.rows.iter().filter(|row| test.holds(row));
        let shown: Vec<_> = rows.map(|row| row[1].shown()).collect();
        shown.join(" ")
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
    fn any_of_several_values_and_never_a_blank_cell() {
        let one_of = |column, literal| kept(column, Comparison::OneOf, literal);
        assert_eq!(one_of("Name", "ANN|bob  lee"), "0.3 1234.5");
        assert_eq!(
            one_of("Name", "Ann||nobody| "),
            "0.3",
            "an empty value is no blank cell"
        );
        assert_eq!(one_of("Paid", "0.30 | -2"), "0.3 -2");
        assert_eq!(one_of("Day", "2025-10-03|2024|2030-01"), "0.3 -2");
        assert_eq!(one_of("Done", "no|yes"), "0.3 1234.5 -2 5");
        // The twin: excluding all others, as one had to without it, keeps the row without a name.
        assert_eq!(kept("Name", Comparison::Differs, "Cy"), "0.3 1234.5 5");
    }

    #[test]
    fn a_mixed_column_compares_each_cell_as_its_own_kind() {
        let mut table = table("Code,N\nA1,1\n7,2\n2025-01-02,3\n,4\nB2,5\n");
        table.columns[0].kind = Kind::Mixed;
        table.rows[1][0] = Cell::number(7.0);
        let code = condition("Code", Comparison::OneOf, "a1|7.0");
        assert_eq!(kept_of(&table, &code), "1 2");
    }

    #[test]
    fn bars_and_backslashes_within_a_value() {
        for (literal, values) in [
            ("North|South", vec!["North", "South"]),
            (r"A\|B|C", vec!["A|B", "C"]),
            (r"C:\\|D", vec![r"C:\", "D"]),
            (r"C:\\\|D", vec![r"C:\|D"]),
            (r"C:\x\", vec![r"C:\x\"]),
            ("|", vec!["", ""]),
            ("", vec![""]),
        ] {
            assert_eq!(listed(literal), values, "{literal}");
        }
        let table = table("Name,N\nA|B,1\nA,2\nB,3\nC\\D,4\n");
        let name = condition("Name", Comparison::OneOf, r"a\|b|c\\d");
        assert_eq!(kept_of(&table, &name), "1 4");
    }

    proptest::proptest! {
        #[test]
        fn what_is_escaped_comes_back(values in proptest::collection::vec(r"[a|\\ x]{0,6}", 1..5)) {
            let escaped: Vec<_> = values
                .iter()
                .map(|v| v.replace('\\', r"\\").replace('|', r"\|"))
                .collect();
            proptest::prop_assert_eq!(listed(&escaped.join("|")), values);
        }
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
            ("Paid", Comparison::OneOf, "3|much"),
            ("Day", Comparison::OneOf, "2025|soon"),
            ("Name", Comparison::OneOf, " | "),
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
