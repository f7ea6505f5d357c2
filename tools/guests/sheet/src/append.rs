//! Rows of one table below those of another, in a copy of its file in which nothing else changes.

mod delimited;
mod workbook;
mod worksheet;

use crate::bindings::exports::cloister::sheet::sheet::{Appended, Failure, Fault};
use crate::failure::failure;
use crate::write::put;
use tables::book::{self, Book, Budget, Worksheet};
use tables::cell::Cell;
use tables::failure::listed;
use tables::table::Table;
use values::target::Target;

/// A file as it stands, and what it holds.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) book: Book,
}

/// Rows to append: the row behind which they go, and the filled cells of each at their columns from 0.
struct Added {
    below: u32,
    rows: Vec<Vec<(u32, Cell)>>,
}

/// Write a copy of `to` with the rows of `table` below its own.
pub(crate) fn append(table: Table, to: &Whole, target: &impl Target) -> Result<Appended, Failure> {
    let file = target.name();
    let refused = |why: &str| failure(Fault::NotWritten, &to.book.file, why);
    if book::ending(&file) != book::ending(&to.book.file) {
        let why = format!("must end as `{}` does, of which it is a copy", to.book.file);
        return Err(failure(Fault::NotWritten, &file, &why));
    }
    let (worksheet, home) = home(&to.book, &table)?;
    let mut below = worksheet.rows.iter();
    if let Some(row) = below.find(|row| row.number > home.last_row) {
        let why = format!("has something below its rows, in row {}", row.number);
        return Err(refused(&why));
    }
    let added = Added {
        below: home.last_row,
        rows: placed(&table, &home),
    };
    let (bytes, mut notes) = match book::ending(&file).as_str() {
        "xlsx" => workbook::with_rows(&to.bytes, worksheet, &added).map_err(|why| refused(&why))?,
        "csv" => delimited::with_rows(&to.bytes, worksheet, &added).map_err(|why| refused(&why))?,
        _ => return Err(refused("cannot be appended to: only .xlsx and .csv can")),
    };
    read_back(&file, &bytes, &to.book, worksheet, &added)
        .ok_or_else(|| refused("would not read back as it should"))?;
    put(target, &bytes)?;
    let empty = home.columns.iter().map(|column| column.name.as_str());
    let empty = listed(empty.filter(|name| table.position(name).is_none()));
    if !empty.is_empty() {
        notes.push(format!("{empty} is empty in the new rows"));
    }
    notes.extend(table.notes);
    Ok(Appended {
        file,
        worksheet: worksheet.name.clone(),
        rows: u32::try_from(added.rows.len()).unwrap_or(u32::MAX),
        notes,
    })
}

/// The first table of the file that has every column of `table`.
fn home<'b>(book: &'b Book, table: &Table) -> Result<(&'b Worksheet, Table), Failure> {
    let mut missing = None;
    for worksheet in &book.worksheets {
        let Some(home) = Table::find(&book.file, worksheet.clone()) else {
            continue;
        };
        let names = table.columns.iter().map(|column| column.name.as_str());
        let lacking = listed(names.filter(|name| home.position(name).is_none()));
        if lacking.is_empty() {
            return Ok((worksheet, home));
        }
        missing = missing.or(Some(format!(
            "has no {lacking} in `{}`, which `{}` has",
            worksheet.name, table.file
        )));
    }
    Err(match missing {
        Some(what) => failure(Fault::NoSuchColumn, &book.file, &what),
        None => failure(
            Fault::NoTable,
            &book.file,
            "has no table: no row of headings was found",
        ),
    })
}

fn placed(table: &Table, home: &Table) -> Vec<Vec<(u32, Cell)>> {
    let place = |name: &str| home.places.get(home.position(name)?).copied();
    let places: Vec<Option<u32>> = table
        .columns
        .iter()
        .map(|column| place(&column.name))
        .collect();
    let row = |row: Vec<Cell>| {
        let cells = places.iter().zip(row);
        let filled =
            cells.filter_map(|(at, cell)| Some((*at, cell)).filter(|(_, cell)| !cell.is_empty()));
        let mut row: Vec<(u32, Cell)> = filled.filter_map(|(at, cell)| Some((at?, cell))).collect();
        row.sort_by_key(|(at, _)| *at);
        row
    };
    table.rows.iter().cloned().map(row).collect()
}

/// The copy, as any reader takes it: the rows of before, then as many as were appended, and the other worksheets untouched.
fn read_back(
    file: &str,
    bytes: &[u8],
    before: &Book,
    changed: &Worksheet,
    added: &Added,
) -> Option<()> {
    let after = book::parsed(file, bytes.to_vec(), &mut Budget::whole()).ok()?;
    let same = after.worksheets.len() == before.worksheets.len();
    let mut pairs = before.worksheets.iter().zip(&after.worksheets);
    let holds = pairs.all(|(was, is)| {
        let here = before.delimited || was.name == is.name;
        let kept = is.rows.get(..was.rows.len()) == Some(was.rows.as_slice());
        let more = if std::ptr::eq(was, changed) {
            added.rows.len()
        } else {
            0
        };
        here && kept && is.rows.len() == was.rows.len().saturating_add(more)
    });
    (same && holds).then_some(())
}

#[cfg(test)]
mod tests;
