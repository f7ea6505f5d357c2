//! The rows themselves, of all files one after the other.

use crate::asked::Order;
use crate::cell::Cell;
use crate::failure::Failure;
use crate::found::{Found, Heading};
use crate::select::position;
use crate::table::Table;
use values::text::folded;

/// What is asked for, apart from files and conditions.
#[derive(Debug)]
pub struct Request {
    /// The columns to show; all where none is named.
    pub columns: Option<Vec<String>>,
    /// By what the rows are ordered.
    pub order: Option<Order>,
    /// How many rows are wanted.
    pub limit: Option<u32>,
}

impl Request {
    /// The columns that every file must have.
    pub fn needed(&self) -> Vec<&str> {
        let columns = self.columns.iter().flatten().map(String::as_str);
        columns
            .chain(self.order.iter().map(|order| order.column.as_str()))
            .collect()
    }
}

/// The rows of all tables, all columns or those asked for. A column that a file lacks is empty there.
pub fn rows(tables: Vec<Table>, request: &Request) -> Result<Found, Failure> {
    let names = match &request.columns {
        Some(columns) => spelled(&tables, columns),
        None => all(&tables),
    };
    let mut found = Found {
        headings: names.iter().cloned().map(Heading::plain).collect(),
        rows: Vec::new(),
        foot: None,
        notes: Vec::new(),
    };
    // The column to order by need not be shown: it goes along behind the others until the rows are in order.
    let ordered_by = request.order.as_ref().map(|order| order.column.as_str());
    for table in tables {
        let by = ordered_by
            .map(|column| position(&table, column))
            .transpose()?;
        let places: Vec<Option<usize>> = names
            .iter()
            .map(|name| table.position(name))
            .chain(by.map(Some))
            .collect();
        let missing = names
            .iter()
            .zip(&places)
            .filter(|(_, place)| place.is_none())
            .map(|(name, _)| name.as_str());
        let missing = crate::failure::listed(missing);
        found.notes.extend(table.notes);
        if !missing.is_empty() {
            found.notes.push(format!(
                "`{}` has no {missing}; it is empty there",
                table.file
            ));
        }
        found
            .rows
            .extend(table.rows.into_iter().map(|row| taken(&row, &places)));
    }
    if let Some(order) = &request.order {
        found.order_by(names.len(), order.direction);
        found
            .rows
            .iter_mut()
            .for_each(|row| row.truncate(names.len()));
    }
    found.limit(request.limit, "rows");
    Ok(found)
}

fn taken(row: &[Cell], places: &[Option<usize>]) -> Vec<Cell> {
    places
        .iter()
        .map(|place| {
            place
                .and_then(|at| row.get(at))
                .cloned()
                .unwrap_or_default()
        })
        .collect()
}

/// The columns asked for, spelled as the first file spells them.
fn spelled(tables: &[Table], columns: &[String]) -> Vec<String> {
    let first = tables.first();
    let name = |column: &String| {
        first
            .and_then(|table| table.columns.get(table.position(column)?))
            .map(|column| column.name.clone())
    };
    columns
        .iter()
        .map(|column| name(column).unwrap_or_else(|| column.clone()))
        .collect()
}

fn all(tables: &[Table]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in tables.iter().flat_map(|table| &table.columns) {
        if !names
            .iter()
            .any(|name| folded(name) == folded(&column.name))
        {
            names.push(column.name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::{Comparison, Condition, Direction};
    use crate::select::tables;
    use crate::testing::book;

    fn listing(
        files: &[(&str, &str)],
        columns: Option<&[&str]>,
        order: Option<(&str, Direction)>,
        limit: Option<u32>,
    ) -> String {
        let request = Request {
            columns: columns
                .map(|columns| columns.iter().map(|column| (*column).to_owned()).collect()),
            order: order.map(|(column, direction)| Order {
                column: column.into(),
                direction,
            }),
            limit,
        };
        let books = files
            .iter()
            .map(|(file, text)| book(file, text.as_bytes()))
            .collect();
        let conditions = [Condition {
            column: "Paid".into(),
            comparison: Comparison::Above,
            literal: "0".into(),
        }];
        let found = rows(
            tables(books, None, &conditions, &request.needed()).unwrap(),
            &request,
        )
        .unwrap()
        .into_table();
        let lines = [found.columns.join("|")]
            .into_iter()
            .chain(found.rows.iter().map(|row| row.join("|")))
            .chain(found.notes);
        lines.collect::<Vec<_>>().join("\n")
    }

    const A: (&str, &str) = (
        "a.csv",
        "Town,Paid,Day\nUlm,3,2025-10-03\nBonn,-1,2025-10-04\nAue,7,2025-10-05\n",
    );
    const B: (&str, &str) = ("b.csv", "paid,note\n5,late\n");

    #[test]
    fn all_columns_of_all_files() {
        assert_eq!(
            listing(&[A, B], None, None, None),
            "Town|Paid|Day|note\nUlm|3|2025-10-03|\nAue|7|2025-10-05|\n|5||late\n`a.csv` has no `note`; it is empty there\n`b.csv` has no `Town`, `Day`; it is empty there"
        );
    }

    #[test]
    fn some_columns_in_an_order() {
        assert_eq!(
            listing(
                &[A, B],
                Some(&["paid"]),
                Some(("Paid", Direction::LargestFirst)),
                Some(2)
            ),
            "Paid\n7\n5\n2 of 3 rows are shown"
        );
        assert_eq!(
            listing(
                &[A],
                Some(&["Town"]),
                Some(("Day", Direction::SmallestFirst)),
                None
            ),
            "Town\nUlm\nAue"
        );
    }
}
