//! The part of one worksheet: where its rows end, how the cells above look, and the same text with more rows in it. What is not
//! replaced keeps its bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use super::Added;
use super::workbook::attribute;
use crate::limits::LIMITS;
use jiff::civil::{Date, DateTime};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use tables::book::Worksheet;
use tables::cell::Cell;
use tables::table::letters;
use values::text::legal_in_xml;

/// When the days of a workbook begin to count.
#[derive(Clone, Copy)]
pub(super) enum Epoch {
    Y1900,
    Y1904,
}

/// What a cell holds, as far as its format goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    Number,
    Date,
    Truth,
}

/// The format of the last cell of each kind in a column.
type Styles = BTreeMap<(u32, Kind), String>;

/// A worksheet's part that was looked through.
pub(super) struct Part<'x> {
    xml: &'x str,
    prefix: String,
    styles: Styles,
    /// Where the new rows go.
    at: usize,
    /// What goes: empty rows where the new ones come, and the told size of the worksheet.
    cut: Vec<Range<usize>>,
}

/// The part with more rows.
pub(super) struct Edited {
    pub(super) xml: String,
    pub(super) notes: Vec<String>,
}

impl<'x> Part<'x> {
    /// Look through the part; says why nothing can be appended to it.
    pub(super) fn read(xml: &'x str, worksheet: &Worksheet, added: &Added) -> Result<Self, String> {
        let mut look = Look {
            reader: Reader::from_str(xml),
            wanted: last_of_each_kind(worksheet),
            below: added.below,
            until: added
                .below
                .saturating_add(u32::try_from(added.rows.len()).unwrap_or(u32::MAX)),
            row: 0,
            row_at: 0,
            column: 0,
            at: None,
            part: Part {
                xml,
                prefix: String::new(),
                styles: Styles::new(),
                at: 0,
                cut: Vec::new(),
            },
        };
        look.through()?;
        let mut part = look.part;
        part.at = look
            .at
            .ok_or_else(|| "holds no rows where they should be".to_owned())?;
        Ok(part)
    }

    pub(super) fn with_rows(mut self, added: &Added, epoch: Epoch) -> Result<Edited, String> {
        let mut rows = Rows {
            prefix: &self.prefix,
            styles: &self.styles,
            epoch,
            bare: 0,
            xml: String::new(),
        };
        for (number, cells) in (added.below.saturating_add(1)..).zip(&added.rows) {
            rows.row(number, cells)?;
        }
        let mut notes = Vec::new();
        if rows.bare > 0 {
            notes.push(format!(
                "{} dates are texts, since no date stands above them",
                rows.bare
            ));
        }
        let mut xml = String::with_capacity(self.xml.len().saturating_add(rows.xml.len()));
        let mut copied = 0usize;
        self.cut.push(self.at..self.at);
        self.cut.sort_by_key(|cut| (cut.start, cut.end));
        for cut in &self.cut {
            xml.push_str(self.xml.get(copied..cut.start).unwrap_or_default());
            if cut.is_empty() {
                xml.push_str(&rows.xml);
            }
            copied = cut.end;
        }
        xml.push_str(self.xml.get(copied..).unwrap_or_default());
        Ok(Edited { xml, notes })
    }
}

/// Where, by row and column, the last cell of each kind stands in each column.
fn last_of_each_kind(worksheet: &Worksheet) -> BTreeMap<(u32, u32), Kind> {
    let mut last: BTreeMap<(u32, Kind), u32> = BTreeMap::new();
    for row in &worksheet.rows {
        for (column, cell) in &row.cells {
            if let Some(kind) = kind(cell) {
                last.insert((*column, kind), row.number);
            }
        }
    }
    last.into_iter()
        .map(|((column, kind), row)| ((row, column), kind))
        .collect()
}

fn kind(cell: &Cell) -> Option<Kind> {
    match cell {
        Cell::Empty => None,
        Cell::Text(_) => Some(Kind::Text),
        Cell::Number(_) => Some(Kind::Number),
        Cell::Date(_) => Some(Kind::Date),
        Cell::Truth(_) => Some(Kind::Truth),
    }
}

/// A pass over the part.
struct Look<'x> {
    reader: Reader<&'x [u8]>,
    wanted: BTreeMap<(u32, u32), Kind>,
    below: u32,
    until: u32,
    row: u32,
    row_at: usize,
    /// The next cell's column, where it does not say its own.
    column: u32,
    at: Option<usize>,
    part: Part<'x>,
}

