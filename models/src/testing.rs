//! Models for tests: each architecture with random weights, a few kilobytes, and a tokenizer of single bytes. Compiled for tests only.

use std::io::Cursor;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use crate::{DeviceChoice, Engine, ModelDigest, ModelName, Pin, Unwatched, Watch};

pub(crate) const HIDDEN: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = 32;
const FEED_FORWARD: usize = 96;
const LAYERS: usize = 3;
/// Positions that every model is made for.
const CONTEXT: usize = 512;
/// Values of a head that Phi turns here; the other architectures turn all.
const TURNED_BY_PHI: usize = 24;

/// A file of this kind: an architecture, or one with a way of its own to turn heads or to see, as `llama+linear`.
pub(crate) fn file(kind: &str) -> Vec<u8> {
    write(&metadata(kind), &tensors(kind))
}

/// An engine of this kind.
pub(crate) fn engine(kind: &str) -> Engine {
    load(file(kind)).unwrap()
}

fn architecture(kind: &str) -> &str {
    kind.split('+').next().unwrap()
}

/// The same with other weights, on one thread: what writes long texts does not wait for the threads of other tests.
pub(crate) fn seeded(kind: &str, seed: u32) -> Engine {
    let bytes = write(&metadata(kind), &tensors_from(kind, seed));
    load_on(bytes, DeviceChoice::Threads(1)).unwrap()
}

/// The same with all weights in f32, so that one row and many are computed alike.
pub(crate) fn exact(kind: &str) -> Engine {
    load(exact_file(kind)).unwrap()
}

/// A file of this kind with all weights in f32.
pub(crate) fn exact_file(kind: &str) -> Vec<u8> {
    let whole = |tensor: QTensor| {
        QTensor::quantize(&tensor.dequantize(&Device::Cpu).unwrap(), GgmlDType::F32).unwrap()
    };
    let tensors: Vec<_> = tensors(kind)
        .into_iter()
        .map(|(name, tensor)| (name, whole(tensor)))
        .collect();
    write(&metadata(kind), &tensors)
}

pub(crate) fn load(bytes: Vec<u8>) -> Result<Engine, crate::ModelError> {
    load_on(bytes, DeviceChoice::Cpu)
}

pub(crate) fn load_on(bytes: Vec<u8>, device: DeviceChoice) -> Result<Engine, crate::ModelError> {
    load_watched(bytes, device, &mut Unwatched)
}

pub(crate) fn load_watched(
    bytes: Vec<u8>,
    device: DeviceChoice,
    watch: &mut dyn Watch,
) -> Result<Engine, crate::ModelError> {
    let name = ModelName::parse("tiny").unwrap();
    let pin = Pin::new(name, ModelDigest::of(&bytes), bytes.len() as u64, None).unwrap();
    Engine::load(&pin, &mut &bytes[..], device, watch)
}

pub(crate) fn write(metadata: &[(String, Value)], tensors: &[(String, QTensor)]) -> Vec<u8> {
    let metadata: Vec<_> = metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let mut out = Cursor::new(Vec::new());
    gguf_file::write(&mut out, &metadata, &tensors).unwrap();
    out.into_inner()
}

/// The header of a file of one f32 tensor that would have so many elements, and the file's length.
pub(crate) struct Claimed {
    pub(crate) front: Vec<u8>,
    pub(crate) len: usize,
}

pub(crate) fn claimed(name: &str, elements: u64) -> Claimed {
    let one = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
    let one = QTensor::quantize(&one, GgmlDType::F32).unwrap();
    let mut front = write(&[], &[(name.to_owned(), one)]);
    let data = crate::Gguf::parse(&front).unwrap();
    let start = data.tensor(name).unwrap().range().start;
    let named = |window: &[u8]| window == name.as_bytes();
    let at = front.windows(name.len()).position(named).unwrap() + name.len() + 4; // behind the name: rank, then the dimension
    front[at..at + 8].copy_from_slice(&elements.to_le_bytes());
    front.truncate(start);
    let len = start + usize::try_from(elements).unwrap() * 4;
    Claimed { front, len }
}

