//! Each form read back by a parser that shares no code with ours: what a document said is text in it, and nothing else.

use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use pulldown_cmark::{Event as Mark, Options, Parser, Tag};
use quick_xml::Reader;
use quick_xml::events::Event;
use scraper::{Html, Selector};
use tables::found::Numbers;
use zip::ZipArchive;

use super::*;
use crate::outline::{Chart, Column, Item, Level, Look, Run, Series, Shape, Side};
use crate::testing::Memory;

/// What somebody might put into a cell to have it do something.
const HOSTILE: [&str; 18] = [
    "[pay here](https://evil.example)",
    "<https://evil.example>",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "# Approved",
    "=HYPERLINK(\"https://evil.example\",\"ok\")",
    "=1+1",
    "a | b\n| --- | --- |",
    "1. first\n\n> quoted",
    "Approved\n===",
    "`code` **bold** _soft_ ~~gone~~",
    "\"><svg onload=alert(1)>",
    "&lt;b&gt; &amp; &#106;avascript:",
    "{ HYPERLINK \"https://evil.example\" }",
    "]]></w:t></w:r><w:fldSimple w:instr=\"INCLUDETEXT\"/>",
    "[a]: https://evil.example\n[^1]: note $$x$$",
    "www.evil.example jo@evil.example javascript:alert(1)",
];

/// A report in which a text from a document stands wherever one can.
fn report(text: &str) -> Report {
    let own = || text.to_owned();
    let grid = Grid {
        columns: vec![
            Column {
                name: own(),
                side: Side::Start,
            },
            Column {
                name: "Paid".to_owned(),
                side: Side::End,
            },
        ],
        rows: vec![vec![own(), "1,234.50".to_owned()]],
        foot: Some(vec![own(), own()]),
    };
    let run = |look| Run { text: own(), look };
    Report {
        title: own(),
        blocks: vec![
            Block::Paragraph(vec![
                run(Look::Plain),
                run(Look::Strong),
                run(Look::Emphasis),
            ]),
            Block::Item(Item {
                depth: 0,
                number: None,
                runs: vec![run(Look::Code)],
            }),
            Block::Chart(chart(text)),
            Block::Grid(grid),
            Block::Note(own()),
            Block::Heading(Level::FIRST, own()),
            Block::Verbatim(own()),
        ],
    }
}

fn chart(text: &str) -> Chart {
    Chart {
        shape: Shape::Bar,
        title: text.to_owned(),
        categories: vec![text.to_owned(), "b".to_owned()],
        series: vec![Series {
            name: text.to_owned(),
            values: vec![Some(1234.5), None],
            numbers: Numbers::Cents,
        }],
    }
}

fn saved(report: Report, name: &str) -> (Vec<u8>, Vec<String>) {
    let memory = Memory::named(name);
    let notes = save(report, Form::of(name).unwrap(), &memory).unwrap();
    (memory.bytes.into_inner(), notes)
}

fn text(report: Report, name: &str) -> String {
    String::from_utf8(saved(report, name).0).unwrap()
}

fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    let mut part = archive.by_name(name).unwrap();
    part.read_to_string(&mut text).unwrap();
    text
}

/// The tags of a page, how often each stands in it, and the text of its first body cell.
fn page(html: &str) -> (Vec<String>, String) {
    let page = Html::parse_document(html);
    let all = Selector::parse("*").unwrap();
    let mut tags: Vec<String> = page
        .select(&all)
        .map(|element| {
            let attributes = element.value().attrs();
            let mut names: Vec<&str> = attributes.map(|(name, _)| name).collect();
            names.sort_unstable();
            format!("{} {}", element.value().name(), names.join(" "))
        })
        .collect();
    tags.sort();
    let cell = page.select(&Selector::parse("tbody td").unwrap()).next();
    (tags, cell.unwrap().text().collect())
}

