//! A table in the form that its file's name asks for. Every cell is text: nothing that is written links, computes or begins anything.

use crate::bindings::exports::cloister::model::model::{Failure, Fault, Table};
use crate::failure::failure;
use csv::Writer;
use values::markdown::{inline, line};
use values::target::{Target, write_all};
use values::text::begins_a_formula;

/// The forms that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Markdown,
    Csv,
    Text,
}

impl Form {
    fn of(file: &str) -> Option<Form> {
        let ending = file.rsplit_once('.')?.1.to_lowercase();
        match ending.as_str() {
            "md" | "markdown" => Some(Form::Markdown),
            "csv" => Some(Form::Csv),
            "txt" => Some(Form::Text),
            _ => None,
        }
    }
}

/// Write the table to `target`.
pub(crate) fn save(table: &Table, target: &impl Target) -> Result<(), Failure> {
    let file = target.name();
    let refused = |why: &str| failure(Fault::NotWritten, &file, why);
    let form =
        Form::of(&file).ok_or_else(|| refused("cannot be written: only .md, .csv and .txt can"))?;
    let bytes = match form {
        Form::Markdown => markdown(table).into_bytes(),
        Form::Csv => csv(table).ok_or_else(|| refused("could not be written"))?,
        Form::Text => plain(table).into_bytes(),
    };
    write_all(target, &bytes).ok_or_else(|| refused("could not be written: the host refused"))
}

/// A heading and a paragraph for each file where there is one thing to say of it, otherwise a table.
fn markdown(table: &Table) -> String {
    let paragraph = |row: &Vec<String>| {
        let [file, said] = row.as_slice() else {
            return String::new();
        };
        format!("## {}\n\n{}\n", line(file), line(said))
    };
    if said_only(table) {
        let all = table.rows.iter().map(paragraph);
        return all.collect::<Vec<_>>().join("\n");
    }
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| inline(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}\n", " --- |".repeat(table.columns.len()));
    let rows: String = table.rows.iter().map(|cells| row(cells)).collect();
    format!("{}{rule}{rows}", row(&table.columns))
}

/// A spreadsheet would compute a text that begins like a formula, so an apostrophe goes before it; but not before a number.
fn csv(table: &Table) -> Option<Vec<u8>> {
    let field = |text: &String| match begins_a_formula(text) && !is_number(text) {
        true => format!("'{text}"),
        false => text.clone(),
    };
    let mut writer = Writer::from_writer(Vec::new());
    for cells in [&table.columns].into_iter().chain(&table.rows) {
        writer.write_record(cells.iter().map(field)).ok()?;
    }
    writer.into_inner().ok()
}

fn is_number(text: &str) -> bool {
    text.parse::<rust_decimal::Decimal>().is_ok()
}

/// The file's name on a line, and below it what there is to say.
fn plain(table: &Table) -> String {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let block = |row: &Vec<String>| {
        let cells = table.columns.iter().zip(row).skip(1);
        let lines = cells.map(|(column, cell)| match said_only(table) {
            true => format!("{}\n", one_line(cell)),
            false => format!("{}: {}\n", one_line(column), one_line(cell)),
        });
        let file = one_line(row.first().map_or("", String::as_str));
        format!("{file}\n{}", lines.collect::<String>())
    };
    let all = table.rows.iter().map(block);
    all.collect::<Vec<_>>().join("\n")
}

/// Whether all there is to say of a file is a text of its own.
fn said_only(table: &Table) -> bool {
    matches!(table.columns.as_slice(), [_, said] if said == "Summary")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct File(&'static str, RefCell<Vec<u8>>);

    impl Target for File {
        fn name(&self) -> String {
            self.0.to_owned()
        }

        fn write(&self, bytes: &[u8]) -> Option<()> {
            self.1.borrow_mut().extend(bytes);
            Some(())
        }
    }

    fn written(file: &'static str, columns: &[&str], rows: &[&[&str]]) -> String {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let table = Table {
            columns: list(columns),
            rows: rows.iter().map(|row| list(row)).collect(),
            total: 0,
            notes: Vec::new(),
        };
        let target = File(file, RefCell::default());
        save(&table, &target).unwrap();
        String::from_utf8(target.1.into_inner()).unwrap()
    }

    #[test]
    fn a_summary_is_a_paragraph_below_the_name_of_its_file() {
        let rows: &[&[&str]] = &[&["a.txt", "It says no."], &["b.txt", "1. [x](http://y)"]];
        assert_eq!(
            written("s.md", &["File", "Summary"], rows),
            "## a.txt\n\nIt says no.\n\n## b.txt\n\n1\\. \\[x\\](http\\://y)\n"
        );
        assert_eq!(
            written("s.txt", &["File", "Summary"], &rows[..1]),
            "a.txt\nIt says no.\n"
        );
    }

    #[test]
    fn values_are_cells_that_compute_nothing() {
        let rows: &[&[&str]] = &[&["a.txt", "=HYPERLINK(\"x\")", "-12.50", "a,b"]];
        let columns = ["File", "who", "total", "@what"];
        assert_eq!(
            written("v.csv", &columns, rows),
            "File,who,total,'@what\na.txt,\"'=HYPERLINK(\"\"x\"\")\",-12.50,\"a,b\"\n"
        );
        assert_eq!(
            written("v.md", &["File", "Kind"], &[&["a.txt", "x|y\nz"]]),
            "| File | Kind |\n| --- | --- |\n| a.txt | x\\|y z |\n"
        );
        assert_eq!(
            written("v.txt", &columns, rows),
            "a.txt\nwho: =HYPERLINK(\"x\")\ntotal: -12.50\n@what: a,b\n"
        );
    }

    #[test]
    fn another_form_is_refused_by_the_name_of_the_file() {
        let nothing = Table {
            columns: Vec::new(),
            rows: Vec::new(),
            total: 0,
            notes: Vec::new(),
        };
        let target = File("s.docx", RefCell::default());
        let failure = save(&nothing, &target).unwrap_err();
        assert_eq!(failure.fault, Fault::NotWritten);
        assert!(failure.detail.starts_with("`s.docx` cannot be written"));
    }
}