pub(crate) fn metadata(kind: &str) -> Vec<(String, Value)> {
    let arch = architecture(kind);
    let mut all = vec![(
        "general.architecture".to_owned(),
        Value::String(arch.to_owned()),
    )];
    let numbers = [
        ("block_count", LAYERS),
        ("embedding_length", HIDDEN),
        ("feed_forward_length", FEED_FORWARD),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        ("attention.key_length", HEAD),
        ("context_length", CONTEXT),
    ];
    all.extend(numbers.map(|(key, value)| {
        (
            format!("{arch}.{key}"),
            Value::U32(value.try_into().unwrap()),
        )
    }));
    all.push((
        format!("{arch}.attention.layer_norm_rms_epsilon"),
        Value::F32(1e-6),
    ));
    all.extend(
        peculiar(kind)
            .into_iter()
            .map(|(key, value)| (format!("{arch}.{key}"), value)),
    );
    all.extend(tokenizer());
    all
}

/// What only some kinds say.
fn peculiar(kind: &str) -> Vec<(&'static str, Value)> {
    let number = |number: usize| Value::U32(number.try_into().unwrap());
    let text = |text: &str| Value::String(text.to_owned());
    let original = |positions| ("rope.scaling.original_context_length", number(positions));
    let attention = ("rope.scaling.attn_factor", Value::F32(1.19));
    let turned = ("rope.dimension_count", number(TURNED_BY_PHI));
    match kind {
        "gemma3" => vec![
            ("attention.sliding_window", number(8)),
            ("attention.sliding_window_pattern", number(2)),
        ],
        "qwen2+window" => vec![("attention.sliding_window", number(8))],
        "llama+linear" => vec![
            ("rope.scaling.type", text("linear")),
            ("rope.scaling.factor", Value::F32(4.0)),
        ],
        "qwen3+yarn" => vec![
            ("rope.scaling.type", text("yarn")),
            ("rope.scaling.factor", Value::F32(4.0)),
            original(64),
        ],
        "phi3" => vec![turned, ("attention.sliding_window", number(0))],
        "phi3+short" => vec![turned, attention, original(CONTEXT)],
        "phi3+long" => vec![turned, attention, original(64)],
        _ => Vec::new(),
    }
}

fn tokenizer() -> Vec<(String, Value)> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let text = |text: &str| Value::String(text.to_owned());
    let mut tokens: Vec<Value> = (0..=255)
        .map(|byte| Value::String(letter(byte).to_string()))
        .collect();
    tokens.extend([text("ab"), text("<|im_end|>"), text("<|im_start|>")]);
    let kinds = (0..tokens.len())
        .map(|id| Value::I32(if id < 257 { 1 } else { 3 }))
        .collect();
    vec![
        (key("model"), text("gpt2")),
        (key("pre"), text("qwen2")),
        (key("tokens"), Value::Array(tokens)),
        (key("token_type"), Value::Array(kinds)),
        (key("merges"), Value::Array(vec![text("a b")])),
        (key("eos_token_id"), Value::U32(257)),
    ]
}

/// How GPT-2 writes a byte in its vocabulary: printable Latin-1 as itself, the rest from U+0100 on.
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !printable(*other)).count();
    char::from_u32(256 + u32::try_from(before).unwrap()).unwrap()
}

pub(crate) fn tensors(kind: &str) -> Vec<(String, QTensor)> {
    tensors_from(kind, 7)
}

