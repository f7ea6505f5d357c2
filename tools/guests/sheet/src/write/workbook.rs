//! An Excel workbook of one worksheet, the same bytes for the same result.

use crate::bindings::exports::cloister::sheet::sheet::Chart as Shape;
use crate::limits::LIMITS;
use crate::write::{Layout, Leaf};
use jiff::civil::{DateTime, Time};
use rust_xlsxwriter::{
    Chart, ChartType, DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError,
};
use tables::book::Shown;
use tables::cell::Cell;
use tables::found::{Found, Numbers};

/// Characters that a column is at least and at most wide.
const WIDTHS: (usize, usize) = (8, 60);
/// Rows that are measured for a column's width.
const MEASURED: usize = 1000;
/// Years that Excel knows as dates.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=9999;

pub(super) fn bytes(found: &mut Found, layout: &Layout) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = reproducible()?;
    let worksheet = workbook.add_worksheet();
    worksheet.set_name(layout.worksheet)?;
    let last = u16::try_from(found.headings.len().saturating_sub(1)).unwrap_or(u16::MAX);
    let bold = Format::new().set_bold();
    for (column, heading) in (0u16..).zip(&found.headings) {
        worksheet.write_string_with_format(0, column, &heading.name, &bold)?;
        worksheet.set_column_width(column, width(found, column))?;
    }
    let cut = fill(worksheet, found)?;
    note_cut(cut, &mut found.notes);
    worksheet.set_freeze_panes(1, 0)?;
    let rows = u32::try_from(found.rows.len()).unwrap_or(u32::MAX);
    worksheet.autofilter(0, 0, rows, last)?;
    if let Some(shape) = layout.chart {
        if found.rows.is_empty() || layout.keys == 0 {
            found
                .notes
                .push("no chart was made, since there is nothing to show".to_owned());
        } else {
            let chart = chart(found, layout, shape, rows);
            worksheet.insert_chart(1, last.saturating_add(2), &chart)?;
        }
    }
    workbook.save_to_buffer()
}

/// Worksheets as they stand: values only, of which dates alone have a format.
pub(super) fn copied(leaves: &[Leaf<'_>], notes: &mut Vec<String>) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = reproducible()?;
    let styles = Styles::of(Format::new());
    let mut cut = 0usize;
    for leaf in leaves {
        let worksheet = workbook.add_worksheet();
        worksheet.set_name(&leaf.name)?;
        worksheet.set_hidden(leaf.shown == Shown::Hidden);
        for (number, cells) in &leaf.rows {
            for (column, cell) in cells {
                let at = (
                    number.saturating_sub(1),
                    u16::try_from(*column).unwrap_or(u16::MAX),
                );
                cut = cut.saturating_add(put(worksheet, at, cell, &styles)?);
            }
        }
    }
    note_cut(cut, notes);
    workbook.save_to_buffer()
}

/// An empty workbook. The time of writing is in the ledger; in the file it would make every copy differ.
fn reproducible() -> Result<Workbook, XlsxError> {
    let mut workbook = Workbook::new();
    let created = ExcelDateTime::from_ymd(2000, 1, 1)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    Ok(workbook)
}

fn note_cut(cut: usize, notes: &mut Vec<String>) {
    if cut > 0 {
        notes.push(format!(
            "{cut} texts are longer than a cell can hold and were cut"
        ));
    }
}

/// Write all rows; returns how many texts were cut.
fn fill(worksheet: &mut Worksheet, found: &Found) -> Result<usize, XlsxError> {
    let mut cut = 0usize;
    for column in 0..found.headings.len() {
        let styles = Styles::of(number_format(found, column));
        let foot = styles.bold();
        let at = u16::try_from(column).unwrap_or(u16::MAX);
        let rows = found.rows.iter().map(|row| (row, &styles));
        let all = rows.chain(found.foot.iter().map(|row| (row, &foot)));
        for (row, (cells, styles)) in (1u32..).zip(all) {
            if let Some(cell) = cells.get(column) {
                cut = cut.saturating_add(put(worksheet, (row, at), cell, styles)?);
            }
        }
    }
    Ok(cut)
}

/// How the cells of a column look.
struct Styles {
    plain: Format,
    number: Format,
    day: Format,
    moment: Format,
}

impl Styles {
    fn of(number: Format) -> Self {
        Self {
            plain: Format::new(),
            number,
            day: Format::new().set_num_format("yyyy-mm-dd"),
            moment: Format::new().set_num_format("yyyy-mm-dd hh:mm"),
        }
    }

    fn bold(&self) -> Self {
        Self {
            plain: self.plain.clone().set_bold(),
            number: self.number.clone().set_bold(),
            day: self.day.clone().set_bold(),
            moment: self.moment.clone().set_bold(),
        }
    }
}

/// Write one cell; returns how many texts were cut.
fn put(
    worksheet: &mut Worksheet,
    (row, at): (u32, u16),
    cell: &Cell,
    styles: &Styles,
) -> Result<usize, XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Number(number) => {
            worksheet.write_number_with_format(row, at, *number, &styles.number)?;
        }
        Cell::Truth(truth) => {
            worksheet.write_boolean_with_format(row, at, *truth, &styles.plain)?;
        }
        Cell::Date(date) if YEARS.contains(&date.year()) => {
            let format = if date.time() == Time::midnight() {
                &styles.day
            } else {
                &styles.moment
            };
            worksheet.write_datetime_with_format(row, at, excel(*date)?, format)?;
        }
        Cell::Date(_) => {
            worksheet.write_string_with_format(row, at, cell.shown(), &styles.plain)?;
        }
        // As a string whatever it begins with: `write` would not do.
        Cell::Text(text) => {
            let most = LIMITS.cell_characters;
            let cut = text.chars().count() > most;
            let kept: String = text.chars().take(most).collect();
            worksheet.write_string_with_format(row, at, kept, &styles.plain)?;
            return Ok(usize::from(cut));
        }
    }
    Ok(0)
}

