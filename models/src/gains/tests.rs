//! What is written with each shortcut, with all and with none, over random models, prompts, constraints and samplings; and that each shortcut is
//! taken at all.

use std::ops::ControlFlow;

use super::*;
use crate::grammar::{Constraint, End};
use crate::testing;
use crate::{Engine, Sampling, Session, Tally, Unwatched, Writing, Written};
use serde_json::json;

/// Every shortcut alone, and all together.
fn each() -> [(&'static str, Gains); 5] {
    let none = Gains::NONE;
    let (all, head, forced) = (Gains::default(), Head::Allowed, Forced::Together);
    let (drafts, masks) = (Drafts::Lookup, Masks::Meanwhile);
    [
        ("head", Gains { head, ..none }),
        ("forced", Gains { forced, ..none }),
        ("drafts", Gains { drafts, ..none }),
        ("masks", Gains { masks, ..none }),
        ("all", all),
    ]
}

fn prompts() -> [&'static str; 3] {
    let names = "march.csv, may.csv, notes.txt; march.csv, may.csv, notes.txt; ";
    [names, "hello", "to be or not to be or not to be or "]
}

fn constraints() -> Vec<Option<Constraint>> {
    let names = ["march.csv", "may.csv", "notes.txt"].map(str::to_owned);
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 30}, "kind": {"enum": ["abab", "abba"]}},
        "required": ["name", "kind"], "additionalProperties": false});
    vec![
        None,
        Some(Constraint::one_of(&names, End::With("\"".to_owned())).unwrap()),
        Some(Constraint::regex("[ab]{50}(forced by this|fair)[a-z ]{9}").unwrap()),
        Some(Constraint::json_schema(&schema).unwrap()),
    ]
}

fn samplings() -> [Sampling; 3] {
    let greedy = Sampling::default();
    let drawn = Sampling {
        temperature: 0.8,
        top_p: 0.9,
        seed: 5,
        ..greedy
    };
    let penalized = Sampling {
        repetition_penalty: 1.2,
        ..greedy
    };
    [greedy, drawn, penalized]
}

/// Everything that was told, and what the session then holds.
#[derive(Debug, PartialEq)]
struct Told {
    tokens: Vec<u32>,
    logps: Vec<Option<f64>>,
    written: (usize, usize, usize, crate::Over),
    held: Vec<u32>,
    next: Vec<f32>,
}

fn told(
    session: &mut Session<'_>,
    constraint: Option<&Constraint>,
    engine: &Engine,
    writing: &Writing,
) -> Told {
    let mut matcher = constraint.map(|c| c.start(engine.vocabulary()).unwrap());
    let (mut tokens, mut logps) = (Vec::new(), Vec::new());
    let mut hear = |step: crate::Step<'_>| {
        tokens.push(step.token);
        logps.push(step.likelihood.map(|likelihood| likelihood.logp));
        ControlFlow::Continue(())
    };
    let written = session.write(matcher.as_mut(), writing, &mut hear, &mut Unwatched);
    let Written {
        tokens: count,
        counts,
        over,
    } = written.unwrap();
    let held = session.tokens().to_vec();
    session.extend(&[65], &mut Unwatched).unwrap();
    Told {
        tokens,
        logps,
        written: (count, counts.forced, counts.sampled, over),
        held,
        next: session.logits().unwrap().to_vec(),
    }
}

/// All that a model writes, one text after the other in one session a prompt, and what was counted.
fn all_texts(engine: &Engine, gains: Gains) -> (Vec<Told>, Tally) {
    let (mut texts, mut sum) = (Vec::new(), Tally::default());
    for prompt in prompts() {
        let mut session = engine.session_with(gains).unwrap();
        let prompt = engine.tokenizer().encode(prompt);
        for (constraint, sampling) in constraints()
            .iter()
            .flat_map(|constraint| samplings().map(|sampling| (constraint, sampling)))
        {
            session.align(&prompt, &mut Unwatched).unwrap();
            let likeliest = (sampling.seed == 0).then_some(2);
            let writing = Writing {
                sampling,
                limit: 50,
                likeliest,
            };
            texts.push(told(&mut session, constraint.as_ref(), engine, &writing));
        }
        let tally = session.tally();
        sum.passes += tally.passes;
        sum.head_rows += tally.head_rows;
        sum.drafted += tally.drafted;
        sum.accepted += tally.accepted;
    }
    (texts, sum)
}

#[test]
fn the_same_is_written_with_each_shortcut_and_without() {
    for (arch, seed) in [("qwen2", 7), ("llama", 8), ("gemma3", 9)] {
        let engine = testing::seeded(arch, seed);
        let (plain, slow) = all_texts(&engine, Gains::NONE);
        assert_eq!((slow.drafted, slow.accepted), (0, 0));
        for (name, gains) in each() {
            let (texts, quick) = all_texts(&engine, gains);
            for (plain, text) in plain.iter().zip(&texts) {
                assert_eq!(plain, text, "{arch}: {name}");
            }
            let (passes, rows) = (quick.passes < slow.passes, quick.head_rows < slow.head_rows);
            let taken = match name {
                "head" => rows,
                "forced" => passes && rows,
                // Some are right and some are not, so that both are tried.
                "drafts" => passes && quick.accepted > 0 && quick.drafted > quick.accepted,
                // It computes the same at another time: `meanwhile::tests`.
                "masks" => !passes && !rows,
                _ => passes && rows && quick.accepted > 0,
            };
            assert!(taken, "{arch}: {name} is not taken: {quick:?} {slow:?}");
        }
    }
}

