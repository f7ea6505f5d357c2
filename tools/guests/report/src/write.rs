//! A report in the form that its file's name asks for. Values only: nothing that is written computes, links, loads or runs.

mod drawing;
mod html;
mod markdown;
mod svg;
mod word;

use values::target::{Target, write_all};

use crate::bindings::exports::cloister::report::report::{Failure, Fault};
use crate::failure::failure;
use crate::limits::LIMITS;
use crate::outline::{Block, Grid, Report};

/// The forms that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Word,
    Html,
    Markdown,
}

impl Form {
    /// The form that a file's name asks for.
    pub(crate) fn of(file: &str) -> Result<Self, Failure> {
        match tables::book::ending(file).as_str() {
            "docx" => Ok(Self::Word),
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" => Ok(Self::Markdown),
            _ => Err(failure(
                Fault::NotWritten,
                file,
                "cannot be written: only .docx, .html and .md can",
            )),
        }
    }
}

/// Write `report` to `target`; says what the form could not hold.
pub(crate) fn save(
    mut report: Report,
    form: Form,
    target: &impl Target,
) -> Result<Vec<String>, Failure> {
    let file = target.name();
    let refused = |fault, why: &str| failure(fault, &file, why);
    fits(&report).map_err(|why| refused(Fault::TooLarge, &why))?;
    let mut notes = cut(&mut report);
    let bytes = match form {
        Form::Word => word::bytes(&report).map_err(|error| {
            refused(Fault::NotWritten, &format!("could not be written: {error}"))
        })?,
        Form::Html => html::text(&report).into_bytes(),
        Form::Markdown => {
            if report.blocks.iter().any(|b| matches!(b, Block::Chart(_))) {
                notes.push("no chart was drawn, since Markdown has none".to_owned());
            }
            markdown::text(&report).into_bytes()
        }
    };
    write_all(target, &bytes)
        .ok_or_else(|| refused(Fault::NotWritten, "could not be written: the host refused"))?;
    Ok(notes)
}

/// Why a report is too large, if it is.
fn fits(report: &Report) -> Result<(), String> {
    let grids = || report.blocks.iter().filter_map(as_grid);
    let rows = grids().map(|grid| grid.rows.len());
    let rows = rows.fold(0, usize::saturating_add);
    let columns = grids().map(|grid| grid.columns.len()).max().unwrap_or(0);
    if rows > LIMITS.rows {
        let most = LIMITS.rows;
        return Err(format!(
            "would hold {rows} rows, and a report has at most {most}; ask for fewer, or for a workbook"
        ));
    }
    if columns > LIMITS.columns {
        let most = LIMITS.columns;
        return Err(format!(
            "would hold a table of {columns} columns, and a page takes at most {most}; ask for a workbook"
        ));
    }
    if report.blocks.len() > LIMITS.blocks {
        return Err(format!("would hold more than {} paragraphs", LIMITS.blocks));
    }
    Ok(())
}

fn as_grid(block: &Block) -> Option<&Grid> {
    match block {
        Block::Grid(grid) => Some(grid),
        _ => None,
    }
}

/// Cut the cells that no page can show.
fn cut(report: &mut Report) -> Vec<String> {
    let mut count = 0usize;
    for block in &mut report.blocks {
        let Block::Grid(grid) = block else { continue };
        for cell in grid.rows.iter_mut().flatten() {
            if let Some((end, _)) = cell.char_indices().nth(LIMITS.cell_characters) {
                cell.truncate(end);
                cell.push('…');
                count = count.saturating_add(1);
            }
        }
    }
    let note = format!("{count} texts are longer than a page and were cut");
    Some(note).filter(|_| count > 0).into_iter().collect()
}

/// Text within markup: nothing in it is read as any, and what the markup cannot hold is replaced.
fn escaped(text: &str) -> String {
    quick_xml::escape::escape(values::text::legal_in_xml(text)).into_owned()
}

#[cfg(test)]
mod tests;
