//! Texts and tables one after another.

mod markdown;

use tables::book::{self, Book, Budget, ending};
use tables::table::Table;
use values::source::{Source, Unread, read_all};
use values::text::decode;

use crate::bindings::exports::cloister::report::report::{Failure, Fault};
use crate::failure::failure;
use crate::layout::grid;
use crate::limits::LIMITS;
use crate::outline::{Block, Level, Report, Run, Words};

/// What the files come to together.
pub(crate) struct Put {
    pub(crate) report: Report,
    pub(crate) texts: u32,
    pub(crate) tables: u32,
    pub(crate) notes: Vec<String>,
}

/// What may be left of a call's bytes and cells.
struct Left {
    bytes: u64,
    cells: Budget,
}

/// The files in their order. Each gets a heading of its name where there are several, unless it begins with one of its own.
pub(crate) fn compose<S: Source>(
    files: &[(String, S)],
    words: Words,
    to: &str,
) -> Result<Put, Failure> {
    let mut left = Left {
        bytes: LIMITS.call_bytes,
        cells: Budget::whole(),
    };
    let title = words.title.unwrap_or_else(|| stem(to).to_owned());
    let mut put = Put {
        report: Report {
            title,
            blocks: words
                .introduction
                .map(crate::layout::introduction)
                .into_iter()
                .collect(),
        },
        texts: 0,
        tables: 0,
        notes: Vec::new(),
    };
    for (name, file) in files {
        let blocks = if is_text(name) {
            put.texts = put.texts.saturating_add(1);
            text(name, file, &mut left, &mut put.notes)?
        } else {
            put.tables = put.tables.saturating_add(1);
            table(book::open(name, file, &mut left.cells)?, &mut put.notes)?
        };
        let headed = matches!(blocks.first(), Some(Block::Heading(..)));
        if files.len() > 1 && !headed {
            let heading = Block::Heading(Level::FIRST, stem(name).to_owned());
            put.report.blocks.push(heading);
        }
        put.report.blocks.extend(blocks);
    }
    Ok(put)
}

fn is_text(name: &str) -> bool {
    ["txt", "text", "md", "markdown"].contains(&ending(name).as_str())
}

/// A file's name without its folder and ending.
pub(crate) fn stem(name: &str) -> &str {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

fn text(
    name: &str,
    file: &impl Source,
    left: &mut Left,
    notes: &mut Vec<String>,
) -> Result<Vec<Block>, Failure> {
    let most = LIMITS.text_bytes.min(left.bytes);
    let bytes = read_all(file, most).map_err(|unread| match unread {
        Unread::TooLarge => {
            let why = format!(
                "holds more text than a report takes: {} MiB a file, {} MiB in all",
                LIMITS.text_bytes >> 20,
                LIMITS.call_bytes >> 20
            );
            failure(Fault::TooLarge, name, &why)
        }
        Unread::Failed => failure(Fault::NotText, name, "could not be read"),
    })?;
    left.bytes = left.bytes.saturating_sub(bytes.len() as u64);
    let text = decode(&bytes).ok_or_else(|| {
        failure(
            Fault::NotText,
            name,
            "is not a text: it holds bytes that are none",
        )
    })?;
    if ["md", "markdown"].contains(&ending(name).as_str()) {
        let read = markdown::read(&text);
        notes.extend(
            read.notes
                .into_iter()
                .map(|note| format!("`{name}`: {note}")),
        );
        return Ok(read.blocks);
    }
    Ok(paragraphs(&text))
}

/// Paragraphs of a plain text stand apart by blank lines.
fn paragraphs(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let each = lines.split(|line| line.trim().is_empty());
    each.filter(|lines| !lines.is_empty())
        .map(|lines| Block::Paragraph(vec![Run::plain(lines.join("\n"))]))
        .collect()
}

/// Every table of a workbook, each under its worksheet's name where there are several.
fn table(book: Book, notes: &mut Vec<String>) -> Result<Vec<Block>, Failure> {
    let file = book.file;
    let worksheets = book.worksheets.into_iter();
    let tables: Vec<Table> = worksheets
        .filter_map(|worksheet| Table::find(&file, worksheet))
        .collect();
    if tables.is_empty() {
        let why = "has no table: no row of headings was found";
        return Err(failure(Fault::NoTable, &file, why));
    }
    let several = tables.len() > 1;
    let mut blocks = Vec::new();
    for table in tables {
        if several {
            let heading = Block::Heading(Level::FIRST, table.worksheet.clone());
            blocks.push(heading);
        }
        let request = tables::rows::Request {
            columns: None,
            order: None,
            limit: None,
        };
        let found = tables::rows::rows(vec![table], &request)?;
        blocks.push(Block::Grid(grid(&found)));
        notes.extend(found.notes);
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bytes;

    fn put(files: &[(&str, &str)]) -> Result<Put, Failure> {
        let files: Vec<(String, Bytes)> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Bytes(text.as_bytes().to_vec())))
            .collect();
        compose(&files, Words::default(), "reports/club.docx")
    }

    fn heading(text: &str) -> Block {
        Block::Heading(Level::FIRST, text.to_owned())
    }

    #[test]
    fn files_stand_in_their_order_under_their_names_or_their_own_headings() {
        let files = [
            ("a/plan.txt", "One\ntwo\n\n\nThree\n"),
            ("minutes.md", "# Minutes\n\nWe *met*.\n"),
            ("seats.csv", "Row,Seats\nA,12\nB,10\n"),
        ];
        let put = put(&files).unwrap();
        assert_eq!((put.texts, put.tables), (2, 1));
        assert_eq!(put.report.title, "club");
        let blocks = put.report.blocks;
        let paragraph = |text: &str| Block::Paragraph(vec![Run::plain(text)]);
        assert_eq!(
            blocks[..4],
            [
                heading("plan"),
                paragraph("One\ntwo"),
                paragraph("Three"),
                heading("Minutes")
            ]
        );
        assert_eq!(blocks[5], heading("seats"));
        let Block::Grid(grid) = &blocks[6] else {
            panic!("{blocks:?}")
        };
        assert_eq!(grid.rows, [["A", "12"], ["B", "10"]]);
    }

    #[test]
    fn what_is_no_text_or_table_is_named() {
        let failure = put(&[("a.txt", "\0")]).map(|_| ()).unwrap_err();
        assert_eq!(failure.fault, Fault::NotText);
        assert!(failure.detail.starts_with("`a.txt` is not a text"));
        let failure = put(&[("a.csv", "1,2\n")]).map(|_| ()).unwrap_err();
        assert_eq!(failure.fault, Fault::NoTable);
    }
}
