//! An OpenDocument spreadsheet (ODF 1.2) of values: numbers, dates, truths and texts; the same bytes for the same values.

use std::io::{self, Cursor, Write};

use crate::write::{Layout, Leaf};
use jiff::civil::Time;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use tables::book::Shown;
use tables::cell::Cell;
use tables::found::Found;
use values::text::legal_in_xml;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

const KIND: &str = "application/vnd.oasis.opendocument.spreadsheet";
const MANIFEST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" manifest:version=\"1.2\">\
<manifest:file-entry manifest:full-path=\"/\" manifest:version=\"1.2\" manifest:media-type=\"application/vnd.oasis.opendocument.spreadsheet\"/>\
<manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/>\
</manifest:manifest>\n";
/// How days and moments look, and that a worksheet is hidden.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
xmlns:style=\"urn:oasis:names:tc:opendocument:xmlns:style:1.0\" \
xmlns:number=\"urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0\" \
xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" \
xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" office:version=\"1.2\"><office:automatic-styles>\
<number:date-style style:name=\"N1\"><number:year number:style=\"long\"/><number:text>-</number:text>\
<number:month number:style=\"long\"/><number:text>-</number:text><number:day number:style=\"long\"/></number:date-style>\
<number:date-style style:name=\"N2\"><number:year number:style=\"long\"/><number:text>-</number:text>\
<number:month number:style=\"long\"/><number:text>-</number:text><number:day number:style=\"long\"/><number:text> </number:text>\
<number:hours number:style=\"long\"/><number:text>:</number:text><number:minutes number:style=\"long\"/></number:date-style>\
<style:style style:name=\"day\" style:family=\"table-cell\" style:data-style-name=\"N1\"/>\
<style:style style:name=\"moment\" style:family=\"table-cell\" style:data-style-name=\"N2\"/>\
<style:style style:name=\"hidden\" style:family=\"table\"><style:table-properties table:display=\"false\"/></style:style>\
</office:automatic-styles><office:body><office:spreadsheet>";
const FOOT: &str = "</office:spreadsheet></office:body></office:document-content>\n";

/// A result as its only worksheet.
pub(super) fn table(found: &mut Found, layout: &Layout) -> io::Result<Vec<u8>> {
    let headings = found.headings.iter();
    let headings: Vec<Cell> = headings.map(|heading| Cell::text(&heading.name)).collect();
    let all = [&headings]
        .into_iter()
        .chain(&found.rows)
        .chain(&found.foot);
    let rows = all.map(|row| {
        (0u32..)
            .zip(row)
            .filter(|(_, cell)| !cell.is_empty())
            .collect()
    });
    let leaf = Leaf {
        name: layout.worksheet.to_owned(),
        shown: Shown::Seen,
        rows: (1u32..).zip(rows).collect(),
    };
    bytes(&[leaf], &mut found.notes)
}

