//! A web page in one file: it loads nothing, runs nothing and links nowhere.

use super::{escaped, svg};
use crate::outline::{Block, Column, Grid, Item, Look, Report, Run, Side};

/// A browser that is told so fetches nothing, whatever stood in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Cells and headings are set apart, so that marks of writing direction in one cannot turn what stands beside it.
const STYLE: &str = "body{font:11pt/1.5 system-ui,sans-serif;color:#222;max-width:50em;margin:2em auto;padding:0 1em}\
h1,h2,h3,h4,h5,h6{line-height:1.2;unicode-bidi:isolate}\
table{border-collapse:collapse;margin:1em 0}\
th,td{border:1px solid #bbb;padding:.25em .6em;text-align:start;vertical-align:top;unicode-bidi:isolate;white-space:pre-line}\
th{background:#f0f2f5}.n{text-align:end;font-variant-numeric:tabular-nums}tfoot td{font-weight:bold}\
.note{color:#555;font-size:9pt;margin:.3em 0}svg{max-width:100%;height:auto}pre{white-space:pre-wrap}";

pub(super) fn text(report: &Report) -> String {
    let title = escaped(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
<meta name=\"viewport\" content=\"width=device-width\">\
<title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    let mut lists = Lists::default();
    for block in &report.blocks {
        match block {
            Block::Item(item) => lists.item(item, &mut page),
            block => {
                lists.end(&mut page);
                page.push_str(&self::block(block));
                page.push('\n');
            }
        }
    }
    lists.end(&mut page);
    page.push_str("</body></html>\n");
    page
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => {
            let level = level.get();
            format!("<h{level}>{}</h{level}>", escaped(text))
        }
        Block::Paragraph(runs) => format!("<p>{}</p>", self::runs(runs)),
        Block::Item(item) => runs(&item.runs),
        Block::Verbatim(text) => format!("<pre>{}</pre>", escaped(text)),
        Block::Grid(grid) => self::grid(grid),
        Block::Chart(chart) => svg::text(chart),
        Block::Note(text) => format!("<p class=\"note\">{}</p>", escaped(text)),
    }
}

fn runs(runs: &[Run]) -> String {
    let each = runs.iter().map(|run| {
        let text = escaped(&run.text);
        match run.look {
            Look::Plain => text,
            Look::Strong => format!("<strong>{text}</strong>"),
            Look::Emphasis => format!("<em>{text}</em>"),
            Look::Code => format!("<code>{text}</code>"),
        }
    });
    each.collect()
}

fn grid(grid: &Grid) -> String {
    let class = |column: Option<&Column>| match column.map(|c| c.side) {
        Some(Side::End) => " class=\"n\"",
        Some(Side::Start) | None => "",
    };
    let row = |cells: &[String]| -> String {
        let each = cells.iter().enumerate();
        let cells = each.map(|(at, cell)| {
            let class = class(grid.columns.get(at));
            format!("<td{class}>{}</td>", escaped(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let heads = grid.columns.iter().map(|column| {
        let class = class(Some(column));
        format!("<th scope=\"col\"{class}>{}</th>", escaped(&column.name))
    });
    let rows: String = grid.rows.iter().map(|cells| row(cells)).collect();
    let foot = grid.foot.as_ref().map(|cells| row(cells));
    let foot = foot.map_or(String::new(), |row| format!("<tfoot>{row}</tfoot>"));
    format!(
        "<table><thead><tr>{}</tr></thead><tbody>\n{rows}</tbody>{foot}</table>",
        heads.collect::<String>()
    )
}

/// The lists that are open, outermost first, by the tag that closes each.
#[derive(Default)]
struct Lists(Vec<&'static str>);

impl Lists {
    fn item(&mut self, item: &Item, page: &mut String) {
        let tag = if item.number.is_some() { "ol" } else { "ul" };
        let depth = usize::from(item.depth).saturating_add(1);
        while self.0.len() > depth || self.0.len() == depth && self.0.last() != Some(&tag) {
            self.close(page);
        }
        while self.0.len() < depth {
            let start = item.number.filter(|number| *number != 1);
            let start = start.map_or(String::new(), |number| format!(" start=\"{number}\""));
            page.push_str(&format!("<{tag}{start}>"));
            self.0.push(tag);
        }
        page.push_str(&format!("<li>{}</li>", runs(&item.runs)));
    }

    fn close(&mut self, page: &mut String) {
        if let Some(tag) = self.0.pop() {
            page.push_str(&format!("</{tag}>\n"));
        }
    }

    fn end(&mut self, page: &mut String) {
        while !self.0.is_empty() {
            self.close(page);
        }
    }
}
