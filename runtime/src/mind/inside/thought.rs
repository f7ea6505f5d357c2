//! A conversation with the model about one request: a transcript that only grows, and one constrained choice a slot.

use std::fmt::Write as _;

use cloister_models::{
    Constraint, End, Ended, Engine, ModelError, Prompt, Sampling, Session, Tally, Watch,
};
use cloister_states::{Found, States, Store};

use crate::mind::wire::Turn;

/// The longest free answer, tokens: about a screenful.
const LONGEST_ANSWER: usize = 220;
/// What ends a value in the call as the model writes it.
const QUOTE: &str = "\"";

/// What this program says before the person's words. Its state is kept, and nothing else is.
pub(super) struct Beginning<'e> {
    engine: &'e Engine,
    session: Session<'e>,
    prompt: Prompt<'e>,
}

pub(super) struct Thought<'e> {
    engine: &'e Engine,
    session: Session<'e>,
    /// Every token so far, read or about to be.
    tokens: Vec<u32>,
    /// Text that later choices follow; it is read in one go with the next choice.
    pending: String,
    slots: usize,
}

impl<'e> Beginning<'e> {
    /// Begin with what can be done: as it is kept, or read and then kept for the next run.
    pub(super) fn read(
        engine: &'e Engine,
        system: &str,
        examples: &[Turn],
        states: &States<impl Store>,
        watch: &mut dyn Watch,
    ) -> Result<Beginning<'e>, ModelError> {
        let mut prompt = engine.template()?.begin().system(system);
        for (request, reply) in examples {
            prompt = prompt.user(request).answered(reply);
        }
        let mut session = engine.session()?;
        if states.take_up(&mut session, prompt.tokens()) == Found::Nothing {
            session.align(prompt.tokens(), watch)?;
            let _ = states.keep(&session, prompt.tokens()); // whoever has the store tells what became of it
        }
        Ok(Beginning {
            engine,
            session,
            prompt,
        })
    }

    pub(super) fn tally(&self) -> Tally {
        self.session.tally()
    }

    /// Go on with what is asked.
    pub(super) fn requested(self, user: &str) -> Thought<'e> {
        Thought {
            engine: self.engine,
            session: self.session,
            tokens: self.prompt.user(user).assistant(),
            pending: "{".to_owned(),
            slots: 0,
        }
    }
}

impl Thought<'_> {
    /// Go on with the same call, told this.
    pub(super) fn go(&mut self, turn: &str) -> Result<(), ModelError> {
        self.pending.push('}');
        self.flush();
        self.tokens.extend(
            self.engine
                .template()?
                .follow(Ended::ByConstraint)
                .user(turn)
                .assistant(),
        );
        self.pending.push('{');
        self.slots = 0;
        Ok(())
    }

    /// Pick one: its number, or the text that was chosen though it was not offered.
    pub(super) fn choose(
        &mut self,
        slot: &str,
        shown: &[String],
        watch: &mut dyn Watch,
    ) -> Result<Result<u32, String>, ModelError> {
        self.key(slot);
        self.flush();
        self.session.align(&self.tokens, watch)?;
        let texts: Vec<String> = shown.iter().map(|text| quoted(text)).collect();
        let constraint = Constraint::one_of(&texts, End::With(QUOTE.to_owned()))?;
        let decoded = self.session.choose(&constraint, watch)?;
        self.tokens.extend(&decoded.tokens);
        let chosen = texts.iter().position(|text| *text == decoded.text);
        Ok(chosen
            .and_then(|index| u32::try_from(index).ok())
            .ok_or(decoded.text))
    }

    /// Take note of what was settled without a choice, so that later choices are made in its light.
    pub(super) fn settled(&mut self, slot: &str, shown: &str) {
        self.key(slot);
        self.pending.push_str(&quoted(shown));
        self.pending.push_str(QUOTE);
    }

    /// Answer in words a request that needs no tool.
    pub(super) fn answer(
        &mut self,
        system: &str,
        request: &str,
        watch: &mut dyn Watch,
    ) -> Result<String, ModelError> {
        self.tokens = self
            .engine
            .template()?
            .begin()
            .system(system)
            .user(request)
            .assistant();
        self.session.align(&self.tokens, watch)?;
        let decoded = self
            .session
            .answer(LONGEST_ANSWER, Sampling::default(), watch)?;
        Ok(decoded.text.trim().to_owned())
    }

    pub(super) fn tally(&self) -> Tally {
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

/// What may stand between two quotation marks: a heading with one of its own does not end there, nor make the choice impossible.
fn quoted(shown: &str) -> String {
    shown.replace(QUOTE, "''")
}

#[cfg(test)]
pub(super) mod made;
#[cfg(test)]
mod tests;
