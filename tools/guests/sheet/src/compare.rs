//! Two tables row by row: which rows only one of them has, and which cells differ in the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::bindings::exports::cloister::sheet::sheet::{Failure, Fault};
use crate::failure::failure;
use tables::cell::Cell;
use tables::failure::listed;
use tables::found::{Found, Heading};
use tables::select::position;
use tables::table::Table;
use values::text::folded;

/// Where the same column stands in both tables.
struct Pair<'t> {
    name: &'t str,
    old: usize,
    new: usize,
}

/// What tells a row apart: the key's value, and which of the rows that have it.
type Mark = (String, usize);

/// One row for each cell that differs, and for each row that was removed or added.
pub(crate) fn compare(old: &Table, new: &Table, key: Option<&str>) -> Result<Found, Failure> {
    let pairs = pairs(old, new);
    let key = match key {
        Some(name) => Pair {
            name,
            old: position(old, name)?,
            new: position(new, name)?,
        },
        None => telling(old, new, &pairs)?,
    };
    let (before, after) = (marked(old, key.old), marked(new, key.new));
    let later: BTreeMap<&Mark, &Vec<Cell>> = after.iter().map(|(m, row)| (m, *row)).collect();
    let earlier: BTreeSet<&Mark> = before.iter().map(|(mark, _)| mark).collect();
    let mut rows = Vec::new();
    let mut counts = [0_usize; 3];
    for (mark, row) in &before {
        let said = match later.get(mark) {
            Some(now) => changed(row, now, &pairs, &key),
            None => vec![whole("removed", row, key.old, old)],
        };
        let kind = usize::from(!later.contains_key(mark));
        add(&mut counts, kind, usize::from(!said.is_empty()));
        rows.extend(said);
    }
    for (_, row) in after.iter().filter(|(mark, _)| !earlier.contains(mark)) {
        add(&mut counts, 2, 1);
        rows.push(whole("added", row, key.new, new));
    }
    let [changed, removed, added] = counts;
    let mut notes = [old.notes.clone(), new.notes.clone()].concat();
    notes.push(format!(
        "of {} and {} rows {changed} changed, {removed} were removed and {added} added",
        before.len(),
        after.len()
    ));
    notes.extend([lacking(old, new), lacking(new, old)].into_iter().flatten());
    Ok(Found {
        headings: ["Change", key.name, "Column", "Old", "New"]
            .map(|name| Heading::plain(name.to_owned()))
            .to_vec(),
        rows,
        foot: None,
        notes,
    })
}

fn add(counts: &mut [usize; 3], kind: usize, more: usize) {
    if let Some(count) = counts.get_mut(kind) {
        *count = count.saturating_add(more);
    }
}

fn pairs<'t>(old: &'t Table, new: &Table) -> Vec<Pair<'t>> {
    let columns = old.columns.iter().enumerate();
    columns
        .filter_map(|(at, column)| {
            Some(Pair {
                name: &column.name,
                old: at,
                new: new.position(&column.name)?,
            })
        })
        .collect()
}

/// The first common column in which no value stands twice, in either table.
fn telling<'t>(old: &Table, new: &Table, pairs: &[Pair<'t>]) -> Result<Pair<'t>, Failure> {
    let unique = |table: &Table, at: usize| {
        let mut seen = BTreeSet::new();
        let mut values = table.rows.iter().map(|row| value(row, at));
        values.all(|value| !value.is_empty() && seen.insert(value))
    };
    let mut fitting = pairs
        .iter()
        .filter(|pair| unique(old, pair.old) && unique(new, pair.new));
    let found = fitting.next().ok_or_else(|| {
        let what = format!(
            "and `{}` have no common column whose values tell the rows apart; name the one to go by",
            new.file
        );
        failure(Fault::NoKey, &old.file, &what)
    })?;
    Ok(Pair { ..*found })
}

fn value(row: &[Cell], at: usize) -> String {
    folded(&row.get(at).map(Cell::shown).unwrap_or_default())
}

/// Rows with the same key are told apart by their order.
fn marked(table: &Table, at: usize) -> Vec<(Mark, &Vec<Cell>)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let rows = table.rows.iter().map(|row| {
        let key = value(row, at);
        let count = seen.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        ((key, *count), row)
    });
    rows.collect()
}

