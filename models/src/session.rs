//! One conversation over an engine: the tokens read so far, their keys and values, and what was counted. Owns its cache, nothing else.

use candle_core::Tensor;

use crate::ModelError;
use crate::arch::Cache;
use crate::decode::{self, Decoded, Forward, Mark, Weight, log_probability, shared};
use crate::engine::Engine;
use crate::grammar::{Constraint, Matcher};
use crate::sampler::{Sampler, Sampling};
use crate::watch::{Progress, Watch, tell};
use crate::write::{self, Hear, Writing, Written};

/// What is computed at once.
struct Limits {
    /// Positions of a prompt. 256: prefill is half as fast again as with 64, because weights are dequantised once a chunk.
    /// An interruption waits for one layer of a chunk, a tenth of a second in a 0.5B model on two cores.
    chunk: usize,
    /// Positions whose logits are all kept. 16: 10 MB for a vocabulary of 150 000.
    scored: usize,
}

const LIMITS: Limits = Limits {
    chunk: 256,
    scored: 16,
};

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
    /// Those in the cache, then those that were written and not yet computed.
    tokens: Vec<u32>,
    /// After the last token; none while some are not computed.
    logits: Option<Vec<f32>>,
    tally: Tally,
}

impl<'e> Session<'e> {
    pub(crate) fn new(engine: &'e Engine, context: usize) -> Self {
        let cache = engine.decoder().cache(context);
        Self {
            engine,
            cache,
            tokens: Vec::new(),
            logits: None,
            tally: Tally::default(),
        }
    }

    /// The tokens read and written so far.
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
        self.tally.prompt = self
            .tally
            .prompt
            .saturating_add(self.tokens.len().saturating_sub(before));
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
        let keep = if known {
            common
        } else {
            common.min(tokens.len().saturating_sub(1))
        };
        self.rewind(keep);
        self.tally.reused = self.tally.reused.saturating_add(keep.min(self.cache.len()));
        self.extend(tokens.get(keep..).unwrap_or_default(), watch)
    }

    /// Writes the likeliest text that the constraint allows. Afterwards it is part of the session, and so is the token by which the model
    /// ended its turn, if it did: see [`Decoded::stop`].
    ///
    /// # Errors
    /// [`ModelError::NothingRead`], [`ModelError::Interrupted`], [`ModelError::ContextFull`], and what the grammar reports.
    pub fn choose(
        &mut self,
        constraint: &Constraint,
        watch: &mut dyn Watch,
    ) -> Result<Decoded, ModelError> {
        let mut matcher = constraint.start(self.engine.vocabulary())?;
        self.read(&[], watch)?;
        let ends = self.engine.tokenizer().ends();
        let decoded = decode::choose(self, &mut matcher, ends, watch)?;
        Ok(self.counted(decoded))
    }

    /// How likely each alternative is as what comes next. The session is afterwards as it was.
    ///
    /// # Errors
    /// As [`Session::choose`].
    pub fn weigh(
        &mut self,
        alternatives: &[String],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Weight>, ModelError> {
        let tokenizer = self.engine.tokenizer();
        let alternatives: Vec<Vec<u32>> = alternatives
            .iter()
            .map(|text| tokenizer.encode_continued(text))
            .collect();
        self.read(&[], watch)?;
        decode::weigh(self, &alternatives, watch)
    }

    /// Writes freely until the model ends its turn or `limit` tokens are written. As [`Session::choose`], all of it is part of the session.
    ///
    /// # Errors
    /// As [`Session::choose`].
    pub fn answer(
        &mut self,
        limit: usize,
        sampling: Sampling,
        watch: &mut dyn Watch,
    ) -> Result<Decoded, ModelError> {
        self.read(&[], watch)?;
        let tokenizer = self.engine.tokenizer();
        let decoded = decode::answer(self, tokenizer, limit, Sampler::new(sampling), watch)?;
        Ok(self.counted(decoded))
    }

    /// Writes under a constraint if there is one, freely otherwise, and tells each token as it is written. As [`Session::choose`], all of
    /// it is part of the session. A matcher that writing ended before its constraint was satisfied is of no further use.
    ///
    /// # Errors
    /// As [`Session::choose`].
    pub fn write(
        &mut self,
        matcher: Option<&mut Matcher>,
        writing: &Writing,
        hear: &mut Hear<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Written, ModelError> {
        self.read(&[], watch)?;
        let tokenizer = self.engine.tokenizer();
        let written = write::write(self, tokenizer, matcher, writing, hear, watch)?;
        self.tally.forced = self.tally.forced.saturating_add(written.forced);
        self.tally.sampled = self.tally.sampled.saturating_add(written.sampled);
        Ok(written)
    }

    fn counted(&mut self, decoded: Decoded) -> Decoded {
        self.tally.forced = self.tally.forced.saturating_add(decoded.forced);
        self.tally.sampled = self.tally.sampled.saturating_add(decoded.sampled);
        decoded
    }

    /// Computes what was written but not computed, then `tokens`, in chunks. Only the very last position goes through the head.
    fn read(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let needed = self.tokens.len().saturating_add(tokens.len());
        if needed > self.cache.limit() {
            return Err(ModelError::ContextFull {
                tokens: needed,
                context: self.cache.limit(),
            });
        }
        let mut queue = self.tokens.split_off(self.cache.len());
        queue.extend_from_slice(tokens);
        let last = self.read_chunks(&queue, watch)?;
        if let Some(last) = last {
            self.logits = Some(
                self.engine
                    .decoder()
                    .logits(&last)?
                    .flatten_all()?
                    .to_vec1()?,
            );
        }
        Ok(())
    }

    /// The hidden state of the last position, if there is one.
    fn read_chunks(
        &mut self,
        queue: &[u32],
        watch: &mut dyn Watch,
    ) -> Result<Option<Tensor>, ModelError> {
        let decoder = self.engine.decoder();
        let (total, mut last) = (queue.len(), None);
        let mut done = 0_usize;
        for chunk in queue.chunks(LIMITS.chunk) {
            self.logits = None;
            let hidden = decoder.forward(chunk, &mut self.cache, |layers, all| match queue {
                [_] => Ok(()), // a decoded token is told of by the loop that decodes
                _ => tell(
                    watch,
                    Progress::Prefill {
                        done: done + chunk.len() * layers / all,
                        total,
                    },
                ),
            })?;
            last = Some(hidden.narrow(0, chunk.len().saturating_sub(1), 1)?);
            self.tokens.extend_from_slice(chunk);
            done = done.saturating_add(chunk.len());
        }
        Ok(last)
    }

    /// Reads one chunk with the logits of every position: scores each of its tokens, and keeps the last logits.
    fn read_scored(&mut self, chunk: &[u32]) -> Result<Vec<f64>, ModelError> {
        let mut scores = Vec::new();
        if let Some(first) = chunk.first() {
            scores.push(log_probability(self.logits()?, *first)?);
        }
        self.logits = None;
        let hidden = self
            .engine
            .decoder()
            .forward(chunk, &mut self.cache, |_, _| Ok(()))?;
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

    fn push(&mut self, tokens: &[u32]) {
        if !tokens.is_empty() {
            self.tokens.extend_from_slice(tokens);
            self.logits = None;
        }
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
            tell(
                watch,
                Progress::Prefill {
                    done: scores.len(),
                    total: tokens.len(),
                },
            )?;
        }
        Ok(scores)
    }
}
