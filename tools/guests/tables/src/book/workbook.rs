//! Worksheets of Excel and OpenDocument, as calamine reads them. Formulas are the values that the program saved with them.

use std::fmt::Display;
use std::io::Cursor;

use crate::book::{Budget, Rows, Shown, Unreadable, Worksheet};
use crate::cell::Cell;
use crate::limits::LIMITS;
use calamine::{
    CellErrorType, Data, DataRef, ExcelDateTime, Ods, OdsError, Reader, Sheet, SheetType,
    SheetVisible, Xls, XlsError, Xlsb, XlsbError, Xlsx, XlsxError,
};
use jiff::civil::{Date, DateTime, Time};
use values::date::{self, Order};
use values::number::Mark;

/// What a cell of either reader holds, so that one function can take it in.
enum Raw<'a> {
    Value(Cell),
    Text(&'a str),
    Error,
}

pub(super) fn xlsx(bytes: Vec<u8>, budget: &mut Budget) -> Result<Vec<Worksheet>, Unreadable> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::Password => Unreadable::Encrypted,
        error => broken(error),
    })?;
    let mut worksheets = Vec::new();
    for (name, shown) in names(book.sheets_metadata()) {
        let mut cells = Cells::default();
        let mut reader = book.worksheet_cells_reader(&name).map_err(broken)?;
        while let Some(cell) = reader.next_cell().map_err(broken)? {
            cells.push(cell.get_position(), raw_ref(cell.get_value()), budget)?;
        }
        worksheets.push(cells.into_worksheet(name, shown));
    }
    Ok(worksheets)
}

pub(super) fn xlsb(bytes: Vec<u8>, budget: &mut Budget) -> Result<Vec<Worksheet>, Unreadable> {
    let mut book = Xlsb::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsbError::Password => Unreadable::Encrypted,
        error => broken(error),
    })?;
    let mut worksheets = Vec::new();
    for (name, shown) in names(book.sheets_metadata()) {
        let mut cells = Cells::default();
        let mut reader = book.worksheet_cells_reader(&name).map_err(broken)?;
        while let Some(cell) = reader.next_cell().map_err(broken)? {
            cells.push(cell.get_position(), raw_ref(cell.get_value()), budget)?;
        }
        worksheets.push(cells.into_worksheet(name, shown));
    }
    Ok(worksheets)
}

pub(super) fn ods(bytes: Vec<u8>, budget: &mut Budget) -> Result<Vec<Worksheet>, Unreadable> {
    let book = Ods::new(Cursor::new(bytes)).map_err(|error| match error {
        OdsError::Password => Unreadable::Encrypted,
        error => broken(error),
    })?;
    ranges(book, budget)
}

pub(super) fn xls(bytes: Vec<u8>, budget: &mut Budget) -> Result<Vec<Worksheet>, Unreadable> {
    // A newer workbook with a password comes in the container of the old ones.
    let encrypted: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    if bytes
        .windows(encrypted.len())
        .any(|window| window == encrypted)
    {
        return Err(Unreadable::Encrypted);
    }
    let book = Xls::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsError::Password => Unreadable::Encrypted,
        error => broken(error),
    })?;
    ranges(book, budget)
}

/// The kinds that calamine reads as a whole.
fn ranges<R>(mut book: R, budget: &mut Budget) -> Result<Vec<Worksheet>, Unreadable>
where
    R: Reader<Cursor<Vec<u8>>>,
    R::Error: Display,
{
    let mut worksheets = Vec::new();
    for (name, shown) in names(book.sheets_metadata()) {
        let range = book.worksheet_range(&name).map_err(broken)?;
        let (top, left) = range.start().unwrap_or_default();
        let mut cells = Cells::default();
        for (row, column, data) in range.used_cells() {
            let at = |start: u32, offset: usize| {
                start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX))
            };
            cells.push((at(top, row), at(left, column)), raw(data), budget)?;
        }
        worksheets.push(cells.into_worksheet(name, shown));
    }
    Ok(worksheets)
}

fn broken(error: impl Display) -> Unreadable {
    let why: String = error
        .to_string()
        .chars()
        .filter(|character| !character.is_control())
        .take(LIMITS.text_characters)
        .collect();
    Unreadable::NotAWorkbook(why)
}

/// Worksheets that hold cells, those that a person sees first.
fn names(sheets: &[Sheet]) -> Vec<(String, Shown)> {
    let worksheets = || {
        sheets
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet)
    };
    let (seen, hidden): (Vec<&Sheet>, Vec<&Sheet>) =
        worksheets().partition(|sheet| sheet.visible == SheetVisible::Visible);
    let seen = seen.into_iter().map(|sheet| (sheet, Shown::Seen));
    seen.chain(hidden.into_iter().map(|sheet| (sheet, Shown::Hidden)))
        .map(|(sheet, shown)| (sheet.name.clone(), shown))
        .collect()
}

#[derive(Default)]
struct Cells {
    rows: Rows,
    errors: usize,
}

