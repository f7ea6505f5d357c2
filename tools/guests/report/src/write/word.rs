//! A Word document (Office Open XML): text runs, tables and a native chart. It has no fields, no links and no macros, and the same report
//! makes the same bytes.

use std::fmt::Write as _;
use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::{drawing, escaped};
use crate::outline::{Block, Chart, Grid, Item, Look, Report, Run, Side};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const TYPES: &str = "application/vnd.openxmlformats-officedocument";
/// The text's width on the page: A4 less its margins, in twentieths of a point.
const WIDTH: usize = 9026;

pub(super) fn bytes(report: &Report) -> io::Result<Vec<u8>> {
    let charts: Vec<&Chart> = report.blocks.iter().filter_map(as_chart).collect();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // The time of writing is in the ledger; in the file it would make every copy differ.
    let packed = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let mut part = |name: &str, text: &str| {
        archive.start_file(name, packed)?;
        archive.write_all(HEAD.as_bytes())?;
        archive.write_all(text.as_bytes())
    };
    part("[Content_Types].xml", &content_types(charts.len()))?;
    part(
        "_rels/.rels",
        &relations(&[("officeDocument", "word/document.xml".to_owned())]),
    )?;
    part("word/document.xml", &document(report))?;
    part("word/styles.xml", &styles())?;
    let names = (1..=charts.len()).map(|at| ("chart", format!("charts/chart{at}.xml")));
    let parts: Vec<_> = [("styles", "styles.xml".to_owned())]
        .into_iter()
        .chain(names)
        .collect();
    part("word/_rels/document.xml.rels", &relations(&parts))?;
    for (at, chart) in (1usize..).zip(charts) {
        part(&format!("word/charts/chart{at}.xml"), &drawing::text(chart))?;
    }
    Ok(archive.finish()?.into_inner())
}

fn as_chart(block: &Block) -> Option<&Chart> {
    match block {
        Block::Chart(chart) => Some(chart),
        _ => None,
    }
}

fn content_types(charts: usize) -> String {
    let part = |name: &str, kind: &str| {
        format!("<Override PartName=\"/word/{name}.xml\" ContentType=\"{TYPES}.{kind}+xml\"/>")
    };
    let charts = (1..=charts).map(|at| part(&format!("charts/chart{at}"), "drawingml.chart"));
    format!(
        "<Types xmlns=\"{PACKAGE}/content-types\">\
<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
<Default Extension=\"xml\" ContentType=\"application/xml\"/>{}{}{}</Types>",
        part("document", "wordprocessingml.document.main"),
        part("styles", "wordprocessingml.styles"),
        charts.collect::<String>()
    )
}

/// The parts that one refers to, as `rId1` and so on; all within the file.
fn relations(parts: &[(&str, String)]) -> String {
    let each = (1usize..).zip(parts).map(|(at, (kind, target))| {
        format!("<Relationship Id=\"rId{at}\" Type=\"{OFFICE}/relationships/{kind}\" Target=\"{target}\"/>")
    });
    let each: String = each.collect();
    format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{each}</Relationships>")
}

fn styles() -> String {
    let style = |id: &str, name: &str, paragraph: &str, run: &str| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"{id}\"><w:name w:val=\"{name}\"/><w:basedOn w:val=\"Normal\"/>\
<w:next w:val=\"Normal\"/><w:qFormat/><w:pPr>{paragraph}</w:pPr><w:rPr>{run}</w:rPr></w:style>"
        )
    };
    let mut text = format!(
        "<w:styles xmlns:w=\"{WORD}\"><w:docDefaults><w:rPrDefault><w:rPr>\
<w:rFonts w:ascii=\"Calibri\" w:hAnsi=\"Calibri\" w:eastAsia=\"Calibri\" w:cs=\"Calibri\"/><w:sz w:val=\"22\"/></w:rPr></w:rPrDefault>\
<w:pPrDefault><w:pPr><w:spacing w:after=\"120\"/></w:pPr></w:pPrDefault></w:docDefaults>\
<w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/><w:qFormat/></w:style>"
    );
    text.push_str(&style(
        "Title",
        "Title",
        "<w:spacing w:after=\"240\"/>",
        "<w:b/><w:sz w:val=\"40\"/>",
    ));
    for level in 1..=6u8 {
        let (outline, size) = (
            level.saturating_sub(1),
            36u8.saturating_sub(level.saturating_mul(3)),
        );
        let paragraph = format!(
            "<w:keepNext/><w:spacing w:before=\"240\" w:after=\"80\"/><w:outlineLvl w:val=\"{outline}\"/>"
        );
        let run = format!("<w:b/><w:sz w:val=\"{size}\"/>");
        let (id, name) = (format!("Heading{level}"), format!("heading {level}"));
        text.push_str(&style(&id, &name, &paragraph, &run));
    }
    let grey = "<w:color w:val=\"555555\"/><w:sz w:val=\"18\"/>";
    text.push_str(&style("Note", "Note", "<w:spacing w:after=\"60\"/>", grey));
    text.push_str(&style("Cell", "Cell", "<w:spacing w:after=\"0\"/>", ""));
    text.push_str(&style(
        "ListItem",
        "List Item",
        "<w:spacing w:after=\"40\"/>",
        "",
    ));
    text.push_str("</w:styles>");
    text
}

