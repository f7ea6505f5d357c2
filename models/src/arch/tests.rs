//! The graphs of all architectures on tiny random weights: append equals fresh, rows equal blocks, wrong files are refused by name.

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};

use crate::testing::{self, engine, exact, load};
use crate::{Backend, DeviceChoice, ModelError, Session, Unwatched, Watch};

/// Each architecture as it is, then each way to turn heads and to see.
const KINDS: [&str; 11] = [
    "llama",
    "qwen2",
    "qwen3",
    "gemma3",
    "phi3",
    "qwen2+window",
    "llama+linear",
    "llama+llama3",
    "qwen3+yarn",
    "phi3+short",
    "phi3+long",
];

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|index| index * 37 % 251).collect()
}

/// The order of additions differs between one row and many, so not bit for bit.
fn assert_close(left: &[f32], right: &[f32], what: &str) {
    let scale = left
        .iter()
        .fold(1e-6_f32, |most, value| most.max(value.abs()));
    let worst = left
        .iter()
        .zip(right)
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f32::max);
    assert!(
        left.len() == right.len() && worst < 1e-3 * scale,
        "{what}: {worst} of {scale}"
    );
}

fn fresh(session: &mut Session<'_>, tokens: &[u32]) -> Vec<f32> {
    session.rewind(0);
    session.extend(tokens, &mut Unwatched).unwrap();
    session.logits().unwrap().to_vec()
}

/// The largest difference between the two graphs over some prompts, as a part of the largest logit.
fn distance_from_candle(bytes: Vec<u8>) -> f32 {
    let kernels = load(bytes.clone()).unwrap();
    let candle = testing::load_on(bytes, DeviceChoice::Candle).unwrap();
    assert!(matches!(kernels.backend(), Backend::Kernels { .. }));
    assert!(matches!(candle.backend(), Backend::Candle { .. }));
    let (mut ours, mut theirs) = (kernels.session().unwrap(), candle.session().unwrap());
    let distances = [1, 5, 60].map(|count| {
        let ours = fresh(&mut ours, &tokens(count));
        let theirs = fresh(&mut theirs, &tokens(count));
        let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0_f32, f32::max);
        let apart = largest(&mut ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()));
        apart / largest(&mut theirs.iter().map(|value| value.abs()))
    });
    distances.into_iter().fold(0.0, f32::max)
}

#[test]
fn the_kernels_agree_with_candle() {
    for kind in KINDS {
        // Keys and values in f16 against f32: 2^-11 each, and the random scores of a tiny model are large.
        let exact = distance_from_candle(testing::exact_file(kind));
        assert!(exact < 1e-2, "{kind} in f32: {exact}");
    }
    for arch in KINDS.into_iter().filter(|kind| !kind.contains('+')) {
        // With 8-bit activations one rounding that falls the other way moves a logit of so small a model by some per cent.
        let rounded = distance_from_candle(testing::file(arch));
        assert!(rounded < 0.1, "{arch}: {rounded}");
    }
}

#[test]
fn a_prompt_read_token_by_token_gives_the_same_bits() {
    for kind in KINDS {
        let engine = engine(kind);
        let at_once = fresh(&mut engine.session().unwrap(), &tokens(50));
        let mut session = engine.session().unwrap();
        for token in tokens(50) {
            session.extend(&[token], &mut Unwatched).unwrap();
        }
        assert_eq!(at_once, session.logits().unwrap(), "{kind}");
    }
}

#[test]
fn reading_in_parts_equals_reading_at_once() {
    for kind in KINDS {
        let engine = exact(kind);
        let all = tokens(40);
        let at_once = fresh(&mut engine.session().unwrap(), &all);
        for cut in [1, 7, 20, 39] {
            let mut session = engine.session().unwrap();
            session.extend(&all[..cut], &mut Unwatched).unwrap();
            session.extend(&all[cut..], &mut Unwatched).unwrap();
            assert_close(&at_once, session.logits().unwrap(), kind);
        }
        let mut session = engine.session().unwrap();
        for token in &all {
            session.extend(&[*token], &mut Unwatched).unwrap();
        }
        assert_close(&at_once, session.logits().unwrap(), kind);
    }
}

#[test]
fn what_was_rewound_leaves_no_trace() {
    for kind in KINDS {
        let engine = exact(kind);
        let mut session = engine.session().unwrap();
        session.extend(&tokens(30), &mut Unwatched).unwrap();
        session.rewind(12);
        assert!(matches!(session.logits(), Err(ModelError::NothingRead)));
        session.extend(&[1, 2, 3], &mut Unwatched).unwrap();
        let expected = [&tokens(12)[..], &[1, 2, 3]].concat();
        assert_close(
            &fresh(&mut engine.session().unwrap(), &expected),
            session.logits().unwrap(),
            kind,
        );
        assert_eq!(session.tokens(), expected);
    }
}

