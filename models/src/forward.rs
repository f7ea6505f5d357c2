//! What the loops that write see of a model: tokens go in, logits come out. A session, or a test's own logits.

use crate::ModelError;
use crate::decode::log_probability;
use crate::logits::{Ask, Logits};
use crate::watch::Watch;

/// Something that reads tokens and says how likely each next one is. A [`crate::Session`], or a test's own logits.
pub trait Forward {
    /// Reads tokens. What comes after them can be asked for afterwards, and is computed only then.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`], [`ModelError::Interrupted`] and whatever computing can meet.
    fn extend(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError>;

    /// The logits after each of the last `asks.len()` tokens read, at least those that are asked for there. Only the last token's can be
    /// asked for, and those of tokens that were read together with it.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] when they cannot: before the first token, after an interruption and after [`Forward::rewind`].
    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<&Logits, ModelError>;

    /// One logit for each token of the vocabulary, after the last token read.
    ///
    /// # Errors
    /// As [`Forward::ask`].
    fn logits(&mut self) -> Result<&[f32], ModelError> {
        self.ask(&[Ask::All])?.all(0).ok_or(ModelError::NothingRead)
    }

    /// Notes tokens as written; they are read before the next ones, so that the last tokens of an output cost nothing of their own.
    fn push(&mut self, tokens: &[u32]);

    /// The tokens read and written so far.
    fn tokens(&self) -> &[u32];

    /// How many more can be held.
    fn room(&self) -> usize;

    /// Forgets all but the first `len` tokens.
    fn rewind(&mut self, len: usize);

    /// Where it stands now.
    ///
    /// # Errors
    /// As [`Forward::logits`].
    fn mark(&mut self) -> Result<Mark, ModelError> {
        let logits = self.logits()?.to_vec();
        Ok(Mark::new(self.tokens().len(), logits))
    }

    /// Forgets what was read since `mark`.
    fn back(&mut self, mark: &Mark);

    /// Reads tokens and gives the natural logarithm of each one's probability after those before it.
    ///
    /// # Errors
    /// As [`Forward::extend`].
    fn score(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<Vec<f64>, ModelError> {
        let mut scores = Vec::new();
        for token in tokens {
            scores.push(log_probability(self.logits()?, *token)?);
            self.extend(&[*token], watch)?;
        }
        Ok(scores)
    }
}

/// A place to come back to: how many tokens were read, and the logits there.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    len: usize,
    logits: Vec<f32>,
}

impl Mark {
    /// A mark at `len` tokens with the logits after them.
    #[must_use]
    pub fn new(len: usize, logits: Vec<f32>) -> Self {
        Self { len, logits }
    }

    /// Tokens read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The logits there.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }
}