impl Cells {
    fn push(
        &mut self,
        at: (u32, u32),
        raw: Raw<'_>,
        budget: &mut Budget,
    ) -> Result<(), Unreadable> {
        let cell = match raw {
            Raw::Value(cell) => cell,
            Raw::Text(text) => Cell::text(text),
            Raw::Error => {
                self.errors = self.errors.saturating_add(1);
                Cell::Empty
            }
        };
        if !cell.is_empty() {
            budget.take()?;
            self.rows.push(at, cell);
        }
        Ok(())
    }

    fn into_worksheet(self, name: String, shown: Shown) -> Worksheet {
        Worksheet {
            name,
            rows: self.rows.into_vec(),
            shown,
            errors: self.errors,
            mark: Mark::Point,
        }
    }
}

fn raw_ref<'a>(data: &'a DataRef<'_>) -> Raw<'a> {
    match data {
        DataRef::SharedString(text) => Raw::Text(text),
        DataRef::String(text) | DataRef::DurationIso(text) => Raw::Text(text),
        DataRef::Int(number) => Raw::Value(whole(*number)),
        DataRef::Float(number) => Raw::Value(Cell::number(*number)),
        DataRef::Bool(truth) => Raw::Value(Cell::Truth(*truth)),
        DataRef::DateTime(at) => Raw::Value(moment(at)),
        DataRef::DateTimeIso(text) => Raw::Value(iso(text)),
        DataRef::Error(kind) => error(kind),
        DataRef::Empty => Raw::Value(Cell::Empty),
    }
}

fn raw(data: &Data) -> Raw<'_> {
    match data {
        Data::String(text) | Data::DurationIso(text) => Raw::Text(text),
        Data::Int(number) => Raw::Value(whole(*number)),
        Data::Float(number) => Raw::Value(Cell::number(*number)),
        Data::Bool(truth) => Raw::Value(Cell::Truth(*truth)),
        Data::DateTime(at) => Raw::Value(moment(at)),
        Data::DateTimeIso(text) => Raw::Value(iso(text)),
        Data::Error(kind) => error(kind),
        Data::Empty => Raw::Value(Cell::Empty),
    }
}

/// All kinds of errors are alike to a sum; a new kind breaks the build here until that is thought over.
fn error(kind: &CellErrorType) -> Raw<'static> {
    match kind {
        CellErrorType::Div0
        | CellErrorType::NA
        | CellErrorType::Name
        | CellErrorType::Null
        | CellErrorType::Num
        | CellErrorType::Ref
        | CellErrorType::Value
        | CellErrorType::GettingData => Raw::Error,
    }
}

fn whole(number: i64) -> Cell {
    Cell::number(number as f64)
}

fn iso(text: &str) -> Cell {
    date::parse_with_time(text, Order::DayFirst).map_or_else(|| Cell::text(text), Cell::Date)
}

/// A date, or the text of a time of day or of a length of time, which are no dates.
fn moment(at: &ExcelDateTime) -> Cell {
    let days = at.as_f64();
    if !days.is_finite() {
        return Cell::Empty;
    }
    if at.is_duration() || (0.0..1.0).contains(&days) {
        return Cell::Text(length(days).into());
    }
    let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
    calendar(
        [i32::from(year), month.into(), day.into()],
        [hour.into(), minute.into(), second.into()],
    )
    .map_or_else(|| Cell::number(days), Cell::Date)
}

fn calendar([year, month, day]: [i32; 3], [hour, minute, second]: [i32; 3]) -> Option<DateTime> {
    let small = |number: i32| i8::try_from(number).ok();
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    Some(DateTime::from_parts(
        date,
        Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?,
    ))
}

fn length(days: f64) -> String {
    let seconds = (days.abs() * 86_400.0).round();
    let (hours, rest) = ((seconds / 3600.0).floor(), seconds % 3600.0);
    let sign = if days < 0.0 { "-" } else { "" };
    format!(
        "{sign}{hours:02}:{:02}:{:02}",
        (rest / 60.0).floor(),
        rest % 60.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    fn shown(days: f64, kind: ExcelDateTimeType) -> String {
        moment(&ExcelDateTime::new(days, kind, false)).shown()
    }

    #[test]
    fn moments() {
        assert_eq!(shown(45_933.0, ExcelDateTimeType::DateTime), "2025-10-03");
        assert_eq!(
            shown(45_933.5, ExcelDateTimeType::DateTime),
            "2025-10-03T12:00:00"
        );
        assert_eq!(shown(0.5, ExcelDateTimeType::DateTime), "12:00:00");
        assert_eq!(shown(1.75, ExcelDateTimeType::TimeDelta), "42:00:00");
        // 29 February 1900 exists only in Excel.
        assert_eq!(shown(60.0, ExcelDateTimeType::DateTime), "60");
        assert_eq!(shown(f64::INFINITY, ExcelDateTimeType::DateTime), "");
    }
}