fn excel(at: DateTime) -> Result<ExcelDateTime, XlsxError> {
    let small = |number: i8| number.unsigned_abs();
    let date =
        ExcelDateTime::from_ymd(at.year().unsigned_abs(), small(at.month()), small(at.day()))?;
    date.and_hms(
        small(at.hour()).into(),
        small(at.minute()),
        f64::from(at.second()),
    )
}

fn number_format(found: &Found, column: usize) -> Format {
    match found.numbers(column) {
        Numbers::Cents => Format::new().set_num_format("#,##0.00"),
        Numbers::Plain => Format::new(),
    }
}

fn width(found: &Found, column: u16) -> f64 {
    let at = usize::from(column);
    let cells = found
        .rows
        .iter()
        .take(MEASURED)
        .filter_map(|row| row.get(at));
    // Groups of thousands and cents need more room than the plain number.
    let longest = cells
        .map(|cell| {
            cell.shown()
                .chars()
                .count()
                .saturating_add(if matches!(cell, Cell::Number(_)) {
                    4
                } else {
                    0
                })
        })
        .max()
        .unwrap_or(0);
    let heading = found
        .headings
        .get(at)
        .map_or(0, |heading| heading.name.chars().count());
    // The button of the filter stands beside the heading.
    let characters = longest
        .max(heading.saturating_add(3))
        .clamp(WIDTHS.0, WIDTHS.1);
    u16::try_from(characters).map_or(8.43, |characters| f64::from(characters) + 1.0)
}

/// The measures over the groups. Names that come from documents are referred to as cells, since a name beginning with `=` is a reference.
fn chart(found: &Found, layout: &Layout, shape: Shape, rows: u32) -> Chart {
    let mut chart = Chart::new(match shape {
        Shape::Bar => ChartType::Column,
        Shape::Line => ChartType::Line,
        Shape::Pie => ChartType::Pie,
    });
    let sheet = layout.worksheet;
    let columns = u16::try_from(found.headings.len()).unwrap_or(u16::MAX);
    let keys = u16::try_from(layout.keys).unwrap_or(u16::MAX);
    let measures = if shape == Shape::Pie {
        keys..columns.min(keys.saturating_add(1))
    } else {
        keys..columns
    };
    for column in measures.clone() {
        chart
            .add_series()
            .set_categories((sheet, 1, 0, rows, keys.saturating_sub(1)))
            .set_values((sheet, 1, column, rows, column))
            .set_name((sheet, 0, column));
    }
    let name = |column: u16| {
        found
            .headings
            .get(usize::from(column))
            .map_or("", |heading| heading.name.as_str())
    };
    let title = format!("{} by {}", name(keys), name(0));
    chart.title().set_name(title.trim_start_matches('='));
    if shape != Shape::Pie {
        chart.x_axis().set_name((sheet, 0, 0));
        chart.y_axis().set_name((sheet, 0, keys));
        if measures.len() == 1 {
            chart.legend().set_hidden();
        }
    }
    chart
}
