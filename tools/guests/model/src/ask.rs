//! What is asked of the model about texts, and what comes of its answers: rows of a table.

use crate::bindings::exports::cloister::model::model::{self as wit, Failure, Fault, Field, Table};
use crate::failure::failure;
use crate::limits::LIMITS;
use crate::text::Text;
use rust_decimal::Decimal;
use values::extract::{What, extract};
use values::text::folded;

pub(crate) use crate::bindings::cloister::mind::tasks::Kind;

/// Who answers: the host's model, or a script in tests.
pub(crate) trait Model {
    fn condense(&self, text: &str) -> String;
    fn classify(&self, text: &str, labels: &[String]) -> String;
    fn extract(&self, text: &str, name: &str, kind: Kind) -> Option<String>;
}

/// What each text says. A long one is condensed piece by piece, and what came of the pieces once more.
pub(crate) fn condense(model: &impl Model, texts: &[Text]) -> Result<Table, Failure> {
    let mut pieces = Vec::new();
    let mut questions = 0_usize;
    for text in texts {
        let of_it = text.pieces()?;
        let more = of_it.len().saturating_add(usize::from(of_it.len() > 1));
        questions = counted(questions, more, text)?;
        pieces.push((text, of_it));
    }
    let rows = pieces.into_iter().map(|(text, pieces)| {
        let said = match pieces.as_slice() {
            [only] => model.condense(only),
            several => {
                let each = several.iter().map(|piece| model.condense(piece));
                model.condense(&each.collect::<Vec<_>>().join("\n"))
            }
        };
        vec![text.file.clone(), said]
    });
    Ok(table(&["Summary".to_owned()], rows.collect(), Vec::new()))
}

/// Which of the labels each text is.
pub(crate) fn classify(
    model: &impl Model,
    texts: &[Text],
    labels: &[String],
) -> Result<Table, Failure> {
    let wholes = wholes(texts, 1)?;
    let rows = wholes
        .into_iter()
        .map(|(text, whole)| vec![text.file.clone(), model.classify(whole, labels)]);
    Ok(table(&["Kind".to_owned()], rows.collect(), Vec::new()))
}

/// The value of each field in each text. What the model gives and the text does not hold is left out, and told.
pub(crate) fn fields(
    model: &impl Model,
    texts: &[Text],
    fields: &[Field],
) -> Result<Table, Failure> {
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for (text, whole) in wholes(texts, fields.len())? {
        let mut row = vec![text.file.clone()];
        for field in fields {
            let said = model.extract(whole, &field.name, kind(field.kind));
            let held = said
                .as_deref()
                .filter(|said| holds(whole, field.kind, said));
            if said.is_some() && held.is_none() {
                notes.push(format!(
                    "what the model gave as {} of `{}` does not stand there and was left out",
                    field.name, text.file
                ));
            }
            row.push(held.unwrap_or_default().to_owned());
        }
        rows.push(row);
    }
    let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
    Ok(table(&names, rows, notes))
}

fn table(columns: &[String], rows: Vec<Vec<String>>, notes: Vec<String>) -> Table {
    let columns = ["File".to_owned()]
        .into_iter()
        .chain(columns.iter().cloned());
    Table {
        columns: columns.collect(),
        total: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        rows,
        notes,
    }
}

/// Texts that can be asked about at once, so many times each.
fn wholes(texts: &[Text], times: usize) -> Result<Vec<(&Text, &str)>, Failure> {
    let mut questions = 0_usize;
    let mut wholes = Vec::new();
    for text in texts {
        questions = counted(questions, times, text)?;
        wholes.push((text, text.whole()?));
    }
    Ok(wholes)
}

/// The host would end the call in its middle.
fn counted(before: usize, more: usize, text: &Text) -> Result<usize, Failure> {
    let questions = before.saturating_add(more);
    if questions > LIMITS.questions {
        let what = format!(
            "is one too many: the model answers {} questions of one call",
            LIMITS.questions
        );
        return Err(failure(Fault::TooLarge, &text.file, &what));
    }
    Ok(questions)
}

fn kind(kind: wit::Kind) -> Kind {
    match kind {
        wit::Kind::Date => Kind::Date,
        wit::Kind::Amount => Kind::Amount,
        wit::Kind::Integer => Kind::Integer,
        wit::Kind::Text => Kind::Text,
    }
}

