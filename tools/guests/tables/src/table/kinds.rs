//! What each column holds. Texts that are numbers or dates in nearly the whole column become such.

use crate::asked::Kind;
use crate::cell::Cell;
use values::date::{self, Order};
use values::number::{self, Mark};

/// A column is of a kind when at least 95 in 100 of its filled cells are.
const MOST: (usize, usize) = (95, 100);
/// Digits beyond which a text is an account number or the like; a worksheet's number would round it.
const DIGITS: usize = 15;

/// Settle every column of `rows`; `mark` decides where all numbers of a column could be read with either decimal mark.
pub(super) fn settle(rows: &mut [Vec<Cell>], columns: usize, mark: Mark) -> Vec<Kind> {
    let census = Census::of(rows, columns);
    let columns = census.into_iter().enumerate();
    let columns: Vec<(usize, Census, Marks)> = columns
        .map(|(at, census)| (at, census, census.marks(rows, at)))
        .collect();
    let marks = columns.iter().map(|(_, _, marks)| *marks);
    let mark = marks.fold(Marks::default(), Marks::plus).verdict(mark);
    columns
        .into_iter()
        .map(|(at, census, marks)| settle_column(rows, at, census, marks.verdict(mark)))
        .collect()
}

fn settle_column(rows: &mut [Vec<Cell>], at: usize, census: Census, mark: Mark) -> Kind {
    if census.texts == 0 {
        return census.kind();
    }
    let identifiers = texts(rows, at).any(is_identifier);
    let numbers = || {
        let is = |cell: &Cell| matches!(cell, Cell::Number(_));
        read(rows, at, census, is, |text| as_number(text, mark))
    };
    let dates = || {
        let order = slash_order(rows, at);
        let is = |cell: &Cell| matches!(cell, Cell::Date(_));
        read(rows, at, census, is, |text| as_date(text, order))
    };
    let meant = if identifiers { None } else { numbers() };
    if let Some(meant) = meant.or_else(dates) {
        reread(rows, at, meant);
    } else if texts(rows, at).all(|text| as_truth(text).is_some()) {
        let truths = column(rows, at).map(|cell| match cell {
            Cell::Text(text) => as_truth(text),
            _ => None,
        });
        let truths = truths.collect();
        reread(rows, at, truths);
    } else {
        return census.kind();
    }
    let mut census = Census::default();
    column(rows, at).for_each(|cell| census.count(cell));
    census.kind()
}

/// How many cells of a column hold what.
#[derive(Clone, Copy, Default)]
struct Census {
    numbers: usize,
    dates: usize,
    texts: usize,
    truths: usize,
}

impl Census {
    /// Of every column, in one reading of the rows.
    fn of(rows: &[Vec<Cell>], columns: usize) -> Vec<Self> {
        let mut census = vec![Self::default(); columns];
        for row in rows {
            for (census, cell) in census.iter_mut().zip(row) {
                census.count(cell);
            }
        }
        census
    }

    fn count(&mut self, cell: &Cell) {
        let count = match cell {
            Cell::Empty => return,
            Cell::Number(_) => &mut self.numbers,
            Cell::Date(_) => &mut self.dates,
            Cell::Text(_) => &mut self.texts,
            Cell::Truth(_) => &mut self.truths,
        };
        *count = count.saturating_add(1);
    }

    fn counts(self) -> [usize; 4] {
        [self.numbers, self.dates, self.texts, self.truths]
    }

    /// Cells that hold anything.
    fn filled(self) -> usize {
        self.counts().into_iter().fold(0, usize::saturating_add)
    }

    fn kind(self) -> Kind {
        let (counts, filled) = (self.counts(), self.filled());
        let kinds = [Kind::Number, Kind::Date, Kind::Text, Kind::Truth];
        let most = counts.into_iter().position(|count| most(count, filled));
        match most.and_then(|at| kinds.get(at)) {
            _ if filled == 0 => Kind::Empty,
            Some(kind) => *kind,
            None => Kind::Mixed,
        }
    }

    /// A column without texts has none to be read with either mark.
    fn marks(self, rows: &[Vec<Cell>], at: usize) -> Marks {
        match self.texts {
            0 => Marks::default(),
            _ => Marks::of(texts(rows, at)),
        }
    }
}

/// What each text of a column means, if nearly all of its cells are of that kind or mean such a one. Given up as soon as too many do not.
fn read(
    rows: &[Vec<Cell>],
    at: usize,
    census: Census,
    is: impl Fn(&Cell) -> bool,
    meant: impl Fn(&str) -> Option<Cell>,
) -> Option<Vec<Option<Cell>>> {
    let gaps = texts(rows, at).filter(|text| is_gap(text)).count();
    let mut left = census.filled();
    let some = left.checked_sub(gaps).filter(|some| *some > 0)?;
    let mut read = Vec::new();
    for cell in column(rows, at) {
        let value = match cell {
            Cell::Text(text) => meant(text),
            _ => None,
        };
        if value.is_none() && !cell.is_empty() && !is(cell) {
            left = left.checked_sub(1).filter(|left| most(*left, some))?;
        }
        read.push(value);
    }
    most(left, some).then_some(read)
}

pub(super) fn most(count: usize, of: usize) -> bool {
    count.saturating_mul(MOST.1) >= of.saturating_mul(MOST.0)
}

fn column(rows: &[Vec<Cell>], at: usize) -> impl Iterator<Item = &Cell> {
    rows.iter().filter_map(move |row| row.get(at))
}

fn texts(rows: &[Vec<Cell>], at: usize) -> impl Iterator<Item = &str> {
    column(rows, at).filter_map(|cell| {
        if let Cell::Text(text) = cell {
            Some(text.as_str())
        } else {
            None
        }
    })
}

