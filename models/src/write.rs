//! The loop that writes: freely or under a constraint, drawn by a sampler, each token told as it is written. It sees logits and masks only, so a
//! test can force both.
//!
//! **Invariant:** under a constraint only tokens of the mask are drawn, whatever the logits and the sampling. Held by `write::tests` and
//! `decode::tests`.
//!
//! **Invariant:** what is written does not depend on the [`Gains`]. Held by `gains::tests`.

use std::iter::repeat;
use std::ops::ControlFlow;

use crate::ModelError;
use crate::draft::Drafter;
use crate::forward::Forward;
use crate::gains::{Forced, Gains, Masks};
use crate::grammar::{Mask, Matcher};
use crate::logits::Ask;
use crate::meanwhile::meanwhile;
use crate::sampler::{Sampler, Sampling};
use crate::tokenizer::Tokenizer;
use crate::watch::{Progress, Watch, tell};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Writing {
    /// How its tokens are drawn.
    pub sampling: Sampling,
    /// Tokens at most.
    pub limit: usize,
    /// How many of the likeliest tokens are told at each place; none to tell no likelihood at all, which is quicker.
    pub likeliest: Option<usize>,
}

/// One token as it was written. The token that ends a turn is not told.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<'a> {
    /// The token.
    pub token: u32,
    /// What it stands for; may cut a character in two.
    pub bytes: &'a [u8],
    /// How likely it was, if that was asked for.
    pub likelihood: Option<Likelihood>,
}

/// How likely a token was among those that were allowed, before temperature and the other rules of sampling. A token that the constraint
/// forced had no rival: its logarithm is 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Likelihood {
    /// Natural logarithm of the probability.
    pub logp: f64,
    /// The likeliest tokens at this place with theirs, likeliest first.
    pub likeliest: Vec<(u32, f64)>,
}

/// Hears each token; break ends the writing after it.
pub type Hear<'a> = dyn FnMut(Step<'_>) -> ControlFlow<()> + 'a;

/// Why writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// The model said that its turn is over.
    Model,
    /// The constraint left nothing to say.
    Constraint,
    /// The limit on tokens was reached.
    #[default]
    Limit,
    /// Whoever heard had heard enough.
    Heard,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Tokens, without the one that ends a turn.
    pub tokens: usize,
    /// How they came about.
    pub counts: Counts,
    /// Why it ended.
    pub over: Over,
}

/// How tokens came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Forced by the constraint.
    pub forced: usize,
    /// Choices of the model, ending the turn among them.
    pub sampled: usize,
    /// Tried before the model had chosen them.
    pub drafted: usize,
    /// Tried and then chosen.
    pub accepted: usize,
}

/// Tokens behind which a draft is read. 64: behind a longer run it would gain little, and could fall into another chunk of the reading than
/// the token before it, whose logits are then gone.
const LONGEST_RUN: usize = 64;

/// What was written so far, and how much of it was read by the model.
struct Page<'h, 'a> {
    tokenizer: &'h Tokenizer,
    tokens: Vec<u32>,
    read: usize,
    limit: usize,
    hear: &'h mut Hear<'a>,
}

impl Page<'_, '_> {
    /// Notes and tells a token; says so if it was the last.
    fn note(&mut self, token: u32, likelihood: Option<Likelihood>) -> Option<Over> {
        self.tokens.push(token);
        let step = Step {
            token,
            bytes: self.tokenizer.token_bytes(token),
            likelihood,
        };
        if (self.hear)(step).is_break() {
            return Some(Over::Heard);
        }
        (self.tokens.len() >= self.limit).then_some(Over::Limit)
    }

    fn unread(&self) -> &[u32] {
        self.tokens.get(self.read..).unwrap_or_default()
    }
}

/// Writes until the model, the constraint, the limit or whoever hears ends it.
pub(crate) fn write(
    forward: &mut impl Forward,
    tokenizer: &Tokenizer,
    matcher: Option<&mut Matcher>,
    writing: &Writing,
    gains: Gains,
    hear: &mut Hear<'_>,
    watch: &mut dyn Watch,
) -> Result<Written, ModelError> {
    let writer = Writer {
        drafter: Drafter::new(gains.drafts, forward.tokens()),
        forward,
        matcher,
        sampler: Sampler::new(writing.sampling),
        page: Page {
            tokenizer,
            tokens: Vec::new(),
            read: 0,
            limit: writing.limit,
            hear,
        },
        likeliest: writing.likeliest,
        gains,
        written: Written::default(),
        end: None,
    };
    writer.run(watch)
}

