//! Models made for the tests of what the mind says: one layer of zeros, so that what comes next depends on the output head alone, and the head
//! pushes for one token whatever was read.

use cloister_models::{DeviceChoice, Engine, ModelDigest, ModelName, Pin, Unwatched};

const HIDDEN: usize = 32;
const CONTEXT: u32 = 1 << 13;
/// `enum gguf_metadata_value_type`.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const TEXT: u32 = 8;
const LIST: u32 = 9;
/// The two last tokens of [`tokens`]: what ends a turn and what begins one.
pub(in crate::mind::inside) const CONTROL: usize = 2;

/// Printable ASCII, the space and the line feed as GPT-2 spells them, one pair, and the markers of ChatML.
pub(in crate::mind::inside) fn tokens() -> Vec<String> {
    let letters = ('!'..='~').map(String::from);
    let others = ["Ġ", "Ċ", "ab", "<|im_end|>", "<|im_start|>"];
    letters.chain(others.map(str::to_owned)).collect()
}

/// A model that wants to say the token `wanted` at every step.
pub(in crate::mind::inside) fn pushing_for(wanted: usize) -> Engine {
    let bytes = file(wanted);
    let name = ModelName::parse("made").unwrap();
    let pin = Pin::new(name, ModelDigest::of(&bytes), bytes.len() as u64, None).unwrap();
    Engine::load(
        &pin,
        &mut &bytes[..],
        DeviceChoice::Threads(1),
        &mut Unwatched,
    )
    .unwrap()
}

fn file(wanted: usize) -> Vec<u8> {
    let (keys, tensors) = (keys(), tensors(wanted));
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((keys.len() as u64).to_le_bytes());
    for (name, kind, value) in keys {
        text(&mut out, name);
        out.extend(kind.to_le_bytes());
        out.extend(value);
    }
    let mut offset = 0_u64;
    for (name, dims, _) in &tensors {
        text(&mut out, name);
        out.extend(u32::try_from(dims.len()).unwrap().to_le_bytes());
        dims.iter()
            .for_each(|dim| out.extend((*dim as u64).to_le_bytes()));
        out.extend(0_u32.to_le_bytes()); // 32-bit floating point
        out.extend(offset.to_le_bytes());
        offset += (dims.iter().product::<usize>() * 4) as u64;
    }
    out.resize(out.len().next_multiple_of(32), 0);
    for (_, _, values) in tensors {
        values
            .iter()
            .for_each(|value| out.extend(value.to_le_bytes()));
    }
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn keys() -> Vec<(&'static str, u32, Vec<u8>)> {
    let number = |name, value: u32| (name, U32, value.to_le_bytes().to_vec());
    let real = |name, value: f32| (name, F32, value.to_le_bytes().to_vec());
    let word = |name, value: &str| {
        let mut bytes = Vec::new();
        text(&mut bytes, value);
        (name, TEXT, bytes)
    };
    let tokens = tokens();
    let kinds: Vec<u8> = (0..tokens.len())
        .map(|id| {
            if id + CONTROL < tokens.len() {
                1_i32
            } else {
                3
            }
        })
        .flat_map(i32::to_le_bytes)
        .collect();
    let end = u32::try_from(tokens.len() - CONTROL).unwrap();
    vec![
        word("general.architecture", "llama"),
        number("llama.block_count", 1),
        number("llama.embedding_length", HIDDEN as u32),
        number("llama.feed_forward_length", HIDDEN as u32),
        number("llama.attention.head_count", 1),
        number("llama.attention.head_count_kv", 1),
        number("llama.attention.key_length", HIDDEN as u32),
        number("llama.context_length", CONTEXT),
        real("llama.attention.layer_norm_rms_epsilon", 1e-6),
        real("llama.rope.freq_base", 10_000.0),
        word("tokenizer.ggml.model", "gpt2"),
        word("tokenizer.ggml.pre", "qwen2"),
        ("tokenizer.ggml.tokens", LIST, texts(&tokens)),
        (
            "tokenizer.ggml.token_type",
            LIST,
            list(I32, tokens.len(), &kinds),
        ),
        ("tokenizer.ggml.merges", LIST, texts(&["a b".to_owned()])),
        number("tokenizer.ggml.eos_token_id", end),
        word("tokenizer.chat_template", "<|im_start|>"),
    ]
}

fn texts(all: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    all.iter().for_each(|one| text(&mut bytes, one));
    list(TEXT, all.len(), &bytes)
}

fn list(kind: u32, len: usize, items: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((len as u64).to_le_bytes());
    bytes.extend(items);
    bytes
}

/// Every token is embedded as the same first unit; the head answers that unit with `wanted`.
fn tensors(wanted: usize) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let size = tokens().len();
    let rows = |value: &dyn Fn(usize) -> f32| -> Vec<f32> {
        let row = |id| (0..HIDDEN).map(move |at| if at == 0 { id } else { 0.0 });
        (0..size).flat_map(|id| row(value(id))).collect()
    };
    let head = |id| {
        if id == wanted {
            100.0
        } else {
            -(id as f32) / 100.0
        }
    };
    let table = vec![HIDDEN, size];
    let mut all = vec![
        (
            "token_embd.weight".to_owned(),
            table.clone(),
            rows(&|_| 1.0),
        ),
        (
            "output_norm.weight".to_owned(),
            vec![HIDDEN],
            vec![1.0; HIDDEN],
        ),
        ("output.weight".to_owned(), table, rows(&head)),
    ];
    for name in ["attn_norm", "ffn_norm"] {
        all.push((
            format!("blk.0.{name}.weight"),
            vec![HIDDEN],
            vec![1.0; HIDDEN],
        ));
    }
    for name in [
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
    ] {
        let zeros = vec![0.0; HIDDEN * HIDDEN];
        all.push((format!("blk.0.{name}.weight"), vec![HIDDEN, HIDDEN], zeros));
    }
    all
}
