//! Which tables there are, and what stands in their columns.

use std::collections::BTreeSet;

use crate::bindings::exports::cloister::sheet::sheet::{
    ColumnInfo, Failure, Fault, Kind, TableInfo,
};
use crate::failure::failure;
use tables::asked;
use tables::book::Book;
use tables::cell::Cell;
use tables::limits::LIMITS;
use tables::table::Table;

tables::same_cases!(asked::Kind => Kind: Text, Number, Date, Truth, Mixed, Empty);

/// Every table of every file. A file without any fails the call, since a list that leaves it out would look complete.
pub(crate) fn describe(books: Vec<Book>) -> Result<Vec<TableInfo>, Failure> {
    let mut infos = Vec::new();
    for book in books {
        let before = infos.len();
        infos.extend(
            book.worksheets
                .into_iter()
                .filter_map(|worksheet| Table::find(&book.file, worksheet))
                .map(info),
        );
        if infos.len() == before {
            return Err(failure(
                Fault::NoTable,
                &book.file,
                "has no table: no row of headings was found",
            ));
        }
    }
    Ok(infos)
}

fn info(table: Table) -> TableInfo {
    let columns = table.columns.iter().enumerate();
    let columns = columns.map(|(at, column)| ColumnInfo {
        name: column.name.clone(),
        kind: column.kind.into(),
        values: values(&table, at, column.kind),
    });
    TableInfo {
        columns: columns.collect(),
        rows: u32::try_from(table.rows.len()).unwrap_or(u32::MAX),
        header_row: table.header_row,
        worksheet: table.worksheet,
        file: table.file,
    }
}

/// A text column's distinct values in order, or nothing where they are too many or too long to choose among.
fn values(table: &Table, at: usize, kind: asked::Kind) -> Vec<String> {
    let mut values = BTreeSet::new();
    if kind != asked::Kind::Text {
        return Vec::new();
    }
    for cell in table.rows.iter().filter_map(|row| row.get(at)) {
        let Cell::Text(text) = cell else { continue };
        if !values.contains(text) {
            values.insert(text.clone());
        }
        if values.len() > LIMITS.distinct_values || text.chars().count() > LIMITS.text_characters {
            return Vec::new();
        }
    }
    values.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::book;

    #[test]
    fn tables_of_all_files() {
        let infos = describe(vec![
            book("a.csv", b"Town,Paid\nUlm,1\nBonn,2\nUlm,3\n"),
            book("b.csv", b"note,\n,\nA,B\nx,y\n"),
        ])
        .unwrap();
        assert_eq!(
            (
                infos[0].file.as_str(),
                infos[0].worksheet.as_str(),
                infos[0].header_row,
                infos[0].rows
            ),
            ("a.csv", "a", 1, 3)
        );
        assert_eq!(infos[0].columns[0].values, ["Bonn", "Ulm"]);
        assert_eq!(
            infos[0].columns[1],
            ColumnInfo {
                name: "Paid".into(),
                kind: Kind::Number,
                values: vec![]
            }
        );
        assert_eq!(
            (infos[1].file.as_str(), infos[1].header_row, infos[1].rows),
            ("b.csv", 3, 1)
        );
    }

    #[test]
    fn too_many_values_are_no_choice() {
        let rows = |count: u32| {
            (0..count)
                .map(|row| format!("t{row}x,{row}\n"))
                .collect::<String>()
        };
        let values = |count| {
            describe(vec![book(
                "a.csv",
                format!("Town,Paid\n{}", rows(count)).as_bytes(),
            )])
            .unwrap()[0]
                .columns[0]
                .values
                .len()
        };
        assert_eq!((values(40), values(41)), (40, 0));
    }

    #[test]
    fn a_file_without_a_table_is_named() {
        let failure = describe(vec![book("a.csv", b"1,2\n")]).unwrap_err();
        assert_eq!(
            (failure.fault, failure.file.as_str()),
            (Fault::NoTable, "a.csv")
        );
    }
}
