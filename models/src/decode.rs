//! What is asked of a model: a choice under a constraint, a free answer, or how likely alternatives are. The loop that writes is [`write`]'s.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::ModelError;
use crate::forward::{Forward, Mark};
use crate::gains::Gains;
use crate::grammar::Matcher;
use crate::sampler::Sampling;
use crate::template::Ended;
use crate::tokenizer::Tokenizer;
use crate::watch::Watch;
use crate::write::{Counts, Over, Step, Writing, Written, write};

/// What one call may write. Reaching it ends the call.
struct Limits {
    /// Tokens under a constraint. 4 096: a plan needs some 300; a text slot without an end would fill the context.
    constrained: usize,
}

const LIMITS: Limits = Limits { constrained: 4_096 };

/// Why writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model said that its turn is over; the token by which it did is the session's last.
    Model,
    /// The constraint left nothing to say. The turn is still open.
    Constraint,
    /// The limit on tokens was reached. The turn is still open.
    Limit,
}

impl Stop {
    /// What the next prompt has to take up.
    #[must_use]
    pub fn ended(self) -> Ended {
        match self {
            Self::Model => Ended::ByModel,
            Self::Constraint | Self::Limit => Ended::ByConstraint,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// As text, without the token that ends a turn.
    pub text: String,
    /// As tokens, without the token that ends a turn.
    pub tokens: Vec<u32>,
    /// How they came about.
    pub counts: Counts,
    /// Why it ended.
    pub stop: Stop,
}

impl Decoded {
    fn new(text: String, tokens: Vec<u32>, written: Written) -> Self {
        Self {
            text,
            tokens,
            counts: written.counts,
            stop: match written.over {
                Over::Model => Stop::Model,
                Over::Constraint => Stop::Constraint,
                Over::Limit | Over::Heard => Stop::Limit,
            },
        }
    }
}

/// How likely one alternative is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Natural logarithm of the probability of the whole alternative.
    pub logp: f64,
    /// Of how many tokens, so that alternatives of different length can be compared.
    pub tokens: usize,
}

/// Writes the likeliest token that the constraint allows until it is satisfied.
pub(crate) fn choose(
    forward: &mut impl Forward,
    tokenizer: &Tokenizer,
    matcher: &mut Matcher,
    gains: Gains,
    watch: &mut dyn Watch,
) -> Result<Decoded, ModelError> {
    let writing = Writing {
        sampling: Sampling::default(),
        limit: LIMITS.constrained,
        likeliest: None,
    };
    let (tokens, written) = gather(forward, tokenizer, Some(matcher), &writing, gains, watch)?;
    if written.over == Over::Limit {
        return Err(ModelError::Endless {
            tokens: written.tokens,
        });
    }
    let text = String::from_utf8(matcher.output().to_vec());
    let text = text.map_err(|fault| ModelError::NotText {
        what: "the output",
        at: fault.utf8_error().valid_up_to(),
    })?;
    Ok(Decoded::new(text, tokens, written))
}

/// Writes freely until the turn ends or `limit` tokens are written.
pub(crate) fn answer(
    forward: &mut impl Forward,
    tokenizer: &Tokenizer,
    limit: usize,
    sampling: Sampling,
    gains: Gains,
    watch: &mut dyn Watch,
) -> Result<Decoded, ModelError> {
    let writing = Writing {
        sampling,
        limit,
        likeliest: None,
    };
    let (tokens, written) = gather(forward, tokenizer, None, &writing, gains, watch)?;
    let bytes = tokenizer.decode_bytes(&tokens);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Decoded::new(text, tokens, written))
}

/// Writes to the end, and gives all that was written.
fn gather(
    forward: &mut impl Forward,
    tokenizer: &Tokenizer,
    matcher: Option<&mut Matcher>,
    writing: &Writing,
    gains: Gains,
    watch: &mut dyn Watch,
) -> Result<(Vec<u32>, Written), ModelError> {
    let mut tokens = Vec::new();
    let mut hear = |step: Step<'_>| {
        tokens.push(step.token);
        ControlFlow::Continue(())
    };
    let written = write(
        forward, tokenizer, matcher, writing, gains, &mut hear, watch,
    )?;
    Ok((tokens, written))
}

