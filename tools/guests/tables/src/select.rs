//! Which worksheet of each file is meant, and where its columns stand.

use crate::asked::Condition;
use crate::book::{Book, Worksheet};
use crate::cell::Cell;
use crate::condition::Test;
use crate::failure::{Failure, Fault, failure, listed};
use crate::table::Table;
use values::text::folded;

/// The table of each file, in the order of the files, with only the rows for which all conditions hold.
pub fn tables(
    books: Vec<Book>,
    worksheet: Option<&str>,
    conditions: &[Condition],
    needed: &[&str],
) -> Result<Vec<Table>, Failure> {
    let columns: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.column.as_str())
        .chain(needed.iter().copied())
        .collect();
    let mut tables = Vec::new();
    for book in books {
        let mut table = self::table(book, worksheet, &columns)?;
        let tests = conditions
            .iter()
            .map(|condition| Test::new(&table, condition))
            .collect::<Result<Vec<_>, _>>()?;
        table
            .rows
            .retain(|row: &Vec<Cell>| tests.iter().all(|test| test.holds(row)));
        tables.push(table);
    }
    Ok(tables)
}

/// Where `column` stands, or the failure that names what there is instead.
pub fn position(table: &Table, column: &str) -> Result<usize, Failure> {
    table.position(column).ok_or_else(|| {
        let names = listed(table.columns.iter().map(|column| column.name.as_str()));
        failure(
            Fault::NoSuchColumn,
            &table.file,
            &format!(
                "has no column `{column}` in `{}`; it has {names}",
                table.worksheet
            ),
        )
    })
}

/// The table of one file that is meant, with all its rows.
pub fn table(book: Book, worksheet: Option<&str>, columns: &[&str]) -> Result<Table, Failure> {
    let file = book.file.clone();
    let no_table = || {
        failure(
            Fault::NoTable,
            &file,
            "has no table: no row of headings was found",
        )
    };
    let table = match worksheet {
        Some(name) if !book.delimited => {
            Table::find(&file, named(book, name)?).ok_or_else(no_table)?
        }
        _ => fitting(book, columns).ok_or_else(no_table)?,
    };
    for column in columns {
        position(&table, column)?;
    }
    Ok(table)
}

fn named(book: Book, name: &str) -> Result<Worksheet, Failure> {
    let names = listed(
        book.worksheets
            .iter()
            .map(|worksheet| worksheet.name.as_str()),
    );
    let missing = failure(
        Fault::NoSuchWorksheet,
        &book.file,
        &format!("has no worksheet `{name}`; it has {names}"),
    );
    let name = folded(name);
    book.worksheets
        .into_iter()
        .find(|worksheet| folded(&worksheet.name) == name)
        .ok_or(missing)
}

/// The first table that has all columns, otherwise the first; a note says where there was a choice.
fn fitting(book: Book, columns: &[&str]) -> Option<Table> {
    let file = book.file;
    let mut tables: Vec<Table> = book
        .worksheets
        .into_iter()
        .filter_map(|worksheet| Table::find(&file, worksheet))
        .collect();
    let fits = |table: &Table| {
        columns
            .iter()
            .all(|column| table.position(column).is_some())
    };
    let at = tables.iter().position(fits).unwrap_or(0);
    let others = tables
        .iter()
        .skip(at.saturating_add(1))
        .filter(|table| fits(table))
        .map(|table| table.worksheet.as_str());
    let others = listed(others);
    if at >= tables.len() {
        return None;
    }
    let mut table = tables.swap_remove(at);
    if !others.is_empty() {
        table.notes.push(format!(
            "`{file}`: worksheet `{}` was taken; {others} would fit too",
            table.worksheet
        ));
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{book, worksheet};

    fn two_sheets() -> Book {
        let named = |name: &str, text: &str| Worksheet {
            name: name.into(),
            ..worksheet(text).unwrap()
        };
        let mut book = book("two.csv", b"x,y\n");
        book.delimited = false;
        book.worksheets = vec![
            named("Notes", "just a note\n"),
            named("Towns", "Town,People\nUlm,1\n"),
            named("Sales", "Town,Paid\nUlm,2\n"),
        ];
        book
    }

    fn chosen(worksheet: Option<&str>, columns: &[&str]) -> Result<String, String> {
        match tables(vec![two_sheets()], worksheet, &[], columns) {
            Ok(tables) => Ok(format!("{} {:?}", tables[0].worksheet, tables[0].notes)),
            Err(failure) => Err(failure.detail),
        }
    }

    #[test]
    fn the_worksheet_with_the_columns() {
        assert_eq!(chosen(None, &["paid"]).unwrap(), "Sales []");
        assert_eq!(
            chosen(None, &["Town"]).unwrap(),
            r#"Towns ["`two.csv`: worksheet `Towns` was taken; `Sales` would fit too"]"#
        );
        assert_eq!(chosen(Some(" sales"), &["Town"]).unwrap(), "Sales []");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            chosen(None, &["Price"]).unwrap_err(),
            "`two.csv` has no column `Price` in `Towns`; it has `Town`, `People`"
        );
        assert_eq!(
            chosen(Some("Q1"), &[]).unwrap_err(),
            "`two.csv` has no worksheet `Q1`; it has `Notes`, `Towns`, `Sales`"
        );
        assert_eq!(
            chosen(Some("Notes"), &[]).unwrap_err(),
            "`two.csv` has no table: no row of headings was found"
        );
    }
}
