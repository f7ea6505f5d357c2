//! One file in another form: every worksheet, every cell where it stood, each value of the kind that it had.

use crate::bindings::exports::cloister::sheet::sheet::{Conversion, Failure, Fault};
use crate::failure::failure;
use crate::write::{Form, worksheets};
use tables::book::{Book, Worksheet, ending};
use tables::failure::listed;
use tables::table::typed;
use values::target::Target;

/// Write all of `book` to `target`, in the form that its name asks for.
pub(crate) fn convert(mut book: Book, target: &impl Target) -> Result<Conversion, Failure> {
    let file = target.name();
    if ending(&file) == ending(&book.file) {
        let why = format!("would be of the same kind as `{}`", book.file);
        return Err(failure(Fault::NotWritten, &file, &why));
    }
    let mut notes = Vec::new();
    if book.delimited {
        notes.extend(book.worksheets.iter_mut().flat_map(typed));
    } else {
        notes.push("only values were taken: no formulas, formats or charts".to_owned());
    }
    let errors = book.worksheets.iter().map(|worksheet| worksheet.errors);
    let errors = errors.fold(0, usize::saturating_add);
    if errors > 0 {
        notes.push(format!("{errors} cells hold errors and are empty now"));
    }
    let taken = match Form::of(&file)? {
        Form::Delimited => vec![only(&book)?],
        Form::Workbook | Form::OpenDocument => book.worksheets.iter().collect(),
    };
    notes.extend(worksheets(&taken, target)?);
    let rows = taken.iter().map(|worksheet| worksheet.rows.len());
    Ok(Conversion {
        file,
        rows: u32::try_from(rows.fold(0, usize::saturating_add)).unwrap_or(u32::MAX),
        worksheets: taken.iter().map(|taken| taken.name.clone()).collect(),
        notes,
    })
}

/// The one worksheet that holds anything: a text file has room for one, and which of several is not ours to choose.
fn only(book: &Book) -> Result<&Worksheet, Failure> {
    let mut filled = book.worksheets.iter().filter(|w| !w.rows.is_empty());
    let (first, more) = (filled.next(), filled.next());
    let said = |fault, what: &str| failure(fault, &book.file, what);
    match (first, more) {
        (None, _) => Err(said(Fault::NoTable, "is empty")),
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => {
            let filled = book.worksheets.iter().filter(|w| !w.rows.is_empty());
            let names = listed(filled.map(|worksheet| worksheet.name.as_str()));
            let what = format!(
                "has the worksheets {names}, of which a .csv can hold one: ask for its rows"
            );
            Err(said(Fault::SeveralWorksheets, &what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, book};
    use tables::cell::Cell;

    const LIST: &str =
        "Stock\n\nCode,Day,Left,Price\n0071,2025-10-03,12,\"1,250.50\"\n0100,2025-10-04,-3,0.1\n";

    fn converted(from: &str, bytes: &[u8], to: &str) -> (Vec<u8>, Conversion) {
        let memory = Memory::named(to);
        let told = convert(book(from, bytes), &memory).unwrap();
        (memory.bytes.into_inner(), told)
    }

    fn cells(file: &str, bytes: &[u8]) -> Vec<(u32, Vec<(u32, Cell)>)> {
        let read = book(file, bytes);
        let rows = read.worksheets.into_iter().flat_map(|w| w.rows);
        rows.map(|row| (row.number, row.cells)).collect()
    }

    #[test]
    fn a_text_file_becomes_a_workbook_of_its_kinds_and_a_text_file_again() {
        for form in ["xlsx", "ods"] {
            let name = format!("list.{form}");
            let (bytes, told) = converted("list.csv", LIST.as_bytes(), &name);
            let rows = cells(&name, &bytes);
            assert_eq!(rows.len(), 4);
            let day = jiff::civil::date(2025, 10, 3).at(0, 0, 0, 0);
            let row = vec![
                (0, Cell::text("0071")),
                (1, Cell::Date(day)),
                (2, Cell::number(12.0)),
                (3, Cell::number(1250.5)),
            ];
            assert_eq!(rows[2], (4, row), "{form}");
            assert_eq!((told.rows, told.worksheets), (4, vec!["list".to_owned()]));
            let (text, told) = converted(&name, &bytes, "again.csv");
            assert_eq!(
                String::from_utf8(text).unwrap(),
                "Stock,,,\n,,,\nCode,Day,Left,Price\n0071,2025-10-03,12,1250.5\n0100,2025-10-04,-3,0.1\n"
            );
            assert_eq!(told.notes.len(), 1, "{:?}", told.notes);
        }
    }

    #[test]
    fn all_worksheets_go_along_and_the_hidden_one_stays_hidden() {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        for (name, hidden) in [("Q1 'old' B", false), ("Draft", true), ("Blank", false)] {
            let sheet = workbook.add_worksheet().set_name(name).unwrap();
            sheet.set_hidden(hidden);
            if name != "Blank" {
                sheet.write(2, 1, name).unwrap();
                sheet
                    .write_formula(3, 1, rust_xlsxwriter::Formula::new("=1+1").set_result("2"))
                    .unwrap();
            }
        }
        let first = workbook.save_to_buffer().unwrap();
        let (second, _) = converted("a.xlsx", &first, "b.ods");
        let (third, told) = converted("b.ods", &second, "c.xlsx");
        assert_eq!(told.worksheets, ["Q1 'old' B", "Blank", "Draft"]);
        for (file, bytes) in [("b.ods", second), ("c.xlsx", third)] {
            let read = book(file, &bytes);
            let shown: Vec<_> = read
                .worksheets
                .iter()
                .map(|w| format!("{:?}", w.shown))
                .collect();
            assert_eq!(shown, ["Seen", "Seen", "Hidden"], "{file}");
            assert_eq!(
                cells(file, &bytes)[1],
                (4, vec![(1, Cell::number(2.0))]),
                "{file}"
            );
        }
        let memory = Memory::named("d.csv");
        let failure = convert(book("a.xlsx", &first), &memory).unwrap_err();
        assert_eq!(failure.fault, Fault::SeveralWorksheets);
        assert_eq!(
            failure.detail,
            "`a.xlsx` has the worksheets `Q1 'old' B`, `Draft`, of which a .csv can hold one: ask for its rows"
        );
        assert!(memory.bytes.into_inner().is_empty());
    }

    #[test]
    fn nothing_computes_in_what_is_written() {
        let hostile = "Name,Note\n=1+1,\"@SUM(A1)\"\nx,+49 30 1234567\n";
        let (bytes, _) = converted("a.csv", hostile.as_bytes(), "a.ods");
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        let content = std::io::read_to_string(archive.by_name("content.xml").unwrap()).unwrap();
        assert!(
            !content.contains("formula") && !content.contains("xlink"),
            "{content}"
        );
        let (text, told) = converted("a.ods", &bytes, "b.csv");
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "Name,Note\n'=1+1,'@SUM(A1)\nx,'+49 30 1234567\n"
        );
        assert_eq!(
            told.notes[1],
            "3 texts that begin like formulas got an apostrophe before them"
        );
    }

    #[test]
    fn a_copy_of_the_same_kind_is_no_conversion() {
        let failure = convert(book("a.csv", b"a,b\n1,2\n"), &Memory::named("b.CSV")).unwrap_err();
        assert_eq!(
            failure.detail,
            "`b.CSV` would be of the same kind as `a.csv`"
        );
        let failure = convert(book("a.csv", b"a,b\n1,2\n"), &Memory::named("b.pdf")).unwrap_err();
        assert_eq!(failure.fault, Fault::NotWritten);
    }
}