pub(super) fn bytes(leaves: &[Leaf<'_>], notes: &mut Vec<String>) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // The time of writing is in the ledger; in the file it would make every copy differ.
    let packed = SimpleFileOptions::default().last_modified_time(DateTime::default());
    // First and not packed: that is how a program knows what it is.
    archive.start_file(
        "mimetype",
        packed.compression_method(CompressionMethod::Stored),
    )?;
    archive.write_all(KIND.as_bytes())?;
    archive.start_file("META-INF/manifest.xml", packed)?;
    archive.write_all(MANIFEST.as_bytes())?;
    archive.start_file("content.xml", packed)?;
    archive.write_all(HEAD.as_bytes())?;
    let mut content = Content {
        xml: Writer::new(archive),
        replaced: 0,
    };
    for leaf in leaves {
        content.worksheet(leaf)?;
    }
    if content.replaced > 0 {
        notes.push(format!(
            "{} texts held control characters, which were replaced",
            content.replaced
        ));
    }
    let mut archive = content.xml.into_inner();
    archive.write_all(FOOT.as_bytes())?;
    Ok(archive.finish()?.into_inner())
}

struct Content<W: Write> {
    xml: Writer<W>,
    /// Texts of which XML cannot hold every character.
    replaced: usize,
}

impl<W: Write> Content<W> {
    fn worksheet(&mut self, leaf: &Leaf<'_>) -> io::Result<()> {
        let hidden = ("table:style-name", "hidden");
        let table =
            BytesStart::new("table:table").with_attributes([("table:name", leaf.name.as_str())]);
        self.start(match leaf.shown {
            Shown::Seen => table,
            Shown::Hidden => table.with_attributes([hidden]),
        })?;
        let width = leaf.width().max(1);
        self.empty("table:table-column", "table:number-columns-repeated", width)?;
        let mut next = 1u32;
        for (number, cells) in &leaf.rows {
            self.blank_rows(number.saturating_sub(next))?;
            self.row(cells)?;
            next = number.saturating_add(1);
        }
        if leaf.rows.is_empty() {
            self.blank_rows(1)?; // a table without a row is not valid
        }
        self.end("table:table")
    }

    fn blank_rows(&mut self, count: u32) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let count = count.to_string();
        let repeated = [("table:number-rows-repeated", count.as_str())];
        self.start(BytesStart::new("table:table-row").with_attributes(repeated))?;
        self.xml
            .write_event(Event::Empty(BytesStart::new("table:table-cell")))?;
        self.end("table:table-row")
    }

    fn row(&mut self, cells: &[(u32, &Cell)]) -> io::Result<()> {
        self.start(BytesStart::new("table:table-row"))?;
        let mut next = 0u32;
        for (at, cell) in cells {
            let blank = at.saturating_sub(next);
            if blank > 0 {
                self.empty("table:table-cell", "table:number-columns-repeated", blank)?;
            }
            self.cell(cell)?;
            next = at.saturating_add(1);
        }
        self.end("table:table-row")
    }

    fn cell(&mut self, cell: &Cell) -> io::Result<()> {
        let shown = cell.shown();
        let value = match cell {
            Cell::Number(number) => number.to_string(),
            _ => shown.clone(),
        };
        let attributes: &[(&str, &str)] = match cell {
            Cell::Empty => &[],
            Cell::Text(_) => &[("office:value-type", "string")],
            Cell::Number(_) => &[("office:value-type", "float"), ("office:value", &value)],
            Cell::Truth(_) => &[
                ("office:value-type", "boolean"),
                ("office:boolean-value", &value),
            ],
            Cell::Date(at) => &[
                (
                    "table:style-name",
                    if at.time() == Time::midnight() {
                        "day"
                    } else {
                        "moment"
                    },
                ),
                ("office:value-type", "date"),
                ("office:date-value", &value),
            ],
        };
        let start = BytesStart::new("table:table-cell").with_attributes(attributes.iter().copied());
        self.start(start)?;
        self.text(&shown)?;
        self.end("table:table-cell")
    }

    /// A paragraph a line. Blanks in a row are counted, since a reader takes several for one.
    fn text(&mut self, text: &str) -> io::Result<()> {
        let plain = legal_in_xml(text);
        if plain != text {
            self.replaced = self.replaced.saturating_add(1);
        }
        let text = plain.replace("\r\n", "\n").replace('\r', "\n");
        for line in text.split('\n') {
            self.start(BytesStart::new("text:p"))?;
            for (at, part) in line.split('\t').enumerate() {
                if at > 0 {
                    self.xml
                        .write_event(Event::Empty(BytesStart::new("text:tab")))?;
                }
                self.blanks(part)?;
            }
            self.end("text:p")?;
        }
        Ok(())
    }

    fn blanks(&mut self, part: &str) -> io::Result<()> {
        let mut rest = part;
        while let Some(at) = rest.find("  ") {
            let (words, blanks) = rest.split_at(at);
            let behind = blanks.trim_start_matches(' ');
            self.xml.write_event(Event::Text(BytesText::new(words)))?;
            let count = blanks.len().saturating_sub(behind.len());
            self.empty("text:s", "text:c", u32::try_from(count).unwrap_or(u32::MAX))?;
            rest = behind;
        }
        self.xml.write_event(Event::Text(BytesText::new(rest)))
    }

    fn empty(&mut self, name: &str, attribute: &str, count: u32) -> io::Result<()> {
        let count = count.to_string();
        let element = BytesStart::new(name).with_attributes([(attribute, count.as_str())]);
        self.xml.write_event(Event::Empty(element))
    }

    fn start(&mut self, element: BytesStart<'_>) -> io::Result<()> {
        self.xml.write_event(Event::Start(element))
    }

    fn end(&mut self, name: &str) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::book;
    use proptest::prelude::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let date = (1900i16..2100, 1i8..=12, 1i8..=28, 0i8..24)
            .prop_map(|(y, m, d, h)| Cell::Date(jiff::civil::date(y, m, d).at(h, 5, 0, 0)));
        prop_oneof![
            any::<f64>().prop_map(Cell::number),
            any::<bool>().prop_map(Cell::Truth),
            date,
            "[ -~]{1,40}|[a-z\t\n ]{1,20}|[äß€<&>\"']{1,9}".prop_map(|text| Cell::text(&text)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cells in prop::collection::btree_map((0u32..30, 0u32..9), cell(), 1..40)) {
            let mut rows: Vec<(u32, Vec<(u32, &Cell)>)> = Vec::new();
            for ((row, column), cell) in cells.iter().filter(|(_, cell)| !cell.is_empty()) {
                match rows.last_mut() {
                    Some((number, cells)) if *number == row + 1 => cells.push((*column, cell)),
                    _ => rows.push((row + 1, vec![(*column, cell)])),
                }
            }
            let expected: Vec<(u32, Vec<(u32, Cell)>)> = rows
                .iter()
                .map(|(number, cells)| (*number, cells.iter().map(|(at, cell)| (*at, (*cell).clone())).collect()))
                .collect();
            let leaf = Leaf { name: "A & B".into(), shown: Shown::Seen, rows };
            let mut notes = Vec::new();
            let bytes = bytes(&[leaf], &mut notes).unwrap();
            let read = book("a.ods", &bytes).worksheets.remove(0);
            let read_rows: Vec<_> = read.rows.into_iter().map(|row| (row.number, row.cells)).collect();
            prop_assert_eq!((read.name.as_str(), read_rows), ("A & B", expected));
            prop_assert!(notes.is_empty());
        }
    }

    #[test]
    fn a_control_character_is_told() {
        let cell = Cell::text("a\u{1}b");
        let leaf = Leaf {
            name: "A".into(),
            shown: Shown::Seen,
            rows: vec![(1, vec![(0, &cell)])],
        };
        let mut notes = Vec::new();
        let bytes = bytes(&[leaf], &mut notes).unwrap();
        assert_eq!(
            book("a.ods", &bytes).worksheets[0].rows[0].cells[0].1,
            Cell::text("a\u{fffd}b")
        );
        assert_eq!(
            notes,
            ["1 texts held control characters, which were replaced"]
        );
    }
}
