//! Bytes to worksheets of cells. What a file is, its first bytes say; its name is asked only where they say nothing.

mod archive;
mod delimited;
mod workbook;

pub use delimited::separator;

use crate::cell::Cell;
use crate::failure::{Failure, Fault, failure};
use crate::limits::LIMITS;
use archive::Packed;
use values::number::Mark;
use values::source::{Source, Unread, read_all};
use values::text::folded;

/// One file's worksheets, in their order.
#[derive(Debug)]
pub struct Book {
    /// Its name.
    pub file: String,
    /// Those that a person sees come first.
    pub worksheets: Vec<Worksheet>,
    /// A text file has one worksheet, and any name for it will do.
    pub delimited: bool,
}

impl Book {
    /// Whether a worksheet is called so.
    pub fn has(&self, worksheet: &str) -> bool {
        let name = folded(worksheet);
        self.worksheets.iter().any(|one| folded(&one.name) == name)
    }
}

/// One worksheet's cells that hold anything.
#[derive(Clone, Debug)]
pub struct Worksheet {
    /// What it is called.
    pub name: String,
    /// Rows that are not blank, in their order.
    pub rows: Vec<Row>,
    /// Whether a person who opens the file sees it at once.
    pub shown: Shown,
    /// Cells that held an error such as `#N/A`; they are empty here.
    pub errors: usize,
    /// The decimal mark of numbers that stand as text and could be read either way.
    pub mark: Mark,
}

/// Whether a worksheet is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// At once.
    Seen,
    /// Only by who looks for it.
    Hidden,
}

/// One row that is not blank: its number counts from 1, its cells have their columns from 0 and are in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Counts from 1.
    pub number: u32,
    /// Columns count from 0.
    pub cells: Vec<(u32, Cell)>,
}

impl Row {
    /// Whether it is the row of that number, and has a cell at that column or behind it.
    fn is_past(&self, number: u32, column: u32) -> bool {
        let last = self.cells.last();
        self.number == number && last.is_some_and(|(at, _)| *at >= column)
    }
}

/// Why bytes are no worksheets.
#[derive(Debug, PartialEq)]
pub(crate) enum Unreadable {
    NotAWorkbook(String),
    Encrypted,
    TooLarge(String),
}

impl Unreadable {
    fn too_many_cells() -> Self {
        Self::TooLarge(format!("brings the call over {} cells", LIMITS.cells))
    }
}

/// Cells that a call may still hold.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// All of a call's limit.
    pub fn whole() -> Self {
        Self(LIMITS.cells)
    }

    fn take(&mut self) -> Result<(), Unreadable> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or_else(Unreadable::too_many_cells)?;
        Ok(())
    }
}

/// Read the files of a call, each called by what `name` says of its handle.
pub fn all<S: Source>(files: &[S], name: impl Fn(&S) -> String) -> Result<Vec<Book>, Failure> {
    if let Some(one) = files.get(LIMITS.files) {
        let why = format!("is one too many: a call takes {} files", LIMITS.files);
        return Err(failure(Fault::TooLarge, &name(one), &why));
    }
    let mut budget = Budget::whole();
    files
        .iter()
        .map(|file| open(&name(file), file, &mut budget))
        .collect()
}

/// Read one file through its handle.
pub fn open(file: &str, source: &impl Source, budget: &mut Budget) -> Result<Book, Failure> {
    parsed(file, read(file, source)?, budget)
}

/// The bytes of one file.
pub fn read(file: &str, source: &impl Source) -> Result<Vec<u8>, Failure> {
    read_all(source, LIMITS.file_bytes).map_err(|unread| match unread {
        Unread::TooLarge => failure(
            Fault::TooLarge,
            file,
            &format!("holds more than {} MiB", LIMITS.file_bytes >> 20),
        ),
        Unread::Failed => failure(Fault::NotAWorkbook, file, "could not be read"),
    })
}

/// The worksheets that a file's bytes hold.
pub fn parsed(file: &str, bytes: Vec<u8>, budget: &mut Budget) -> Result<Book, Failure> {
    parse(file, bytes, budget).map_err(|unreadable| match unreadable {
        Unreadable::NotAWorkbook(why) => failure(
            Fault::NotAWorkbook,
            file,
            &format!("is not a workbook or table: {why}"),
        ),
        Unreadable::Encrypted => failure(
            Fault::Encrypted,
            file,
            "is encrypted; save it without a password first",
        ),
        Unreadable::TooLarge(why) => failure(Fault::TooLarge, file, &why),
    })
}