#[test]
fn aligning_keeps_the_common_beginning() {
    let engine = exact("qwen2");
    let mut session = engine.session().unwrap();
    session.align(&tokens(20), &mut Unwatched).unwrap();
    let next = [&tokens(15)[..], &[200, 201]].concat();
    session.align(&next, &mut Unwatched).unwrap();
    assert_eq!((session.tally().prompt, session.tally().reused), (22, 15));
    session.align(&next, &mut Unwatched).unwrap();
    assert_eq!((session.tally().prompt, session.tally().reused), (22, 32));
    session.align(&next[..10], &mut Unwatched).unwrap();
    assert_close(
        &fresh(&mut engine.session().unwrap(), &next[..10]),
        session.logits().unwrap(),
        "shorter",
    );
}

#[test]
fn a_local_layer_forgets_what_is_outside_its_window() {
    // Two of the three layers see 8 positions, one all: without that one, the first token could not matter any more.
    let local_only = |key: &str| (format!("gemma3.attention.{key}"), Value::U32(100));
    let mut metadata = testing::metadata("gemma3");
    metadata.retain(|(key, _)| key != "gemma3.attention.sliding_window_pattern");
    metadata.push(local_only("sliding_window_pattern"));
    let local = load(testing::write(&metadata, &testing::tensors("gemma3"))).unwrap();
    let mixed = engine("gemma3");
    let (mut one, mut other) = (tokens(40), tokens(40));
    one[0] = 3;
    other[0] = 250;
    assert_eq!(
        fresh(&mut local.session().unwrap(), &one),
        fresh(&mut local.session().unwrap(), &other)
    );
    assert_ne!(
        fresh(&mut mixed.session().unwrap(), &one),
        fresh(&mut mixed.session().unwrap(), &other)
    );
}

#[test]
fn each_way_to_turn_and_to_see_changes_the_logits() {
    for kind in KINDS.into_iter().filter(|kind| kind.contains('+')) {
        let plain = kind.split('+').next().unwrap();
        let [plain, own] = [plain, kind].map(|kind| {
            let engine = exact(kind);
            fresh(&mut engine.session().unwrap(), &tokens(100))
        });
        assert_ne!(plain, own, "{kind}");
    }
}

#[test]
fn factors_go_by_how_long_a_session_may_be() {
    let logits = |original: u32| {
        let mut metadata = testing::metadata("phi3+long");
        metadata
            .iter_mut()
            .find(|(key, _)| key.ends_with("original_context_length"))
            .unwrap()
            .1 = Value::U32(original);
        let engine = load(testing::write(&metadata, &testing::tensors("phi3+long"))).unwrap();
        fresh(&mut engine.session().unwrap(), &tokens(40))
    };
    // The session holds 512 positions: whatever is in use, up to 512 are short and 511 are exceeded.
    assert_eq!(logits(64), logits(511));
    assert_eq!(logits(512), logits(4096));
    assert_ne!(logits(511), logits(512));
}

#[test]
fn the_session_scores_as_it_steps() {
    use crate::decode::log_probability;
    use crate::forward::Forward;
    let engine = exact("llama");
    let (mut batch, mut steps) = (engine.session().unwrap(), engine.session().unwrap());
    batch.extend(&[5], &mut Unwatched).unwrap();
    steps.extend(&[5], &mut Unwatched).unwrap();
    let scores = batch.score(&tokens(20), &mut Unwatched).unwrap();
    for (token, score) in tokens(20).iter().zip(scores) {
        let expected = log_probability(steps.logits().unwrap(), *token).unwrap();
        assert!((expected - score).abs() < 1e-3, "{expected} {score}");
        steps.extend(&[*token], &mut Unwatched).unwrap();
    }
}

#[test]
fn limits_and_interruptions_leave_the_session_usable() {
    let engine = exact("qwen3");
    let mut session = engine.session().unwrap();
    let refused = session.extend(&vec![1; 600], &mut Unwatched).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "prompt of 600 tokens does not fit context of 512"
    );
    assert_eq!(
        session
            .extend(&[9999], &mut Unwatched)
            .unwrap_err()
            .to_string(),
        "token 9999 is outside the vocabulary of 259"
    );
    let mut told = 0;
    let mut stop_soon = |_| {
        told += 1;
        if told < 4 {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    };
    let stopped = session.extend(&tokens(400), &mut stop_soon as &mut dyn Watch);
    assert!(matches!(stopped, Err(ModelError::Interrupted)));
    assert_eq!(
        session.tokens().len(),
        256,
        "the chunk that was whole is kept"
    );
    session.align(&tokens(300), &mut Unwatched).unwrap();
    assert_close(
        &fresh(&mut engine.session().unwrap(), &tokens(300)),
        session.logits().unwrap(),
        "after an interruption",
    );
}