/// One text being written.
struct Writer<'w, 'h, 'a, F> {
    forward: &'w mut F,
    matcher: Option<&'w mut Matcher>,
    sampler: Sampler,
    drafter: Drafter,
    page: Page<'h, 'a>,
    likeliest: Option<usize>,
    gains: Gains,
    written: Written,
    /// The token by which the model ended its turn.
    end: Option<u32>,
}

impl<F: Forward> Writer<'_, '_, '_, F> {
    fn run(mut self, watch: &mut dyn Watch) -> Result<Written, ModelError> {
        let mut over = (self.page.limit == 0).then_some(Over::Limit);
        while over.is_none() {
            over = match self.note_forced()? {
                None => self.pass(watch)?,
                end => end,
            };
        }
        self.forward.push(self.page.unread());
        self.forward.push(self.end.as_slice());
        self.written.tokens = self.page.tokens.len();
        self.written.over = over.unwrap_or(Over::Limit);
        Ok(self.written)
    }

    /// Writes what the constraint forces; says so if nothing comes after it.
    fn note_forced(&mut self) -> Result<Option<Over>, ModelError> {
        let Some(matcher) = self.matcher.as_deref_mut() else {
            return Ok(None);
        };
        let run = matcher.forced()?;
        let last = run.len();
        for (token, place) in run.into_iter().zip(1..) {
            if self.page.tokenizer.ends().contains(&token) {
                return Ok(Some(Over::Constraint));
            }
            self.drafter.note(token);
            self.written.counts.forced = self.written.counts.forced.saturating_add(1);
            let told = self.likeliest.map(|_| Likelihood::default());
            let over = self.page.note(token, told);
            let complete = place == last && matcher.finished();
            if over.is_some() && !(over == Some(Over::Limit) && complete) {
                return Ok(over);
            }
        }
        Ok(matcher.finished().then_some(Over::Constraint))
    }

    /// Reads what was written and not read, and a draft behind it; draws what comes next for as long as the draft foresaw it. What was
    /// read of the draft and not drawn is forgotten, also after an error.
    fn pass(&mut self, watch: &mut dyn Watch) -> Result<Option<Over>, ModelError> {
        let draft = self.draft()?;
        let masks = self.read(&draft, watch)?;
        let asks = asks(draft.len(), masks.as_deref());
        let (tokens, mut taken) = (self.page.read, 0_usize);
        let over = tell(watch, Progress::Decode { tokens })
            .and_then(|()| self.draw(&draft, &asks, &mut taken));
        // Where the constraint chose, a guess was neither right nor wrong.
        let guessed = asks.iter().filter(|ask| !matches!(ask, Ask::Nothing));
        self.drafter.learn(guessed.count().min(draft.len()), taken);
        let counts = &mut self.written.counts;
        counts.drafted = counts.drafted.saturating_add(draft.len());
        counts.accepted = counts.accepted.saturating_add(taken);
        self.forget(draft.len(), taken);
        over
    }

    /// Forgets what was read of a draft and not drawn.
    fn forget(&mut self, drafted: usize, taken: usize) {
        self.page.read = self.page.read.saturating_add(taken);
        let mut rejected = drafted.saturating_sub(taken);
        if rejected > 0 && self.page.unread().is_empty() && self.end.is_none() {
            // The logits after the last token are forgotten with what was read behind it: it has to be read again before more can follow.
            rejected = rejected.saturating_add(1);
            self.page.read = self.page.read.saturating_sub(1);
        }
        let read = self.forward.tokens().len();
        self.forward.rewind(read.saturating_sub(rejected));
    }

    /// What may be read behind what was written: nothing at the very beginning, where there is nothing to read it together with, nor what
    /// could not be written any more.
    fn draft(&mut self) -> Result<Vec<u32>, ModelError> {
        let unread = self.page.unread().len();
        if unread == 0 || unread > LONGEST_RUN {
            return Ok(Vec::new());
        }
        let room = self.forward.room().saturating_sub(unread);
        let left = self.page.limit.saturating_sub(self.page.tokens.len());
        let mut tokens = self.drafter.guess(room.min(left.saturating_sub(1)));
        let ends = self.page.tokenizer.ends();
        let end = tokens.iter().position(|token| ends.contains(token));
        tokens.truncate(end.unwrap_or(tokens.len()));
        if let Some(matcher) = self.matcher.as_deref_mut() {
            tokens.truncate(matcher.takes(&tokens)?);
        }
        Ok(tokens)
    }

    /// Reads what was written and a draft behind it, and gives the masks before, between and after the draft's tokens if there is a
    /// constraint: fewer where it leaves no choice.
    fn read(
        &mut self,
        draft: &[u32],
        watch: &mut dyn Watch,
    ) -> Result<Option<Vec<Mask>>, ModelError> {
        let unread = self.page.unread();
        let written = self.forward.tokens().len().saturating_add(unread.len());
        let (forward, forced) = (&mut *self.forward, self.gains.forced);
        let mut here = || read(forward, unread, draft, forced, watch);
        let (masks, read) = match (self.matcher.as_deref_mut(), self.gains.masks) {
            (None, _) => (None, here()),
            (Some(matcher), Masks::Meanwhile) if !unread.is_empty() => {
                let (masks, read) = meanwhile(|| matcher.ahead(draft), here);
                (Some(masks), read)
            }
            (Some(matcher), _) => (Some(matcher.ahead(draft)), here()),
        };
        let read = read.and_then(|()| masks.transpose());
        match &read {
            Ok(_) => self.page.read = self.page.tokens.len(),
            Err(_) => self.forward.rewind(written),
        }
        read
    }

    /// Draws a token for each position that is asked for; `taken` counts those that the draft foresaw. Ends at the first that it did not.
    fn draw(
        &mut self,
        draft: &[u32],
        asks: &[Ask<'_>],
        taken: &mut usize,
    ) -> Result<Option<Over>, ModelError> {
        let logits = self.forward.ask(asks)?;
        for (row, ask) in asks.iter().enumerate() {
            if matches!(ask, Ask::Nothing) {
                break;
            }
            let candidates = || logits.among(row, *ask);
            let token = self.sampler.draw_among(candidates(), &self.page.tokens);
            let token = token.ok_or(ModelError::NoChoice {
                why: "no allowed token has a finite logit",
            })?;
            if let Some(matcher) = self.matcher.as_deref_mut() {
                matcher.commit(token)?;
            }
            self.written.counts.sampled = self.written.counts.sampled.saturating_add(1);
            if self.page.tokenizer.ends().contains(&token) {
                self.end = Some(token);
                return Ok(Some(Over::Model));
            }
            let foreseen = draft.get(row) == Some(&token);
            *taken = taken.saturating_add(usize::from(foreseen));
            let most = self.likeliest;
            let told = most.map(|most| likelihood(&candidates().collect::<Vec<_>>(), token, most));
            self.drafter.note(token);
            let over = self.page.note(token, told);
            let complete = self.matcher.as_deref().is_some_and(Matcher::finished);
            match over {
                Some(Over::Limit) if complete => return Ok(Some(Over::Constraint)),
                None if foreseen => {}
                end => return Ok(end),
            }
        }
        Ok(None)
    }
}

