//! The loop over a tiny random model: what a constraint holds back under the wildest sampling, where writing ends, what is told.

use super::*;
use crate::grammar::{Begun, Callable, Constraint, End};
use crate::testing;
use crate::{Engine, Unwatched};
use serde_json::{Value, json};

fn wild(seed: u64) -> Writing {
    Writing {
        sampling: Sampling {
            temperature: 50.0,
            seed,
            ..Sampling::default()
        },
        limit: 400,
        likeliest: None,
    }
}

/// Everything told, and how it ended.
fn written(
    engine: &Engine,
    constraint: Option<&Constraint>,
    writing: &Writing,
) -> (String, Written) {
    let mut bytes = Vec::new();
    let mut session = engine.session().unwrap();
    session
        .extend(&engine.tokenizer().encode("hello"), &mut Unwatched)
        .unwrap();
    let mut matcher = constraint.map(|c| c.start(engine.vocabulary()).unwrap());
    let mut hear = |step: Step<'_>| {
        bytes.extend_from_slice(step.bytes);
        ControlFlow::Continue(())
    };
    let done = session
        .write(matcher.as_mut(), writing, &mut hear, &mut Unwatched)
        .unwrap();
    (String::from_utf8_lossy(&bytes).into_owned(), done)
}

#[test]
fn a_wild_draw_stays_under_the_mask() {
    let engine = testing::engine("qwen2");
    let names = ["march.csv", "may.csv", "notes.txt"].map(str::to_owned);
    let constraint = Constraint::one_of(&names, End::Turn).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (text, done) = written(&engine, Some(&constraint), &wild(seed));
        assert!(names.contains(&text), "{text}");
        assert_eq!(
            (done.over, done.counts.forced + done.counts.sampled),
            (Over::Constraint, done.tokens)
        );
        seen.insert(text);
    }
    assert_eq!(seen.len(), 3, "the draw is wild");
    let (free, _) = written(&engine, None, &wild(1));
    assert!(!names.contains(&free), "the twin without a mask");
}

#[test]
fn every_call_is_valid_and_complete() {
    let engine = testing::engine("qwen2");
    let weather = json!({"type": "object", "properties": {"unit": {"enum": ["C", "F"]}, "day": {"type": "boolean"}},
        "required": ["unit"], "additionalProperties": false});
    let nothing = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let functions = [
        Callable {
            name: "weather.now",
            parameters: &weather,
        },
        Callable {
            name: "wipe \"it\"",
            parameters: &nothing,
        },
    ];
    let mut most = 0;
    for seed in 0..6 {
        let constraint = Constraint::calls(&functions, Begun::Nothing, 3).unwrap();
        let (text, done) = written(&engine, Some(&constraint), &wild(seed));
        assert!(
            matches!(done.over, Over::Constraint | Over::Model),
            "{text}"
        );
        let calls: Vec<Value> = text
            .split("<tool_call>\n")
            .skip(1)
            .map(|call| {
                let body = call
                    .trim_end_matches('\n')
                    .strip_suffix("\n</tool_call>")
                    .unwrap();
                serde_json::from_str(body).unwrap()
            })
            .collect();
        for call in &calls {
            match call["name"].as_str().unwrap() {
                "weather.now" => {
                    assert!(["C", "F"].contains(&call["arguments"]["unit"].as_str().unwrap()))
                }
                name => assert_eq!((name, &call["arguments"]), ("wipe \"it\"", &json!({}))),
            }
        }
        most = most.max(calls.len());
        assert!((1..=3).contains(&calls.len()), "{text}");
    }
    assert!(most > 1, "more than one call is possible");
}

