//! A report before it has a form. Everything in it is text: no part can hold a link, a formula or markup, whatever a document said.

use tables::found::Numbers;

/// Words of the person for a report.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) title: Option<String>,
    pub(crate) introduction: Option<String>,
}

/// A whole report.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

/// What follows one another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Heading(Level, String),
    Paragraph(Vec<Run>),
    Item(Item),
    /// Lines whose blanks matter.
    Verbatim(String),
    Grid(Grid),
    Chart(Chart),
    /// What a reader may want to know and need not read: where the numbers are from.
    Note(String),
}

/// How deep a heading is below the title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(u8);

impl Level {
    /// The first below the title.
    pub(crate) const FIRST: Self = Self(2);

    /// A heading that its text counts from 1: below the title it is one deeper.
    pub(crate) fn below_title(counted: u8) -> Self {
        Self(counted.saturating_add(1).clamp(2, 6))
    }

    /// From 2 to 6.
    pub(crate) fn get(self) -> u8 {
        self.0
    }
}

/// A point of a list, how deep it lies from 0, and its number where the list counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) depth: u8,
    pub(crate) number: Option<u64>,
    pub(crate) runs: Vec<Run>,
}

/// Text of one look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) look: Look,
}

impl Run {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            look: Look::Plain,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Strong,
    Emphasis,
    Code,
}

/// A table, its cells as they are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
    /// A row that measures the others.
    pub(crate) foot: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) side: Side,
}

/// To which side the cells of a column are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Start,
    /// Numbers, so that their digits stand below one another.
    End,
}

/// Groups and what was measured of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) shape: Shape,
    pub(crate) title: String,
    pub(crate) categories: Vec<String>,
    /// At least one, each with as many values as there are categories.
    pub(crate) series: Vec<Series>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Bar,
    Line,
    Pie,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
    pub(crate) numbers: Numbers,
}

/// The colours of series or slices in turn: dark enough on white, and told apart without red and green.
pub(crate) const COLOURS: [&str; 6] = ["2F6DB5", "D9822B", "3C8D93", "8E5EA2", "7A7A7A", "B8A036"];