/// What is asked for after the last written token and after each of a draft: beyond the masks nothing, since there the constraint chooses.
fn asks(drafted: usize, masks: Option<&[Mask]>) -> Vec<Ask<'_>> {
    let rows = drafted.saturating_add(1);
    match masks {
        None => vec![Ask::All; rows],
        Some(masks) => {
            let masks = masks.iter().map(Ask::Allowed);
            masks.chain(repeat(Ask::Nothing)).take(rows).collect()
        }
    }
}

fn read(
    forward: &mut impl Forward,
    unread: &[u32],
    draft: &[u32],
    forced: Forced,
    watch: &mut dyn Watch,
) -> Result<(), ModelError> {
    let (alone, together) = match forced {
        Forced::Together => unread.split_at(0),
        Forced::OneByOne => unread.split_at(unread.len().saturating_sub(1)),
    };
    for token in alone {
        forward.extend(std::slice::from_ref(token), watch)?;
        forward.logits()?;
    }
    forward.extend(&[together, draft].concat(), watch)
}

fn likelihood(candidates: &[(u32, f32)], token: u32, most: usize) -> Likelihood {
    let finite = || candidates.iter().filter(|(_, logit)| logit.is_finite());
    let top = finite()
        .map(|(_, logit)| *logit)
        .fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = finite()
        .map(|(_, logit)| f64::from(*logit - top).exp())
        .sum();
    let logp = |logit: f32| f64::from(logit - top) - sum.ln();
    let mut sorted: Vec<(u32, f32)> = finite().copied().collect();
    let by_logit = |left: &(u32, f32), right: &(u32, f32)| right.1.total_cmp(&left.1);
    if most < sorted.len() {
        let _ = sorted.select_nth_unstable_by(most, by_logit);
        sorted.truncate(most);
    }
    sorted.sort_by(by_logit);
    let own = finite().find(|(id, _)| *id == token);
    Likelihood {
        logp: own.map_or(f64::NEG_INFINITY, |(_, logit)| logp(*logit)),
        likeliest: sorted
            .into_iter()
            .map(|(id, logit)| (id, logp(logit)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