#[test]
fn a_begun_call_goes_on_after_its_mark() {
    let engine = testing::engine("qwen2");
    let nothing = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let functions = [Callable {
        name: "f",
        parameters: &nothing,
    }];
    let constraint = Constraint::calls(&functions, Begun::Mark, 1).unwrap();
    let (text, done) = written(&engine, Some(&constraint), &wild(0));
    assert_eq!(text, "\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
    assert_eq!((done.over, done.counts.sampled), (Over::Constraint, 0));
    assert!(Constraint::calls(&[], Begun::Nothing, 1).is_err());
}

#[test]
fn equal_seeds_write_equal_texts() {
    let engine = testing::engine("qwen2");
    assert_eq!(
        written(&engine, None, &wild(3)),
        written(&engine, None, &wild(3))
    );
    assert_ne!(
        written(&engine, None, &wild(3)).0,
        written(&engine, None, &wild(4)).0
    );
}

#[test]
fn the_same_is_drawn_on_any_number_of_threads() {
    let engines = [1, 2, 3].map(|threads| {
        let threads = crate::DeviceChoice::Threads(threads);
        testing::load_on(testing::file("qwen2"), threads).unwrap()
    });
    let hot = |seed| Sampling {
        temperature: 1.5,
        seed,
        ..Sampling::default()
    };
    let samplings = [
        Sampling::default(),
        hot(1),
        Sampling {
            top_k: 20,
            repetition_penalty: 1.3,
            ..hot(2)
        },
        Sampling {
            top_p: 0.8,
            min_p: 0.01,
            ..hot(3)
        },
    ];
    for sampling in samplings {
        let writing = Writing {
            sampling,
            ..wild(0)
        };
        let [one, two, three] = engines
            .each_ref()
            .map(|engine| written(engine, None, &writing));
        assert_eq!(one, two);
        assert_eq!(one, three);
    }
}

#[test]
fn the_limit_and_the_listener_end_it() {
    let engine = testing::engine("qwen2");
    let short = Writing {
        limit: 3,
        ..wild(1)
    };
    let constraint = Constraint::regex("[a-z]{9}").unwrap();
    let (text, done) = written(&engine, Some(&constraint), &short);
    assert!(done.tokens == 3 && text.len() >= 3, "{text}");
    assert_eq!(done.over, Over::Limit);
    let exact = Writing {
        limit: 2,
        ..wild(1)
    };
    let (_, done) = written(
        &engine,
        Some(&Constraint::regex("[xy][xy]").unwrap()),
        &exact,
    );
    assert_eq!(
        done.over,
        Over::Constraint,
        "complete at the limit is complete"
    );

    let mut session = engine.session().unwrap();
    session.extend(&[1, 2], &mut Unwatched).unwrap();
    let mut heard = 0;
    let mut hear = |_: Step<'_>| {
        heard += 1;
        if heard == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let done = session
        .write(None, &wild(1), &mut hear, &mut Unwatched)
        .unwrap();
    assert_eq!((done.over, done.tokens), (Over::Heard, 2));
    assert_eq!(
        session.tokens().len(),
        4,
        "what was told is part of the session"
    );
}

#[test]
fn likelihoods_are_those_among_what_was_allowed() {
    let engine = testing::engine("qwen2");
    let mut session = engine.session().unwrap();
    session.extend(&[1, 2], &mut Unwatched).unwrap();
    let mut matcher = Constraint::regex("z[xy]z")
        .unwrap()
        .start(engine.vocabulary())
        .unwrap();
    let mut told = Vec::new();
    let mut hear = |step: Step<'_>| {
        told.extend(step.likelihood);
        ControlFlow::Continue(())
    };
    let writing = Writing {
        likeliest: Some(5),
        ..wild(2)
    };
    session
        .write(Some(&mut matcher), &writing, &mut hear, &mut Unwatched)
        .unwrap();
    assert_eq!((told[0].logp, told[2].logp), (0.0, 0.0), "forced: {told:?}");
    let sum: f64 = told[1].likeliest.iter().map(|(_, logp)| logp.exp()).sum();
    assert_eq!(told[1].likeliest.len(), 2);
    assert!(
        (sum - 1.0).abs() < 1e-9 && told[1].likeliest[0].1 >= told[1].likeliest[1].1,
        "{told:?}"
    );
    assert!(
        told[1]
            .likeliest
            .iter()
            .any(|(_, logp)| *logp == told[1].logp)
    );
}
