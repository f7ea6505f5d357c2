//! Slots that depend on what files hold, filled in the second pass: typed choices only, in the order of the signature.
//!
//! The model picks where the person's words leave a choice open; a slot with one possible value costs nothing. No text of a document
//! adds a choice: headings and values arrive typed from `describe`, literals must also stand in the request.

pub(crate) mod conditions;
pub(crate) mod fill;
pub(crate) mod keys;
pub(crate) mod measures;
pub(crate) mod order;
pub(crate) mod tables;

use serde_json::Value;

use crate::failure::Failure;
use crate::words::Words;

/// Words that announce a group: "by month", "per customer", "for each region".
const GROUPERS: [&str; 5] = ["by", "per", "each", "everi", "across"];

/// One decision: what it is called in the plan, and everything it may become.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) alternatives: Vec<Alternative>,
}

/// One way to fill a slot: as the model reads it, and as the call carries it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) shown: String,
    pub(crate) value: Value,
}

impl Alternative {
    pub(crate) fn new(shown: impl Into<String>, value: Value) -> Alternative {
        Alternative {
            shown: shown.into(),
            value,
        }
    }
}

/// Who decides: the model in use, a script in tests.
pub(crate) trait Decide {
    /// Pick one of the slot's alternatives, of which there are at least two.
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure>;

    /// Take note of a slot that was settled without a choice, so that later choices are made in its light.
    fn settled(&mut self, slot: &str, shown: &str);
}

impl Slot {
    pub(crate) fn new(name: impl Into<String>, alternatives: Vec<Alternative>) -> Slot {
        let mut unique: Vec<Alternative> = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            if !unique.iter().any(|u| u.shown == alternative.shown) {
                unique.push(alternative);
            }
        }
        Slot {
            name: name.into(),
            alternatives: unique,
        }
    }

    /// The value that fills the slot; none where nothing could.
    pub(crate) fn decided(self, decide: &mut dyn Decide) -> Result<Option<Value>, Failure> {
        let pick = match self.alternatives.len() {
            0 => return Ok(None),
            1 => {
                if let Some(only) = self.alternatives.first() {
                    decide.settled(&self.name, &only.shown);
                }
                0
            }
            _ => decide.decide(&self)?,
        };
        Ok(self.alternatives.into_iter().nth(pick).map(|a| a.value))
    }
}

/// Whether the word at a place is announced as a group.
pub(crate) fn groups(words: &Words, at: usize) -> bool {
    (1..=2)
        .filter_map(|back| words.stem_before(at, back))
        .any(|s| GROUPERS.contains(&s))
}

/// How many words a heading has.
pub(crate) fn length(heading: &str) -> usize {
    crate::words::stems(heading).len()
}

/// Takes the first alternative: for tests of what is offered.
#[cfg(test)]
pub(crate) struct First;

#[cfg(test)]
impl Decide for First {
    fn decide(&mut self, _: &Slot) -> Result<usize, Failure> {
        Ok(0)
    }
    fn settled(&mut self, _: &str, _: &str) {}
}
