//! One conversation over an engine: the tokens read so far, their keys and values, and what was counted. Owns its cache, nothing else.

use cloister_kernels::LANES;

use crate::ModelError;
use crate::arch::{Backend, Memory};
use crate::decode::{self, Decoded, Weight, log_probability, shared};
use crate::engine::Engine;
use crate::forward::{Forward, Mark};
use crate::gains::{Drafts, Gains, Head};
use crate::grammar::{Constraint, Matcher};
use crate::logits::{Ask, Logits, Tiles};
use crate::meanwhile::meanwhile;
use crate::sampler::Sampling;
use crate::snapshot::{self, Miss, StateKey};
use crate::watch::{Progress, Watch, tell};
use crate::write::{self, Counts, Hear, Writing, Written};

/// What is computed at once.
pub(crate) struct Limits {
    /// Positions of a prompt. 256: weights are read from memory once a chunk, a fortieth of the time. An interruption waits for one layer of a chunk,
    /// 15 ms in a 0.5B model on two cores.
    pub(crate) chunk: usize,
    /// Positions whose logits are all kept. 64: 39 MB for a vocabulary of 150 000.
    pub(crate) scored: usize,
    /// Positions of which nobody is told while they are computed. 8: a decoded token and a draft behind it take hardly longer than one.
    skinny: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    chunk: 256,
    scored: 64,
    skinny: 8,
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
    /// Taken up by [`Session::restore`]; [`Session::align`] counts them as reused too.
    pub restored: usize,
    /// Tried before the model had chosen them.
    pub drafted: usize,
    /// Tried and then chosen.
    pub accepted: usize,
    /// Passes through the layers.
    pub passes: usize,
    /// Rows of the output head computed, each for one position.
    pub head_rows: usize,
}

/// A conversation. Sessions of one engine are independent of each other.
pub struct Session<'e> {
    engine: &'e Engine,
    memory: Memory,
    /// Those in the cache, then those that were written and not yet computed.
    tokens: Vec<u32>,
    /// After the last tokens, as far as somebody asked.
    logits: Logits,
    tally: Tally,
    gains: Gains,
}

