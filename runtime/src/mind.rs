//! The model at work on one plan, in a process of its own (`inside`) that holds nothing but a line to this one. Here is the agent's side: what the
//! model is told, and what is made of its answers. While it plans it is told the person's words, signatures, names of granted files and, in the
//! second pass, headings of columns; never the text of a document. Those it hears only once there is nothing more to plan (`reading`).

pub(crate) mod inside;
mod line;
mod reading;
mod start;
mod talk;
mod wire;

use std::fmt::Write as _;

use cloister_models::{ModelError, Tally};
use cloister_states::Folder;

pub(crate) use self::line::Bounds;
pub(crate) use self::reading::Reader;
pub(crate) use self::start::{Loaded, Sealed, Starting, start};
use self::talk::{Shelf, Talk};
use self::wire::{Ask, Told};
use crate::failure::Failure;
use crate::plan::offers::Offer;
use crate::screen::Stage;
use crate::slots::tables::{Columns, Kind};
use crate::slots::{Decide, Slot};

/// What this program is called when it is started as the mind's process.
pub(crate) const NAME: &str = "cloister-mind";
/// What the mind is told at its start: that it computes on the processor and needs nothing else, or on a card.
const PROCESSOR: &str = "processor";
const CARD: &str = "card";
/// File names shown to the planner; more are counted.
const NAMES_SHOWN: usize = 24;
/// What a request is answered by that needs no tool.
const IN_WORDS: &str = "You are Cloister, an office assistant that runs on this computer only. Answer in one to three plain sentences.";

/// A conversation with the model about one request.
pub(crate) struct Mind {
    talk: Talk,
    stage: Stage,
    /// Whether the state of the beginning could be kept.
    kept: std::io::Result<()>,
    /// What was settled since the model was last asked.
    settled: Vec<Ask>,
}

impl Loaded {
    /// Begin with what can be done, then what is asked. What the model makes of the beginning is kept in `states`, for the next run; before it
    /// hears of the person's words, so that none of them is.
    pub(crate) fn open(
        self,
        stage: Stage,
        bounds: Bounds,
        briefing: &Briefing<'_>,
        states: Folder,
    ) -> Result<Mind, Failure> {
        let Loaded { mut talk, model } = self;
        talk.bind(bounds);
        talk.open_shelf(Shelf::of(model, states));
        let mut mind = Mind {
            talk,
            stage,
            kept: Ok(()),
            settled: Vec::new(),
        };
        let examples = briefing.examples.iter();
        mind.done(&Ask::Open {
            system: briefing.system(),
            examples: examples
                .map(|e| (e.request.clone(), e.reply.clone()))
                .collect(),
        })?;
        mind.kept = mind.talk.close_shelf();
        mind.done(&Ask::Request(briefing.user()))?;
        Ok(mind)
    }
}

impl Mind {
    /// Tell the model which columns the frozen files hold, and go on with the same call.
    pub(crate) fn columns(&mut self, columns: &Columns, request: &str) -> Result<(), Failure> {
        let turn = format!(
            "Columns: {}\nRequest: {request}\nGo on with the call.",
            described(columns)
        );
        self.done(&Ask::Go(turn))
    }

    /// Answer in words a request that needs no tool.
    pub(crate) fn answer(&mut self, request: &str) -> Result<String, Failure> {
        let ask = Ask::Answer {
            system: IN_WORDS.to_owned(),
            request: request.to_owned(),
        };
        match self.ask(&ask)? {
            Told::Said(text, _) => Ok(text),
            _ => Err(self.talk.lied("it was asked for words and gave none")),
        }
    }

    /// What the disk said when the state of what was said before the person's words was to be kept, for the next run.
    pub(crate) fn kept(&self) -> &std::io::Result<()> {
        &self.kept
    }

    pub(crate) fn tally(&self) -> Tally {
        self.talk.tally()
    }

    fn done(&mut self, ask: &Ask) -> Result<(), Failure> {
        match self.ask(ask)? {
            Told::Done(_) => Ok(()),
            _ => Err(self.talk.lied("it answered what was not asked")),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Told, Failure> {
        for settled in std::mem::take(&mut self.settled) {
            self.talk.say(&settled)?;
        }
        self.talk.ask(ask, &mut self.stage)
    }
}

impl Decide for Mind {
    /// Whatever the mind says, it is one of those that were offered.
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        let shown = slot.alternatives.iter().map(|a| a.shown.clone());
        let ask = Ask::Choose {
            slot: slot.name.clone(),
            shown: shown.collect(),
        };
        let index = match self.ask(&ask)? {
            Told::Chosen(index, _) => usize::try_from(index).ok(),
            _ => None,
        };
        index
            .filter(|index| *index < slot.alternatives.len())
            .ok_or_else(|| self.talk.lied("it chose nothing that was offered"))
    }

    fn settled(&mut self, slot: &str, shown: &str) {
        self.settled.push(Ask::Settled {
            slot: slot.to_owned(),
            shown: shown.to_owned(),
        });
    }
}

/// A worked example: a request and the call that answers it, as the model would write it.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) request: String,
    pub(crate) reply: String,
}

/// What the model is told before it plans.
#[derive(Debug)]
pub(crate) struct Briefing<'a> {
    pub(crate) offers: &'a [&'a Offer],
    pub(crate) examples: &'a [Example],
    pub(crate) files: &'a [&'a str],
    pub(crate) request: &'a str,
}

impl Briefing<'_> {
    fn system(&self) -> String {
        let mut text =
            String::from("You choose the one tool call that does what the person asks. Tools:\n");
        for offer in self.offers {
            let _ = writeln!(
                text,
                "{}: {}",
                offer.signature.name(),
                first_sentence(offer.signature.doc())
            );
        }
        text.push_str("answer: reply in words when no file is needed.\ncannot: refuse what no tool does, such as deleting or sending.");
        text
    }

    fn user(&self) -> String {
        let shown: Vec<&str> = self.files.iter().copied().take(NAMES_SHOWN).collect();
        let more = self.files.len().saturating_sub(shown.len());
        let rest = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        format!(
            "Files: {}{rest}\nRequest: {}",
            shown.join(", "),
            self.request
        )
    }
}

fn described(columns: &Columns) -> String {
    let kind = |k: Kind| match k {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Date => "date",
        Kind::Truth => "yes or no",
        Kind::Mixed | Kind::Empty => "mixed",
    };
    columns
        .iter()
        .map(|c| format!("{} ({})", c.name, kind(c.kind)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn first_sentence(doc: &str) -> &str {
    doc.split_once(". ").map_or(doc, |(first, _)| first).trim()
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        use crate::failure::Kind;
        let kind = match &error {
            ModelError::Interrupted => return crate::interrupt::interrupted(),
            ModelError::WrongHash { .. } | ModelError::WrongLength { .. } => Kind::Integrity,
            _ => Kind::Failed,
        };
        Failure::new(kind, &error).hint(error.hint())
    }
}
