//! Markdown (CommonMark with tables) in which every text is only text.

use crate::outline::{Block, Grid, Look, Report, Run, Side};
use values::markdown::{at_the_start, inline, line};

pub(super) fn text(report: &Report) -> String {
    let mut lines = format!("# {}\n", line(&report.title));
    let mut listed = false;
    for block in &report.blocks {
        let item = matches!(block, Block::Item(_));
        let text = self::block(block);
        if !text.is_empty() {
            // Points of a list stand below one another; everything else is apart.
            lines.push_str(if item && listed { "" } else { "\n" });
            lines.push_str(&text);
            lines.push('\n');
        }
        listed = item;
    }
    lines
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => {
            let marks = "#".repeat(usize::from(level.get()));
            format!("{marks} {}", line(text))
        }
        Block::Paragraph(runs) => self::runs(runs),
        Block::Item(item) => {
            let mark = item
                .number
                .map_or("-".to_owned(), |number| format!("{number}."));
            let indent = "    ".repeat(usize::from(item.depth));
            format!("{indent}{mark} {}", runs(&item.runs))
        }
        Block::Verbatim(text) => verbatim(text),
        Block::Grid(grid) => self::grid(grid),
        // The table below it says the same.
        Block::Chart(_) => String::new(),
        Block::Note(text) => line(text),
    }
}

fn runs(runs: &[Run]) -> String {
    let each = runs.iter().map(|run| {
        let text = inline(&run.text);
        let mark = match run.look {
            Look::Strong => "**",
            Look::Emphasis => "*",
            // Within a code span nothing could be escaped.
            Look::Plain | Look::Code => "",
        };
        // Marks count only where they touch a letter or digit on both sides.
        let touches = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let mark =
            Some(mark).filter(|_| touches(text.chars().next()) && touches(text.chars().last()));
        let (before, after) = blanks(&run.text);
        let mark = mark.unwrap_or_default();
        format!("{before}{mark}{text}{mark}{after}")
    });
    let joined: String = each.collect();
    at_the_start(joined.trim().to_owned())
}

/// The blanks that stand around a run, which keep it apart from its neighbours.
fn blanks(text: &str) -> (&'static str, &'static str) {
    let blank = |is: bool| if is { " " } else { "" };
    let inner = text.trim();
    if inner.is_empty() {
        return (blank(!text.is_empty()), "");
    }
    (
        blank(text.starts_with(char::is_whitespace)),
        blank(text.ends_with(char::is_whitespace)),
    )
}

/// A fence that is longer than any within.
fn verbatim(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.saturating_add(1).max(3));
    let text = values::text::legal_in_xml(text).replace('\r', "");
    format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn grid(grid: &Grid) -> String {
    let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let heads: Vec<String> = grid.columns.iter().map(|c| inline(&c.name)).collect();
    let sides = grid.columns.iter().map(|column| match column.side {
        Side::Start => "---".to_owned(),
        Side::End => "---:".to_owned(),
    });
    let mut lines = vec![row(&heads), row(&sides.collect::<Vec<_>>())];
    for cells in &grid.rows {
        let cells: Vec<String> = cells.iter().map(|cell| inline(cell)).collect();
        lines.push(row(&cells));
    }
    if let Some(foot) = &grid.foot {
        let strong = |cell: &String| match cell.trim() {
            "" => String::new(),
            _ => runs(&[Run {
                text: cell.clone(),
                look: Look::Strong,
            }]),
        };
        lines.push(row(&foot.iter().map(strong).collect::<Vec<_>>()));
    }
    lines.join("\n")
}
