//! What may be asked of tables and how it is answered, in the words of the signatures that the tools share.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Numbers.
    Number,
    /// Days or moments.
    Date,
    /// True or false.
    Truth,
    /// Values of several kinds.
    Mixed,
    /// Nothing.
    Empty,
}

/// How a cell is compared with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same value.
    Equals,
    /// Another value.
    Differs,
    /// Any of several values, separated by `|`.
    OneOf,
    /// The text holds the literal.
    Contains,
    /// More, or later.
    Above,
    /// As much or more.
    AtLeast,
    /// Less, or earlier.
    Below,
    /// As much or less.
    AtMost,
    /// A date in a period.
    Within,
}

/// Only rows for which this holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column's heading.
    pub column: String,
    /// How its cells are compared.
    pub comparison: Comparison,
    /// With what.
    pub literal: String,
}

/// How finely a key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// The value itself.
    Value,
    /// The day of a date.
    Day,
    /// Its month.
    Month,
    /// Its quarter.
    Quarter,
    /// Its year.
    Year,
}

/// What makes rows belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The column's heading.
    pub column: String,
    /// How finely it is taken.
    pub grain: Grain,
}

/// What is done with the cells of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// They are added up.
    Sum,
    /// They are counted.
    Count,
    /// Their mean.
    Average,
    /// The middle one.
    Median,
    /// The least one.
    Smallest,
    /// The greatest one.
    Largest,
    /// Percent of all groups together.
    Share,
}

/// What is measured of a group; a count of rows takes no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What is done.
    pub operation: Operation,
    /// The column's heading.
    pub column: Option<String>,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The largest, or latest.
    LargestFirst,
    /// The smallest, or earliest.
    SmallestFirst,
}

/// An order of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column's heading.
    pub column: String,
    /// Which end comes first.
    pub direction: Direction,
}

/// A last row that measures all groups together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalsRow {
    /// Below the groups.
    Below,
}

/// What was found, as texts: the first rows only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The headings.
    pub columns: Vec<String>,
    /// Cells as a person reads them.
    pub rows: Vec<Vec<String>>,
    /// How many rows there are in all.
    pub total: u32,
    /// What was left out, as sentences.
    pub notes: Vec<String>,
}
