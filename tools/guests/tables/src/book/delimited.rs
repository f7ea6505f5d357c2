//! CSV and its relatives: what separates the fields is found out, then every field is a text.

use crate::book::{Budget, Rows, Shown, Unreadable, Worksheet};
use crate::cell::Cell;
use csv::ReaderBuilder;
use values::number::Mark;
use values::text::decode;

/// Separators by preference where two fit equally well; a comma may also be a decimal mark, so it comes late.
const SEPARATORS: [u8; 4] = [b'\t', b';', b',', b'|'];
/// Lines that are looked at to find the separator.
const SAMPLE_LINES: usize = 50;
/// What tables in plain text are called; anything else that is no workbook is refused rather than guessed at.
const ENDINGS: [&str; 4] = ["csv", "tsv", "tab", "txt"];

pub(super) fn parse(
    file: &str,
    bytes: &[u8],
    budget: &mut Budget,
) -> Result<Worksheet, Unreadable> {
    let (stem, ending) = file
        .rsplit(['/', '\\'])
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .unwrap_or((file, ""));
    if !ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
    {
        return Err(Unreadable::NotAWorkbook(
            "its bytes are of no known kind".to_owned(),
        ));
    }
    let text = decode(bytes)
        .ok_or_else(|| Unreadable::NotAWorkbook("it holds bytes that are not text".to_owned()))?;
    let separator = separator(&text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut rows = Rows::default();
    let mut lines = Lines {
        rest: text.as_bytes(),
        at: 0,
        number: 0,
    };
    for record in reader.records() {
        let record = record.map_err(|error| Unreadable::NotAWorkbook(error.to_string()))?;
        let row = lines.at_record(record.position().map_or(0, csv::Position::byte));
        for (column, field) in (0u32..).zip(&record) {
            let cell = Cell::text(field);
            if !cell.is_empty() {
                budget.take()?;
                rows.push((row, column), cell);
            }
        }
    }
    let mark = if separator == b';' {
        Mark::Comma
    } else {
        Mark::Point
    };
    Ok(Worksheet {
        name: stem.to_owned(),
        rows: rows.into_vec(),
        shown: Shown::Seen,
        errors: 0,
        mark,
    })
}

/// Counts lines up to a record. The reader's own count stops before the blank lines that it skips.
struct Lines<'a> {
    rest: &'a [u8],
    at: u64,
    number: u32,
}

impl Lines<'_> {
    /// The line, from 0, of the record that begins at byte `start` or behind the line ends there.
    fn at_record(&mut self, start: u64) -> u32 {
        while let Some((byte, rest)) = self
            .rest
            .split_first()
            .filter(|(byte, _)| self.at < start || matches!(byte, b'\r' | b'\n'))
        {
            self.number = self.number.saturating_add(u32::from(*byte == b'\n'));
            self.at = self.at.saturating_add(1);
            self.rest = rest;
        }
        self.number
    }
}

/// The separator that stands equally often on the most lines.
pub fn separator(text: &str) -> u8 {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(SAMPLE_LINES)
        .collect();
    let mut best = (b',', (0, 0));
    for separator in SEPARATORS {
        let counts: Vec<usize> = lines
            .iter()
            .map(|line| count(line, separator))
            .filter(|count| *count > 0)
            .collect();
        let alike = |count: usize| counts.iter().filter(|other| **other == count).count();
        let Some(fit) = counts.iter().map(|count| (alike(*count), *count)).max() else {
            continue;
        };
        if fit > best.1 {
            best = (separator, fit);
        }
    }
    best.0
}

fn count(line: &str, separator: u8) -> usize {
    let mut quoted = false;
    let mut count = 0usize;
    for byte in line.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            count = count.saturating_add(1);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<(u32, Vec<String>)> {
        let worksheet = parse("reports/a.csv", text.as_bytes(), &mut Budget::whole()).unwrap();
        assert_eq!(worksheet.name, "a");
        worksheet
            .rows
            .into_iter()
            .map(|row| {
                (
                    row.number,
                    row.cells.iter().map(|(_, cell)| cell.shown()).collect(),
                )
            })
            .collect()
    }

    fn row(number: u32, cells: &[&str]) -> (u32, Vec<String>) {
        (
            number,
            cells.iter().map(|cell| (*cell).to_owned()).collect(),
        )
    }

    #[test]
    fn separators() {
        assert_eq!(
            shown("a,b\n\n1,\"x, y\"\n"),
            [row(1, &["a", "b"]), row(3, &["1", "x, y"])]
        );
        assert_eq!(
            shown("Datum;Betrag\n1.1.2025;1,50\n2.1.2025;2,50"),
            [
                row(1, &["Datum", "Betrag"]),
                row(2, &["1.1.2025", "1,50"]),
                row(3, &["2.1.2025", "2,50"])
            ]
        );
        assert_eq!(
            shown("a\tb, c\n1\t2, 3"),
            [row(1, &["a", "b, c"]), row(2, &["1", "2, 3"])]
        );
        assert_eq!(
            shown("alone\nhere"),
            [row(1, &["alone"]), row(2, &["here"])]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse("a.csv", &bytes, &mut Budget::whole());
        }

        #[test]
        fn no_text_panics(text in "[\",;\t\n\r 0-9a-z.]{0,200}") {
            prop_assert!(parse("a.csv", text.as_bytes(), &mut Budget::whole()).is_ok());
        }
    }
}