/// What is not text in a Markdown document.
fn marks(markdown: &str) -> Vec<String> {
    let events = Parser::new_ext(markdown, Options::all());
    let told = events.filter_map(|event| match event {
        Mark::Start(
            Tag::Paragraph
            | Tag::TableCell
            | Tag::TableRow
            | Tag::TableHead
            | Tag::Strong
            | Tag::Emphasis,
        )
        | Mark::End(_)
        | Mark::Text(_)
        | Mark::SoftBreak => None,
        Mark::Start(Tag::Heading { level, .. }) => Some(format!("{level}")),
        Mark::Start(Tag::Table(_)) => Some("table".to_owned()),
        Mark::Start(Tag::List(None)) => Some("list".to_owned()),
        Mark::Start(Tag::Item) => Some("item".to_owned()),
        Mark::Start(Tag::CodeBlock(_)) => Some("code".to_owned()),
        other => Some(format!("{other:?}")),
    });
    told.collect()
}

/// The elements of a part and the texts between them.
fn elements(xml: &str) -> (Vec<String>, Vec<String>) {
    let mut reader = Reader::from_str(xml);
    let (mut names, mut texts, mut last) = (Vec::new(), Vec::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                names.push(tag.name().as_ref().to_owned());
                texts.push(std::mem::take(&mut last));
            }
            Event::Text(text) => last.push_str(&text),
            Event::GeneralRef(name) => {
                let name = format!("&{};", &*name);
                last.push_str(&quick_xml::escape::unescape(&name).unwrap());
            }
            Event::End(_) => texts.push(std::mem::take(&mut last)),
            Event::Eof => return (names, texts),
            _ => {}
        }
    }
}

/// What a text leaves of itself where its line ends are not kept.
fn squeezed(text: &str) -> String {
    values::text::legal_in_xml(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn holds_in_every_form(hostile: &str) {
    let (plain, _) = page(&text(report("x"), "a.html"));
    let (tags, cell) = page(&text(report(hostile), "a.html"));
    assert_eq!(tags, plain, "{hostile:?}");
    assert_eq!(squeezed(&cell), squeezed(hostile));

    let expected = ["h1", "list", "item", "table", "h2", "code"];
    let found = marks(&text(report(hostile), "a.md"));
    assert_eq!(found, expected, "{hostile:?}");

    let (plain, bytes) = (
        saved(report("x"), "a.docx").0,
        saved(report(hostile), "a.docx").0,
    );
    for name in ["word/document.xml", "word/charts/chart1.xml"] {
        let without_breaks = |xml: &str| -> Vec<String> {
            let (names, _) = elements(xml);
            let kept = names.into_iter().filter(|name| name != "w:br");
            let mut kept: Vec<String> = kept.collect();
            kept.dedup();
            kept
        };
        let found = without_breaks(&part(&bytes, name));
        assert_eq!(found, without_breaks(&part(&plain, name)), "{hostile:?}");
    }
    assert_eq!(
        part(&bytes, "word/_rels/document.xml.rels"),
        part(&plain, "word/_rels/document.xml.rels")
    );
}

#[test]
fn what_a_cell_says_is_text_and_nothing_else() {
    HOSTILE.into_iter().for_each(holds_in_every_form);
}

/// The test above would notice: the same texts, not escaped, make other tags, marks and parts.
#[test]
fn without_escaping_the_same_texts_are_markup() {
    let tag = format!(
        "<table><tbody><tr><td>{}</td></tr></tbody></table>",
        HOSTILE[3]
    );
    assert!(page(&tag).0.iter().any(|tag| tag.starts_with("script")));
    let told: Vec<usize> = HOSTILE.iter().map(|text| marks(text).len()).collect();
    assert!(
        told.iter().filter(|marks| **marks > 0).count() > 10,
        "{told:?}"
    );
    let mut reader = Reader::from_str("<w:t>]]></w:t></w:r></w:t>");
    let broken = std::iter::from_fn(|| match reader.read_event() {
        Ok(Event::Eof) => None,
        read => Some(read.is_err()),
    });
    assert!(broken.take(9).any(|is| is));
}

#[test]
fn the_same_report_makes_the_same_bytes() {
    for name in ["a.docx", "a.html", "a.md"] {
        assert!(saved(report("x"), name).0 == saved(report("x"), name).0);
    }
}

#[test]
fn a_word_document_is_whole_and_refers_to_nothing_outside() {
    let (bytes, notes) = saved(report("Müller & Söhne"), "a.docx");
    assert!(notes.is_empty(), "{notes:?}");
    let mut archive = ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let names: Vec<String> = (0..archive.len())
        .map(|at| archive.by_index(at).unwrap().name().unwrap().into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "[Content_Types].xml",
            "_rels/.rels",
            "word/document.xml",
            "word/styles.xml",
            "word/_rels/document.xml.rels",
            "word/charts/chart1.xml"
        ]
    );
    for name in &names {
        let text = part(&bytes, name);
        assert!(!text.contains("TargetMode"), "{name}");
        elements(&text);
    }
    let (_, texts) = elements(&part(&bytes, "word/document.xml"));
    assert!(
        texts.iter().any(|text| text == "Müller & Söhne"),
        "{texts:?}"
    );
    let chart = part(&bytes, "word/charts/chart1.xml");
    assert!(chart.contains("<c:v>1234.5</c:v>"), "{chart}");
}

#[test]
fn a_page_loads_nothing_and_shows_the_numbers() {
    let html = text(report("x"), "a.html");
    assert!(html.contains("default-src 'none'"));
    assert!(html.contains("<td class=\"n\">1,234.50</td>"), "{html}");
    assert!(html.contains("<title>x: 1,234.50</title></rect>"), "{html}");
    assert!(!html.contains("href") && !html.contains("src="), "{html}");
}

#[test]
fn markdown_has_no_chart_and_says_so() {
    let (bytes, notes) = saved(report("x"), "a.md");
    assert_eq!(notes, ["no chart was drawn, since Markdown has none"]);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains("| x | Paid |\n| --- | ---: |\n| x | 1,234.50 |\n"),
        "{text}"
    );
}

