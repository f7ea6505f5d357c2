//! Files that load, one of each architecture and one with each kind of tokenizer: what the malformed ones differ from in one thing.

use crate::draft::{Draft, Key, Tensor, Value, f32, f32s, i32s, text, texts, truth, u32};

pub(crate) const ARCHITECTURES: [&str; 5] = ["llama", "qwen2", "qwen3", "gemma3", "phi3"];

/// As an unknown one is answered.
pub(crate) const KNOWN: &str = "gemma3, llama, phi3, qwen2, qwen3";

pub(crate) const HIDDEN: u64 = 32;
pub(crate) const HEADS: u64 = 2;
pub(crate) const KV_HEADS: u64 = 1;
pub(crate) const HEAD: u64 = 16;
pub(crate) const FEED_FORWARD: u64 = 64;
pub(crate) const LAYERS: u64 = 2;

/// Type numbers of `enum ggml_type`.
pub(crate) const F32: u32 = 0;
pub(crate) const F16: u32 = 1;
pub(crate) const Q4_0: u32 = 2;
pub(crate) const Q8_0: u32 = 8;

/// A file of this architecture.
pub(crate) fn draft(arch: &str) -> Draft {
    let key = |(name, value): (String, Value)| Key {
        name: name.into_bytes(),
        value,
    };
    let keys: Vec<Key> = metadata(arch)
        .into_iter()
        .chain(bytelevel())
        .map(key)
        .collect();
    let vocabulary = letters().len() as u64 + 3;
    Draft {
        magic: b"GGUF".into(),
        version: 3,
        tensor_count: None,
        key_count: None,
        keys,
        tensors: tensors(arch, vocabulary),
        alignment: 32,
        tail: Vec::new(),
    }
}

/// A file whose tokenizer is of the other kind.
pub(crate) fn sentencepiece() -> Draft {
    let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
    tokens.extend(["</s>", "a", "b", "ab"].map(str::to_owned));
    let mut kinds = [6; 256].to_vec();
    kinds.extend([3, 1, 1, 1]);
    let scores: Vec<f32> = (0..tokens.len()).map(|id| -(id as f32)).collect();
    let mut draft = draft("llama")
        .without("tokenizer.ggml.merges")
        .without("tokenizer.ggml.pre")
        .with("tokenizer.ggml.model", text("llama"))
        .with("tokenizer.ggml.tokens", texts(&tokens))
        .with("tokenizer.ggml.token_type", i32s(&kinds))
        .with("tokenizer.ggml.scores", f32s(&scores))
        .with("tokenizer.ggml.add_bos_token", truth(0))
        .with("tokenizer.ggml.eos_token_id", u32(256));
    draft.tensors = tensors("llama", tokens.len() as u64);
    draft
}

