//! One conversation over an engine: the tokens read so far, their keys and values, and what was counted. Owns its cache, nothing else.

use crate::arch::Cache;
use crate::decode::{self, Decoded, Forward, Mark, Weight, log_probability, shared};
use crate::engine::Engine;
use crate::grammar::Constraint;
use crate::sampler::{Sampler, Sampling};
use crate::watch::{Progress, Watch, tell};
use crate::ModelError;

/// What is computed at once.
struct Limits {
    /// Positions of a prompt. 64: an interruption waits half a second on the slowest machine we measured.
    chunk: usize,
    /// Positions whose logits are all kept. 16: 10 MB for a vocabulary of 150 000.
    scored: usize,
}

const LIMITS: Limits = Limits { chunk: 64, scored: 16 };

/// How many tokens went which way, since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Read by [`Session::extend`] and [`Session::align`].
    pub prompt: usize,
    /// Not read again because they were there already.
    pub reused: usize,
    /// Written because a constraint left no choice.
    pub forced: usize,
    /// Chosen by the model.
    pub sampled: usize,
}

/// A conversation. Sessions of one engine are independent of each other.
pub struct Session<'e> {
    engine: &'e Engine,
    cache: Cache,
    tokens: Vec<u32>,
    logits: Option<Vec<f32>>,
    tally: Tally,
}

impl<'e> Session<'e> {
    pub(crate) fn new(engine: &'e Engine, context: usize) -> Self {
        let cache = engine.decoder().cache(context);
        Self { engine, cache, tokens: Vec::new(), logits: None, tally: Tally::default() }
    }

    /// The tokens read so far.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many tokens can be held.
    #[must_use]
    pub fn context(&self) -> usize {
        self.cache.limit()
    }

    /// What was counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Logits after the last token read, one for each token of the vocabulary.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] when nothing was read since the beginning or the last [`Session::rewind`].
    pub fn logits(&self) -> Result<&[f32], ModelError> {
        self.logits.as_deref().ok_or(ModelError::NothingRead)
    }

    /// Reads more of the prompt.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`] before anything is read; [`ModelError::Interrupted`], after which what was read remains read.
    pub fn extend(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let before = self.tokens.len();
        let read = self.read(tokens, watch);
        self.tally.prompt = self.tally.prompt.saturating_add(self.tokens.len().saturating_sub(before));
        read
    }

    /// Forgets all but the first `len` tokens. The logits are known again after the next token.
    pub fn rewind(&mut self, len: usize) {
        if len < self.tokens.len() {
            self.tokens.truncate(len);
            self.cache.rewind(len);
            self.logits = None;
        }
    }

    /// Makes `tokens` what was read: keeps the common beginning, forgets what differs, reads the rest.
    ///
    /// # Errors
    /// As [`Session::extend`].
    pub fn align(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let common = shared(&self.tokens, tokens);
        let known = common == tokens.len() && common == self.tokens.len() && self.logits.is_some();
        // Without the logits after it, the last token has to be read again.
        let keep = if known { common } else { common.min(tokens.len().saturating_sub(1)) };
        self.rewind(keep);
        self.tally.reused = self.tally.reused.saturating_add(keep);
        self.extend(tokens.get(keep..).unwrap_or_default(), watch)
    }

    /// Writes the likeliest text that the constraint allows. Afterwards the session has read all of it but the last tokens;
    /// [`Session::align`] with the next prompt reads those.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`], [`ModelError::Interrupted`], [`ModelError::ContextFull`], and what the grammar reports.
    pub fn choose(&mut self, constraint: &Constraint, watch: &mut dyn Watch) -> Result<Decoded, ModelError> {
        let mut matcher = constraint.start(self.engine.vocabulary())?;
        let ends = self.engine.tokenizer().ends();
        let decoded = decode::choose(self, &mut matcher, ends, watch)?;
        Ok(self.counted(decoded))
    }

