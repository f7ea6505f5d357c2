//! What was found in tables, laid out as a report: title, introduction, chart, table, and where the numbers are from.

use tables::cell::Cell;
use tables::found::{Found, Numbers};
use tables::table::Table;

use crate::figures::written;
use crate::limits::LIMITS;
use crate::outline::{Block, Chart, Column, Grid, Report, Run, Series, Shape, Side, Words};

/// A report of groups, of which the first `keys` columns name each.
pub(crate) fn summary(
    found: &mut Found,
    keys: usize,
    shape: Option<Shape>,
    words: Words,
    sources: String,
) -> Report {
    let chart = shape.and_then(|shape| match chart(found, keys, shape) {
        Ok(chart) => Some(Block::Chart(chart)),
        Err(why) => {
            found.notes.push(format!("no chart was drawn: {why}"));
            None
        }
    });
    let title = heading(found, keys);
    whole(found, words, title, chart, sources)
}

/// A report of rows.
pub(crate) fn listing(found: &mut Found, words: Words, title: String, sources: String) -> Report {
    whole(found, words, title, None, sources)
}

fn whole(
    found: &mut Found,
    words: Words,
    title: String,
    chart: Option<Block>,
    sources: String,
) -> Report {
    let mut blocks: Vec<Block> = words.introduction.map(introduction).into_iter().collect();
    blocks.extend(chart);
    blocks.push(Block::Grid(grid(found)));
    blocks.push(Block::Note(sources));
    blocks.extend(found.notes.iter().map(|note| Block::Note(sentence(note))));
    Report {
        title: words.title.unwrap_or(title),
        blocks,
    }
}

/// The person's own words above everything else.
pub(crate) fn introduction(words: String) -> Block {
    Block::Paragraph(vec![Run::plain(words)])
}

/// Which files the numbers are from: "Source: `a.xlsx`, worksheet `Sales`, 12 rows."
pub(crate) fn sources(tables: &[Table]) -> String {
    let each: Vec<String> = tables
        .iter()
        .map(|table| {
            let rows = match table.rows.len() {
                1 => "1 row".to_owned(),
                rows => format!("{rows} rows"),
            };
            format!("{}, worksheet {}, {rows}", table.file, table.worksheet)
        })
        .collect();
    let word = if each.len() == 1 { "Source" } else { "Sources" };
    format!("{word}: {}.", each.join("; "))
}

fn sentence(note: &str) -> String {
    let mut characters = note.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    format!("{}.", first.chain(characters).collect::<String>())
}

/// "Sum of Paid by Month and Town".
fn heading(found: &Found, keys: usize) -> String {
    let (named, measured) = found.headings.split_at(keys.min(found.headings.len()));
    let join = |headings: &[tables::found::Heading]| {
        let names: Vec<&str> = headings.iter().map(|h| h.name.as_str()).collect();
        names.join(" and ")
    };
    if named.is_empty() {
        join(measured)
    } else {
        format!("{} by {}", join(measured), join(named))
    }
}

/// The table as it is written, each column in one form.
pub(crate) fn grid(found: &Found) -> Grid {
    let forms: Vec<Numbers> = (0..found.headings.len())
        .map(|at| found.numbers(at))
        .collect();
    let row = |cells: &Vec<Cell>| -> Vec<String> {
        let each = cells.iter().zip(&forms);
        each.map(|(cell, form)| written(cell, *form)).collect()
    };
    let columns = found.headings.iter().enumerate();
    Grid {
        columns: columns
            .map(|(at, heading)| Column {
                name: heading.name.clone(),
                side: side(found, at),
            })
            .collect(),
        rows: found.rows.iter().map(row).collect(),
        foot: found.foot.as_ref().map(row),
    }
}

fn side(found: &Found, at: usize) -> Side {
    let mut cells = found.rows.iter().filter_map(|row| row.get(at));
    let filled = cells.clone().any(|cell| !cell.is_empty());
    if filled && cells.all(|cell| matches!(cell, Cell::Number(_) | Cell::Empty)) {
        Side::End
    } else {
        Side::Start
    }
}

/// The measures over the groups, or why there is nothing to draw.
fn chart(found: &mut Found, keys: usize, shape: Shape) -> Result<Chart, &'static str> {
    if keys == 0 {
        return Err("there are no groups to compare");
    }
    let all = found.rows.len();
    let shown = all.min(LIMITS.categories);
    let categories = found.rows.iter().take(shown).map(|row| category(row, keys));
    let categories: Vec<String> = categories.collect();
    let measures = (keys..found.headings.len()).filter_map(|at| series(found, at, shown));
    let mut series: Vec<Series> = measures.collect();
    if shape == Shape::Pie {
        series.truncate(1);
    }
    if series.is_empty() {
        return Err("there are no numbers to show");
    }
    if shape == Shape::Pie && !is_a_whole(&series) {
        return Err(
            "a pie shows parts of a whole, and some of these numbers are below zero or none is above",
        );
    }
    if shown < all {
        let note = format!("the chart shows the first {shown} of {all} groups");
        found.notes.push(note);
    }
    Ok(Chart {
        shape,
        title: heading(found, keys),
        categories,
        series,
    })
}

