//! CSV: commas, UTF-8.

use crate::limits::LIMITS;
use crate::write::Leaf;
use csv::Writer;
use tables::cell::Cell;
use tables::found::Found;
use values::text::begins_a_formula;

/// One heading line, then the rows.
pub(super) fn bytes(found: &mut Found) -> Option<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    let mut guard = Guard::default();
    let headings = found.headings.iter();
    let headings: Vec<String> = headings.map(|heading| guard.text(&heading.name)).collect();
    writer.write_record(headings).ok()?;
    for row in found.rows.iter().chain(&found.foot) {
        let fields = row.iter().map(|cell| guard.field(cell));
        writer.write_record(fields).ok()?;
    }
    guard.tell(&mut found.notes);
    writer.into_inner().ok()
}

/// Every row at its line, every cell at its place; nothing where that would be more fields than the limit.
pub(super) fn copied(leaf: &Leaf<'_>, notes: &mut Vec<String>) -> Option<Vec<u8>> {
    let width = leaf.width() as usize;
    let last = leaf.rows.last().map_or(0, |(number, _)| *number as usize);
    last.checked_mul(width)
        .filter(|fields| *fields <= LIMITS.fields)?;
    let mut writer = Writer::from_writer(Vec::new());
    let mut guard = Guard::default();
    let mut line = 1u32;
    for (number, cells) in &leaf.rows {
        while line < *number {
            writer.write_record(vec![""; width]).ok()?;
            line = line.saturating_add(1);
        }
        let mut fields = vec![String::new(); width];
        for (at, cell) in cells {
            if let Some(field) = fields.get_mut(*at as usize) {
                *field = guard.field(cell);
            }
        }
        writer.write_record(fields).ok()?;
        line = line.saturating_add(1);
    }
    guard.tell(notes);
    writer.into_inner().ok()
}

/// A spreadsheet would compute a text that begins like a formula, so an apostrophe goes before it.
#[derive(Default)]
pub(crate) struct Guard {
    guarded: usize,
}

impl Guard {
    pub(crate) fn field(&mut self, cell: &Cell) -> String {
        match cell {
            Cell::Text(text) => self.text(text),
            other => other.shown(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        if begins_a_formula(text) {
            self.guarded = self.guarded.saturating_add(1);
            return format!("'{text}");
        }
        text.to_owned()
    }

    pub(crate) fn tell(self, notes: &mut Vec<String>) {
        if self.guarded > 0 {
            notes.push(format!(
                "{} texts that begin like formulas got an apostrophe before them",
                self.guarded
            ));
        }
    }
}
