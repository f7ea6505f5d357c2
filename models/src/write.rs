//! The loop that writes for others: freely or under a constraint, drawn by a sampler, each token told as it is written.
//!
//! **Invariant:** under a constraint only tokens of the mask are drawn, whatever the sampling. Held by `write::tests`.

use std::ops::ControlFlow;

use crate::ModelError;
use crate::decode::Forward;
use crate::grammar::Matcher;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The model said that its turn is over.
    Model,
    /// The constraint left nothing to say.
    Constraint,
    /// The limit on tokens was reached.
    Limit,
    /// Whoever heard had heard enough.
    Heard,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Tokens, without the one that ends a turn.
    pub tokens: usize,
    /// How many of them the constraint forced.
    pub forced: usize,
    /// How many choices the model made, ending the turn among them.
    pub sampled: usize,
    /// Why it ended.
    pub over: Over,
}

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
    mut matcher: Option<&mut Matcher>,
    writing: &Writing,
    hear: &mut Hear<'_>,
    watch: &mut dyn Watch,
) -> Result<Written, ModelError> {
    let mut page = Page {
        tokenizer,
        tokens: Vec::new(),
        read: 0,
        limit: writing.limit,
        hear,
    };
    let mut sampler = Sampler::new(writing.sampling);
    let (mut forced, mut sampled) = (0_usize, 0_usize);
    let mut over = (writing.limit == 0).then_some(Over::Limit);
    while over.is_none() {
        if let Some(matcher) = matcher.as_deref_mut() {
            let before = page.tokens.len();
            over = note_forced(&mut page, matcher, writing)?;
            forced = forced.saturating_add(page.tokens.len().saturating_sub(before));
        }
        if over.is_some() {
            break;
        }
        forward.extend(page.unread(), watch)?;
        page.read = page.tokens.len();
        tell(watch, Progress::Decode { tokens: page.read })?;
        let candidates = candidates(forward.logits()?, matcher.as_deref_mut())?;
        let token = sampler.draw_among(candidates.iter().copied(), &page.tokens);
        let token = token.ok_or(ModelError::NoChoice {
            why: "no allowed token has a finite logit",
        })?;
        if let Some(matcher) = matcher.as_deref_mut() {
            matcher.commit(token)?;
        }
        sampled = sampled.saturating_add(1);
        if tokenizer.ends().contains(&token) {
            forward.push(&[token]);
            over = Some(Over::Model);
        } else {
            let likelihood = writing
                .likeliest
                .map(|most| likelihood(&candidates, token, most));
            over = page.note(token, likelihood);
            let complete = matcher.as_deref().is_some_and(Matcher::finished);
            if over == Some(Over::Limit) && complete {
                over = Some(Over::Constraint);
            }
        }
    }
    forward.push(page.unread());
    Ok(Written {
        tokens: page.tokens.len(),
        forced,
        sampled,
        over: over.unwrap_or(Over::Limit),
    })
}

/// Writes what the constraint forces; says so if nothing comes after it.
fn note_forced(
    page: &mut Page<'_, '_>,
    matcher: &mut Matcher,
    writing: &Writing,
) -> Result<Option<Over>, ModelError> {
    let run = matcher.forced()?;
    let last = run.len();
    for (token, place) in run.into_iter().zip(1..) {
        if page.tokenizer.ends().contains(&token) {
            return Ok(Some(Over::Constraint));
        }
        let over = page.note(token, writing.likeliest.map(|_| Likelihood::default()));
        let complete = place == last && matcher.finished();
        if over.is_some() && !(over == Some(Over::Limit) && complete) {
            return Ok(over);
        }
    }
    Ok(matcher.finished().then_some(Over::Constraint))
}

/// What may come next, with its logits.
fn candidates(
    logits: &[f32],
    matcher: Option<&mut Matcher>,
) -> Result<Vec<(u32, f32)>, ModelError> {
    Ok(match matcher {
        None => (0..).zip(logits.iter().copied()).collect(),
        Some(matcher) => {
            let allowed = matcher.mask()?.tokens();
            allowed
                .filter_map(|token| Some((token, *logits.get(token as usize)?)))
                .collect()
        }
    })
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
