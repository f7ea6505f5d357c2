//! The loops that write: under a constraint, by weighing alternatives, or freely. They see logits and masks only, so a test can force both.
//!
//! **Invariant:** a token outside the mask is never chosen, whatever the logits say. Held by `decode::tests`.

use std::collections::BTreeSet;

use crate::ModelError;
use crate::grammar::{Mask, Matcher};
use crate::sampler::{Sampler, likeliest};
use crate::template::Ended;
use crate::tokenizer::Tokenizer;
use crate::watch::{Progress, Watch, tell};

/// What one call may write. Reaching it ends the call.
struct Limits {
    /// Tokens under a constraint. 4 096: a plan needs some 300; a text slot without an end would fill the context.
    constrained: usize,
}

const LIMITS: Limits = Limits { constrained: 4_096 };

/// Something that reads tokens and says how likely each next one is. A [`crate::Session`], or a test's own logits.
pub trait Forward {
    /// Reads tokens; afterwards [`Forward::logits`] are those after the last.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`], [`ModelError::Interrupted`] and whatever computing can meet.
    fn extend(&mut self, tokens: &[u32], watch: &mut dyn Watch) -> Result<(), ModelError>;

    /// One logit for each token of the vocabulary.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] before the first token and after an interruption.
    fn logits(&self) -> Result<&[f32], ModelError>;

    /// Notes tokens as written; they are read before the next ones, so that the last tokens of an output cost nothing of their own.
    fn push(&mut self, tokens: &[u32]);

    /// Where it stands now.
    fn mark(&self) -> Mark;

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
    logits: Option<Vec<f32>>,
}

impl Mark {
    /// A mark at `len` tokens with the logits after them, if they are known.
    #[must_use]
    pub fn new(len: usize, logits: Option<Vec<f32>>) -> Self {
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
    pub fn logits(&self) -> Option<&[f32]> {
        self.logits.as_deref()
    }
}

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
    /// How many of them the constraint forced.
    pub forced: usize,
    /// How many choices the model made, ending the turn among them.
    pub sampled: usize,
    /// Why it ended.
    pub stop: Stop,
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
    matcher: &mut Matcher,
    ends: &[u32],
    watch: &mut dyn Watch,
) -> Result<Decoded, ModelError> {
    let (mut tokens, mut read, mut forced, mut sampled) = (Vec::new(), 0, 0_usize, 0_usize);
    let mut stop = Stop::Constraint;
    loop {
        let run = matcher.forced()?;
        forced = forced.saturating_add(run.len());
        tokens.extend(run);
        if matcher.finished() {
            break;
        }
        if tokens.len() >= LIMITS.constrained {
            return Err(ModelError::Endless {
                tokens: tokens.len(),
            });
        }
        forward.extend(tokens.get(read..).unwrap_or_default(), watch)?;
        read = tokens.len();
        tell(watch, Progress::Decode { tokens: read })?;
        let token = allowed(forward.logits()?, matcher.mask()?)?;
        matcher.commit(token)?;
        sampled = sampled.saturating_add(1);
        tokens.push(token);
        if ends.contains(&token) {
            stop = Stop::Model;
        }
    }
    forward.push(tokens.get(read..).unwrap_or_default());
    tokens.truncate(
        tokens
            .len()
            .saturating_sub(usize::from(stop == Stop::Model)),
    );
    let text = String::from_utf8(matcher.output().to_vec());
    let text = text.map_err(|fault| ModelError::NotText {
        what: "the output",
        at: fault.utf8_error().valid_up_to(),
    })?;
    Ok(Decoded {
        text,
        tokens,
        forced,
        sampled,
        stop,
    })
}

/// The likeliest token under the mask. Only tokens of the mask are looked at, so no logit can bring in another.
fn allowed(logits: &[f32], mask: &Mask) -> Result<u32, ModelError> {
    let candidates = mask
        .tokens()
        .filter_map(|token| Some((token, *logits.get(token as usize)?)));
    likeliest(candidates).ok_or(ModelError::NoChoice {
        why: "the grammar allows no token with a finite logit",
    })
}

/// Writes freely until the turn ends or `limit` tokens are written.
pub(crate) fn answer(
    forward: &mut impl Forward,
    tokenizer: &Tokenizer,
    limit: usize,
    mut sampler: Sampler,
    watch: &mut dyn Watch,
) -> Result<Decoded, ModelError> {
    let (mut tokens, mut bytes): (Vec<u32>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut sampled = 0_usize;
    let mut stop = Stop::Limit;
    while tokens.len() < limit && stop == Stop::Limit {
        let token = sampler.draw(forward.logits()?, &tokens);
        let token = token.ok_or(ModelError::NoChoice {
            why: "no logit is a finite number",
        })?;
        sampled = sampled.saturating_add(1);
        if tokenizer.ends().contains(&token) {
            forward.push(&[token]);
            stop = Stop::Model;
        } else {
            bytes.extend(tokenizer.decode_bytes(&[token]));
            tokens.push(token);
            tell(
                watch,
                Progress::Decode {
                    tokens: tokens.len(),
                },
            )?;
            if tokens.len() < limit {
                forward.extend(&[token], watch)?;
            } else {
                forward.push(&[token]);
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Decoded {
        text,
        tokens,
        forced: 0,
        sampled,
        stop,
    })
}

/// Weighs each alternative as what would come next; afterwards `forward` stands where it stood, also after an error.
pub(crate) fn weigh(
    forward: &mut impl Forward,
    alternatives: &[Vec<u32>],
    watch: &mut dyn Watch,
) -> Result<Vec<Weight>, ModelError> {
    let base = forward.mark();
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
                mark: forward.mark(),
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