fn document(report: &Report) -> String {
    let mut body = paragraph("Title", "", &run(&report.title, Look::Plain));
    let mut charts = 0usize;
    for block in &report.blocks {
        body.push_str(&match block {
            Block::Heading(level, text) => {
                let style = format!("Heading{}", level.get().saturating_sub(1));
                paragraph(&style, "", &run(text, Look::Plain))
            }
            Block::Paragraph(runs) => paragraph("Normal", "", &self::runs(runs)),
            Block::Item(item) => self::item(item),
            Block::Verbatim(text) => paragraph("Normal", "", &run(text, Look::Code)),
            Block::Grid(grid) => self::grid(grid),
            Block::Chart(chart) => {
                charts = charts.saturating_add(1);
                frame(chart, charts)
            }
            Block::Note(text) => paragraph("Note", "", &run(text, Look::Plain)),
        });
    }
    format!(
        "<w:document xmlns:w=\"{WORD}\" xmlns:r=\"{OFFICE}/relationships\" \
xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\"><w:body>{body}\
<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1440\" w:right=\"1440\" w:bottom=\"1440\" w:left=\"1440\" \
w:header=\"708\" w:footer=\"708\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>"
    )
}

fn paragraph(style: &str, more: &str, runs: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/>{more}</w:pPr>{runs}</w:p>")
}

fn runs(runs: &[Run]) -> String {
    runs.iter().map(|one| run(&one.text, one.look)).collect()
}

/// Text as runs; its line ends become breaks, since a run has none.
fn run(text: &str, look: Look) -> String {
    let look = match look {
        Look::Plain => "",
        Look::Strong => "<w:rPr><w:b/></w:rPr>",
        Look::Emphasis => "<w:rPr><w:i/></w:rPr>",
        Look::Code => {
            "<w:rPr><w:rFonts w:ascii=\"Consolas\" w:hAnsi=\"Consolas\" w:cs=\"Consolas\"/><w:sz w:val=\"20\"/></w:rPr>"
        }
    };
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| {
            let line = escaped(line.trim_end_matches('\r'));
            format!("<w:t xml:space=\"preserve\">{line}</w:t>")
        })
        .collect();
    format!("<w:r>{look}{}</w:r>", lines.join("<w:br/>"))
}

fn item(item: &Item) -> String {
    let mark = item
        .number
        .map_or("•".to_owned(), |number| format!("{number}."));
    let left = usize::from(item.depth)
        .saturating_add(1)
        .saturating_mul(360);
    let indent = format!("<w:ind w:left=\"{left}\" w:hanging=\"360\"/>");
    let runs = format!("<w:r><w:t>{mark}</w:t><w:tab/></w:r>{}", runs(&item.runs));
    paragraph("ListItem", &indent, &runs)
}

fn grid(grid: &Grid) -> String {
    let width = WIDTH / grid.columns.len().max(1);
    let border = |side: &str| {
        format!("<w:{side} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"BBBBBB\"/>")
    };
    let borders = ["top", "left", "bottom", "right", "insideH", "insideV"].map(border);
    let mut text = format!(
        "<w:tbl><w:tblPr><w:tblW w:w=\"{WIDTH}\" w:type=\"dxa\"/><w:tblBorders>{}</w:tblBorders>\
<w:tblCellMar><w:left w:w=\"90\" w:type=\"dxa\"/><w:right w:w=\"90\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr><w:tblGrid>",
        borders.concat()
    );
    for _ in &grid.columns {
        let _ = write!(text, "<w:gridCol w:w=\"{width}\"/>");
    }
    text.push_str("</w:tblGrid>");
    let row = |cells: &mut dyn Iterator<Item = &String>, kind: Row| {
        let sides = grid.columns.iter().map(|column| column.side);
        let cells = cells
            .zip(sides)
            .map(|(text, side)| cell(text, side, width, kind));
        let repeated = match kind {
            Row::Head => "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>",
            Row::Body | Row::Foot => "<w:trPr><w:cantSplit/></w:trPr>",
        };
        format!("<w:tr>{repeated}{}</w:tr>", cells.collect::<String>())
    };
    text.push_str(&row(&mut grid.columns.iter().map(|c| &c.name), Row::Head));
    for cells in &grid.rows {
        text.push_str(&row(&mut cells.iter(), Row::Body));
    }
    if let Some(cells) = &grid.foot {
        text.push_str(&row(&mut cells.iter(), Row::Foot));
    }
    text.push_str("</w:tbl>");
    // What follows would otherwise touch the table, and a body must not end with one.
    text + &paragraph("Cell", "", "")
}

#[derive(Clone, Copy)]
enum Row {
    Head,
    Body,
    Foot,
}

fn cell(text: &str, side: Side, width: usize, kind: Row) -> String {
    let (shade, look) = match kind {
        Row::Head => (
            "<w:shd w:val=\"clear\" w:color=\"auto\" w:fill=\"F0F2F5\"/>",
            Look::Strong,
        ),
        Row::Body => ("", Look::Plain),
        Row::Foot => ("", Look::Strong),
    };
    let side = match side {
        Side::Start => "",
        Side::End => "<w:jc w:val=\"right\"/>",
    };
    format!(
        "<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/>{shade}</w:tcPr>{}</w:tc>",
        paragraph("Cell", side, &run(text, look))
    )
}

/// The place of the chart that is the one `at` this number, in English Metric Units.
fn frame(chart: &Chart, at: usize) -> String {
    let (relation, title) = (at.saturating_add(1), escaped(&chart.title));
    let drawing = format!(
        "<w:r><w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\"><wp:extent cx=\"5486400\" cy=\"3200400\"/>\
<wp:docPr id=\"{at}\" name=\"Chart {at}\" descr=\"{title}\"/><wp:cNvGraphicFramePr/><a:graphic>\
<a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/chart\">\
<c:chart xmlns:c=\"http://schemas.openxmlformats.org/drawingml/2006/chart\" r:id=\"rId{relation}\"/>\
</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    );
    paragraph("Normal", "", &drawing)
}