/// Weighs each alternative as what would come next; afterwards `forward` stands where it stood, also after an error.
pub(crate) fn weigh(
    forward: &mut impl Forward,
    alternatives: &[Vec<u32>],
    watch: &mut dyn Watch,
) -> Result<Vec<Weight>, ModelError> {
    let base = forward.mark()?;
    let weights = walk(forward, &base, alternatives, watch);
    forward.back(&base);
    weights
}

/// Goes through the alternatives in order, so that those with a common beginning are neighbours, and reads each beginning once.
fn walk(
    forward: &mut impl Forward,
    base: &Mark,
    alternatives: &[Vec<u32>],
    watch: &mut dyn Watch,
) -> Result<Vec<Weight>, ModelError> {
    let mut order: Vec<(usize, &[u32])> =
        alternatives.iter().map(Vec::as_slice).enumerate().collect();
    order.sort_by_key(|(_, tokens)| *tokens);
    let mut weights = vec![
        Weight {
            logp: 0.0,
            tokens: 0
        };
        alternatives.len()
    ];
    let mut path = Path {
        nodes: vec![Node {
            depth: 0,
            logp: 0.0,
            mark: base.clone(),
        }],
    };
    for (place, (index, tokens)) in order.iter().enumerate() {
        let later = order.get(place.saturating_add(1)..).unwrap_or_default();
        let logp = path.descend(forward, tokens, branches(tokens, later), watch)?;
        if let Some(weight) = weights.get_mut(*index) {
            *weight = Weight {
                logp,
                tokens: tokens.len(),
            };
        }
        path.leave_for(
            tokens,
            later.first().map(|(_, next)| *next).unwrap_or_default(),
        );
    }
    Ok(weights)
}

/// Depths at which a later alternative leaves `tokens`.
fn branches(tokens: &[u32], later: &[(usize, &[u32])]) -> BTreeSet<usize> {
    // Sorted, so what is shared can only shrink, and once nothing is shared nothing will be.
    later
        .iter()
        .map(|(_, other)| shared(tokens, other))
        .take_while(|depth| *depth > 0)
        .collect()
}

/// Length of the common beginning.
pub(crate) fn shared(left: &[u32], right: &[u32]) -> usize {
    left.iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

/// A depth that was reached on the way to the current alternative.
struct Node {
    depth: usize,
    logp: f64,
    mark: Mark,
}

/// The marked depths of the current alternative, the base first. Never empty.
struct Path {
    nodes: Vec<Node>,
}

impl Path {
    /// Reads `tokens` from the deepest mark on, leaves a mark at each branch, and gives the whole log-probability.
    fn descend(
        &mut self,
        forward: &mut impl Forward,
        tokens: &[u32],
        branches: BTreeSet<usize>,
        watch: &mut dyn Watch,
    ) -> Result<f64, ModelError> {
        let Some(Node {
            mut depth,
            mut logp,
            mark,
        }) = self.nodes.pop()
        else {
            return Err(ModelError::NothingRead);
        };
        forward.back(&mark);
        self.nodes.push(Node { depth, logp, mark });
        for branch in branches.range(depth.saturating_add(1)..) {
            let run = tokens.get(depth..*branch).unwrap_or_default();
            logp += forward.score(run, watch)?.iter().sum::<f64>();
            depth = *branch;
            self.nodes.push(Node {
                depth,
                logp,
                mark: forward.mark()?,
            });
        }
        if let Some((last, run)) = tokens.get(depth..).unwrap_or_default().split_last() {
            logp += forward.score(run, watch)?.iter().sum::<f64>();
            logp += log_probability(forward.logits()?, *last)?;
        }
        Ok(logp)
    }

    /// Drops the marks that `next` does not pass.
    fn leave_for(&mut self, tokens: &[u32], next: &[u32]) {
        let common = shared(tokens, next);
        self.nodes.retain(|node| node.depth <= common);
    }
}

/// Natural logarithm of the probability of `token`, in f64.
pub(crate) fn log_probability(logits: &[f32], token: u32) -> Result<f64, ModelError> {
    let logit = logits.get(token as usize).copied();
    let logit = logit.ok_or(ModelError::TokenRange {
        token,
        vocabulary: logits.len(),
    })?;
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|other| f64::from(*other - most).exp())
        .sum();
    let logp = f64::from(logit - most) - sum.ln();
    if logp.is_nan() {
        return Err(ModelError::NoChoice {
            why: "a logit is not a number",
        });
    }
    Ok(logp)
}

#[cfg(test)]
mod tests;