fn tensors_from(kind: &str, seed: u32) -> Vec<(String, QTensor)> {
    let mut random = Random(seed);
    let mut all = vec![
        (
            "token_embd.weight".to_owned(),
            random.tensor(&[259, HIDDEN], GgmlDType::Q8_0),
        ),
        (
            "output_norm.weight".to_owned(),
            random.tensor(&[HIDDEN], GgmlDType::F32),
        ),
    ];
    let arch = architecture(kind);
    for layer in 0..LAYERS {
        let mut add = |name: &str, shape: &[usize], dtype| {
            all.push((format!("blk.{layer}.{name}"), random.tensor(shape, dtype)));
        };
        for (name, shape, dtype) in matrices(arch) {
            add(&format!("{name}.weight"), &shape, dtype);
        }
        for (name, len) in vectors(arch) {
            add(name, &[len], GgmlDType::F32);
        }
    }
    for (name, pairs) in factors(kind) {
        all.push((name.to_owned(), random.factors(pairs)));
    }
    all
}

fn matrices(arch: &str) -> Vec<(&'static str, [usize; 2], GgmlDType)> {
    let (wide, narrow) = (HEADS * HEAD, KV_HEADS * HEAD);
    let output = ("attn_output", [HIDDEN, wide], GgmlDType::Q4_0);
    let down = ("ffn_down", [HIDDEN, FEED_FORWARD], GgmlDType::Q8_0);
    if arch == "phi3" {
        return vec![
            ("attn_qkv", [wide + 2 * narrow, HIDDEN], GgmlDType::Q5_0),
            output,
            ("ffn_up", [2 * FEED_FORWARD, HIDDEN], GgmlDType::Q4_1),
            down,
        ];
    }
    vec![
        ("attn_q", [wide, HIDDEN], GgmlDType::Q8_0),
        ("attn_k", [narrow, HIDDEN], GgmlDType::Q5_0),
        ("attn_v", [narrow, HIDDEN], GgmlDType::F16),
        output,
        ("ffn_gate", [FEED_FORWARD, HIDDEN], GgmlDType::Q4_1),
        ("ffn_up", [FEED_FORWARD, HIDDEN], GgmlDType::Q8_0),
        down,
    ]
}

fn vectors(arch: &str) -> Vec<(&'static str, usize)> {
    let (wide, narrow) = (HEADS * HEAD, KV_HEADS * HEAD);
    let mut all = vec![("attn_norm.weight", HIDDEN), ("ffn_norm.weight", HIDDEN)];
    match arch {
        "qwen2" => all.extend([
            ("attn_q.bias", wide),
            ("attn_k.bias", narrow),
            ("attn_v.bias", narrow),
        ]),
        "qwen3" => all.extend([("attn_q_norm.weight", HEAD), ("attn_k_norm.weight", HEAD)]),
        "gemma3" => all.extend([
            ("attn_q_norm.weight", HEAD),
            ("attn_k_norm.weight", HEAD),
            ("post_attention_norm.weight", HIDDEN),
            ("post_ffw_norm.weight", HIDDEN),
        ]),
        _ => {}
    }
    all
}

/// What divides the angle of each pair.
fn factors(kind: &str) -> Vec<(&'static str, usize)> {
    let pairs = TURNED_BY_PHI / 2;
    match kind {
        "llama+llama3" => vec![("rope_freqs.weight", HEAD / 2)],
        "phi3+short" | "phi3+long" => vec![
            ("rope_factors_long.weight", pairs),
            ("rope_factors_short.weight", pairs),
        ],
        _ => Vec::new(),
    }
}

/// Numbers that look random and are the same on every machine.
struct Random(u32);

impl Random {
    fn tensor(&mut self, shape: &[usize], dtype: GgmlDType) -> QTensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| self.next()).collect();
        QTensor::quantize(
            &Tensor::from_vec(values, shape, &Device::Cpu).unwrap(),
            dtype,
        )
        .unwrap()
    }

    /// From 1 to 5.
    fn factors(&mut self, count: usize) -> QTensor {
        let values: Vec<f32> = (0..count).map(|_| 3.0 + 2.0 * self.next()).collect();
        let values = Tensor::from_vec(values, count, &Device::Cpu).unwrap();
        QTensor::quantize(&values, GgmlDType::F32).unwrap()
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as f32 / 32_768.0 - 1.0
    }
}
