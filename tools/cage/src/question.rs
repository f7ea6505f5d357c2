//! What a component asks the model about a text, and what can be an answer to it. Neither who asks nor who answers is believed: a question
//! that is not within its bounds cannot be made, and an answer counts only where the question admits it.

use cloister_process::frame::{Decoder, Encoder, Malformed};

/// Labels of one question. 32: more kinds of letters than an office tells apart.
const LABELS: usize = 32;
/// Bytes of a label or a name. 128: a few words.
const NAME_BYTES: usize = 128;
/// Bytes of what a text comes to. 4 KiB: more than the tokens that the model may write for it have.
const CONDENSED_BYTES: usize = 4 << 10;
/// Bytes of a value. 256: a name, an address on one line.
const VALUE_BYTES: usize = 256;
/// Digits of a number before its point. 15: more than any office counts, and all of them exact in a spreadsheet.
const DIGITS: usize = 15;

/// Characters beside the controls that a line of text does not show, or that make it show otherwise.
pub const UNSEEN: [(char, char); 8] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// A question about a text, within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    text: String,
    task: Task,
}

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// What it says, in a few sentences on one line.
    Condense,
    /// Which of these labels fits it best.
    Classify(Vec<String>),
    /// The value that it gives for a name, if it gives one.
    Extract {
        /// What the value is called.
        name: String,
        /// What it is.
        kind: Kind,
    },
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `2025-03-31`
    Date,
    /// `1200.50`
    Amount,
    /// A whole number.
    Integer,
    /// A few words on one line.
    Text,
}

/// There is no answer, and there will be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// Who answers what a component asks.
pub trait Mind {
    /// The answer, one that the question admits; nothing where the text gives none.
    ///
    /// # Errors
    /// [`Unanswered`], which ends the call.
    fn answer(&mut self, question: &Question) -> Result<Option<String>, Unanswered>;
}

/// For calls of which none is to ask anything.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Mind for Nobody {
    fn answer(&mut self, _: &Question) -> Result<Option<String>, Unanswered> {
        Err(Unanswered)
    }
}

impl Question {
    /// A question of `most` bytes at most, labels and names counted; nothing where it is longer, or a label or name is none.
    pub fn new(text: String, task: Task, most: usize) -> Option<Question> {
        let fits = match &task {
            Task::Condense => true,
            Task::Classify(labels) => {
                let alone =
                    |(at, label): (usize, &String)| !labels.iter().take(at).any(|l| l == label);
                (2..=LABELS).contains(&labels.len())
                    && labels.iter().all(|label| is_line(label, NAME_BYTES))
                    && labels.iter().enumerate().all(alone)
            }
            Task::Extract { name, .. } => is_line(name, NAME_BYTES),
        };
        let names: usize = match &task {
            Task::Condense => 0,
            Task::Classify(labels) => labels.iter().map(String::len).sum(),
            Task::Extract { name, .. } => name.len(),
        };
        let whole = text.len().saturating_add(names) <= most;
        (fits && whole).then_some(Question { text, task })
    }

    /// What it is about.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is asked of it.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Whether this can be an answer.
    pub fn admits(&self, answer: Option<&str>) -> bool {
        match (&self.task, answer) {
            (Task::Condense, Some(said)) => is_line(said, CONDENSED_BYTES),
            (Task::Classify(labels), Some(said)) => labels.iter().any(|label| label == said),
            (Task::Extract { kind, .. }, Some(said)) => kind.is_of(said),
            (Task::Extract { .. }, None) => true,
            (Task::Condense | Task::Classify(_), None) => false,
        }
    }

    /// As a payload, or part of one.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        to.text(&self.text);
        match &self.task {
            Task::Condense => to.u8(0),
            Task::Classify(labels) => {
                to.u8(1);
                to.count(labels.len());
                labels.iter().for_each(|label| to.text(label));
            }
            Task::Extract { name, kind } => {
                to.u8(2);
                to.text(name);
                to.u8(*kind as u8);
            }
        }
        to.into_bytes()
    }

    /// The question in these bytes, of `most` bytes at most.
    ///
    /// # Errors
    /// [`Malformed`], also where it is not within its bounds.
    pub fn decode(payload: &[u8], most: usize) -> Result<Question, Malformed> {
        let mut from = Decoder::new(payload);
        let text = from.text()?;
        let task = match from.u8()? {
            0 => Task::Condense,
            1 => {
                let labels = (0..from.count()?).map(|_| from.text());
                Task::Classify(labels.collect::<Result<_, _>>()?)
            }
            2 => Task::Extract {
                name: from.text()?,
                kind: Kind::of_code(from.u8()?).ok_or(Malformed)?,
            },
            _ => return Err(Malformed),
        };
        from.end()?;
        Question::new(text, task, most).ok_or(Malformed)
    }
}

impl Kind {
    fn of_code(code: u8) -> Option<Kind> {
        [Kind::Date, Kind::Amount, Kind::Integer, Kind::Text]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }

    /// Whether a text is a value of this kind.
    fn is_of(self, said: &str) -> bool {
        match self {
            Kind::Date => is_date(said),
            Kind::Amount => match said.split_once('.') {
                Some((whole, cents)) => is_whole(whole) && is_digits(cents, 2),
                None => is_whole(said),
            },
            Kind::Integer => is_whole(said),
            Kind::Text => is_line(said, VALUE_BYTES),
        }
    }
}

/// Whether every character of a text is seen as what it is, and there is one at least, and not only a blank at an end.
fn is_line(text: &str, most: usize) -> bool {
    let seen = |c: char| {
        !c.is_control()
            && !UNSEEN
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&c))
    };
    !text.is_empty() && text.len() <= most && text.trim() == text && text.chars().all(seen)
}

fn is_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_whole(text: &str) -> bool {
    is_digits(text.strip_prefix('-').unwrap_or(text), DIGITS)
}

/// Whether the calendar has this day.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        let part = parts
            .next()
            .filter(|part| part.len() == digits && is_digits(part, digits));
        part.and_then(|part| part.parse::<u32>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    parts.next().is_none() && (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;

    fn question(task: Task) -> Option<Question> {
        Question::new("Dear all".into(), task, MOST)
    }

    fn labels(labels: &[&str]) -> Task {
        Task::Classify(labels.iter().map(|label| (*label).to_owned()).collect())
    }

    fn value(kind: Kind) -> Question {
        let name = "due".to_owned();
        question(Task::Extract { name, kind }).unwrap()
    }

    #[test]
    fn a_question_beyond_its_bounds_cannot_be_made() {
        assert!(Question::new("x".repeat(MOST), Task::Condense, MOST).is_some());
        assert!(Question::new("x".repeat(MOST + 1), Task::Condense, MOST).is_none());
        let long = "x".repeat(MOST - 5);
        assert!(Question::new(long, labels(&["yes", "no!"]), MOST).is_none());
        let many: Vec<String> = (0..=LABELS).map(|n| n.to_string()).collect();
        assert!(question(Task::Classify(many)).is_none());
        for wrong in [
            &["one"][..],
            &[],
            &["a", ""],
            &["a", "a"],
            &["a", "b\nc"],
            &["a", "b\u{202e}"],
            &["a", " b"],
            &["a", &"b".repeat(NAME_BYTES + 1)],
        ] {
            assert!(question(labels(wrong)).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn what_crosses_comes_back_and_what_is_out_of_bounds_does_not_cross() {
        let name = "Total due".to_owned();
        let kind = Kind::Amount;
        for task in [
            Task::Condense,
            labels(&["a", "b"]),
            Task::Extract { name, kind },
        ] {
            let question = question(task).unwrap();
            let bytes = question.encode();
            assert_eq!(Question::decode(&bytes, MOST), Ok(question.clone()));
            assert_eq!(Question::decode(&bytes, 7), Err(Malformed));
            for end in 0..bytes.len() {
                assert_eq!(Question::decode(&bytes[..end], MOST), Err(Malformed));
            }
        }
    }

    #[test]
    fn a_label_is_one_of_those_that_were_asked_for() {
        let question = question(labels(&["order", "complaint"])).unwrap();
        assert!(question.admits(Some("order")));
        for other in [Some("orders"), Some("Order"), Some(""), None] {
            assert!(!question.admits(other), "{other:?}");
        }
    }

    #[test]
    fn what_a_text_comes_to_is_one_line_that_is_seen_as_it_is() {
        let question = question(Task::Condense).unwrap();
        assert!(question.admits(Some("The tent is paid for. Größe: 4 m.")));
        let long = "x".repeat(CONDENSED_BYTES + 1);
        for wrong in [
            "",
            " ",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "\u{200b}",
            &long,
        ] {
            assert!(!question.admits(Some(wrong)), "{wrong:?}");
        }
        assert!(!question.admits(None));
    }

    #[test]
    fn a_value_is_of_its_kind_or_there_is_none() {
        for (kind, right, wrong) in [
            (
                Kind::Date,
                &["2024-02-29", "1999-12-31"][..],
                &[
                    "2023-02-29",
                    "2024-13-01",
                    "2024-1-01",
                    "31.12.1999",
                    "2024-01-01-01",
                    "+024-01-01",
                ][..],
            ),
            (
                Kind::Amount,
                &["0", "-12.5", "1200.50"],
                &[
                    "1,200",
                    "12.345",
                    ".5",
                    "1.",
                    "1e3",
                    "--1",
                    "1.-2",
                    "€ 5",
                    "1234567890123456",
                ],
            ),
            (Kind::Integer, &["7", "-7"], &["7.0", "+7", "seven", ""]),
            (Kind::Text, &["Boat & Co."], &["", "a\nb", " a", "=\u{7}"]),
        ] {
            let question = value(kind);
            assert!(question.admits(None));
            for said in right {
                assert!(question.admits(Some(said)), "{said}");
            }
            for said in wrong {
                assert!(!question.admits(Some(said)), "{said}");
            }
        }
    }
}
