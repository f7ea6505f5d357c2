//! A conversation with the model about one request: a transcript that only grows, and one constrained choice a slot.

use std::fmt::Write as _;

use cloister_models::{
    Constraint, End, Ended, Engine, ModelError, Sampling, Session, Tally, Watch,
};
use cloister_states::{States, Store};

use crate::mind::wire::Turn;

/// The longest free answer, tokens: about a screenful.
const LONGEST_ANSWER: usize = 220;
/// What ends a value in the call as the model writes it.
const QUOTE: &str = "\"";

pub(super) struct Thought<'e, S> {
    engine: &'e Engine,
    session: Session<'e>,
    /// Every token so far, read or about to be.
    tokens: Vec<u32>,
    /// What this program says before the person's words, and where its state is kept. Nothing else is.
    fixed: Vec<u32>,
    states: States<S>,
    /// Text that later choices follow; it is read in one go with the next choice.
    pending: String,
    slots: usize,
}

impl<'e, S: Store> Thought<'e, S> {
    /// Begin with what can be done and what is asked.
    pub(super) fn open(
        engine: &'e Engine,
        system: &str,
        examples: &[Turn],
        user: &str,
        states: States<S>,
    ) -> Result<Thought<'e, S>, ModelError> {
        let mut prompt = engine.template()?.begin().system(system);
        for (request, reply) in examples {
            prompt = prompt.user(request).answered(reply);
        }
        let fixed = prompt.tokens().to_vec();
        let tokens = prompt.user(user).assistant();
        let mut session = engine.session()?;
        states.take_up(&mut session, &fixed);
        Ok(Thought {
            engine,
            session,
            tokens,
            fixed,
            states,
            pending: "{".to_owned(),
            slots: 0,
        })
    }

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

    /// Keep the state of what was said before the person's words, for the next run.
    pub(super) fn keep(&self) -> std::io::Result<()> {
        self.states.keep(&self.session, &self.fixed)
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
mod made;
#[cfg(test)]
mod tests;