fn refused(arch: &str, change: impl FnOnce(&mut Vec<(String, Value)>)) -> String {
    let mut metadata = testing::metadata(arch);
    change(&mut metadata);
    load(testing::write(&metadata, &testing::tensors(arch)))
        .err()
        .unwrap()
        .to_string()
}

#[test]
fn wrong_files_are_refused_by_name() {
    let unknown = refused("llama", |metadata| {
        metadata[0].1 = Value::String("rwkv7".to_owned())
    });
    assert_eq!(
        unknown,
        "architecture `rwkv7` is not known; known are gemma3, llama, phi3, qwen2, qwen3"
    );
    let heads = refused("llama", |metadata| {
        metadata
            .iter_mut()
            .find(|(key, _)| key.ends_with("head_count_kv"))
            .unwrap()
            .1 = Value::U32(3)
    });
    assert_eq!(
        heads,
        "the model's `attention.head_count_kv` is 3: it does not divide the number of heads"
    );
    let scaled = refused("llama", |metadata| {
        metadata.push((
            "llama.rope.scaling.type".to_owned(),
            Value::String("dynamic".to_owned()),
        ))
    });
    assert_eq!(
        scaled,
        "key `llama.rope.scaling.type` should be `none`, `linear`, `yarn` or `longrope`"
    );
    let mut tensors = testing::tensors("qwen2");
    let left_over = load(testing::write(&testing::metadata("llama"), &tensors))
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        left_over,
        "tensor `blk.0.attn_k.bias`: the graph of this architecture does not use it"
    );
    tensors.retain(|(name, _)| name != "blk.1.ffn_up.weight");
    let missing = load(testing::write(&testing::metadata("qwen2"), &tensors))
        .err()
        .unwrap()
        .to_string();
    assert_eq!(missing, "tensor `blk.1.ffn_up.weight` is missing");
}

#[test]
fn what_would_change_the_result_unnoticed_is_refused_by_name() {
    let with = |key: &str, value: Value| {
        let key = format!("gemma3.{key}");
        refused("gemma3", |metadata| metadata.push((key, value)))
    };
    for (key, value) in [
        ("attention.causal", Value::Bool(false)),
        ("attention.scale", Value::F32(0.1)),
        ("attn_logit_softcapping", Value::F32(50.0)),
        ("expert_count", Value::U32(8)),
        ("final_logit_softcapping", Value::F32(30.0)),
        ("rope.global.freq_base", Value::F32(1e6)),
        ("rope.scaling.yarn_log_multiplier", Value::F32(0.1)),
    ] {
        assert_eq!(
            with(key, value),
            format!("key `gemma3.{key}` is not known here, and may change what the model computes")
        );
    }
    assert_eq!(
        with("attention.value_length", Value::U32(16)),
        "the model's `attention.value_length` is 16: it is not that of the keys"
    );
    assert_eq!(
        with("rope.dimension_count", Value::U32(34)),
        "the model's `rope.dimension_count` is 34: it is zero, odd or wider than a head"
    );
    let longrope = Value::String("longrope".to_owned());
    assert_eq!(
        with("rope.scaling.type", longrope),
        "tensor `rope_factors_long.weight` is missing"
    );
    let mut absent = testing::metadata("gemma3");
    absent.push(("gemma3.final_logit_softcapping".to_owned(), Value::F32(0.0)));
    absent.push(("gemma3.attention.causal".to_owned(), Value::Bool(true)));
    load(testing::write(&absent, &testing::tensors("gemma3"))).unwrap();
}

#[test]
fn factors_that_cannot_be_divided_by_are_refused() {
    let mut tensors = testing::tensors("llama+llama3");
    let zeros = Tensor::zeros(16, DType::F32, &Device::Cpu).unwrap();
    tensors.last_mut().unwrap().1 = QTensor::quantize(&zeros, GgmlDType::F32).unwrap();
    assert_eq!(
        load(testing::write(&testing::metadata("llama"), &tensors))
            .err()
            .unwrap()
            .to_string(),
        "tensor `rope_freqs.weight`: its value 0 is not positive"
    );
}
