//! Two tables side by side: each row of the first, with what the second says of the same key.

use std::collections::BTreeMap;

use crate::bindings::exports::cloister::sheet::sheet::{Failure, Fault, Inner};
use crate::failure::failure;
use tables::cell::Cell;
use tables::found::{Found, Heading};
use tables::limits::LIMITS;
use tables::select::position;
use tables::table::Table;
use values::text::folded;

/// Where the key stands in both tables.
#[derive(Clone, Copy)]
struct Key {
    left: usize,
    right: usize,
}

/// How many rows of each table went where.
#[derive(Default)]
struct Counts {
    matched: usize,
    unmatched: usize,
    repeated: usize,
}

/// The rows of `left`, each beside every row of `right` with the same key; one that has none stays alone, or goes where `inner` says so.
pub(crate) fn join(
    left: &Table,
    right: &Table,
    key: Option<&str>,
    inner: Option<Inner>,
) -> Result<Found, Failure> {
    let key = match key {
        Some(name) => Key {
            left: position(left, name)?,
            right: position(right, name)?,
        },
        None => telling(left, right)?,
    };
    let beside: BTreeMap<String, Vec<&Vec<Cell>>> = by_key(right, key.right);
    let mut counts = Counts::default();
    let mut rows = Vec::new();
    for row in &left.rows {
        let same = beside
            .get(&value(row, key.left))
            .map_or(&[][..], Vec::as_slice);
        match (same, inner) {
            ([], _) => counts.unmatched = counts.unmatched.saturating_add(1),
            (found, _) => counts.count(found.len()),
        }
        match (same, inner) {
            ([], Some(Inner::OnlyMatches)) => {}
            ([], None) => rows.push(together(row, None, key, right)),
            (found, _) => rows.extend(found.iter().map(|of| together(row, Some(of), key, right))),
        }
        fits(&rows, left)?;
    }
    let mut notes = [left.notes.clone(), right.notes.clone()].concat();
    notes.extend(counts.told(left, inner));
    notes.extend(left_over(left, right, key));
    Ok(Found {
        headings: headings(left, right, key),
        rows,
        foot: None,
        notes,
    })
}

impl Counts {
    fn count(&mut self, found: usize) {
        self.matched = self.matched.saturating_add(1);
        self.repeated = self.repeated.saturating_add(usize::from(found > 1));
    }

    fn told(&self, left: &Table, inner: Option<Inner>) -> Vec<String> {
        let lost = match inner {
            Some(Inner::OnlyMatches) => "were left out",
            None => "stay alone",
        };
        let all = left.rows.len();
        let mut told = vec![format!(
            "of {all} rows of `{}` {} found a match and {} did not and {lost}",
            left.file, self.matched, self.unmatched
        )];
        if self.repeated > 0 {
            told.push(format!(
                "{} rows have several matches and stand once for each",
                self.repeated
            ));
        }
        told
    }
}

/// Rows that only the second table has are in no join of the first.
fn left_over(left: &Table, right: &Table, key: Key) -> Option<String> {
    let known = by_key(left, key.left);
    let unused = right
        .rows
        .iter()
        .filter(|row| !known.contains_key(&value(row, key.right)));
    let count = unused.count();
    (count > 0).then(|| {
        format!(
            "{count} rows of `{}` match nothing and were left out",
            right.file
        )
    })
}

/// The first common column that tells the second table's rows apart: of each key that table says one thing.
fn telling(left: &Table, right: &Table) -> Result<Key, Failure> {
    let columns = left.columns.iter().enumerate();
    let common = columns.filter_map(|(at, column)| {
        Some(Key {
            left: at,
            right: right.position(&column.name)?,
        })
    });
    let filled = |at: usize| {
        right
            .rows
            .iter()
            .filter(move |row| !value(row, at).is_empty())
            .count()
    };
    let mut unique = common.filter(|key| {
        filled(key.right) == right.rows.len() && by_key(right, key.right).len() == right.rows.len()
    });
    unique.next().ok_or_else(|| {
        let what = format!(
            "and `{}` have no common column whose values tell the second one's rows apart; name the one to go by",
            right.file
        );
        failure(Fault::NoKey, &left.file, &what)
    })
}

/// Rows by the value of their key. An empty key is none.
fn by_key(table: &Table, at: usize) -> BTreeMap<String, Vec<&Vec<Cell>>> {
    let mut rows: BTreeMap<String, Vec<&Vec<Cell>>> = BTreeMap::new();
    for row in &table.rows {
        let key = value(row, at);
        if !key.is_empty() {
            rows.entry(key).or_default().push(row);
        }
    }
    rows
}

