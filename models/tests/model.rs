//! A real model says sensible things. Runs with `CLOISTER_TEST_MODEL=model.gguf`, and says so when it does not.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: it reads the model that the environment names"
)]

use cloister_models::{
    Constraint, DeviceChoice, End, Engine, Forward, ModelDigest, ModelName, Pin, Sampling,
    Unwatched,
};

const PROSE: &str = "The committee met on Tuesday to discuss the budget for the coming year. After a short introduction, the chair asked \
    each department to explain its plans. Most of them wanted more money, but nobody could say where it should come from. In the end they \
    agreed to meet again in two weeks, after everyone had looked at the numbers once more.";

fn engine() -> Option<Engine> {
    let Some(path) = std::env::var_os("CLOISTER_TEST_MODEL") else {
        eprintln!("skipped: CLOISTER_TEST_MODEL names no model");
        return None;
    };
    let bytes = std::fs::read(path).unwrap();
    let pin = Pin::new(
        ModelName::parse("test").unwrap(),
        ModelDigest::of(&bytes),
        bytes.len() as u64,
        None,
    )
    .unwrap();
    Some(Engine::load(&pin, &mut &bytes[..], DeviceChoice::Cpu, &mut Unwatched).unwrap())
}

fn tokens(engine: &Engine, text: &str) -> Vec<u32> {
    engine
        .tokenizer()
        .bos()
        .into_iter()
        .chain(engine.tokenizer().encode(text))
        .collect()
}

#[test]
fn plain_english_is_not_surprising() {
    let Some(engine) = engine() else { return };
    let tokens = tokens(&engine, PROSE);
    let mut session = engine.session().unwrap();
    session.extend(&tokens[..1], &mut Unwatched).unwrap();
    let scores = session.score(&tokens[1..], &mut Unwatched).unwrap();
    let perplexity = (-scores.iter().sum::<f64>() / scores.len() as f64).exp();
    eprintln!("perplexity {perplexity:.2} over {} tokens", scores.len());
    assert!(perplexity < 30.0, "{perplexity}");
}

#[test]
fn a_prompt_is_continued_sensibly() {
    let Some(engine) = engine() else { return };
    let mut session = engine.session().unwrap();
    session
        .extend(&tokens(&engine, "The capital of France is"), &mut Unwatched)
        .unwrap();
    let names = [" Paris", " Berlin", " cheese"].map(str::to_owned);
    let weights = session.weigh(&names, &mut Unwatched).unwrap();
    let [paris, berlin, cheese] = [0, 1, 2].map(|place: usize| weights[place].logp);
    assert!(paris > berlin && berlin > cheese, "{weights:?}");
    let decoded = session
        .answer(12, Sampling::default(), &mut Unwatched)
        .unwrap();
    assert!(
        decoded.text.contains("France") || decoded.text.contains("Paris"),
        "{decoded:?}"
    );
}

#[test]
fn parts_and_a_rewind_give_what_a_fresh_reading_gives() {
    let Some(engine) = engine() else { return };
    let all = tokens(&engine, PROSE);
    let mut whole = engine.session().unwrap();
    whole.extend(&all, &mut Unwatched).unwrap();
    let mut parts = engine.session().unwrap();
    parts
        .extend(&all[..all.len() - 20], &mut Unwatched)
        .unwrap();
    parts.extend(&[1; 9], &mut Unwatched).unwrap();
    parts.align(&all, &mut Unwatched).unwrap();
    let top = |logits: &[f32]| (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    assert_eq!(top(whole.logits().unwrap()), top(parts.logits().unwrap()));
}

#[test]
fn only_what_is_granted_is_chosen() {
    let Some(engine) = engine() else { return };
    let mut session = engine.session().unwrap();
    session
        .extend(&tokens(&engine, "The capital of France is"), &mut Unwatched)
        .unwrap();
    let names = [" Berlin", " Rome"].map(str::to_owned);
    let constraint = Constraint::one_of(&names, End::Turn).unwrap();
    let decoded = session.choose(&constraint, &mut Unwatched).unwrap();
    assert!(names.contains(&decoded.text), "{decoded:?}");
}
