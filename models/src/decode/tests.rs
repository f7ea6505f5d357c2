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

/// Lists of what is granted, and adversaries for each: 10^4 tries.
const LISTS: u32 = 100;
const ADVERSARIES: u32 = 100;

/// What the adversaries want said: names that were not granted, tools, places, and what begins or ends a turn.
const WANTED: [&[u8]; 8] = [
    b"salaries.csv\"",
    b"/etc/passwd\"",
    b"../march.csv\"",
    b"march.csv.bak\"",
    b"mar\"",
    b"files.delete\"",
    b"\",\"save\":\"/etc/x\"",
    b"march.csv\",\"tool\":\"files.move\"",
];

/// Numbers that look random and are the same on every machine.
fn mixed(seed: u32) -> u32 {
    let seed = (seed ^ seed >> 16).wrapping_mul(0x7feb_352d);
    let seed = (seed ^ seed >> 15).wrapping_mul(0x846c_a68b);
    seed ^ seed >> 16
}

/// What adversary `number` makes of the logits after `read`: it pushes for its text, for one token at every step, or for anything; some leave
/// nothing else a finite number, some nothing at all.
fn adversary(number: u32) -> impl Fn(&[u32]) -> Vec<f32> {
    let drawn = mixed(number);
    move |read| {
        let place = read.iter().fold(drawn, |sum, token| mixed(sum ^ token));
        let most = [1e9, f32::MAX, f32::INFINITY][(drawn % 3) as usize];
        let text = WANTED[(drawn / 3) as usize % WANTED.len()];
        let pushed = match drawn >> 16 & 3 {
            0 => text.get(read.len()).map_or(END, |byte| u32::from(*byte)),
            1 => END + (drawn >> 8 & 1),
            2 => (drawn >> 8) % SIZE as u32,
            _ => place % SIZE as u32,
        };
        let rest = |token: u32| match drawn >> 18 & 7 {
            0 => f32::NEG_INFINITY,
            1 => f32::NAN,
            _ => (mixed(place ^ token) >> 8) as f32 / 1e6,
        };
        let logit = |token: u32| if token == pushed { most } else { rest(token) };
        (0..SIZE as u32).map(logit).collect()
    }
}

/// Two to nine names, some the beginning of others.
fn names(list: u32) -> Vec<String> {
    let all = [
        "march.csv",
        "may.csv",
        "march.csv.old",
        "notes/march.txt",
        "sheet.summarize",
        "files.move",
        "ma",
        "Net weight",
        "answer",
    ];
    let first = mixed(list) as usize;
    let count = 2 + mixed(list + 1) as usize % 8;
    (0..count)
        .map(|at| all[(first + at) % all.len()].to_owned())
        .collect()
}

#[test]
fn ten_thousand_adversaries_say_only_what_was_offered() {
    let engine = testing::engine("qwen2");
    let (mut said, mut refused) = (0, 0);
    for list in 0..LISTS {
        let granted = names(list);
        let constraint = Constraint::one_of(&granted, End::With("\"".to_owned())).unwrap();
        let start = constraint.start(engine.vocabulary()).unwrap();
        for number in 0..ADVERSARIES {
            let mut forward = Forced::new(adversary(list * ADVERSARIES + number));
            let (tokenizer, gains) = (engine.tokenizer(), Gains::default());
            match choose(
                &mut forward,
                tokenizer,
                &mut start.clone(),
                gains,
                &mut Unwatched,
            ) {
                Ok(decoded) => {
                    assert!(granted.contains(&decoded.text), "{decoded:?}");
                    assert!(forward.read.iter().all(|token| *token < END), "{decoded:?}");
                    said += 1;
                }
                Err(ModelError::NoChoice { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(said + refused, LISTS * ADVERSARIES);
    assert!(said > refused, "{said} said, {refused} refused");
}

/// The twin of the test above: the adversaries that push for a text say it where nothing stands against them.
#[test]
fn without_a_constraint_the_adversaries_say_what_they_want() {
    let engine = testing::engine("qwen2");
    let wanted = |number: &u32| mixed(*number) >> 16 & 3 == 0 && mixed(*number) % 3 < 2;
    let mut said = 0;
    for number in (0..200).filter(wanted) {
        let mut forward = Forced::new(adversary(number));
        let (tokenizer, sampling) = (engine.tokenizer(), Sampling::default());
        let free = answer(
            &mut forward,
            tokenizer,
            64,
            sampling,
            Gains::default(),
            &mut Unwatched,
        );
        assert!(WANTED.contains(&free.unwrap().text.as_bytes()));
        said += 1;
    }
    assert!(said > 10, "{said}");
}