/// Replace texts by what they mean; the marks of a gap become empty cells.
fn reread(rows: &mut [Vec<Cell>], at: usize, meant: Vec<Option<Cell>>) {
    let cells = rows.iter_mut().filter_map(|row| row.get_mut(at));
    for (cell, value) in cells.zip(meant) {
        if let Some(value) = value {
            *cell = value;
        } else if matches!(cell, Cell::Text(text) if is_gap(text)) {
            *cell = Cell::Empty;
        }
    }
}

const GAPS: [&str; 8] = ["-", "–", "—", "n/a", "#n/a", "na", "null", "none"];
/// Bytes of the longest.
const LONGEST_GAP: usize = 4;

/// How people leave a number or date out.
pub(super) fn is_gap(text: &str) -> bool {
    let is = |gap: &&str| text.eq_ignore_ascii_case(gap);
    text.len() <= LONGEST_GAP && GAPS.iter().any(is)
}

/// Digits that name something: a postcode with its leading zero, a card number.
pub(super) fn is_identifier(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let only_digits = digits == text.len();
    digits > DIGITS || (only_digits && digits > 1 && text.starts_with('0'))
}

pub(super) fn as_number(text: &str, mark: Mark) -> Option<Cell> {
    number::parse(text, mark).map(Cell::decimal)
}

pub(super) fn as_date(text: &str, order: Order) -> Option<Cell> {
    date::parse_with_time(text, order).map(Cell::Date)
}

pub(super) fn as_truth(text: &str) -> Option<Cell> {
    let truth = |word: &str| text.eq_ignore_ascii_case(word);
    (truth("true") || truth("false")).then(|| Cell::Truth(truth("true")))
}

/// Day first, unless month first fits more of the column.
fn slash_order(rows: &[Vec<Cell>], at: usize) -> Order {
    let slashed = |text: &&str| text.as_bytes().contains(&b'/'); // all others are read alike
    let slashed: Vec<&str> = texts(rows, at).filter(slashed).collect();
    let fits = |text: &&&str, order| date::parse_with_time(text, order).is_some();
    let fitting = |order| slashed.iter().filter(|text| fits(text, order)).count();
    if fitting(Order::MonthFirst) > fitting(Order::DayFirst) {
        Order::MonthFirst
    } else {
        Order::DayFirst
    }
}

/// Numbers that can be read with one decimal mark only.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    point: usize,
    comma: usize,
}

impl Marks {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut marks = Self::default();
        // Without either, both readings are the same.
        let marked = |text: &&str| text.bytes().any(|byte| matches!(byte, b'.' | b','));
        for text in texts.filter(marked) {
            match number::only_mark(text) {
                Some(Mark::Point) => marks.point = marks.point.saturating_add(1),
                Some(Mark::Comma) => marks.comma = marks.comma.saturating_add(1),
                None => (),
            }
        }
        marks
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            point: self.point.saturating_add(other.point),
            comma: self.comma.saturating_add(other.comma),
        }
    }

    pub(super) fn verdict(self, otherwise: Mark) -> Mark {
        match self.point.cmp(&self.comma) {
            std::cmp::Ordering::Greater => Mark::Point,
            std::cmp::Ordering::Less => Mark::Comma,
            std::cmp::Ordering::Equal => otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table;

    fn second(text: &str) -> (Kind, Vec<String>) {
        let table = table(text);
        (
            table.columns[1].kind,
            table.rows.iter().map(|row| row[1].shown()).collect(),
        )
    }

    #[test]
    fn decimal_marks_by_column_then_file_then_separator() {
        assert_eq!(second("a;b\nx;1.234,50\ny;1.000\n").1, ["1234.5", "1000"]);
        assert_eq!(
            second("a,b\nx,\"1,234.50\"\ny,\"1,000\"\n").1,
            ["1234.5", "1000"]
        );
        assert_eq!(
            second("a;b;c\nx;1.000;1,5\ny;2.000;2,5\n").1,
            ["1000", "2000"]
        );
        assert_eq!(second("a;b\nx;1.000\ny;2.000\n").1, ["1000", "2000"]);
        assert_eq!(second("a,b\nx,1.125\ny,2.5\n").1, ["1.125", "2.5"]);
    }

    #[test]
    fn dates_by_column() {
        assert_eq!(
            second("a,b\nx,03/04/2025\ny,25/03/2025\n"),
            (Kind::Date, vec!["2025-04-03".into(), "2025-03-25".into()])
        );
        assert_eq!(
            second("a,b\nx,03/04/2025\ny,03/25/2025\n"),
            (Kind::Date, vec!["2025-03-04".into(), "2025-03-25".into()])
        );
        assert_eq!(
            second("a,b\nx,3.4.2025\ny,n/a\n"),
            (Kind::Date, vec!["2025-04-03".into(), String::new()])
        );
    }

    #[test]
    fn names_made_of_digits_stay_texts() {
        assert_eq!(
            second("a,b\nx,01067\ny,10115\n"),
            (Kind::Text, vec!["01067".into(), "10115".into()])
        );
        assert_eq!(second("a,b\nx,4001234567890123456\n").0, Kind::Text);
    }

    #[test]
    fn one_in_twenty_may_differ() {
        let rows = |odd: usize| {
            format!(
                "a,b\n{}{}",
                "x,1\n".repeat(20 - odd),
                "x,open\n".repeat(odd)
            )
        };
        assert_eq!(second(&rows(1)).0, Kind::Number);
        // In a text file every cell begins as text, so a column that is not nearly all numbers stays one.
        assert_eq!(second(&rows(2)).0, Kind::Text);
        assert_eq!(
            second("a,b\nx,TRUE\ny,false\n"),
            (Kind::Truth, vec!["true".into(), "false".into()])
        );
    }
}
