//! Prefill and decode speed of one model, as tokens a second: `cargo run --release --example speed MODEL.gguf`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement, run by hand"
)]

use std::time::Instant;

use cloister_models::{DeviceChoice, Engine, ModelDigest, ModelName, Pin, Sampling, Unwatched};

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let start = Instant::now();
    let pin = Pin::new(
        ModelName::parse("m").unwrap(),
        ModelDigest::of(&bytes),
        bytes.len() as u64,
        None,
    )
    .unwrap();
    let verified = pin.check(bytes).unwrap();
    println!("hash {:.2}s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let engine = Engine::load(&verified, DeviceChoice::Cpu, &mut Unwatched).unwrap();
    println!("load {:.2}s", start.elapsed().as_secs_f64());
    let text = std::env::args()
        .nth(2)
        .unwrap_or("def fibonacci(n):".to_owned());
    let mut session = engine.session().unwrap();
    let mut prompt: Vec<u32> = engine.tokenizer().bos().into_iter().collect();
    prompt.extend(engine.tokenizer().encode(&text));
    session.extend(&prompt, &mut Unwatched).unwrap();
    let decoded = session
        .answer(64, Sampling::default(), &mut Unwatched)
        .unwrap();
    println!("{}", decoded.text);
    for _ in 0..3 {
        let mut session = engine.session().unwrap();
        let tokens: Vec<u32> = (0..512).map(|i| (i * 37) % 5000 + 300).collect();
        let start = Instant::now();
        session.extend(&tokens, &mut Unwatched).unwrap();
        let prefill = 512.0 / start.elapsed().as_secs_f64();
        let mut session = engine.session().unwrap();
        session.extend(&prompt, &mut Unwatched).unwrap();
        let start = Instant::now();
        let decoded = session
            .answer(64, Sampling::default(), &mut Unwatched)
            .unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "prefill {prefill:.1} t/s, decode {:.1} t/s ({})",
            decoded.sampled as f64 / seconds,
            decoded.sampled
        );
    }
}
