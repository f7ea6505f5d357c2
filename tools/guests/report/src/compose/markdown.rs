//! Markdown as blocks of a report. Links are written out, pictures are their captions, and markup of web pages is text.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::outline::{Block, Column, Grid, Item, Level, Look, Run, Side};

/// Lists within lists that are told apart; deeper ones stand as deep as this.
const DEEPEST: usize = 8;

/// What a text came to.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) blocks: Vec<Block>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn read(text: &str) -> Read {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.take(event);
    }
    reader.end_block();
    let mut read = Read {
        blocks: reader.blocks,
        notes: Vec::new(),
    };
    for (count, what) in [
        (reader.links, "links were written out as text"),
        (reader.pictures, "pictures were left out"),
        (reader.markup, "pieces of web markup stand as text"),
    ] {
        if count > 0 {
            read.notes.push(format!("{count} {what}"));
        }
    }
    read
}

/// The blocks so far, and what is open.
#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    runs: Vec<Run>,
    heading: Option<HeadingLevel>,
    verbatim: Option<String>,
    /// The lists that are open, each with the number of its next point where it counts.
    lists: Vec<Option<u64>>,
    /// The point that the next paragraph begins.
    point: Option<Option<u64>>,
    grid: Option<Grid>,
    strong: usize,
    emphasis: usize,
    /// Where the links that are open lead.
    targets: Vec<String>,
    links: usize,
    pictures: usize,
    markup: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text, self.look()),
            Event::Code(text) => self.text(&text, Look::Code),
            Event::SoftBreak => self.text(" ", self.look()),
            Event::HardBreak => self.text("\n", self.look()),
            Event::Rule => self.end_block(),
            Event::Html(text) | Event::InlineHtml(text) => {
                self.markup = self.markup.saturating_add(1);
                self.text(&text, Look::Plain);
            }
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text, Look::Plain)
            }
            Event::TaskListMarker(done) => {
                self.text(if done { "[x] " } else { "[ ] " }, Look::Plain)
            }
        }
    }

    fn look(&self) -> Look {
        match (self.strong, self.emphasis) {
            (0, 0) => Look::Plain,
            (0, _) => Look::Emphasis,
            _ => Look::Strong,
        }
    }

    fn text(&mut self, text: &str, look: Look) {
        if let Some(verbatim) = &mut self.verbatim {
            verbatim.push_str(text);
            return;
        }
        match self.runs.last_mut().filter(|run| run.look == look) {
            Some(run) => run.text.push_str(text),
            None => self.runs.push(Run {
                text: text.to_owned(),
                look,
            }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.end_block();
                self.heading = Some(level);
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                self.end_block();
                self.verbatim = Some(String::new());
            }
            Tag::List(first) => {
                self.end_block();
                self.lists.push(first);
            }
            Tag::Item => {
                self.end_block();
                let next = self.lists.last_mut();
                self.point = next.map(|number| {
                    let own = *number;
                    *number = own.map(|number| number.saturating_add(1));
                    own
                });
            }
            Tag::Table(sides) => {
                self.end_block();
                self.grid = Some(empty(&sides));
            }
            Tag::TableRow => {
                if let Some(grid) = &mut self.grid {
                    grid.rows.push(Vec::new());
                }
            }
            Tag::Strong => self.strong = self.strong.saturating_add(1),
            Tag::Emphasis => self.emphasis = self.emphasis.saturating_add(1),
            Tag::Link { dest_url, .. } => self.targets.push(dest_url.into_string()),
            Tag::Image { .. } => self.pictures = self.pictures.saturating_add(1),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock => self.end_block(),
            TagEnd::List(_) => {
                self.end_block();
                self.lists.pop();
            }
            TagEnd::TableCell => self.cell(),
            TagEnd::Table => self.blocks.extend(self.grid.take().map(Block::Grid)),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Emphasis => self.emphasis = self.emphasis.saturating_sub(1),
            TagEnd::Link => self.link(),
            _ => {}
        }
    }

    /// Behind a link's text stands where it leads, unless it says so itself.
    fn link(&mut self) {
        let Some(target) = self.targets.pop() else {
            return;
        };
        self.links = self.links.saturating_add(1);
        let said = self
            .runs
            .last()
            .is_some_and(|run| run.text.ends_with(&target));
        if !said {
            self.text(&format!(" ({target})"), self.look());
        }
    }

    fn cell(&mut self) {
        let text = flat(std::mem::take(&mut self.runs));
        let Some(grid) = &mut self.grid else { return };
        match grid.rows.last_mut() {
            Some(row) => row.push(text),
            None => {
                let unnamed = grid
                    .columns
                    .iter_mut()
                    .find(|column| column.name.is_empty());
                if let Some(column) = unnamed {
                    column.name = text;
                }
            }
        }
    }

    /// What was gathered is a block of the kind that is open.
    fn end_block(&mut self) {
        if let Some(verbatim) = self.verbatim.take() {
            self.blocks.push(Block::Verbatim(verbatim));
        }
        let runs = std::mem::take(&mut self.runs);
        let blank = runs.iter().all(|run| run.text.trim().is_empty());
        let heading = self.heading.take();
        if blank {
            return;
        }
        let block = match (heading, self.point.take()) {
            (Some(level), _) => Block::Heading(Level::below_title(level as u8), flat(runs)),
            (None, Some(number)) => Block::Item(Item {
                depth: u8::try_from(self.lists.len().saturating_sub(1).min(DEEPEST)).unwrap_or(0),
                number,
                runs,
            }),
            (None, None) => Block::Paragraph(runs),
        };
        self.blocks.push(block);
    }
}