/// Whether a value stands in a text, however it is written there.
fn holds(text: &str, kind: wit::Kind, value: &str) -> bool {
    let found = |what| extract(text, what, LIMITS.values).into_iter();
    match kind {
        wit::Kind::Date => found(What::Date).any(|found| found.value == value),
        wit::Kind::Amount | wit::Kind::Integer => {
            let number = |text: &str| text.parse::<Decimal>().ok();
            let wanted = number(value);
            let mut all = found(What::Number).chain(found(What::Amount));
            wanted.is_some() && all.any(|found| number(&found.value) == wanted)
        }
        wit::Kind::Text => folded(text).contains(&folded(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Parrot;

    const LETTER: &str =
        "Dear Ada,\nthe invoice of 3 March 2025 comes to EUR 1,200.50\nfor 3 tents.  Boat & Co.";

    fn texts(texts: &[&str]) -> Vec<Text> {
        let named = texts.iter().enumerate();
        named
            .map(|(at, text)| Text {
                file: format!("{at}.txt"),
                text: (*text).to_owned(),
            })
            .collect()
    }

    fn field(name: &str, kind: wit::Kind) -> Field {
        let name = name.to_owned();
        Field { name, kind }
    }

    fn given(value: Option<&'static str>, kind: wit::Kind) -> Table {
        fields(&Parrot(value), &texts(&[LETTER]), &[field("it", kind)]).unwrap()
    }

    #[test]
    fn each_text_is_condensed_and_a_long_one_piece_by_piece() {
        let long = "x".repeat(LIMITS.piece_bytes + 1);
        let table = condense(&Parrot(None), &texts(&["four", &long])).unwrap();
        assert_eq!(table.columns, ["File", "Summary"]);
        let first = format!("{} bytes", LIMITS.piece_bytes);
        let both = format!("{} bytes", first.len() + "\n1 bytes".len());
        let rows = [["0.txt", "4 bytes"], ["1.txt", both.as_str()]];
        assert_eq!(table.rows, rows);
    }

    #[test]
    fn each_text_is_one_of_the_labels() {
        let labels = ["praise", "complaint"].map(str::to_owned);
        let table = classify(&Parrot(None), &texts(&["a", "b"]), &labels).unwrap();
        assert_eq!(table.rows, [["0.txt", "complaint"], ["1.txt", "complaint"]]);
    }

    #[test]
    fn a_value_that_stands_in_the_text_is_told_and_another_is_left_out() {
        for (value, kind) in [
            ("2025-03-03", wit::Kind::Date),
            ("1200.50", wit::Kind::Amount),
            ("1200.5", wit::Kind::Amount),
            ("3", wit::Kind::Integer),
            ("boat & co.", wit::Kind::Text),
            ("3 tents. Boat", wit::Kind::Text),
        ] {
            let table = given(Some(value), kind);
            assert_eq!((table.rows[0][1].as_str(), table.notes.len()), (value, 0));
        }
        for (value, kind) in [
            ("2025-03-04", wit::Kind::Date),
            ("120.50", wit::Kind::Amount),
            ("4", wit::Kind::Integer),
            ("Bob", wit::Kind::Text),
        ] {
            let table = given(Some(value), kind);
            assert_eq!(table.rows, [["0.txt", ""]]);
            assert_eq!(
                table.notes,
                ["what the model gave as it of `0.txt` does not stand there and was left out"]
            );
        }
        assert_eq!(given(None, wit::Kind::Date).notes, Vec::<String>::new());
    }

    #[test]
    fn more_questions_than_the_host_answers_are_not_begun() {
        let many = vec!["x"; LIMITS.questions + 1];
        let failure = condense(&Parrot(None), &texts(&many)).unwrap_err();
        assert_eq!(
            (failure.fault, failure.file.as_str()),
            (Fault::TooLarge, "128.txt")
        );
        let two = [field("a", wit::Kind::Text), field("b", wit::Kind::Text)];
        let failure = fields(&Parrot(None), &texts(&many), &two).unwrap_err();
        assert_eq!(failure.file, "64.txt");
    }
}
