//! What was found, written to the file that the person named. Values only: nothing that is written computes, links or runs.

mod delimited;
mod names;
mod opendocument;
mod workbook;

pub(crate) use delimited::Guard;

use crate::bindings::exports::cloister::sheet::sheet::{Chart, Failure, Fault};
use crate::failure::failure;
use crate::limits::LIMITS;
use tables::book::{Shown, Worksheet};
use tables::cell::Cell;
use tables::found::Found;
use values::target::{Target, write_all};

/// How the result is laid out in the file.
pub(crate) struct Layout {
    /// The worksheet's name.
    pub(crate) worksheet: &'static str,
    /// How many of the first columns name a group; they are the chart's categories.
    pub(crate) keys: usize,
    pub(crate) chart: Option<Chart>,
}

/// The forms that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Workbook,
    OpenDocument,
    Delimited,
}

impl Form {
    /// The form that a file's name asks for.
    pub(crate) fn of(file: &str) -> Result<Self, Failure> {
        let ending = file
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_lowercase());
        match ending.as_deref() {
            Some("xlsx") => Ok(Self::Workbook),
            Some("ods") => Ok(Self::OpenDocument),
            Some("csv") => Ok(Self::Delimited),
            _ => Err(failure(
                Fault::NotWritten,
                file,
                "cannot be written: only .xlsx, .ods and .csv can",
            )),
        }
    }
}

