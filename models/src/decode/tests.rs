//! The loops under logits that a test forces, with a real grammar over a vocabulary of bytes.

use super::*;
use crate::grammar::{Constraint, End};
use crate::logits::{Ask, Logits};
use crate::testing;
use crate::{Engine, Unwatched};

/// Reads anything and always answers with the logits that `pull` gives for what was read.
struct Forced<F> {
    read: Vec<u32>,
    logits: Logits,
    pull: F,
    extended: usize,
}

impl<F: Fn(&[u32]) -> Vec<f32>> Forced<F> {
    fn new(pull: F) -> Self {
        Self {
            read: Vec::new(),
            logits: Logits::default(),
            pull,
            extended: 0,
        }
    }
}

impl<F: Fn(&[u32]) -> Vec<f32>> Forward for Forced<F> {
    fn extend(&mut self, tokens: &[u32], _: &mut dyn Watch) -> Result<(), ModelError> {
        self.extended += tokens.len();
        self.push(tokens);
        Ok(())
    }

    fn push(&mut self, tokens: &[u32]) {
        self.read.extend(tokens);
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<&Logits, ModelError> {
        let before = self.read.len() + 1 - asks.len();
        let rows = (before..=self.read.len()).flat_map(|len| (self.pull)(&self.read[..len]));
        self.logits = Logits::whole(rows.collect(), asks.len());
        Ok(&self.logits)
    }

    fn tokens(&self) -> &[u32] {
        &self.read
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn rewind(&mut self, len: usize) {
        self.read.truncate(len);
    }

    fn back(&mut self, mark: &Mark) {
        self.rewind(mark.len());
    }
}

const SIZE: usize = 259;
const END: u32 = 257;

/// Pushes with all its might to spell `secret`, then to end.
fn towards(secret: &'static [u8]) -> impl Fn(&[u32]) -> Vec<f32> {
    move |read| {
        let mut logits = vec![0.0; SIZE];
        let next = secret.get(read.len()).map_or(END, |byte| u32::from(*byte));
        logits[next as usize] = 1e9;
        logits
    }
}

fn granted() -> Constraint {
    let names = ["march.csv", "may.csv", "notes.txt"].map(str::to_owned);
    Constraint::one_of(&names, End::Turn).unwrap()
}

fn chosen(engine: &Engine, constraint: &Constraint, forward: &mut impl Forward) -> Decoded {
    let mut matcher = constraint.start(engine.vocabulary()).unwrap();
    choose(
        forward,
        engine.tokenizer(),
        &mut matcher,
        Gains::default(),
        &mut Unwatched,
    )
    .unwrap()
}

#[test]
fn a_name_that_was_not_granted_cannot_be_said() {
    let engine = testing::engine("qwen2");
    for secret in [
        b"salaries.csv".as_slice(),
        b"../etc/passwd",
        b"march.csv.bak",
        b"m",
    ] {
        let decoded = chosen(&engine, &granted(), &mut Forced::new(towards(secret)));
        assert!(
            ["march.csv", "may.csv", "notes.txt"].contains(&decoded.text.as_str()),
            "{decoded:?}"
        );
    }
}

/// The twin of the test above with the defence off: the same push without a mask says the secret.
#[test]
fn without_the_mask_the_same_push_says_it() {
    let engine = testing::engine("qwen2");
    let mut forward = Forced::new(towards(b"salaries.csv"));
    let decoded = answer(
        &mut forward,
        engine.tokenizer(),
        64,
        Sampling::default(),
        Gains::default(),
        &mut Unwatched,
    )
    .unwrap();
    assert_eq!(
        (decoded.text.as_str(), decoded.stop),
        ("salaries.csv", Stop::Model)
    );
    assert_eq!(forward.read.last(), Some(&END));
}

#[test]
fn what_is_forced_is_read_at_once_and_counted() {
    let engine = testing::engine("qwen2");
    let mut forward = Forced::new(towards(b"may.csv"));
    let decoded = chosen(&engine, &granted(), &mut forward);
    assert_eq!(decoded.text, "may.csv");
    assert_eq!(
        decoded.counts.forced + decoded.counts.sampled,
        decoded.tokens.len()
    );
    assert!(
        decoded.counts.forced >= 4,
        "only m/n and r/y are choices: {decoded:?}"
    );
    assert_eq!(forward.read, decoded.tokens);
    assert!(
        forward.extended < decoded.tokens.len(),
        "the last tokens are noted, not read"
    );
}

#[test]
fn no_finite_logit_is_an_error_not_a_guess() {
    let engine = testing::engine("qwen2");
    let mut forward = Forced::new(|_: &[u32]| vec![f32::NAN; SIZE]);
    let mut matcher = granted().start(engine.vocabulary()).unwrap();
    let refused = choose(
        &mut forward,
        engine.tokenizer(),
        &mut matcher,
        Gains::default(),
        &mut Unwatched,
    );
    assert!(
        matches!(refused, Err(ModelError::NoChoice { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_output_without_end_meets_the_limit() {
    let engine = testing::engine("qwen2");
    let mut forward = Forced::new(|_: &[u32]| {
        (0..SIZE)
            .map(|token| if token == 97 { 9.0 } else { 0.0 })
            .collect()
    });
    let mut matcher = Constraint::regex("a*b")
        .unwrap()
        .start(engine.vocabulary())
        .unwrap();
    let refused = choose(
        &mut forward,
        engine.tokenizer(),
        &mut matcher,
        Gains::default(),
        &mut Unwatched,
    );
    assert!(
        matches!(refused, Err(ModelError::Endless { tokens: 4096 })),
        "{refused:?}"
    );
}

#[test]
fn weighing_equals_scoring_each_alone_and_leaves_no_trace() {
    let pull = |read: &[u32]| {
        let seed = read.iter().fold(1_u32, |sum, token| {
            sum.wrapping_mul(31).wrapping_add(*token)
        });
        (0..40_u32)
            .map(|token| (seed.wrapping_mul(token.wrapping_add(17)) % 101) as f32 / 20.0)
            .collect::<Vec<_>>()
    };
    let alternatives: [&[u32]; 8] = [
        &[5, 6, 7],
        &[5, 6],
        &[5, 6, 8, 9],
        &[1],
        &[],
        &[5, 6],
        &[5],
        &[5, 6, 8, 9, 9],
    ];
    let alternatives = alternatives.map(<[u32]>::to_vec);
    let mut forward = Forced::new(pull);
    forward.push(&[30, 31]);
    let weights = weigh(&mut forward, &alternatives, &mut Unwatched).unwrap();
    assert_eq!(forward.read, [30, 31]);
    assert_eq!(forward.logits().unwrap(), pull(&[30, 31]));
    let read_by_weighing = forward.extended;
    for (tokens, weight) in alternatives.iter().zip(weights) {
        let mut alone = Forced::new(pull);
        alone.push(&[30, 31]);
        let logp: f64 = alone.score(tokens, &mut Unwatched).unwrap().iter().sum();
        assert!((logp - weight.logp).abs() < 1e-9, "{tokens:?}");
        assert_eq!(weight.tokens, tokens.len());
    }
    assert_eq!(
        read_by_weighing, 4,
        "5, 6, 8 and 9 once each; a last token is not read"
    );
}
