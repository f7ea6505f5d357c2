//! Which rows below a heading are data: no totals, no repeated heading, no remarks at the foot, no second table.

use crate::asked::Kind;
use crate::book::Row;
use crate::cell::{Cell, exact};
use crate::table::heading::speaks;
use crate::table::{Span, slice};
use rust_decimal::Decimal;
use values::text::folded;

/// How rows of totals begin, in the languages of the offices we know.
const LABELS: [&str; 16] = [
    "total",
    "totals",
    "grand total",
    "sum",
    "subtotal",
    "sub total",
    "sub-total",
    "summe",
    "gesamt",
    "gesamtsumme",
    "zwischensumme",
    "insgesamt",
    "total general",
    "somme",
    "totale",
    "totaal",
];

/// Data rows, the number of each, and what was left out.
pub(super) struct Body {
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) numbers: Vec<u32>,
    pub(super) notes: Vec<String>,
}

/// The data among the rows `below` a heading.
pub(super) fn body(header: &Row, below: impl Iterator<Item = Row>, span: &Span) -> Body {
    let mut body = Body {
        rows: Vec::new(),
        numbers: Vec::new(),
        notes: Vec::new(),
    };
    let head = slice(header.clone(), span);
    let mut last = header.number;
    for row in below {
        let number = row.number;
        let cells = slice(row, span);
        if cells.iter().all(Cell::is_empty) {
            continue;
        }
        let after_a_gap = number > last.saturating_add(1);
        last = number;
        if after_a_gap && begins_another(&body.rows, &cells) {
            body.notes
                .push(format!("a second table from row {number} on was left out"));
            break;
        }
        if cells == head {
            continue;
        }
        if is_total(&cells) {
            body.notes
                .push(format!("row {number} is a total and was left out"));
            continue;
        }
        body.rows.push(cells);
        body.numbers.push(number);
    }
    drop_foot(&mut body, span);
    body
}

/// A row that is named a total: its first cell is such a word, or begins with one while the row has gaps.
fn is_total(cells: &[Cell]) -> bool {
    let Some(Cell::Text(label)) = cells.iter().find(|cell| !cell.is_empty()) else {
        return false;
    };
    if !begins_like_a_label(label) {
        return false;
    }
    let label = folded(label);
    let bare = label.trim_end_matches([':', ' ']);
    let begins = || {
        LABELS.iter().any(|known| {
            bare.strip_prefix(known)
                .is_some_and(|rest| rest.starts_with([' ', ':', '(']))
        })
    };
    let gaps = cells.iter().filter(|cell| cell.is_empty()).count();
    LABELS.contains(&bare)
        || (gaps > 0 && begins() && cells.iter().any(|cell| !cell.is_empty() && !speaks(cell)))
}

/// Most rows are told apart from a total by one letter.
fn begins_like_a_label(text: &str) -> bool {
    let first = text.trim_start().chars().next();
    let first = first.and_then(|letter| letter.to_lowercase().next());
    LABELS.iter().any(|label| label.chars().next() == first)
}

/// A row of headings where there were numbers or dates so far.
fn begins_another(rows: &[Vec<Cell>], cells: &[Cell]) -> bool {
    let filled: Vec<usize> = cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(at, _)| at)
        .collect();
    let heads = filled.len() >= 2 && filled.iter().all(|at| cells.get(*at).is_some_and(speaks));
    heads
        && filled.iter().any(|at| {
            let above = || {
                rows.iter()
                    .filter_map(|row| row.get(*at))
                    .filter(|cell| !cell.is_empty())
            };
            above()
                .filter(|cell| !speaks(cell))
                .count()
                .saturating_mul(2)
                > above().count()
        })
}

/// Remarks at the foot: rows of one text in a table of three columns or more.
fn drop_foot(body: &mut Body, span: &Span) {
    let is_remark = |row: &Vec<Cell>| {
        let mut filled = row.iter().filter(|cell| !cell.is_empty());
        span.len() >= 3 && filled.next().is_some_and(speaks) && filled.next().is_none()
    };
    while body.rows.len() > 1 && body.rows.last().is_some_and(is_remark) {
        body.drop_last("is a remark");
    }
}

/// A last row without texts whose every number is the sum of its column is a total without a label.
pub(super) fn drop_unlabelled(body: &mut Body, kinds: &[Kind]) {
    let Some((last, above)) = body.rows.split_last() else {
        return;
    };
    let has_text = kinds
        .iter()
        .any(|kind| matches!(kind, Kind::Text | Kind::Date));
    if above.len() < 2 || !has_text {
        return;
    }
    let fits = last.iter().enumerate().all(|(at, cell)| match cell {
        Cell::Empty => true,
        Cell::Number(number) => exact(*number).is_some() && exact(*number) == sum(above, at),
        Cell::Text(_) | Cell::Date(_) | Cell::Truth(_) => false,
    });
    if fits && last.iter().any(|cell| !cell.is_empty()) {
        body.drop_last("is a total without a label");
    }
}

impl Body {
    fn drop_last(&mut self, why: &str) {
        self.rows.pop();
        if let Some(number) = self.numbers.pop() {
            self.notes
                .push(format!("row {number} {why} and was left out"));
        }
    }
}

fn sum(rows: &[Vec<Cell>], at: usize) -> Option<Decimal> {
    let mut sum = Decimal::ZERO;
    for row in rows {
        if let Some(Cell::Number(number)) = row.get(at) {
            sum = sum.checked_add(exact(*number)?)?;
        }
    }
    Some(sum.normalize())
}

#[cfg(test)]
mod tests {
    use crate::testing::table;

    fn kept(text: &str) -> (usize, Vec<String>) {
        let table = table(text);
        (table.rows.len(), table.notes)
    }

    fn note(text: &str) -> Vec<String> {
        vec![format!("`a.csv`: {text}")]
    }

    #[test]
    fn totals_with_a_label() {
        for label in ["Total", "TOTAL:", "Summe", "Grand total", "Total 2025"] {
            let text = format!("Name,Day,Paid\nAnn,2025-01-01,1\nBob,2025-01-02,2\n{label},,3\n");
            assert_eq!(
                kept(&text),
                (2, note("row 4 is a total and was left out")),
                "{label}"
            );
        }
    }

    #[test]
    fn a_customer_may_be_called_total() {
        assert_eq!(
            kept("Name,Town,Paid\nTotal Wine,Bonn,1\nTotalEnergies,,2\nAnn,Ulm,4\n"),
            (3, vec![])
        );
    }

    #[test]
    fn a_total_without_a_label_is_known_by_its_sum() {
        assert_eq!(
            kept("Name,Paid\nAnn,0.1\nBob,0.2\n,0.3\n"),
            (2, note("row 4 is a total without a label and was left out"))
        );
        assert_eq!(kept("Name,Paid\nAnn,0.1\nBob,0.2\n,0.4\n"), (3, vec![]));
    }

    #[test]
    fn remarks_headings_again_and_second_tables() {
        assert_eq!(
            kept("Name,Town,Paid\nAnn,Ulm,1\n\nSource: the till,,\n"),
            (1, note("row 4 is a remark and was left out"))
        );
        assert_eq!(kept("Name,Paid\nAnn,1\nName,Paid\nBob,2\n"), (2, vec![]));
        assert_eq!(
            kept("Name,Paid\nAnn,1\nBob,2\n\nTown,People\nUlm,3\n"),
            (2, note("a second table from row 5 on was left out"))
        );
    }
}