#[test]
fn choices_and_answers_are_the_same_too() {
    let engine = testing::engine("qwen2");
    let constraint = constraints().swap_remove(3).unwrap();
    let outcome = |gains| {
        let mut session = engine.session_with(gains).unwrap();
        let prompt = engine.tokenizer().encode("abc abc abc");
        session.extend(&prompt, &mut Unwatched).unwrap();
        let chosen = session.choose(&constraint, &mut Unwatched).unwrap();
        let answer = session.answer(90, Sampling::default(), &mut Unwatched);
        let held = session.tokens().to_vec();
        let (chosen, answer) = (chosen.tokens, answer.unwrap().tokens);
        ((chosen, answer, held), session.tally())
    };
    let (plain, slow) = outcome(Gains::NONE);
    let (quick, fast) = outcome(Gains::default());
    assert_eq!(plain, quick);
    assert!(fast.passes < slow.passes && fast.head_rows < slow.head_rows);
}

#[test]
fn a_forced_run_costs_one_pass_and_no_row_of_the_head() {
    let engine = testing::engine("qwen2");
    let constraint = Constraint::regex("[ab]forced by this[ab]").unwrap();
    let counted = |gains| {
        let mut session = engine.session_with(gains).unwrap();
        session.extend(&[1], &mut Unwatched).unwrap();
        let before = session.tally();
        session.choose(&constraint, &mut Unwatched).unwrap();
        let after = session.tally();
        (
            after.passes - before.passes,
            after.head_rows - before.head_rows,
        )
    };
    let forced = "forced by this".len();
    // a and b share a tile of sixteen rows; the first choice is after the prompt, the second after the run.
    assert_eq!(counted(Gains::default()), (1, 2 * 16));
    assert_eq!(counted(Gains::NONE), (1 + forced, (2 + forced) * 259));
}

#[test]
fn a_draft_does_not_pass_the_end_of_the_context() {
    let engine = testing::engine("qwen2");
    let outcome = |gains| {
        let mut session = engine.session_with(gains).unwrap();
        let prompt: Vec<u32> = (0..450).map(|at| at % 2 + 97).collect();
        session.extend(&prompt, &mut Unwatched).unwrap();
        let endless = Constraint::regex("[ab]{600}").unwrap();
        let refused = session.choose(&endless, &mut Unwatched);
        let passes = session.tally().passes;
        let held = session.tokens().to_vec();
        (passes, (refused.unwrap_err().to_string(), held))
    };
    let (quick, with) = outcome(Gains::default());
    let (slow, without) = outcome(Gains {
        drafts: Drafts::Never,
        ..Gains::default()
    });
    assert_eq!(with, without);
    assert!(quick < slow, "drafts were tried");
}

#[test]
fn whatever_ends_a_text_more_can_follow_at_once() {
    let engine = testing::engine("qwen2");
    let prompt = engine.tokenizer().encode("abab abab abab abab");
    let names = ["abababab!", "babababab?"].map(str::to_owned);
    let constraint = Constraint::one_of(&names, End::With("\"".to_owned())).unwrap();
    let letters = Constraint::regex("[ab]{200}").unwrap();
    let outcome = |patience, gains| {
        let mut session = engine.session_with(gains).unwrap();
        session.extend(&prompt, &mut Unwatched).unwrap();
        let mut heard = 0;
        let mut hear = |_: crate::Step<'_>| {
            heard += 1;
            match heard == patience {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let writing = Writing {
            sampling: Sampling::default(),
            limit: 99,
            likeliest: None,
        };
        let mut matcher = letters.start(engine.vocabulary()).unwrap();
        let matcher = Some(&mut matcher);
        let written = session.write(matcher, &writing, &mut hear, &mut Unwatched);
        assert_eq!(written.unwrap().over, crate::Over::Heard);
        let chosen = session.choose(&constraint, &mut Unwatched).unwrap();
        let answer = session.answer(patience, Sampling::default(), &mut Unwatched);
        (
            chosen.tokens,
            answer.unwrap().tokens,
            session.tokens().to_vec(),
        )
    };
    for patience in 1..50 {
        let [quick, plain] = [Gains::default(), Gains::NONE].map(|gains| outcome(patience, gains));
        assert_eq!(quick, plain, "after {patience}");
    }
}

#[test]
fn a_draft_behind_a_run_that_fills_a_chunk_is_left() {
    let engine = testing::engine("qwen2");
    let prompt = engine.tokenizer().encode("dqzxyxyxyxy");
    for length in 248..260 {
        let run = format!("{}dqz", "a".repeat(length - 3));
        let constraint = Constraint::regex(&format!("[xy]{run}[xy]{{5}}")).unwrap();
        let outcome = |gains| {
            let mut session = engine.session_with(gains).unwrap();
            session.extend(&prompt, &mut Unwatched).unwrap();
            let chosen = session.choose(&constraint, &mut Unwatched);
            chosen.unwrap().tokens
        };
        assert_eq!(outcome(Gains::default()), outcome(Gains::NONE), "{length}");
    }
}

#[test]
fn candle_is_given_no_drafts() {
    let engine = testing::load_on(testing::file("qwen2"), crate::DeviceChoice::Candle).unwrap();
    let mut session = engine.session().unwrap();
    session.extend(&[97; 40], &mut Unwatched).unwrap();
    session
        .answer(40, Sampling::default(), &mut Unwatched)
        .unwrap();
    assert_eq!(session.tally().drafted, 0);
}