fn parse(file: &str, bytes: Vec<u8>, budget: &mut Budget) -> Result<Book, Unreadable> {
    let (worksheets, delimited) = if bytes.starts_with(b"PK") {
        let worksheets = match archive::inspect(&bytes)? {
            Packed::Xlsx => workbook::xlsx(bytes, budget)?,
            Packed::Xlsb => workbook::xlsb(bytes, budget)?,
            Packed::Ods => workbook::ods(bytes, budget)?,
        };
        (worksheets, false)
    } else if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        (workbook::xls(bytes, budget)?, false)
    } else {
        (vec![delimited::parse(file, &bytes, budget)?], true)
    };
    Ok(Book {
        file: file.to_owned(),
        worksheets,
        delimited,
    })
}

/// A file's ending in small letters, without the dot.
pub fn ending(file: &str) -> String {
    file.rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase())
        .unwrap_or_default()
}

/// Rows as they grow out of cells in any order; where a cell stands twice, its first value counts.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    /// Cells that came after one that stands behind them, which few programs write.
    strays: Vec<((u32, u32), Cell)>,
}

impl Rows {
    pub(crate) fn push(&mut self, (row, column): (u32, u32), cell: Cell) {
        let number = row.saturating_add(1);
        let width = match self.rows.last_mut() {
            Some(last) if last.number > number || last.is_past(number, column) => {
                return self.strays.push(((row, column), cell));
            }
            Some(last) if last.number == number => return last.cells.push((column, cell)),
            Some(last) => last.cells.len(),
            None => 0,
        };
        let mut cells = Vec::with_capacity(width);
        cells.push((column, cell));
        self.rows.push(Row { number, cells });
    }

    pub(crate) fn into_vec(self) -> Vec<Row> {
        if self.strays.is_empty() {
            return self.rows;
        }
        let placed = self.rows.into_iter().flat_map(|row| {
            let at = row.number.saturating_sub(1);
            let cells = row.cells.into_iter();
            cells.map(move |(column, cell)| ((at, column), cell))
        });
        let mut cells: Vec<_> = placed.chain(self.strays).collect();
        cells.sort_by_key(|(at, _)| *at);
        cells.dedup_by_key(|(at, _)| *at);
        let mut rows = Self::default();
        for (at, cell) in cells {
            rows.push(at, cell);
        }
        rows.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_in_any_order_make_rows() {
        let text = |text: &str| Cell::text(text);
        let mut rows = Rows::default();
        for (at, told) in [
            ((5, 1), "d"),
            ((0, 2), "b"),
            ((0, 0), "a"),
            ((0, 2), "twice"),
        ] {
            rows.push(at, text(told));
        }
        let plain: Vec<_> = rows
            .into_vec()
            .into_iter()
            .map(|row| (row.number, row.cells))
            .collect();
        assert_eq!(
            plain,
            [
                (1, vec![(0, text("a")), (2, text("b"))]),
                (6, vec![(1, text("d"))])
            ]
        );
    }

    #[test]
    fn what_is_no_workbook() {
        let why = |file: &str, bytes: &[u8]| {
            parse(file, bytes.to_vec(), &mut Budget::whole())
                .map(|_| ())
                .unwrap_err()
        };
        assert!(matches!(
            why("a.xlsx", b"PK\x03\x04 broken"),
            Unreadable::NotAWorkbook(_)
        ));
        assert!(matches!(
            why("a.xls", b"\xd0\xcf\x11\xe0 broken"),
            Unreadable::NotAWorkbook(_)
        ));
        assert!(matches!(
            why("a.pdf", b"%PDF-1.7\n1,2\n"),
            Unreadable::NotAWorkbook(_)
        ));
        assert!(matches!(
            why("a.csv", b"a,b\n\0,1\n"),
            Unreadable::NotAWorkbook(_)
        ));
        let encrypted: Vec<u8> = "EncryptedPackage"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(
            why(
                "a.xlsx",
                &[b"\xd0\xcf\x11\xe0".as_slice(), &encrypted].concat()
            ),
            Unreadable::Encrypted
        );
    }

    #[test]
    fn cells_are_counted() {
        let mut budget = Budget(3);
        assert_eq!(
            parse("a.csv", b"a,b\n1,2\n".to_vec(), &mut budget).map(|_| ()),
            Err(Unreadable::too_many_cells())
        );
    }
}
