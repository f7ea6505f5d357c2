//! The model at work on one plan: a transcript that only grows, and one constrained choice a slot. Sees the person's words, signatures,
//! names of granted files and, in the second pass, headings of columns; never the text of a document.

use std::fmt::Write as _;

use cloister_models::{Constraint, End, Ended, Engine, ModelError, Sampling, Session, Tally};
use cloister_states::States;

use crate::failure::Failure;
use crate::plan::offers::Offer;
use crate::screen::Stage;
use crate::slots::tables::{Columns, Kind};
use crate::slots::{Decide, Slot};

/// The longest free answer, tokens: about a screenful.
const LONGEST_ANSWER: usize = 220;
/// File names shown to the planner; more are counted.
const NAMES_SHOWN: usize = 24;
/// What ends a value in the call as the model writes it.
const QUOTE: &str = "\"";

/// A conversation with the model about one request.
pub(crate) struct Mind<'e> {
    engine: &'e Engine,
    session: Session<'e>,
    stage: Stage,
    /// Every token so far, read or about to be.
    tokens: Vec<u32>,
    /// What this program says before the person's words, and where its state is kept. Nothing else is.
    fixed: Vec<u32>,
    states: States,
    /// Text that later choices follow; it is read in one go with the next choice.
    pending: String,
    slots: usize,
}

impl<'e> Mind<'e> {
    /// Begin with what can be done and what is asked.
    pub(crate) fn open(
        engine: &'e Engine,
        stage: Stage,
        briefing: &Briefing<'_>,
        states: States,
    ) -> Result<Mind<'e>, Failure> {
        let mut prompt = engine.template()?.begin().system(&briefing.system());
        for example in briefing.examples {
            prompt = prompt.user(&example.request).answered(&example.reply);
        }
        let fixed = prompt.tokens().to_vec();
        let tokens = prompt.user(&briefing.user()).assistant();
        let mut session = engine.session()?;
        states.take_up(&mut session, &fixed);
        Ok(Mind {
            engine,
            session,
            stage,
            tokens,
            fixed,
            states,
            pending: "{".to_owned(),
            slots: 0,
        })
    }

    /// Tell the model which columns the frozen files hold, and go on with the same call.
    pub(crate) fn columns(&mut self, columns: &Columns, request: &str) -> Result<(), Failure> {
        self.pending.push('}');
        self.flush();
        let turn = format!(
            "Columns: {}\nRequest: {request}\nGo on with the call.",
            described(columns)
        );
        self.tokens.extend(
            self.engine
                .template()?
                .follow(Ended::ByConstraint)
                .user(&turn)
                .assistant(),
        );
        self.pending.push('{');
        self.slots = 0;
        Ok(())
    }

    /// Answer in words a request that needs no tool.
    pub(crate) fn answer(&mut self, request: &str) -> Result<String, Failure> {
        let system = "You are Cloister, an office assistant that runs on this computer only. Answer in one to three plain sentences.";
        self.tokens = self
            .engine
            .template()?
            .begin()
            .system(system)
            .user(request)
            .assistant();
        self.session.align(&self.tokens, &mut self.stage)?;
        let decoded = self
            .session
            .answer(LONGEST_ANSWER, Sampling::default(), &mut self.stage)?;
        Ok(decoded.text.trim().to_owned())
    }

    /// Keep the state of what was said before the person's words, for the next run.
    pub(crate) fn keep(&self) -> std::io::Result<()> {
        self.states.keep(&self.session, &self.fixed)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.session.tally()
    }

    fn key(&mut self, name: &str) {
        let comma = if self.slots == 0 { "" } else { "," };
        self.slots = self.slots.saturating_add(1);
        let _ = write!(self.pending, "{comma}\"{name}\":\""); // a String takes everything
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.pending);
        self.tokens
            .extend(self.engine.tokenizer().encode_continued(&text));
    }
}

impl Decide for Mind<'_> {
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        self.key(&slot.name);
        self.flush();
        self.session.align(&self.tokens, &mut self.stage)?;
        let texts: Vec<String> = slot.alternatives.iter().map(|a| quoted(&a.shown)).collect();
        let constraint = Constraint::one_of(&texts, End::With(QUOTE.to_owned()))?;
        let decoded = self.session.choose(&constraint, &mut self.stage)?;
        self.tokens.extend(&decoded.tokens);
        let chosen = texts.iter().position(|t| *t == decoded.text);
        chosen.ok_or_else(|| {
            Failure::failed(format!(
                "the model chose `{}`, which was not offered",
                decoded.text
            ))
        })
    }

    fn settled(&mut self, slot: &str, shown: &str) {
        self.key(slot);
        self.pending.push_str(&quoted(shown));
        self.pending.push_str(QUOTE);
    }
}

/// What may stand between two quotation marks: a heading with one of its own does not end there, nor make the choice impossible.
fn quoted(shown: &str) -> String {
    shown.replace(QUOTE, "''")
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

#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;