impl Look<'_> {
    fn through(&mut self) -> Result<(), String> {
        loop {
            let start = self.position();
            match self
                .reader
                .read_event()
                .map_err(|error| error.to_string())?
            {
                Event::Start(element) => self.begins(&element, start)?,
                Event::Empty(element) => {
                    self.begins(&element, start)?;
                    self.ends(element.local_name().as_ref(), start);
                }
                Event::End(element) => self.ends(element.local_name().as_ref(), start),
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn begins(&mut self, element: &BytesStart<'_>, start: usize) -> Result<(), String> {
        let new_row = self.row > self.below;
        match element.local_name().as_ref() {
            "sheetData" => {
                let name = element.name();
                let prefix = name.as_ref().strip_suffix("sheetData").unwrap_or_default();
                self.part.prefix = prefix.to_owned();
            }
            "row" => {
                let own = attribute(element, "r").and_then(|r| r.parse().ok());
                self.row = own.unwrap_or(self.row.saturating_add(1));
                (self.row_at, self.column) = (start, 0);
                if self.row > self.below {
                    self.at = self.at.or(Some(start));
                }
            }
            "c" => self.cell(element),
            "f" if new_row => {
                return Err(format!("has a formula below its rows, in row {}", self.row));
            }
            "tablePart" => {
                return Err(
                    "has its rows in an Excel table, whose size would have to change".to_owned(),
                );
            }
            "sheetProtection" => return Err("protects its worksheet against changes".to_owned()),
            "mergeCell" if merged_to(element).is_none_or(|row| row > self.below) => {
                return Err("has merged cells below its rows".to_owned());
            }
            "dimension" => {} // cut where it ends
            _ => {}
        }
        Ok(())
    }

    fn cell(&mut self, element: &BytesStart<'_>) {
        let own = attribute(element, "r").and_then(|r| column_of(&r));
        let column = own.unwrap_or(self.column);
        self.column = column.saturating_add(1);
        if let Some(kind) = self.wanted.get(&(self.row, column))
            && let Some(style) = attribute(element, "s").filter(|s| s.parse::<u32>().is_ok())
        {
            self.part.styles.insert((column, *kind), style);
        }
    }

    fn ends(&mut self, name: &str, start: usize) {
        let end = self.position();
        match name {
            "row" if self.row > self.below && self.row <= self.until => {
                self.part.cut.push(self.row_at..end)
            }
            "sheetData" => self.at = self.at.or(Some(start)),
            "dimension" => self.part.cut.push(start..end),
            _ => {}
        }
    }
}

/// The last row of a merged range such as `A1:B2`.
fn merged_to(element: &BytesStart<'_>) -> Option<u32> {
    let range = attribute(element, "ref")?;
    let last = range.rsplit(':').next()?;
    last.trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .ok()
}

/// The column, from 0, of a reference such as `AB12`.
fn column_of(reference: &str) -> Option<u32> {
    let mut letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let number = letters.try_fold(0u32, |number, letter| {
        let digit = u32::from(letter.to_ascii_uppercase().checked_sub(b'A')?);
        number.checked_mul(26)?.checked_add(digit)?.checked_add(1)
    })?;
    number.checked_sub(1)
}

/// The new rows as text.
struct Rows<'p> {
    prefix: &'p str,
    styles: &'p Styles,
    epoch: Epoch,
    /// Dates that stay texts.
    bare: usize,
    xml: String,
}

impl Rows<'_> {
    fn row(&mut self, number: u32, cells: &[(u32, Cell)]) -> Result<(), String> {
        let p = self.prefix;
        let _ = write!(self.xml, "<{p}row r=\"{number}\">"); // a String takes everything
        for (column, cell) in cells {
            self.cell(number, *column, cell)?;
        }
        let _ = write!(self.xml, "</{p}row>");
        Ok(())
    }

    fn cell(&mut self, row: u32, column: u32, cell: &Cell) -> Result<(), String> {
        let style = |kind| {
            self.styles
                .get(&(column, kind))
                .map(|s| format!(" s=\"{s}\""))
        };
        let plain = |kind| style(kind).unwrap_or_default();
        let day = |at: &DateTime| style(Kind::Date).zip(serial(*at, self.epoch));
        let (attributes, value) = match cell {
            Cell::Empty => return Ok(()),
            Cell::Number(number) => (plain(Kind::Number), Some(number.to_string())),
            Cell::Truth(truth) => (
                plain(Kind::Truth) + " t=\"b\"",
                Some(u8::from(*truth).to_string()),
            ),
            Cell::Date(at) => match day(at) {
                Some((style, serial)) => (style, Some(serial.to_string())),
                None => {
                    self.bare = self.bare.saturating_add(1);
                    (" t=\"inlineStr\"".to_owned(), None)
                }
            },
            Cell::Text(_) => (plain(Kind::Text) + " t=\"inlineStr\"", None),
        };
        let (p, place) = (self.prefix, format!("{}{row}", letters(column)));
        let body = match value {
            Some(value) => format!("<{p}v>{value}</{p}v>"),
            None => self.inline(&cell.shown())?,
        };
        let _ = write!(self.xml, "<{p}c r=\"{place}\"{attributes}>{body}</{p}c>");
        Ok(())
    }

    /// As a text whatever it begins with.
    fn inline(&self, text: &str) -> Result<String, String> {
        if text.chars().count() > LIMITS.cell_characters {
            return Err("cannot hold a text as long as one of the new ones".to_owned());
        }
        let (p, text) = (self.prefix, legal_in_xml(text));
        Ok(format!(
            "<{p}is><{p}t xml:space=\"preserve\">{}</{p}t></{p}is>",
            escape(text.as_str())
        ))
    }
}

/// The number of a moment. Before March 1900 programs do not agree on it.
fn serial(at: DateTime, epoch: Epoch) -> Option<f64> {
    let first = match epoch {
        Epoch::Y1900 => Date::constant(1899, 12, 30),
        Epoch::Y1904 => Date::constant(1904, 1, 1),
    };
    let days = first.until(at.date()).ok()?.get_days();
    let time = at.time();
    let seconds =
        i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    (at.date() >= Date::constant(1904, 1, 2))
        .then(|| f64::from(days) + f64::from(seconds) / 86_400.0)
}