impl<'e> Session<'e> {
    pub(crate) fn new(
        engine: &'e Engine,
        context: usize,
        gains: Gains,
    ) -> Result<Self, ModelError> {
        let drafts = match engine.backend() {
            Backend::Kernels { .. } => gains.drafts,
            // Its sums depend on how many positions are read together, so a draft could change what is drawn.
            Backend::Candle { .. } => Drafts::Never,
        };
        Ok(Self {
            engine,
            memory: engine.graph().memory(context)?,
            tokens: Vec::new(),
            logits: Logits::default(),
            tally: Tally::default(),
            gains: Gains { drafts, ..gains },
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

    /// Logits after the last token read, one for each token of the vocabulary. Computed when they are first asked for.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] when nothing was read since the beginning or the last [`Session::rewind`].
    pub fn logits(&mut self) -> Result<&[f32], ModelError> {
        Forward::logits(self)
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
            let logits = self.read_rows(chunk)?;
            let rows = (0..logits.rows()).filter_map(|row| logits.all(row));
            rows.for_each(&mut show);
            self.logits.keep_last();
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

    /// Under what the state of these tokens is kept; nothing where it cannot be.
    #[must_use]
    pub fn state_key(&self, tokens: &[u32]) -> Option<StateKey> {
        match self.engine.backend() {
            Backend::Kernels { isa, .. } => Some(StateKey::new(self.engine.sha256(), isa, tokens)),
            Backend::Candle { .. } => None,
        }
    }

    /// Bytes of a state of so many tokens; 0 where none can be kept.
    #[must_use]
    pub fn state_len(&self, tokens: usize) -> usize {
        let held = self.memory.saved_len(tokens);
        held.map_or(0, snapshot::len)
    }

    /// The state of the first `len` tokens and of no others, for [`Session::restore`]. Nothing where fewer were computed, or none can be
    /// kept.
    #[must_use]
    pub fn snapshot(&self, len: usize) -> Option<Vec<u8>> {
        let tokens = self.tokens.get(..len)?;
        let size = self.memory.saved_len(len)?;
        let key = self.state_key(tokens)?;
        let computed = len <= self.memory.len();
        computed.then(|| snapshot::seal(key, size, |bytes| self.memory.save(len, bytes)))
    }

    /// Takes up the state of `tokens` in place of reading them; what was read before is forgotten. Bytes that are not exactly that state
    /// are a miss, after which the session is as it was.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn restore(&mut self, tokens: &[u32], bytes: &[u8]) -> Result<(), Miss> {
        let key = self.state_key(tokens).ok_or(Miss::Unfit)?;
        let size = self.memory.saved_len(tokens.len()).ok_or(Miss::Unfit)?;
        let state = snapshot::unseal(key, size, bytes)?;
        self.rewind(0);
        self.memory.load(tokens.len(), state);
        self.tokens.extend_from_slice(tokens);
        self.tally.restored = self.tally.restored.saturating_add(tokens.len());
        Ok(())
    }

    /// Makes `tokens` what was read: keeps the common beginning, forgets what differs, reads the rest.
    ///
    /// # Errors
    /// As [`Session::extend`].
    pub fn align(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        let common = shared(&self.tokens, tokens);
        let known = common == tokens.len() && common == self.tokens.len() && self.knows_last();
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
        let vocabulary = self.engine.vocabulary();
        let started = || constraint.start(vocabulary);
        let (matcher, read) = meanwhile(started, || self.read(&[], watch));
        read?; // first: an interruption is heard whatever the constraint says
        let mut matcher = matcher?;
        let (tokenizer, gains) = (self.engine.tokenizer(), self.gains);
        let decoded = decode::choose(self, tokenizer, &mut matcher, gains, watch)?;
        self.count(decoded.counts);
        Ok(decoded)
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
        let (tokenizer, gains) = (self.engine.tokenizer(), self.gains);
        let decoded = decode::answer(self, tokenizer, limit, sampling, gains, watch)?;
        self.count(decoded.counts);
        Ok(decoded)
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
        let (tokenizer, gains) = (self.engine.tokenizer(), self.gains);
        let written = write::write(self, tokenizer, matcher, writing, gains, hear, watch)?;
        self.count(written.counts);
        Ok(written)
    }

    fn count(&mut self, counts: Counts) {
        let Counts {
            forced,
            sampled,
            drafted,
            accepted,
        } = counts;
        let add = |sum: &mut usize, more: usize| *sum = sum.saturating_add(more);
        add(&mut self.tally.forced, forced);
        add(&mut self.tally.sampled, sampled);
        add(&mut self.tally.drafted, drafted);
        add(&mut self.tally.accepted, accepted);
    }

    /// Whether the logits after the last token can be had without reading it again.
    fn knows_last(&self) -> bool {
        let read = self.tokens.len() == self.memory.len();
        read && (self.memory.fresh() > 0 || self.logits.all(0).is_some())
    }

    /// Computes what was written but not computed, then `tokens`, in chunks.
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
            self.logits.clear();
            self.tally.passes = self.tally.passes.saturating_add(1);
            let graph = self.engine.graph();
            graph.forward(chunk, &mut self.memory, |layers, all| {
                if total <= LIMITS.skinny {
                    return Ok(()); // the loop that decodes tells of it
                }
                let done = done + count * layers / all;
                tell(watch, Progress::Prefill { done, total })
            })?;
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
        let logits = self.read_rows(chunk)?;
        for (row, next) in chunk.iter().skip(1).enumerate() {
            let logits = logits.all(row).ok_or(ModelError::NothingRead)?;
            scores.push(log_probability(logits, *next)?);
        }
        self.logits.keep_last();
        Ok(scores)
    }

    /// Reads one chunk and gives the logits after each of its tokens.
    fn read_rows(&mut self, chunk: &[u32]) -> Result<&Logits, ModelError> {
        self.logits.clear();
        self.tally.passes = self.tally.passes.saturating_add(1);
        let graph = self.engine.graph();
        graph.forward(chunk, &mut self.memory, |_, _| Ok(()))?;
        self.tokens.extend_from_slice(chunk);
        self.ask(&vec![Ask::All; chunk.len()])
    }
}

impl Forward for Session<'_> {
    fn extend(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError> {
        self.read(tokens, watch)
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<&Logits, ModelError> {
        let known = self.logits.rows() == asks.len() && self.logits.all(0).is_some();
        if known {
            return Ok(&self.logits);
        }
        if self.tokens.len() != self.memory.len() {
            return Err(ModelError::NothingRead);
        }
        let graph = self.engine.graph();
        let vocabulary = graph.vocabulary();
        let tiles = match self.gains.head {
            Head::Allowed => Tiles::of(asks, vocabulary.div_ceil(LANES)),
            Head::Whole => Tiles::All,
        };
        let (memory, rows) = (&mut self.memory, asks.len());
        let computed = rows.saturating_mul(tiles.width(vocabulary));
        self.logits.fill(rows, tiles, |tiles, values| {
            graph.head(memory, rows, tiles, values)
        })?;
        self.tally.head_rows = self.tally.head_rows.saturating_add(computed);
        Ok(&self.logits)
    }

    fn push(&mut self, tokens: &[u32]) {
        if !tokens.is_empty() {
            self.tokens.extend_from_slice(tokens);
            self.logits.clear();
        }
    }

    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn room(&self) -> usize {
        self.memory.limit().saturating_sub(self.tokens.len())
    }

    fn rewind(&mut self, len: usize) {
        Session::rewind(self, len);
    }

    fn back(&mut self, mark: &Mark) {
        self.rewind(mark.len());
        self.logits = Logits::whole(mark.logits().to_vec(), 1);
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
