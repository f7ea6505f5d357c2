//! What `describe` found in the granted files, as typed choices. Text from documents enters the planner here and nowhere else.

use cloister_tools::names;
use serde::Deserialize;

/// A heading or value longer than this is no choice a person would recognise, characters.
const LONGEST_CHOICE: usize = 80;

/// Columns that are offered, the first ones: more would make the model read for minutes and no office table has as many.
const MOST_COLUMNS: usize = 64;

/// One table of one file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Table {
    pub(crate) file: String,
    pub(crate) worksheet: String,
    pub(crate) columns: Vec<Column>,
}

/// One column: its heading, its kind and, where they are few and text, its values.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) values: Vec<String>,
}

/// What a column's cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Text,
    Number,
    Date,
    Truth,
    Mixed,
    Empty,
}

/// The columns that a call may name: those of the tables it would read, once each, cleaned for eyes and grammar.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns(Vec<Column>);

impl Columns {
    /// The union over tables; the first table's order, kind and spelling win, values are joined.
    pub(crate) fn of<'a>(tables: impl IntoIterator<Item = &'a Table>) -> Columns {
        let mut all: Vec<Column> = Vec::new();
        for column in tables
            .into_iter()
            .flat_map(|t| &t.columns)
            .filter(|c| is_choice(&c.name))
        {
            let full = all.len() >= MOST_COLUMNS;
            match all
                .iter_mut()
                .find(|known| known.name.eq_ignore_ascii_case(&column.name))
            {
                Some(known) => known.join(column),
                None if !full => all.push(column.clean()),
                None => {}
            }
        }
        Columns(all)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Column> {
        self.0.iter()
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Column> {
        self.0.iter().filter(move |c| c.kind == kind)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Column {
    /// A column of two opposite words says yes or no about each row.
    pub(crate) fn is_yes_or_no(&self) -> bool {
        let known = |v: &String| {
            ["yes", "no", "true", "false", "y", "n"].contains(&v.to_lowercase().as_str())
        };
        self.kind == Kind::Truth
            || (!self.values.is_empty() && self.values.len() <= 2 && self.values.iter().all(known))
    }

    fn clean(&self) -> Column {
        Column {
            values: self
                .values
                .iter()
                .filter(|v| is_choice(v))
                .cloned()
                .collect(),
            ..self.clone()
        }
    }

    fn join(&mut self, other: &Column) {
        if self.kind == Kind::Empty {
            self.kind = other.kind;
        } else if self.kind != other.kind && other.kind != Kind::Empty {
            self.kind = Kind::Mixed;
        }
        for value in other.values.iter().filter(|v| is_choice(v)) {
            if !self.values.contains(value) {
                self.values.push(value.clone());
            }
        }
    }
}

/// The headings that every one of the tables has, as the first spells them.
pub(crate) fn shared<'t>(tables: &[&'t Table]) -> Vec<&'t str> {
    let Some((first, others)) = tables.split_first() else {
        return Vec::new();
    };
    let has = |table: &Table, name: &str| {
        let mut columns = table.columns.iter();
        columns.any(|c| c.name.eq_ignore_ascii_case(name))
    };
    let names = first.columns.iter().map(|c| c.name.as_str());
    names
        .filter(|name| is_choice(name) && others.iter().all(|t| has(t, name)))
        .collect()
}

/// Whether text out of a document may be offered: short, and nothing in it that an eye or a terminal would read otherwise.
pub(crate) fn is_choice(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= LONGEST_CHOICE
        && names::refusal(&text.replace(names::typographic, " ")).is_none()
}

#[cfg(test)]
pub(crate) fn sample() -> Columns {
    let column = |name: &str, kind, values: &[&str]| Column {
        name: name.into(),
        kind,
        values: values.iter().map(|v| (*v).into()).collect(),
    };
    Columns(vec![
        column("Batch", Kind::Text, &[]),
        column("Date", Kind::Date, &[]),
        column("Grower", Kind::Text, &["Alder Farm", "Birch & Son"]),
        column(
            "Orchard",
            Kind::Text,
            &["Cliff", "Hillside", "Meadow", "Terrace"],
        ),
        column("Net weight", Kind::Number, &[]),
        column("Loss", Kind::Number, &[]),
        column("Grade", Kind::Text, &["fresh", "stored"]),
        column("Inspected", Kind::Text, &["yes", "no"]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_that_would_mislead_an_eye_are_no_choice() {
        for bad in ["", "  ", "a\u{1b}[2J", "amount\u{202e}txt", &"x".repeat(81)] {
            assert!(!is_choice(bad), "{bad:?}");
        }
        assert!(is_choice("Montant (€)"));
        assert!(is_choice("Montant\u{a0}HT"));
    }
}
