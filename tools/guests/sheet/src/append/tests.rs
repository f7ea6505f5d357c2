//! What is appended, what stays as it was, and what is refused by name.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use super::*;
use crate::testing::{Memory, book};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, TableColumn, Workbook, Worksheet as Sheet};
use tables::select;

const NEW: &str = "day,Who,Paid\n2025-12-01,=Zoe & Co,7.5\n2025-12-02,0071,-2\n";

/// A workbook of two worksheets, its dates with a format; `more` may add to the first.
fn ledger(more: impl FnOnce(&mut Sheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let day = Format::new().set_num_format("dd.mm.yyyy");
    let money = Format::new().set_num_format("#,##0.00");
    let sheet = workbook.add_worksheet().set_name("Paid & due").unwrap();
    for (at, heading) in (0u16..).zip(["Who", "Day", "Paid", "Note"]) {
        sheet.write(2, at, heading).unwrap();
    }
    for (row, who) in (3u32..).zip(["Ann", "Bob"]) {
        sheet.write(row, 0, who).unwrap();
        let date = ExcelDateTime::from_ymd(2025, 11, 3).unwrap();
        sheet.write_with_format(row, 1, &date, &day).unwrap();
        sheet.write_with_format(row, 2, 12.5, &money).unwrap();
    }
    sheet.write_blank(5, 2, &money).unwrap();
    more(sheet);
    let other = workbook.add_worksheet().set_name("Sum").unwrap();
    let formula = Formula::new("=SUM('Paid & due'!C4:C99)").set_result("25");
    other.write_formula(0, 0, formula).unwrap();
    workbook.save_to_buffer().unwrap()
}

fn appended(rows: &str, file: &str, bytes: &[u8]) -> Result<(Vec<u8>, Appended), Failure> {
    let table = select::table(book("new.csv", rows.as_bytes()), None, &[])?;
    let to = Whole {
        bytes: bytes.to_vec(),
        book: book(file, bytes),
    };
    let memory = Memory::named(&format!("copy-{file}"));
    let told = append(table, &to, &memory)?;
    Ok((memory.bytes.into_inner(), told))
}

fn parts(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = BTreeMap::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        part.read_to_end(&mut content).unwrap();
        parts.insert(part.name().unwrap().into_owned(), content);
    }
    parts
}

#[test]
fn rows_come_below_with_the_formats_above_them_and_no_other_part_changes() {
    let before = ledger(|_| {});
    let (after, told) = appended(NEW, "ledger.xlsx", &before).unwrap();
    assert_eq!((told.worksheet.as_str(), told.rows), ("Paid & due", 2));
    assert_eq!(
        told.notes,
        [
            "its formulas show what they came to before until a program calculates them anew",
            "`Note` is empty in the new rows"
        ]
    );
    let read = book("copy.xlsx", &after);
    let day = Cell::Date(jiff::civil::date(2025, 12, 1).at(0, 0, 0, 0));
    let rows = &read.worksheets[0].rows;
    assert_eq!((rows.len(), rows[3].number), (5, 6));
    assert_eq!(
        rows[3].cells,
        [
            (0, Cell::text("=Zoe & Co")),
            (1, day),
            (2, Cell::number(7.5))
        ]
    );
    assert_eq!(rows[4].cells[0], (0, Cell::text("0071")));
    let (was, is) = (parts(&before), parts(&after));
    let changed: Vec<&String> = is
        .iter()
        .filter(|(name, content)| was[*name] != **content)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(changed, ["xl/worksheets/sheet1.xml"]);
    assert_eq!(was.len(), is.len());
    let sheet = String::from_utf8(is["xl/worksheets/sheet1.xml"].clone()).unwrap();
    assert!(!sheet.contains("<f>"), "{sheet}");
    // The empty row that stood there with a format is not there twice.
    assert_eq!(sheet.matches("<row r=\"6\"").count(), 1, "{sheet}");
}

