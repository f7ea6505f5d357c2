//! One conversation over an engine: the tokens read so far, their keys and values, and what was counted. Owns its cache, nothing else.

use crate::ModelError;
use crate::arch::{Memory, Want};
use crate::decode::{self, Decoded, Forward, Mark, Weight, log_probability, shared};
use crate::engine::Engine;
use crate::grammar::{Constraint, Matcher};
use crate::sampler::{Sampler, Sampling};
use crate::watch::{Progress, Watch, tell};
use crate::write::{self, Hear, Writing, Written};

/// What is computed at once.
pub(crate) struct Limits {
    /// Positions of a prompt. 256: weights are read from memory once a chunk, a fortieth of the time. An interruption waits for one layer of a chunk,
    /// 15 ms in a 0.5B model on two cores.
    pub(crate) chunk: usize,
    /// Positions whose logits are all kept. 64: 39 MB for a vocabulary of 150 000.
    pub(crate) scored: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    chunk: 256,
    scored: 64,
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
    memory: Memory,
    /// Those in the cache, then those that were written and not yet computed.
    tokens: Vec<u32>,
    /// After the last token; empty while some are not computed.
    logits: Vec<f32>,
    tally: Tally,
}

impl<'e> Session<'e> {
    pub(crate) fn new(engine: &'e Engine, context: usize) -> Result<Self, ModelError> {
        Ok(Self {
            engine,
            memory: engine.graph().memory(context)?,
            tokens: Vec::new(),
            logits: Vec::new(),
            tally: Tally::default(),
        })
    }

    /// The tokens read and written so far.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many tokens can be held.
    #[must_use]
    pub fn context(&self) -> usize {
        self.memory.limit()
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
        match self.logits.is_empty() {
            true => Err(ModelError::NothingRead),
            false => Ok(&self.logits),
        }
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

    /// Reads more of the prompt and shows the logits after each of its tokens, in order: what a perplexity is computed from, and what is
    /// compared with another engine. At most 64 positions are computed at once.
    ///
    /// # Errors
    /// As [`Session::extend`].
    pub fn extend_shown(
        &mut self,
        tokens: &[u32],
        watch: &mut dyn Watch,
        mut show: impl FnMut(&[f32]),
    ) -> Result<(), ModelError> {
        self.read(&[], watch)?;
        let mut done = 0_usize;
        for chunk in tokens.chunks(LIMITS.scored) {
            self.read_rows(chunk)?;
            let vocabulary = self.engine.graph().vocabulary();
            self.logits.chunks_exact(vocabulary).for_each(&mut show);
            self.keep_last_row();
            self.tally.prompt = self.tally.prompt.saturating_add(chunk.len());
            done = done.saturating_add(chunk.len());
            let total = tokens.len();
            tell(watch, Progress::Prefill { done, total })?;
        }
        Ok(())
    }

    /// Forgets all but the first `len` tokens. The logits are known again after the next token.
    pub fn rewind(&mut self, len: usize) {
        if len < self.tokens.len() {
            self.tokens.truncate(len);
            self.memory.rewind(len);
            self.logits.clear();
        }
    }

    /// Makes `tokens` what was read: keeps the common beginning, forgets what differs, reads the rest.
    ///
    /// # Errors
    /// As [`Session::extend`].
    pub fn align(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let common = shared(&self.tokens, tokens);
        let known =
            common == tokens.len() && common == self.tokens.len() && !self.logits.is_empty();
        // Without the logits after it, the last token has to be read again.
        let keep = if known {
            common
        } else {
            common.min(tokens.len().saturating_sub(1))
        };
        self.rewind(keep);
        self.tally.reused = self
            .tally
            .reused
            .saturating_add(keep.min(self.memory.len()));
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
        if needed > self.memory.limit() {
            return Err(ModelError::ContextFull {
                tokens: needed,
                context: self.memory.limit(),
            });
        }
        self.tokens.extend_from_slice(tokens);
        let read = self.read_chunks(watch);
        if read.is_err() {
            // What was written before and not computed is kept; of the rest, what was read.
            let written = needed.saturating_sub(tokens.len());
            self.tokens.truncate(self.memory.len().max(written));
        }
        read
    }

    /// Computes every token that is not computed yet.
    fn read_chunks(&mut self, watch: &mut dyn Watch) -> Result<(), ModelError> {
        let start = self.memory.len();
        let total = self.tokens.len().saturating_sub(start);
        let mut done = 0_usize;
        while done < total {
            let count = LIMITS.chunk.min(total.saturating_sub(done));
            let from = start.saturating_add(done);
            let chunk = self
                .tokens
                .get(from..from.saturating_add(count))
                .unwrap_or_default();
            let want = match done.saturating_add(count) == total {
                true => Want::Last,
                false => Want::Nothing,
            };
            let graph = self.engine.graph();
            graph.forward(
                chunk,
                &mut self.memory,
                want,
                &mut self.logits,
                |layers, all| match total {
                    1 => Ok(()), // a decoded token is told of by the loop that decodes
                    _ => tell(
                        watch,
                        Progress::Prefill {
                            done: done + count * layers / all,
                            total,
                        },
                    ),
                },
            )?;
            done = done.saturating_add(count);
        }
        Ok(())
    }

    /// Reads one chunk with the logits of every position, and scores each of its tokens.
    fn read_scored(&mut self, chunk: &[u32]) -> Result<Vec<f64>, ModelError> {
        let mut scores = Vec::new();
        if let Some(first) = chunk.first() {
            scores.push(log_probability(self.logits()?, *first)?);
        }
        self.read_rows(chunk)?;
        let vocabulary = self.engine.graph().vocabulary();
        let rows = self.logits.chunks_exact(vocabulary);
        for (row, next) in rows.zip(chunk.iter().skip(1)) {
            scores.push(log_probability(row, *next)?);
        }
        self.keep_last_row();
        Ok(scores)
    }

    /// Reads one chunk; until [`Session::keep_last_row`] the logits are those after each of its tokens, row by row.
    fn read_rows(&mut self, chunk: &[u32]) -> Result<(), ModelError> {
        let graph = self.engine.graph();
        graph.forward(
            chunk,
            &mut self.memory,
            Want::Every,
            &mut self.logits,
            |_, _| Ok(()),
        )?;
        self.tokens.extend_from_slice(chunk);
        Ok(())
    }

    fn keep_last_row(&mut self) {
        let vocabulary = self.engine.graph().vocabulary();
        let last = self.logits.len().saturating_sub(vocabulary);
        self.logits.drain(..last);
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
            self.logits.clear();
        }
    }

    fn mark(&self) -> Mark {
        let known = (!self.logits.is_empty()).then(|| self.logits.clone());
        Mark::new(self.tokens.len(), known)
    }

    fn back(&mut self, mark: &Mark) {
        self.rewind(mark.len());
        self.logits.clear();
        self.logits
            .extend_from_slice(mark.logits().unwrap_or_default());
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