/// The numbers that every architecture has: name, value.
pub(crate) fn numbers() -> [(&'static str, u64); 7] {
    [
        ("block_count", LAYERS),
        ("embedding_length", HIDDEN),
        ("feed_forward_length", FEED_FORWARD),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        ("attention.key_length", HEAD),
        ("context_length", 64),
    ]
}

fn metadata(arch: &str) -> Vec<(String, Value)> {
    let mut all = vec![("general.architecture".to_owned(), text(arch))];
    all.extend(numbers().map(|(name, value)| (format!("{arch}.{name}"), u32(value as u32))));
    all.push((
        format!("{arch}.attention.layer_norm_rms_epsilon"),
        f32(1e-6),
    ));
    all.push((format!("{arch}.rope.freq_base"), f32(10_000.0)));
    if arch == "gemma3" {
        all.push(("gemma3.attention.sliding_window".to_owned(), u32(8)));
        all.push(("gemma3.attention.sliding_window_pattern".to_owned(), u32(2)));
        all.push(("gemma3.rope.local.freq_base".to_owned(), f32(10_000.0)));
    }
    all
}

fn bytelevel() -> Vec<(String, Value)> {
    let mut tokens = letters();
    tokens.extend(["ab", "<|im_end|>", "<|im_start|>"].map(str::to_owned));
    let mut kinds = vec![1; tokens.len()];
    let end = tokens.len() - 2;
    kinds[end..].fill(3);
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    vec![
        (key("model"), text("gpt2")),
        (key("pre"), text("qwen2")),
        (key("tokens"), texts(&tokens)),
        (key("token_type"), i32s(&kinds)),
        (key("merges"), texts(&["a b"])),
        (key("eos_token_id"), u32(end as u32)),
    ]
}

/// The letters that a byte-level vocabulary cannot do without: printable ASCII, the space and the line feed as GPT-2 spells them.
pub(crate) fn letters() -> Vec<String> {
    let mut all: Vec<String> = ('!'..='~').map(String::from).collect();
    all.extend(["Ġ", "Ċ"].map(str::to_owned));
    all
}

fn tensors(arch: &str, vocabulary: u64) -> Vec<Tensor> {
    let mut all = vec![
        tensor("token_embd.weight", &[HIDDEN, vocabulary], Q8_0),
        tensor("output_norm.weight", &[HIDDEN], F32),
    ];
    for layer in 0..LAYERS {
        let named = shapes(arch).into_iter();
        all.extend(
            named.map(|(name, dims, kind)| tensor(&format!("blk.{layer}.{name}"), &dims, kind)),
        );
    }
    all
}

/// The tensors of one layer.
pub(crate) fn shapes(arch: &str) -> Vec<(&'static str, Vec<u64>, u32)> {
    let (wide, narrow) = (HEADS * HEAD, KV_HEADS * HEAD);
    let mut all = vec![
        ("attn_norm.weight", vec![HIDDEN], F32),
        ("attn_q.weight", vec![HIDDEN, wide], Q8_0),
        ("attn_k.weight", vec![HIDDEN, narrow], F16),
        ("attn_v.weight", vec![HIDDEN, narrow], F32),
        ("attn_output.weight", vec![wide, HIDDEN], Q4_0),
        ("ffn_norm.weight", vec![HIDDEN], F32),
        ("ffn_gate.weight", vec![HIDDEN, FEED_FORWARD], Q8_0),
        ("ffn_up.weight", vec![HIDDEN, FEED_FORWARD], Q8_0),
        ("ffn_down.weight", vec![FEED_FORWARD, HIDDEN], Q8_0),
    ];
    let biases = [
        ("attn_q.bias", wide),
        ("attn_k.bias", narrow),
        ("attn_v.bias", narrow),
    ];
    let heads = [("attn_q_norm.weight", HEAD), ("attn_k_norm.weight", HEAD)];
    let after = [
        ("post_attention_norm.weight", HIDDEN),
        ("post_ffw_norm.weight", HIDDEN),
    ];
    let vector = |(name, len)| (name, vec![len], F32);
    match arch {
        "phi3" => {
            all.retain(|(name, ..)| {
                ![
                    "attn_q.weight",
                    "attn_k.weight",
                    "attn_v.weight",
                    "ffn_gate.weight",
                    "ffn_up.weight",
                ]
                .contains(name)
            });
            all.push(("attn_qkv.weight", vec![HIDDEN, wide + 2 * narrow], Q8_0));
            all.push(("ffn_up.weight", vec![HIDDEN, 2 * FEED_FORWARD], Q8_0));
        }
        "qwen2" => all.extend(biases.map(vector)),
        "qwen3" => all.extend(heads.map(vector)),
        "gemma3" => all.extend(heads.into_iter().chain(after).map(vector)),
        _ => {}
    }
    all
}

/// A tensor whose bytes are numbers of this type, small and not all alike.
pub(crate) fn tensor(name: &str, dims: &[u64], kind: u32) -> Tensor {
    let elements: u64 = dims.iter().product();
    Tensor {
        name: name.into(),
        rank: None,
        dims: dims.to_vec(),
        kind,
        offset: None,
        data: numbers_of(kind, elements as usize),
    }
}

fn numbers_of(kind: u32, elements: usize) -> Vec<u8> {
    let byte = |index: usize| (index * 37 % 251) as u8;
    let block = |scale: &[u8], quants: usize| -> Vec<u8> {
        let blocks = (0..elements / 32).flat_map(|block| {
            let quants = (0..quants).map(move |index| byte(block * 32 + index));
            scale.iter().copied().chain(quants)
        });
        blocks.collect()
    };
    match kind {
        F32 => (0..elements)
            .flat_map(|index| (f32::from(byte(index)) / 256.0).to_le_bytes())
            .collect(),
        F16 => (0..elements)
            .flat_map(|index| [byte(index), 0x34])
            .collect(),
        Q4_0 => block(&[0, 0x20], 16),
        Q8_0 => block(&[0, 0x14], 32),
        _ => panic!("type {kind} is not made here"),
    }
}
