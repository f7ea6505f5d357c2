//! Rows in groups, each group measured.

mod group;
mod measure;

use std::collections::HashMap;

use crate::asked::{Direction, Grain, Key, Measure, Operation, TotalsRow};
use crate::cell::Cell;
use crate::failure::Failure;
use crate::found::{Found, Heading};
use crate::select::position;
use crate::table::Table;
use group::Parts;
use measure::{Tally, Whole};

/// What is asked for, apart from files and conditions.
#[derive(Debug)]
pub struct Request {
    /// What makes rows belong together; without any there is one group.
    pub group_by: Vec<Key>,
    /// What is measured of each group.
    pub measures: Vec<Measure>,
    /// Groups in the order of the first measure; in that of the keys where none is given.
    pub direction: Option<Direction>,
    /// How many groups are wanted.
    pub limit: Option<u32>,
    /// A last row that measures all groups together.
    pub totals_row: Option<TotalsRow>,
}

impl Request {
    /// Groups alone say little, so they are counted where nothing else is measured.
    pub fn counting(mut self) -> Self {
        if self.measures.is_empty() {
            self.measures.push(Measure {
                operation: Operation::Count,
                column: None,
            });
        }
        self
    }

    /// The columns that every file must have.
    pub fn columns(&self) -> Vec<&str> {
        let keys = self.group_by.iter().map(|key| key.column.as_str());
        keys.chain(
            self.measures
                .iter()
                .filter_map(|measure| measure.column.as_deref()),
        )
        .collect()
    }
}

/// One row for each group, in the order of the keys or of the first measure.
pub fn summarize(tables: Vec<Table>, request: &Request) -> Result<Found, Failure> {
    let mut groups = Groups::new(request);
    let mut notes = Vec::new();
    for table in &tables {
        notes.extend(table.notes.iter().cloned());
        notes.extend(gather(table, request, &mut groups)?);
    }
    let (each, all) = groups.in_order();
    let wholes: Vec<Whole> = all.iter().map(Tally::whole).collect();
    let measured = |tallies: Vec<Tally>| {
        let each = tallies.into_iter().zip(&wholes);
        each.map(|(tally, whole)| tally.into_cell(whole))
            .collect::<Vec<_>>()
    };
    let rows = each
        .into_iter()
        .map(|(parts, tallies)| [parts.into_cells(), measured(tallies)].concat());
    let mut found = Found {
        headings: headings(tables.first(), request),
        rows: rows.collect(),
        foot: None,
        notes,
    };
    found.foot = request
        .totals_row
        .filter(|_| !request.group_by.is_empty())
        .map(|_| [labels(request), measured(all)].concat());
    if let Some(direction) = request.direction {
        found.order_by(request.group_by.len(), direction);
    }
    found.limit(request.limit, "groups");
    Ok(found)
}

/// The groups as they grow, by what [`group::write`] says of their rows, and all rows together.
struct Groups {
    each: HashMap<Vec<u8>, Group>,
    all: Vec<Tally>,
}

/// A group's keys as its first row has them, and its measures.
type Group = (Parts, Vec<Tally>);

impl Groups {
    fn new(request: &Request) -> Self {
        let mut each = HashMap::new();
        if request.group_by.is_empty() {
            each.insert(Vec::new(), (Parts::default(), tallies(request)));
        }
        Self {
            each,
            all: tallies(request),
        }
    }

    /// The groups in the order of their keys, and all rows together.
    fn in_order(self) -> (Vec<Group>, Vec<Tally>) {
        let mut each: Vec<_> = self.each.into_values().collect();
        each.sort_by(|(left, _), (right, _)| left.cmp(right));
        (each, self.all)
    }
}

/// What stands below the keys in the totals row.
fn labels(request: &Request) -> Vec<Cell> {
    let mut labels = vec![Cell::Empty; request.group_by.len()];
    if let Some(first) = labels.first_mut() {
        *first = Cell::text("Total");
    }
    labels
}

fn tallies(request: &Request) -> Vec<Tally> {
    request.measures.iter().map(Tally::new).collect()
}

/// Take one table's rows in, and say which cells did not count.
fn gather(table: &Table, request: &Request, groups: &mut Groups) -> Result<Vec<String>, Failure> {
    let keys = request
        .group_by
        .iter()
        .map(|key| group::place(table, key))
        .collect::<Result<Vec<_>, _>>()?;
    let places = request
        .measures
        .iter()
        .map(|measure| measure::place(table, measure))
        .collect::<Result<Vec<_>, _>>()?;
    let mut skipped = vec![0usize; places.len()];
    let mut key = Vec::new();
    for row in &table.rows {
        group::write(row, &keys, &mut key);
        let (_, group) = match groups.each.get_mut(&key) {
            Some(group) => group,
            None => groups
                .each
                .entry(key.clone())
                .or_insert_with(|| (Parts::of(row, &keys), tallies(request))),
        };
        let both = group.iter_mut().zip(&mut groups.all);
        for (((tally, whole), place), skipped) in both.zip(&places).zip(&mut skipped) {
            let cell = place.map(|at| row.get(at).unwrap_or(&Cell::Empty));
            whole.take(cell);
            if tally.take(cell) == measure::Taken::Unfit {
                *skipped = skipped.saturating_add(1);
            }
        }
    }
    let unfit = skipped
        .into_iter()
        .zip(&request.measures)
        .filter(|(skipped, _)| *skipped > 0);
    let note = |(skipped, measure): (usize, &Measure)| {
        let column = measure.column.as_deref()?;
        Some(format!(
            "`{}`: {skipped} cells of `{column}` are of another kind and were left out",
            table.file
        ))
    };
    Ok(unfit.filter_map(note).collect())
}

