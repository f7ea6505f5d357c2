//! The kinds of a text file's values, where the whole file is kept: what plainly is a number, a date or a truth becomes one, and
//! nothing else changes. More careful than a table that is only computed with: what is guessed here would stand in a new file.

use std::collections::BTreeMap;

use crate::book::Worksheet;
use crate::cell::Cell;
use crate::table::kinds::{Marks, as_date, as_number, as_truth, is_gap, is_identifier, most};
use crate::table::{heading, letters};
use values::date::Order;
use values::number::Mark;

/// What the texts of a column are read as.
#[derive(Clone, Copy)]
enum Reading {
    Numbers(Mark),
    Dates(Order),
    Truths,
}

/// Where the texts of a column stand: row and cell.
type Places = Vec<(usize, usize)>;

/// Give every value the kind that its column has; says which columns could be read in two ways and stay texts.
pub fn typed(worksheet: &mut Worksheet) -> Vec<String> {
    let below = heading::find(&worksheet.rows).map_or(0, |(top, _)| top.saturating_add(1));
    let mut columns: BTreeMap<u32, Places> = BTreeMap::new();
    for (at, row) in worksheet.rows.iter().enumerate().skip(below) {
        for (cell, (column, _)) in row.cells.iter().enumerate() {
            columns.entry(*column).or_default().push((at, cell));
        }
    }
    let plain = |text: &&str| is_plain(text);
    let marks = columns
        .values()
        .map(|places| Marks::of(texts(worksheet, places).filter(plain)));
    let evidence = marks.fold(Marks::default(), Marks::plus);
    let mark = evidence.verdict(worksheet.mark);
    let mut notes = Vec::new();
    for (column, places) in columns {
        let own = Marks::of(texts(worksheet, &places).filter(plain)).verdict(mark);
        match reading(worksheet, &places, own) {
            Ok(Some(reading)) => read(worksheet, &places, reading),
            Ok(None) => {}
            Err(TwoWays) => notes.push(format!(
                "the dates of column {} could have the day or the month first, so they stay texts",
                letters(column)
            )),
        }
    }
    notes
}

/// Dates of which nothing says whether the day or the month comes first.
struct TwoWays;

fn reading(worksheet: &Worksheet, places: &Places, mark: Mark) -> Result<Option<Reading>, TwoWays> {
    let all: Vec<&str> = texts(worksheet, places)
        .filter(|text| !is_gap(text))
        .collect();
    let fits = |reading: Reading| {
        let fitting = all.iter().filter(|text| meant(text, reading).is_some());
        let count = fitting.count();
        count > 0 && most(count, all.len())
    };
    if all.iter().any(|text| is_identifier(text)) {
        return Ok(None);
    }
    if fits(Reading::Numbers(mark)) {
        return Ok(Some(Reading::Numbers(mark)));
    }
    let [day, month] = [Order::DayFirst, Order::MonthFirst].map(Reading::Dates);
    let slashed = all.iter().any(|text| text.contains('/'));
    match (fits(day), fits(month)) {
        (true, true) if slashed => undecided(&all),
        (true, _) => Ok(Some(day)),
        (false, true) => Ok(Some(month)),
        (false, false) => Ok(Some(Reading::Truths).filter(|truths| fits(*truths))),
    }
}

/// One date that only one order can read decides for its column.
fn undecided(all: &[&str]) -> Result<Option<Reading>, TwoWays> {
    let read = |order| {
        let dates = all.iter().filter(|text| as_date(text, order).is_some());
        dates.count()
    };
    match read(Order::DayFirst).cmp(&read(Order::MonthFirst)) {
        std::cmp::Ordering::Greater => Ok(Some(Reading::Dates(Order::DayFirst))),
        std::cmp::Ordering::Less => Ok(Some(Reading::Dates(Order::MonthFirst))),
        std::cmp::Ordering::Equal => Err(TwoWays),
    }
}

fn meant(text: &str, reading: Reading) -> Option<Cell> {
    match reading {
        Reading::Numbers(mark) => is_plain(text).then(|| as_number(text, mark)).flatten(),
        Reading::Dates(order) => has_full_year(text).then(|| as_date(text, order)).flatten(),
        Reading::Truths => as_truth(text),
    }
}

/// Digits, marks and a sign: what else may stand beside a number, such as a currency, would be lost.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let zeros = digits
        .strip_prefix('0')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !zeros
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || ['.', ','].contains(&c))
}

/// Of a year of two digits the century would be a guess.
fn has_full_year(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.into_iter().any(|digits| digits.len() == 4)
}

fn texts<'w>(worksheet: &'w Worksheet, places: &'w Places) -> impl Iterator<Item = &'w str> {
    places.iter().filter_map(|(row, cell)| {
        let (_, cell) = worksheet.rows.get(*row)?.cells.get(*cell)?;
        match cell {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        }
    })
}

fn read(worksheet: &mut Worksheet, places: &Places, reading: Reading) {
    for (row, at) in places {
        let cell = worksheet
            .rows
            .get_mut(*row)
            .and_then(|row| row.cells.get_mut(*at));
        let Some((_, cell)) = cell else { continue };
        if let Cell::Text(text) = cell
            && let Some(value) = meant(text, reading)
        {
            *cell = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::worksheet;

    /// The second column as it comes out, each value with a letter for its kind, and what is noted.
    fn second(text: &str) -> (Vec<String>, Vec<String>) {
        let mut worksheet = worksheet(text).unwrap();
        let notes = typed(&mut worksheet);
        let cells = worksheet
            .rows
            .iter()
            .skip(1)
            .filter_map(|row| row.cells.get(1));
        let told = cells.map(|(_, cell)| match cell {
            Cell::Text(text) => text.to_string(),
            Cell::Number(_) => format!("number {}", cell.shown()),
            Cell::Date(_) => format!("date {}", cell.shown()),
            other => format!("{other:?}"),
        });
        (told.collect(), notes)
    }

    fn kept(text: &str, expected: [&str; 2]) {
        assert_eq!(
            second(text),
            (expected.map(str::to_owned).to_vec(), vec![]),
            "{text}"
        );
    }

    #[test]
    fn what_is_plain_gets_its_kind() {
        kept("a;b\nx;1.234,50\ny;7", ["number 1234.5", "number 7"]);
        kept("a,b\nx,1.5\ny,-0.25", ["number 1.5", "number -0.25"]);
        kept(
            "a,b\nx,25/03/2025\ny,03/04/2025",
            ["date 2025-03-25", "date 2025-04-03"],
        );
        kept("a,b\nx,2025-03-25\ny,n/a", ["date 2025-03-25", "n/a"]);
        kept("a,b\nx,TRUE\ny,false", ["Truth(true)", "Truth(false)"]);
    }

    #[test]
    fn what_would_lose_something_stays_a_text() {
        for [one, two] in [
            ["0071", "4200"],
            ["4001234567890123456", "1"],
            ["12.00 €", "3.50 €"],
            ["(12)", "(7)"],
            ["+4930123", "+4930456"],
            ["03.04.25", "25.04.25"],
            ["1.10.2", "1.9.3"],
            ["007.5", "1.5"],
            ["open", "12"],
        ] {
            kept(&format!("a;b\nx;{one}\ny;{two}"), [one, two]);
        }
    }

    #[test]
    fn dates_that_can_be_read_two_ways_are_not_guessed_at() {
        let (told, notes) = second("a,b\nx,03/04/2025\ny,05/06/2025");
        assert_eq!(told, ["03/04/2025", "05/06/2025"]);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("column B"), "{notes:?}");
    }
}