fn category(row: &[Cell], keys: usize) -> String {
    let named = row.iter().take(keys).map(|cell| match cell {
        Cell::Empty => "(none)".to_owned(),
        cell => written(cell, Numbers::Plain),
    });
    named.collect::<Vec<_>>().join(", ")
}

fn series(found: &Found, at: usize, shown: usize) -> Option<Series> {
    let values = found.rows.iter().take(shown).map(|row| match row.get(at) {
        Some(Cell::Number(number)) => Some(*number),
        _ => None,
    });
    let values: Vec<Option<f64>> = values.collect();
    values.iter().any(Option::is_some).then(|| Series {
        name: found
            .headings
            .get(at)
            .map(|heading| heading.name.clone())
            .unwrap_or_default(),
        values,
        numbers: found.numbers(at),
    })
}

fn is_a_whole(series: &[Series]) -> bool {
    let mut values = series.iter().flat_map(|s| s.values.iter().flatten());
    values.clone().all(|value| *value >= 0.0) && values.any(|value| *value > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::book;
    use tables::asked::{Grain, Key, Measure, Operation, TotalsRow};
    use tables::select::tables;
    use tables::summarize::{Request, summarize};

    const SALES: &str = "Day,Town,Paid\n2025-10-03,Ulm,1000.5\n2025-10-09,,2\n2025-12-01,Bonn,-5\n";

    fn found(grain: Grain, column: &str) -> (Found, String) {
        let request = Request {
            group_by: vec![Key {
                column: column.to_owned(),
                grain,
            }],
            measures: vec![Measure {
                operation: Operation::Sum,
                column: Some("Paid".to_owned()),
            }],
            direction: None,
            limit: None,
            totals_row: Some(TotalsRow::Below),
        };
        let tables = tables(vec![book("a.csv", SALES)], None, &[], &request.columns()).unwrap();
        let sources = sources(&tables);
        (summarize(tables, &request).unwrap(), sources)
    }

    #[test]
    fn a_report_has_title_introduction_chart_table_and_sources_in_this_order() {
        let (mut found, sources) = found(Grain::Quarter, "Day");
        let words = Words {
            title: None,
            introduction: Some("As agreed.".to_owned()),
        };
        let report = summary(&mut found, 1, Some(Shape::Bar), words, sources);
        assert_eq!(report.title, "Sum of Paid by Quarter");
        let [
            Block::Paragraph(words),
            Block::Chart(chart),
            Block::Grid(grid),
            Block::Note(note),
        ] = report.blocks.as_slice()
        else {
            panic!("{:?}", report.blocks)
        };
        assert_eq!(words, &[Run::plain("As agreed.")]);
        assert_eq!(chart.categories, ["2025-Q4"]);
        assert_eq!(grid.rows, [["2025-Q4", "997.50"]]);
        assert_eq!(grid.foot.as_deref().unwrap(), ["Total", "997.50"]);
        assert_eq!(grid.columns[1].side, Side::End);
        assert_eq!(note, "Source: a.csv, worksheet a, 3 rows.");
    }

    #[test]
    fn an_empty_group_is_named_in_the_chart() {
        let (mut found, _) = found(Grain::Value, "Town");
        let chart = chart(&mut found, 1, Shape::Line).unwrap();
        assert_eq!(chart.categories, ["Bonn", "Ulm", "(none)"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_said_and_the_rest_is_written() {
        let (mut found, sources) = found(Grain::Value, "Town");
        let report = summary(&mut found, 1, Some(Shape::Pie), Words::default(), sources);
        assert!(!report.blocks.iter().any(|b| matches!(b, Block::Chart(_))));
        let Some(Block::Note(note)) = report.blocks.last() else {
            panic!()
        };
        assert!(note.starts_with("No chart was drawn: a pie"), "{note}");
    }

    #[test]
    fn a_chart_of_many_groups_shows_the_first_and_says_so() {
        let rows: String = (0..60).map(|at| format!("t{at:02}x,{at}\n")).collect();
        let books = vec![book("b.csv", &format!("Town,Paid\n{rows}"))];
        let request = Request {
            group_by: vec![Key {
                column: "Town".to_owned(),
                grain: Grain::Value,
            }],
            measures: Vec::new(),
            direction: None,
            limit: None,
            totals_row: None,
        }
        .counting();
        let mut found = summarize(
            tables(books, None, &[], &request.columns()).unwrap(),
            &request,
        )
        .unwrap();
        let chart = chart(&mut found, 1, Shape::Bar).unwrap();
        assert_eq!(chart.categories.len(), LIMITS.categories);
        assert_eq!(found.notes, ["the chart shows the first 40 of 60 groups"]);
    }
}