    /// How likely each alternative is as what comes next. The session is afterwards as it was.
    ///
    /// # Errors
    /// As [`Session::choose`].
    pub fn weigh(&mut self, alternatives: &[String], watch: &mut dyn Watch) -> Result<Vec<Weight>, ModelError> {
        let tokenizer = self.engine.tokenizer();
        let alternatives: Vec<Vec<u32>> = alternatives.iter().map(|text| tokenizer.encode_continued(text)).collect();
        decode::weigh(self, &alternatives, watch)
    }

    /// Writes freely until the model ends its turn or `limit` tokens are written.
    ///
    /// # Errors
    /// As [`Session::choose`].
    pub fn answer(&mut self, limit: usize, sampling: Sampling, watch: &mut dyn Watch) -> Result<Decoded, ModelError> {
        let tokenizer = self.engine.tokenizer();
        let decoded = decode::answer(self, tokenizer, limit, Sampler::new(sampling), watch)?;
        Ok(self.counted(decoded))
    }

    fn counted(&mut self, decoded: Decoded) -> Decoded {
        self.tally.forced = self.tally.forced.saturating_add(decoded.forced);
        self.tally.sampled = self.tally.sampled.saturating_add(decoded.sampled);
        decoded
    }

    /// Reads in chunks; only the last position of the last chunk goes through the head.
    fn read(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let needed = self.tokens.len().saturating_add(tokens.len());
        if needed > self.cache.limit() {
            return Err(ModelError::ContextFull { tokens: needed, context: self.cache.limit() });
        }
        let decoder = self.engine.decoder();
        let (mut done, mut last) = (0_usize, None);
        for chunk in tokens.chunks(LIMITS.chunk) {
            self.logits = None;
            let hidden = decoder.forward(chunk, &mut self.cache)?;
            last = Some(hidden.narrow(0, chunk.len().saturating_sub(1), 1)?);
            self.tokens.extend_from_slice(chunk);
            done = done.saturating_add(chunk.len());
            if tokens.len() > 1 {
                tell(watch, Progress::Prefill { done, total: tokens.len() })?;
            }
        }
        if let Some(last) = last {
            self.logits = Some(decoder.logits(&last)?.flatten_all()?.to_vec1()?);
        }
        Ok(())
    }

    /// Reads one chunk with the logits of every position: the score of each token after its first, then the last logits are kept.
    fn read_scored(&mut self, chunk: &[u32]) -> Result<Vec<f64>, ModelError> {
        let mut scores = Vec::new();
        if let Some(first) = chunk.first() {
            scores.push(log_probability(self.logits()?, *first)?);
        }
        self.logits = None;
        let hidden = self.engine.decoder().forward(chunk, &mut self.cache)?;
        self.tokens.extend_from_slice(chunk);
        let rows = self.engine.decoder().logits(&hidden)?.to_vec2::<f32>()?;
        for (row, next) in rows.iter().zip(chunk.iter().skip(1)) {
            scores.push(log_probability(row, *next)?);
        }
        self.logits = rows.into_iter().next_back();
        Ok(scores)
    }
}

impl Forward for Session<'_> {
    fn extend(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        self.read(tokens, watch)
    }

    fn logits(&self) -> Result<&[f32], ModelError> {
        Session::logits(self)
    }

    fn mark(&self) -> Mark {
        Mark::new(self.tokens.len(), self.logits.clone())
    }

    fn back(&mut self, mark: &Mark) {
        self.rewind(mark.len());
        self.logits = mark.logits().map(<[f32]>::to_vec);
    }

    fn score(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<Vec<f64>, ModelError> {
        let mut scores = Vec::new();
        for chunk in tokens.chunks(LIMITS.scored) {
            scores.extend(self.read_scored(chunk)?);
            tell(watch, Progress::Prefill { done: scores.len(), total: tokens.len() })?;
        }
        Ok(scores)
    }
}