fn value(row: &[Cell], at: usize) -> String {
    folded(&row.get(at).map(Cell::shown).unwrap_or_default())
}

fn together(row: &[Cell], of: Option<&Vec<Cell>>, key: Key, right: &Table) -> Vec<Cell> {
    let empty = vec![Cell::Empty; right.columns.len()];
    let other = of.unwrap_or(&empty).iter().enumerate();
    let other = other
        .filter(|(at, _)| *at != key.right)
        .map(|(_, cell)| cell);
    row.iter().chain(other).cloned().collect()
}

/// A heading that both have is told apart by the second one's file.
fn headings(left: &Table, right: &Table, key: Key) -> Vec<Heading> {
    let own = left.columns.iter().map(|column| column.name.clone());
    let other = right
        .columns
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != key.right);
    let other = other.map(|(_, column)| match left.position(&column.name) {
        Some(_) => format!("{} ({})", column.name, right.file),
        None => column.name.clone(),
    });
    own.chain(other).map(Heading::plain).collect()
}

/// Few rows can have many matches each: what comes of it is bounded like what is read.
fn fits(rows: &[Vec<Cell>], left: &Table) -> Result<(), Failure> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.len().saturating_mul(width) > LIMITS.cells {
        let what = format!(
            "has so many matches that the result has more than {} cells",
            LIMITS.cells
        );
        return Err(failure(Fault::TooLarge, &left.file, &what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::book;
    use tables::select::table;

    const ORDERS: &str = "Order,Customer,Paid\n1,Ann,5\n2,bob,7\n3,Eve,1\n4,,2\n";
    const PEOPLE: &str = "Customer,Town,Paid\nBob,Ulm,yes\nAnn,Bonn,no\nZoe,Aue,no\n";

    fn joined(
        left: &str,
        right: &str,
        key: Option<&str>,
        inner: Option<Inner>,
    ) -> Result<String, Failure> {
        let read = |file, text: &str| table(book(file, text.as_bytes()), None, &[]);
        let found = join(&read("a.csv", left)?, &read("b.csv", right)?, key, inner)?.into_table();
        let lines = [found.columns.join("|")]
            .into_iter()
            .chain(found.rows.iter().map(|row| row.join("|")))
            .chain(found.notes);
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn no_row_of_the_first_is_lost_and_what_has_no_match_is_counted() {
        assert_eq!(
            joined(ORDERS, PEOPLE, None, None).unwrap(),
            "Order|Customer|Paid|Town|Paid (b.csv)\n\
             1|Ann|5|Bonn|no\n\
             2|bob|7|Ulm|yes\n\
             3|Eve|1||\n\
             4||2||\n\
             of 4 rows of `a.csv` 2 found a match and 2 did not and stay alone\n\
             1 rows of `b.csv` match nothing and were left out"
        );
    }

    #[test]
    fn an_inner_join_keeps_what_both_have() {
        let told = joined(ORDERS, PEOPLE, Some("customer"), Some(Inner::OnlyMatches)).unwrap();
        assert_eq!(told.lines().count(), 5, "{told}");
        assert!(told.contains("2 did not and were left out"), "{told}");
    }

    #[test]
    fn a_key_that_stands_twice_repeats_the_row() {
        let twice = "Customer,Phone\nAnn,1\nAnn,2\n";
        let told = joined(ORDERS, twice, Some("Customer"), Some(Inner::OnlyMatches)).unwrap();
        assert_eq!(
            told,
            "Order|Customer|Paid|Phone\n1|Ann|5|1\n1|Ann|5|2\n\
             of 4 rows of `a.csv` 1 found a match and 3 did not and were left out\n\
             1 rows have several matches and stand once for each"
        );
        let failure = joined(ORDERS, twice, None, None).unwrap_err();
        assert_eq!(failure.fault, Fault::NoKey);
        let failure = joined(ORDERS, PEOPLE, Some("Order"), None).unwrap_err();
        assert_eq!(failure.fault, Fault::NoSuchColumn);
    }

    #[test]
    fn a_number_and_the_same_number_as_a_text_are_one_key() {
        let told = joined(
            "No,Item\n007,bolt\n12,nut\n",
            "No,Left\n12,3\n40,1\n",
            None,
            Some(Inner::OnlyMatches),
        )
        .unwrap();
        assert!(told.contains("12|nut|3"), "{told}");
    }
}