#[test]
fn the_same_rows_make_the_same_bytes() {
    let before = ledger(|_| {});
    let once = || appended(NEW, "ledger.xlsx", &before).unwrap().0;
    assert!(once() == once());
}

#[test]
fn what_could_not_stay_as_it_is_is_refused_by_name() {
    let why = |more: fn(&mut Sheet)| {
        appended(NEW, "ledger.xlsx", &ledger(more))
            .map(|_| ())
            .unwrap_err()
            .detail
    };
    let total = why(|sheet| {
        sheet.write(7, 0, "Total").unwrap();
        sheet
            .write_formula(7, 2, Formula::new("=SUM(C4:C5)").set_result("25"))
            .unwrap();
    });
    assert_eq!(
        total,
        "`ledger.xlsx` has something below its rows, in row 8"
    );
    let table = why(|sheet| {
        let headings = ["Who", "Day", "Paid", "Note"];
        let columns = headings.map(|name| TableColumn::new().set_header(name));
        let table = rust_xlsxwriter::Table::new().set_columns(&columns);
        sheet.add_table(2, 0, 4, 3, &table).unwrap();
    });
    assert!(table.contains("has its rows in an Excel table"), "{table}");
    let protected = why(|sheet| {
        sheet.protect();
    });
    assert!(protected.contains("protects its worksheet"), "{protected}");
    let merged = why(|sheet| {
        sheet.merge_range(8, 0, 9, 1, "", &Format::new()).unwrap();
    });
    assert!(
        merged.contains("has merged cells below its rows"),
        "{merged}"
    );
    let empty = ledger(|sheet| {
        sheet
            .write_formula(9, 2, Formula::new("=IF(A1=1,2,\"\")"))
            .unwrap();
    });
    let empty = with_part(&empty, "xl/worksheets/sheet1.xml", |xml| {
        xml.replace("</f><v>0</v>", "</f>")
    });
    let formula = appended(NEW, "ledger.xlsx", &empty).unwrap_err().detail;
    assert!(
        formula.contains("has a formula below its rows"),
        "{formula}"
    );
}

/// The same workbook with one part of it edited.
fn with_part(bytes: &[u8], path: &str, edit: impl Fn(String) -> String) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts(bytes) {
        let edited = match name == path {
            true => edit(String::from_utf8(content).unwrap()).into_bytes(),
            false => content,
        };
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut writer, &edited).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn every_column_needs_a_place() {
    let failure = appended("Who,Phone\nAnn,1\n", "ledger.xlsx", &ledger(|_| {})).unwrap_err();
    assert_eq!(failure.fault, Fault::NoSuchColumn);
    assert_eq!(
        failure.detail,
        "`ledger.xlsx` has no `Phone` in `Paid & due`, which `new.csv` has"
    );
}

#[test]
fn lines_are_written_as_the_others_are() {
    let old = "\u{feff}Who;Day;Paid\r\nAnn;2025-11-03;12,50";
    let (after, told) = appended(NEW, "a.csv", old.as_bytes()).unwrap();
    let expected = format!("{old}\r\n'=Zoe & Co;2025-12-01;7,5\r\n0071;2025-12-02;-2\r\n");
    assert_eq!(String::from_utf8(after).unwrap(), expected);
    assert_eq!(
        told.notes,
        ["1 texts that begin like formulas got an apostrophe before them"]
    );
}

#[test]
fn only_a_copy_of_the_same_form_is_made() {
    let to = Whole {
        bytes: b"Who,Paid\nAnn,1\n".to_vec(),
        book: book("a.csv", b"Who,Paid\nAnn,1\n"),
    };
    let table = || select::table(book("new.csv", b"Who,Paid\nBob,2\n"), None, &[]).unwrap();
    let failure = append(table(), &to, &Memory::named("b.xlsx")).unwrap_err();
    assert_eq!(
        failure.detail,
        "`b.xlsx` must end as `a.csv` does, of which it is a copy"
    );
}