#[test]
fn every_shape_of_chart_is_drawn_whatever_the_numbers() {
    for shape in [Shape::Bar, Shape::Line, Shape::Pie] {
        for values in [
            vec![Some(5.0), Some(7.0)],
            vec![Some(0.0), Some(1e-9)],
            vec![Some(-3e12), Some(3.0)],
            vec![Some(2.0), None],
        ] {
            let mut drawn = chart("x");
            drawn.shape = shape;
            drawn.series = vec![
                Series {
                    values,
                    ..drawn.series[0].clone()
                };
                2
            ];
            let report = Report {
                title: "x".to_owned(),
                blocks: vec![Block::Chart(drawn)],
            };
            let html = html::text(&report);
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
            elements(&part(
                &word::bytes(&report).unwrap(),
                "word/charts/chart1.xml",
            ));
        }
    }
}

#[test]
fn what_no_page_can_show_is_refused_or_cut_and_said() {
    let mut tall = report("x");
    let Some(Block::Grid(grid)) = tall.blocks.get_mut(3) else {
        panic!()
    };
    grid.rows = vec![vec!["1".to_owned(), "2".to_owned()]; LIMITS.rows + 1];
    let failure = save(tall, Form::Html, &Memory::named("a.html")).unwrap_err();
    assert_eq!(failure.fault, Fault::TooLarge);
    assert_eq!(
        failure.detail,
        "`a.html` would hold 5001 rows, and a report has at most 5000; ask for fewer, or for a workbook"
    );
    let mut long = report("x");
    let Some(Block::Grid(grid)) = long.blocks.get_mut(3) else {
        panic!()
    };
    grid.rows = vec![vec!["ä".repeat(LIMITS.cell_characters + 1)]];
    let (bytes, notes) = saved(long, "a.md");
    assert!(String::from_utf8(bytes).unwrap().contains("ä… |"));
    assert_eq!(notes[0], "1 texts are longer than a page and were cut");
}

#[test]
fn other_endings_are_refused() {
    let failure = Form::of("out.pdf").unwrap_err();
    assert_eq!(
        failure.detail,
        "`out.pdf` cannot be written: only .docx, .html and .md can"
    );
}

proptest! {
    #[test]
    fn no_cell_becomes_markup(hostile in "[ -~\n\täß€|]{0,40}") {
        // A blank text is no heading and no point of a list.
        if !hostile.trim().is_empty() {
            holds_in_every_form(&hostile);
        }
    }

    #[test]
    fn pieces_of_markup_put_together_are_none(pieces in prop::collection::vec(prop::sample::select(HOSTILE.to_vec()), 1..4), between in "[ \n|`*_<>\\[\\]()!#-]{0,4}") {
        holds_in_every_form(&pieces.join(&between));
    }
}
