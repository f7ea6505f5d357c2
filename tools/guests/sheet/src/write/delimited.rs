//! CSV: commas, UTF-8, one heading line.

use crate::cell::Cell;
use crate::found::Found;
use crate::write::Layout;
use csv::Writer;

/// The bytes of the file. A spreadsheet would compute a text that begins like a formula, so an apostrophe goes before it.
pub(super) fn bytes(found: &mut Found, layout: &Layout) -> Option<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    let mut guarded = 0usize;
    let mut guard = |text: String| {
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            guarded = guarded.saturating_add(1);
            return format!("'{text}");
        }
        text
    };
    writer
        .write_record(
            found
                .headings
                .iter()
                .map(|heading| guard(heading.name.clone())),
        )
        .ok()?;
    for row in found.rows.iter().chain(&found.foot) {
        writer
            .write_record(row.iter().map(|cell| {
                if let Cell::Text(text) = cell {
                    guard(text.clone())
                } else {
                    cell.shown()
                }
            }))
            .ok()?;
    }
    if guarded > 0 {
        found.notes.push(format!(
            "{guarded} texts that begin like formulas got an apostrophe before them"
        ));
    }
    if layout.chart.is_some() {
        found
            .notes
            .push("no chart was made, since a CSV file holds none".to_owned());
    }
    writer.into_inner().ok()
}