fn headings(table: Option<&Table>, request: &Request) -> Vec<Heading> {
    let name = |column: &str| {
        let found = table.and_then(|table| table.columns.get(position(table, column).ok()?));
        found.map_or_else(|| column.to_owned(), |column| column.name.clone())
    };
    let grained = |grain: &str, column: &str| {
        let several = request
            .group_by
            .iter()
            .filter(|key| key.grain != Grain::Value)
            .count()
            > 1;
        if several {
            format!("{grain} of {}", name(column))
        } else {
            grain.to_owned()
        }
    };
    let keys = request.group_by.iter().map(|key| match key.grain {
        Grain::Value => Heading::plain(name(&key.column)),
        Grain::Day => Heading::plain(grained("Day", &key.column)),
        Grain::Month => Heading::plain(grained("Month", &key.column)),
        Grain::Quarter => Heading::plain(grained("Quarter", &key.column)),
        Grain::Year => Heading::plain(grained("Year", &key.column)),
    });
    let measures = request.measures.iter().map(|measure| {
        let of = measure
            .column
            .as_deref()
            .map(|column| format!(" of {}", name(column)))
            .unwrap_or_default();
        match measure.operation {
            Operation::Sum => Heading::plain(format!("Sum{of}")),
            Operation::Count => Heading::plain(format!("Count{of}")),
            Operation::Average => Heading::rounded(format!("Average{of}")),
            Operation::Median => Heading::rounded(format!("Median{of}")),
            Operation::Smallest => Heading::plain(format!("Smallest{of}")),
            Operation::Largest => Heading::plain(format!("Largest{of}")),
            Operation::Share => Heading::rounded(format!("Share{of} (%)")),
        }
    });
    keys.chain(measures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fault;
    use crate::select::tables;
    use crate::testing::book;

    const SALES: &str = "Day,Town,Paid\n2025-10-03,Ulm,0.1\n2025-10-09,ulm,0.2\n2025-12-01,Bonn,5\n2024-12-01,Bonn,1\n";

    fn key(column: &str, grain: Grain) -> Key {
        Key {
            column: column.into(),
            grain,
        }
    }

    fn measure(operation: Operation, column: &str) -> Measure {
        Measure {
            operation,
            column: Some(column.to_owned()).filter(|column| !column.is_empty()),
        }
    }

    fn summary(
        files: &[(&str, &str)],
        group_by: Vec<Key>,
        measures: Vec<Measure>,
        direction: Option<Direction>,
        limit: Option<u32>,
    ) -> Result<String, Failure> {
        let request = Request {
            group_by,
            measures,
            direction,
            limit,
            totals_row: None,
        };
        told(files, request)
    }

    fn told(files: &[(&str, &str)], request: Request) -> Result<String, Failure> {
        let request = request.counting();
        let books = files
            .iter()
            .map(|(file, text)| book(file, text.as_bytes()))
            .collect();
        let found =
            summarize(tables(books, None, &[], &request.columns())?, &request)?.into_table();
        let lines = [found.columns.join("|")]
            .into_iter()
            .chain(found.rows.iter().map(|row| row.join("|")))
            .chain(found.notes);
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn one(group_by: Vec<Key>, measures: Vec<Measure>) -> String {
        summary(&[("a.csv", SALES)], group_by, measures, None, None).unwrap()
    }

    #[test]
    fn sums_are_exact_and_groups_in_order() {
        assert_eq!(
            one(
                vec![key("town", Grain::Value)],
                vec![measure(Operation::Sum, "PAID")]
            ),
            "Town|Sum of Paid\nBonn|6\nUlm|0.3"
        );
        assert_eq!(
            one(
                vec![key("Day", Grain::Month)],
                vec![measure(Operation::Sum, "Paid")]
            ),
            "Month|Sum of Paid\n2024-12|1\n2025-10|0.3\n2025-12|5"
        );
    }

    #[test]
    fn grains() {
        let counts = |grain| one(vec![key("Day", grain)], vec![]);
        assert_eq!(
            counts(Grain::Quarter),
            "Quarter|Count\n2024-Q4|1\n2025-Q4|3"
        );
        assert_eq!(counts(Grain::Year), "Year|Count\n2024|1\n2025|3");
        assert_eq!(
            counts(Grain::Day),
            "Day|Count\n2024-12-01|1\n2025-10-03|1\n2025-10-09|1\n2025-12-01|1"
        );
    }

    #[test]
    fn without_groups_there_is_one() {
        let all = [
            Operation::Sum,
            Operation::Average,
            Operation::Median,
            Operation::Smallest,
            Operation::Largest,
        ];
        let measures = all
            .into_iter()
            .map(|operation| measure(operation, "Paid"))
            .chain([
                measure(Operation::Count, ""),
                measure(Operation::Largest, "Day"),
            ]);
        assert_eq!(
            one(vec![], measures.collect()),
            "Sum of Paid|Average of Paid|Median of Paid|Smallest of Paid|Largest of Paid|Count|Largest of Day\n6.3|1.575|0.6|0.1|5|4|2025-12-01"
        );
        assert_eq!(
            summary(
                &[("a.csv", "Town,Paid\n")],
                vec![],
                vec![measure(Operation::Sum, "Paid")],
                None,
                None
            )
            .unwrap(),
            "Sum of Paid\n0"
        );
    }

    #[test]
    fn the_largest_come_first_and_the_rest_is_said() {
        let largest = summary(
            &[("a.csv", SALES)],
            vec![key("Day", Grain::Month)],
            vec![measure(Operation::Sum, "Paid")],
            Some(Direction::LargestFirst),
            Some(2),
        );
        assert_eq!(
            largest.unwrap(),
            "Month|Sum of Paid\n2025-12|5\n2024-12|1\n2 of 3 groups are shown"
        );
    }

    #[test]
    fn files_are_one_table() {
        let files = [("a.csv", SALES), ("b.csv", "paid;TOWN\n1,5;Ulm\n")];
        assert_eq!(
            summary(
                &files,
                vec![key("Town", Grain::Value)],
                vec![measure(Operation::Sum, "Paid")],
                None,
                None
            )
            .unwrap(),
            "Town|Sum of Paid\nBonn|6\nUlm|1.8"
        );
        let failure =
            summary(&files, vec![key("Day", Grain::Month)], vec![], None, None).unwrap_err();
        assert_eq!(
            failure.detail,
            "`b.csv` has no column `Day` in `b`; it has `paid`, `TOWN`"
        );
    }

    #[test]
    fn shares_are_percents_of_all_groups() {
        let shares = one(
            vec![key("Town", Grain::Value)],
            vec![
                measure(Operation::Share, "Paid"),
                measure(Operation::Share, ""),
            ],
        );
        assert_eq!(
            shares,
            "Town|Share of Paid (%)|Share (%)\nBonn|95.2381|50\nUlm|4.7619|50"
        );
        let nothing = [("a.csv", "Town,Paid\nUlm,1\nBonn,-1\n")];
        let shares = summary(
            &nothing,
            vec![key("Town", Grain::Value)],
            vec![measure(Operation::Share, "Paid")],
            None,
            None,
        );
        assert_eq!(shares.unwrap(), "Town|Share of Paid (%)\nBonn|\nUlm|");
    }

    #[test]
    fn a_totals_row_measures_all_rows_also_those_of_groups_not_shown() {
        let all = [Operation::Sum, Operation::Average, Operation::Share];
        let request = |group_by| Request {
            group_by,
            measures: all.map(|operation| measure(operation, "Paid")).to_vec(),
            direction: Some(Direction::LargestFirst),
            limit: Some(1),
            totals_row: Some(TotalsRow::Below),
        };
        let grouped = vec![key("Day", Grain::Month), key("Town", Grain::Value)];
        assert_eq!(
            told(&[("a.csv", SALES)], request(grouped)).unwrap(),
            "Month|Town|Sum of Paid|Average of Paid|Share of Paid (%)\n2025-12|Bonn|5|5|79.3651\nTotal||6.3|1.575|100\n1 of 3 groups are shown"
        );
        assert_eq!(
            told(&[("a.csv", SALES)], request(vec![])).unwrap(),
            "Sum of Paid|Average of Paid|Share of Paid (%)\n6.3|1.575|100"
        );
    }

    #[test]
    fn what_cannot_be_measured() {
        let fault = |group_by, measures| {
            summary(&[("a.csv", SALES)], group_by, measures, None, None).unwrap_err()
        };
        assert_eq!(
            fault(vec![], vec![measure(Operation::Sum, "Town")]).detail,
            "`a.csv` has texts in column `Town` of `a`, so it has no sum"
        );
        assert_eq!(
            fault(vec![], vec![measure(Operation::Average, "Day")]).fault,
            Fault::WrongKind
        );
        assert_eq!(
            fault(vec![], vec![measure(Operation::Sum, "")]).detail,
            "`a.csv` cannot be measured: a sum needs a column"
        );
        assert_eq!(
            fault(vec![key("Town", Grain::Month)], vec![]).detail,
            "`a.csv` has texts in column `Town` of `a`, so it has no months"
        );
    }
}