fn changed(old: &[Cell], new: &[Cell], pairs: &[Pair<'_>], key: &Pair<'_>) -> Vec<Vec<Cell>> {
    let cell = |row: &[Cell], at: usize| row.get(at).cloned().unwrap_or_default();
    let others = pairs.iter().filter(|pair| pair.old != key.old);
    others
        .map(|pair| (pair.name, cell(old, pair.old), cell(new, pair.new)))
        .filter(|(_, was, is)| was.shown() != is.shown())
        .map(|(name, was, is)| {
            let kind = Cell::text("changed");
            vec![kind, cell(old, key.old), Cell::text(name), was, is]
        })
        .collect()
}

/// A row that only one table has, with what it holds.
fn whole(kind: &str, row: &[Cell], key: usize, table: &Table) -> Vec<Cell> {
    let columns = table.columns.iter().zip(row).enumerate();
    let held = columns
        .filter(|(at, (_, cell))| *at != key && !cell.is_empty())
        .map(|(_, (column, cell))| format!("{}: {}", column.name, cell.shown()));
    let held = Cell::text(&held.collect::<Vec<_>>().join("; "));
    let (was, is) = match kind {
        "removed" => (held, Cell::Empty),
        _ => (Cell::Empty, held),
    };
    let name = row.get(key).cloned().unwrap_or_default();
    vec![Cell::text(kind), name, Cell::Empty, was, is]
}

fn lacking(table: &Table, other: &Table) -> Option<String> {
    let names = other.columns.iter().map(|column| column.name.as_str());
    let missing = listed(names.filter(|name| table.position(name).is_none()));
    let said = format!("`{}` has no {missing}; it was not compared", table.file);
    (!missing.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::book;
    use tables::select::table;

    fn found(old: &str, new: &str, key: Option<&str>) -> Result<String, Failure> {
        let read = |file, text: &str| table(book(file, text.as_bytes()), None, &[]);
        let found = compare(&read("a.csv", old)?, &read("b.csv", new)?, key)?.into_table();
        let lines = [found.columns.join("|")]
            .into_iter()
            .chain(found.rows.iter().map(|row| row.join("|")))
            .chain(found.notes);
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    const OLD: &str = "Town,Code,Paid,Day\nUlm,U1,3,2025-10-03\nUlm,B2,1,2025-10-04\nAue,A3,7,\n";

    #[test]
    fn rows_belong_together_by_the_first_column_that_tells_them_apart() {
        let new = "paid,code,Town,Note\n8,A3,Aue,x\n3.0,U1,Ulm,\n5,N4,Nau,new\n";
        assert_eq!(
            found(OLD, new, None).unwrap(),
            "Change|Code|Column|Old|New\n\
             removed|B2||Town: Ulm; Paid: 1; Day: 2025-10-04|\n\
             changed|A3|Paid|7|8\n\
             added|N4|||paid: 5; Town: Nau; Note: new\n\
             of 3 and 3 rows 1 changed, 1 were removed and 1 added\n\
             `a.csv` has no `Note`; it was not compared\n\
             `b.csv` has no `Day`; it was not compared"
        );
    }

    #[test]
    fn rows_with_the_same_key_are_taken_in_their_order() {
        let new = "Town,Code,Paid,Day\nUlm,U1,3,2025-10-03\nUlm,B2,2,2025-10-04\nUlm,C9,4,2025-10-04\nAue,A3,7,\n";
        assert_eq!(
            found(OLD, new, Some("town")).unwrap(),
            "Change|town|Column|Old|New\n\
             changed|Ulm|Paid|1|2\n\
             added|Ulm|||Code: C9; Paid: 4; Day: 2025-10-04\n\
             of 3 and 4 rows 1 changed, 0 were removed and 1 added"
        );
    }

    #[test]
    fn the_same_rows_in_another_order_are_no_difference() {
        let new = "Code,Paid,Town,Day\nA3,7,Aue,\nB2,1,Ulm,2025-10-04\nU1,3.0,Ulm,2025-10-03\n";
        let told = found(OLD, new, None).unwrap();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("0 changed, 0 were removed and 0 added"));
    }

    #[test]
    fn without_such_a_column_it_is_asked_for() {
        let twice = "Town,Paid\nUlm,1\nUlm,1\n";
        let failure = found(twice, twice, None).unwrap_err();
        assert_eq!(failure.fault, Fault::NoKey);
        assert_eq!(
            failure.detail,
            "`a.csv` and `b.csv` have no common column whose values tell the rows apart; name the one to go by"
        );
        assert_eq!(
            found(twice, OLD, Some("Code")).unwrap_err().fault,
            Fault::NoSuchColumn
        );
    }
}
