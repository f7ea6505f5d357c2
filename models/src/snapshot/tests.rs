//! A state that was kept is as good as the prompt that it stands for; anything else is a miss and changes nothing.

use super::*;
use crate::testing;
use crate::{DeviceChoice, Engine, Session, Unwatched};

const ARCHITECTURES: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma3"];

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|index| index * 37 % 251).collect()
}

fn read<'e>(engine: &'e Engine, tokens: &[u32]) -> Session<'e> {
    let mut session = engine.session().unwrap();
    session.extend(tokens, &mut Unwatched).unwrap();
    session
}

#[test]
fn a_kept_state_goes_on_with_the_bits_of_the_prompt() {
    for arch in ARCHITECTURES {
        let engine = testing::engine(arch);
        let (all, fixed) = (tokens(70), 37);
        let mut first = read(&engine, &all);
        let kept = first.snapshot(fixed).unwrap();
        let mut second = engine.session().unwrap();
        second.restore(&all[..fixed], &kept).unwrap();
        assert_eq!(second.tokens(), &all[..fixed]);
        second.align(&all, &mut Unwatched).unwrap();
        assert_eq!(first.logits().unwrap(), second.logits().unwrap(), "{arch}");
        let tally = second.tally();
        assert_eq!(
            (tally.restored, tally.reused, tally.prompt),
            (fixed, fixed, all.len() - fixed)
        );
    }
}

#[test]
fn what_follows_the_prompt_is_not_in_it() {
    let engine = testing::engine("qwen2");
    let alone = read(&engine, &tokens(37)).snapshot(37).unwrap();
    let among = read(&engine, &tokens(70)).snapshot(37).unwrap();
    assert!(alone == among, "the same bytes whatever came behind");
    let short = read(&engine, &tokens(20));
    assert_eq!(short.snapshot(21), None, "so many were not read");
}

#[test]
fn a_torn_changed_or_foreign_state_is_a_miss_and_changes_nothing() {
    let engine = testing::engine("qwen2");
    let kept = read(&engine, &tokens(20)).snapshot(20).unwrap();
    let mut session = read(&engine, &[9, 8, 7]);
    let mut miss = |tokens: &[u32], bytes: &[u8]| {
        let miss = session.restore(tokens, bytes).unwrap_err();
        assert_eq!(session.tokens(), [9, 8, 7]);
        miss
    };
    let (read_then, other) = (tokens(20), [&tokens(19)[..], &[99]].concat());
    for cut in [0, 11, 43, kept.len() / 2, kept.len() - 1] {
        assert_eq!(miss(&read_then, &kept[..cut]), Miss::Form);
    }
    assert_eq!(miss(&tokens(36), &kept), Miss::Form);
    assert_eq!(miss(&other, &kept), Miss::Foreign);
    assert_eq!(miss(&tokens(600), &kept), Miss::Unfit);
    for place in (0..kept.len()).step_by(97).chain([kept.len() - 1]) {
        let mut changed = kept.clone();
        changed[place] ^= 4;
        let expected = match place {
            0..12 => Miss::Form,
            12..44 => Miss::Foreign,
            _ => Miss::Torn,
        };
        assert_eq!(miss(&read_then, &changed), expected, "byte {place}");
    }
    session.restore(&read_then, &kept).unwrap();
    assert_eq!(session.tokens(), read_then, "the twin that was not changed");
}

#[test]
fn another_model_or_engine_does_not_take_it() {
    let (engine, other) = (testing::engine("qwen2"), testing::seeded("qwen2", 8));
    let kept = read(&engine, &tokens(20)).snapshot(20).unwrap();
    let mut session = other.session().unwrap();
    assert_eq!(session.restore(&tokens(20), &kept), Err(Miss::Foreign));
    let candle = testing::load_on(testing::file("qwen2"), DeviceChoice::Candle).unwrap();
    let mut session = read(&candle, &tokens(20));
    assert_eq!(session.snapshot(20), None);
    assert_eq!(session.restore(&tokens(20), &kept), Err(Miss::Unfit));
    assert!(candle.session().unwrap().state_key(&tokens(20)).is_none());
}

#[test]
fn a_key_names_model_instruction_set_and_tokens() {
    let key = |model: &[u8], isa, tokens: &[u32]| {
        StateKey::new(ModelDigest::of(model), isa, tokens).to_string()
    };
    let base = key(b"m", Isa::Scalar, &[1, 2]);
    assert_eq!(base.len(), 64);
    let mut all = vec![base, key(b"n", Isa::Scalar, &[1, 2])];
    all.push(key(b"m", Isa::Scalar, &[1, 3]));
    all.extend(
        Isa::all()
            .filter(|isa| *isa != Isa::Scalar)
            .map(|isa| key(b"m", isa, &[1, 2])),
    );
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len());
}
