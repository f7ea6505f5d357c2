//! Lines at the end of a text file, written as the others are: its separator, its ends of lines, its decimal mark.

use super::Added;
use crate::write::Guard;
use csv::{Terminator, WriterBuilder};
use tables::book::{Worksheet, separator};
use tables::cell::Cell;
use values::number::Mark;

/// The bytes of the copy, and what is to be noted; or why there is none.
pub(super) fn with_rows(
    bytes: &[u8],
    worksheet: &Worksheet,
    added: &Added,
) -> Result<(Vec<u8>, Vec<String>), String> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| "is not UTF-8: convert it first".to_owned())?;
    let crlf = text.contains("\r\n");
    let end = if crlf { "\r\n" } else { "\n" };
    let mut whole = text.to_owned();
    if !whole.ends_with('\n') {
        whole.push_str(end);
    }
    let mut writer = WriterBuilder::new()
        .delimiter(separator(text))
        .terminator(if crlf {
            Terminator::CRLF
        } else {
            Terminator::Any(b'\n')
        })
        .flexible(true)
        .from_writer(Vec::new());
    let cells = worksheet.rows.iter().flat_map(|row| &row.cells);
    let width = cells.map(|(at, _)| at.saturating_add(1)).max().unwrap_or(0) as usize;
    let mut guard = Guard::default();
    for row in &added.rows {
        let mut fields = vec![String::new(); width];
        for (at, cell) in row {
            if let Some(field) = fields.get_mut(*at as usize) {
                *field = shown(&mut guard, cell, worksheet.mark);
            }
        }
        writer
            .write_record(fields)
            .map_err(|error| error.to_string())?;
    }
    let lines = writer.into_inner().map_err(|error| error.to_string())?;
    let mut notes = Vec::new();
    guard.tell(&mut notes);
    whole.push_str(&String::from_utf8(lines).map_err(|error| error.to_string())?);
    Ok((whole.into_bytes(), notes))
}

fn shown(guard: &mut Guard, cell: &Cell, mark: Mark) -> String {
    match (cell, mark) {
        (Cell::Number(_), Mark::Comma) => cell.shown().replace('.', ","),
        _ => guard.field(cell),
    }
}