fn flat(runs: Vec<Run>) -> String {
    runs.into_iter().map(|run| run.text).collect()
}

/// A table of as many columns as there are sides.
fn empty(sides: &[Alignment]) -> Grid {
    let columns = sides.iter().map(|side| Column {
        name: String::new(),
        side: match side {
            Alignment::Right => Side::End,
            Alignment::None | Alignment::Left | Alignment::Center => Side::Start,
        },
    });
    Grid {
        columns: columns.collect(),
        rows: Vec::new(),
        foot: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let each = read(text).blocks.into_iter().map(|block| match block {
            Block::Heading(level, text) => format!("h{} {text}", level.get()),
            Block::Paragraph(runs) => format!("p {}", flat(runs)),
            Block::Item(item) => {
                format!("{} {:?} {}", item.depth, item.number, flat(item.runs))
            }
            Block::Verbatim(text) => format!("pre {text:?}"),
            Block::Grid(grid) => {
                let names: Vec<&str> = grid.columns.iter().map(|c| c.name.as_str()).collect();
                format!("{names:?} {:?}", grid.rows)
            }
            Block::Chart(_) | Block::Note(_) => String::new(),
        });
        each.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_block_keeps_its_kind() {
        assert_eq!(
            told("Title\n===\n\n## Part *two*\n\nOne\nline.\n\n> Said\n\n    code\n"),
            "h2 Title\nh3 Part two\np One line.\np Said\npre \"code\\n\""
        );
        assert_eq!(
            told("1. a\n2. b\n   - c\n\n     d\n- e\n"),
            "0 Some(1) a\n0 Some(2) b\n1 None c\np d\n0 None e"
        );
        assert_eq!(
            told("| A | B |\n|---|--:|\n| x | 1 |\n|  | 2 |\n"),
            "[\"A\", \"B\"] [[\"x\", \"1\"], [\"\", \"2\"]]"
        );
    }

    #[test]
    fn links_pictures_and_web_markup_are_text() {
        let text =
            "See [here](https://a.example), <https://b.example> and ![a cat](c.png) <b>x</b>";
        assert_eq!(
            told(text),
            "p See here (https://a.example), https://b.example and a cat <b>x</b>"
        );
        assert_eq!(
            read(text).notes,
            [
                "2 links were written out as text",
                "1 pictures were left out",
                "2 pieces of web markup stand as text"
            ]
        );
    }

    #[test]
    fn looks_are_kept() {
        let Some(Block::Paragraph(runs)) = read("a **b** *c* `d`").blocks.pop() else {
            panic!()
        };
        let looks: Vec<Look> = runs
            .iter()
            .filter(|run| !run.text.trim().is_empty())
            .map(|run| run.look)
            .collect();
        assert_eq!(
            looks,
            [Look::Plain, Look::Strong, Look::Emphasis, Look::Code]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ -~\n\t]{0,200}") {
            read(&text);
        }
    }
}