/// A worksheet to write: its rows, numbered from 1, with the cells that hold anything at their columns from 0.
struct Leaf<'a> {
    name: String,
    shown: Shown,
    rows: Vec<(u32, Vec<(u32, &'a Cell)>)>,
}

impl<'a> Leaf<'a> {
    fn whole(worksheet: &'a Worksheet, name: String) -> Self {
        let cells = |cells: &'a [(u32, Cell)]| cells.iter().map(|(at, cell)| (*at, cell)).collect();
        let rows = worksheet.rows.iter();
        Self {
            name,
            shown: worksheet.shown,
            rows: rows.map(|row| (row.number, cells(&row.cells))).collect(),
        }
    }

    /// How many columns there are, up to the last cell.
    fn width(&self) -> u32 {
        let last = |cells: &[(u32, &Cell)]| cells.last().map_or(0, |(at, _)| at.saturating_add(1));
        self.rows
            .iter()
            .map(|(_, cells)| last(cells))
            .max()
            .unwrap_or(0)
    }
}

/// Write worksheets as they stand; says what the form could not hold. A text file holds one.
pub(crate) fn worksheets(all: &[&Worksheet], target: &impl Target) -> Result<Vec<String>, Failure> {
    let file = target.name();
    let mut notes = Vec::new();
    let names = names::fitting(all.iter().map(|worksheet| worksheet.name.as_str()));
    if all
        .iter()
        .zip(&names)
        .any(|(worksheet, name)| worksheet.name != *name)
    {
        notes.push("worksheets have other names where a workbook cannot hold theirs".to_owned());
    }
    let each = all.iter().zip(names);
    let leaves: Vec<Leaf<'_>> = each
        .map(|(worksheet, name)| Leaf::whole(worksheet, name))
        .collect();
    let last = leaves.iter().filter_map(|leaf| leaf.rows.last());
    if let Some((row, _)) = last
        .clone()
        .find(|(row, _)| *row as usize > LIMITS.worksheet_rows)
    {
        let what = format!("cannot hold {row} rows");
        return Err(failure(Fault::TooLarge, &file, &what));
    }
    let refused = |why: String| failure(Fault::NotWritten, &file, &why);
    let bytes = match Form::of(&file)? {
        Form::Workbook => workbook::copied(&leaves, &mut notes)
            .map_err(|error| refused(format!("could not be written: {error}")))?,
        Form::OpenDocument => opendocument::bytes(&leaves, &mut notes)
            .map_err(|error| refused(format!("could not be written: {error}")))?,
        Form::Delimited => {
            let Some(leaf) = leaves.first() else {
                return Ok(notes);
            };
            delimited::copied(leaf, &mut notes).ok_or_else(|| {
                refused("cannot hold so wide a worksheet of so many rows".to_owned())
            })?
        }
    };
    put(target, &bytes)?;
    Ok(notes)
}

pub(crate) fn put(target: &impl Target, bytes: &[u8]) -> Result<(), Failure> {
    write_all(target, bytes).ok_or_else(|| {
        let why = "could not be written: the host refused";
        failure(Fault::NotWritten, &target.name(), why)
    })
}

/// Write to `target` what its name asks for, and note what that form cannot hold.
pub(crate) fn save(
    found: &mut Found,
    layout: &Layout,
    target: Option<&impl Target>,
) -> Result<(), Failure> {
    let Some(target) = target else {
        if layout.chart.is_some() {
            found
                .notes
                .push("no chart was made, since no workbook was asked for".to_owned());
        }
        return Ok(());
    };
    let file = target.name();
    let refused = |why: &str| failure(Fault::NotWritten, &file, why);
    if found.rows.len() > LIMITS.worksheet_rows {
        return Err(failure(
            Fault::TooLarge,
            &file,
            &format!("cannot hold {} rows", found.rows.len()),
        ));
    }
    let form = Form::of(&file)?;
    if form != Form::Workbook && layout.chart.is_some() {
        let why = "no chart was made, since only an .xlsx gets one";
        found.notes.push(why.to_owned());
    }
    let bytes = match form {
        Form::Workbook => workbook::bytes(found, layout)
            .map_err(|error| refused(&format!("could not be written: {error}")))?,
        Form::OpenDocument => opendocument::table(found, layout)
            .map_err(|error| refused(&format!("could not be written: {error}")))?,
        Form::Delimited => {
            delimited::bytes(found).ok_or_else(|| refused("could not be written"))?
        }
    };
    put(target, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, book};
    use jiff::civil::date;
    use tables::found::Heading;

    fn found() -> Found {
        let headings = ["Month", "=Name", "Sum of Paid", "Day"]
            .map(|name| Heading::plain(name.to_owned()))
            .to_vec();
        let day = Cell::Date(date(2025, 10, 3).at(0, 0, 0, 0));
        let rows = vec![
            vec![
                Cell::text("2025-10"),
                Cell::text("=1+1"),
                Cell::number(0.3),
                day,
            ],
            vec![
                Cell::text("2025-11"),
                Cell::text("http://a.example"),
                Cell::number(1234.5),
                Cell::Empty,
            ],
        ];
        Found {
            headings,
            rows,
            foot: None,
            notes: vec![],
        }
    }

    fn saved(name: &str, chart: Option<Chart>) -> (Vec<u8>, Vec<String>) {
        let (mut found, memory) = (found(), Memory::named(name));
        save(
            &mut found,
            &Layout {
                worksheet: "Summary",
                keys: 2,
                chart,
            },
            Some(&memory),
        )
        .unwrap();
        (memory.bytes.into_inner(), found.notes)
    }

    #[test]
    fn a_workbook_is_read_back_as_it_was() {
        for chart in [None, Some(Chart::Bar), Some(Chart::Line), Some(Chart::Pie)] {
            let (bytes, notes) = saved("out.XLSX", chart);
            let book = book("out.xlsx", &bytes);
            let rows: Vec<Vec<Cell>> = book.worksheets[0]
                .rows
                .iter()
                .skip(1)
                .map(|row| row.cells.iter().map(|(_, cell)| cell.clone()).collect())
                .collect();
            let mut expected = found().rows;
            expected[1].pop();
            assert_eq!(
                (book.worksheets[0].name.as_str(), rows, notes),
                ("Summary", expected, vec![])
            );
        }
    }

    #[test]
    fn a_totals_row_stands_below_the_others_and_is_not_in_the_chart() {
        let total = || {
            vec![
                Cell::text("Total"),
                Cell::Empty,
                Cell::number(7.0),
                Cell::Empty,
            ]
        };
        let written = |name: &str| {
            let (mut found, memory) = (found(), Memory::named(name));
            found.foot = Some(total());
            let layout = Layout {
                worksheet: "Summary",
                keys: 1,
                chart: Some(Chart::Bar),
            };
            save(&mut found, &layout, Some(&memory)).unwrap();
            memory.bytes.into_inner()
        };
        let bytes = written("out.xlsx");
        let read = book("out.xlsx", &bytes);
        let last = read.worksheets[0].rows.last().unwrap();
        let expected = vec![(0, Cell::text("Total")), (2, Cell::number(7.0))];
        assert_eq!((last.number, &last.cells), (4, &expected));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let chart = archive.by_name("xl/charts/chart1.xml").unwrap();
        let chart = std::io::read_to_string(chart).unwrap();
        assert!(chart.contains("Summary!$C$2:$C$3"), "{chart}");
        let text = String::from_utf8(written("out.csv")).unwrap();
        assert!(text.ends_with("\nTotal,,7,\n"), "{text}");
    }

    #[test]
    fn the_same_result_makes_the_same_bytes() {
        assert!(saved("out.xlsx", Some(Chart::Bar)).0 == saved("out.xlsx", Some(Chart::Bar)).0);
    }

    #[test]
    fn nothing_that_is_written_computes_or_links() {
        let (bytes, _) = saved("out.xlsx", Some(Chart::Bar));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let names: Vec<String> = archive
            .file_names()
            .flatten()
            .map(|name| name.into_owned())
            .collect();
        let part = |archive: &mut zip::ZipArchive<_>, name: &str| {
            std::io::read_to_string(archive.by_name(name).unwrap()).unwrap()
        };
        let sheet = part(&mut archive, "xl/worksheets/sheet1.xml");
        assert!(
            !sheet.contains("<f>") && !sheet.contains("hyperlink"),
            "{sheet}"
        );
        assert!(part(&mut archive, "xl/sharedStrings.xml").contains("<t>=1+1</t>"));
        let chart = part(&mut archive, "xl/charts/chart1.xml");
        assert!(
            chart.contains("Sum of Paid by Month") && chart.contains("Summary!$C$2:$C$3"),
            "{chart}"
        );
        assert!(
            names
                .iter()
                .all(|name| !name.contains("vba") && !name.contains("external"))
        );
    }

    #[test]
    fn delimited_text() {
        let (bytes, notes) = saved("out.csv", Some(Chart::Pie));
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "Month,'=Name,Sum of Paid,Day\n2025-10,'=1+1,0.3,2025-10-03\n2025-11,http://a.example,1234.5,\n"
        );
        assert_eq!(notes.len(), 2, "{notes:?}");
    }

    #[test]
    fn other_endings_are_refused() {
        let layout = Layout {
            worksheet: "Rows",
            keys: 0,
            chart: None,
        };
        let failure = save(&mut found(), &layout, Some(&Memory::named("out.pdf"))).unwrap_err();
        assert_eq!(
            (failure.fault, failure.detail.as_str()),
            (
                Fault::NotWritten,
                "`out.pdf` cannot be written: only .xlsx, .ods and .csv can"
            )
        );
    }

    #[test]
    fn an_empty_result_is_a_heading() {
        let mut empty = found();
        empty.rows.clear();
        let memory = Memory::named("out.xlsx");
        save(
            &mut empty,
            &Layout {
                worksheet: "Summary",
                keys: 1,
                chart: Some(Chart::Bar),
            },
            Some(&memory),
        )
        .unwrap();
        assert_eq!(
            book("out.xlsx", &memory.bytes.into_inner()).worksheets[0]
                .rows
                .len(),
            1
        );
        assert_eq!(
            empty.notes,
            ["no chart was made, since there is nothing to show"]
        );
    }
}
