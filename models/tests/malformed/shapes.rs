//! Lies about the architecture: keys that are missing, numbers that are impossible or contradict each other or the tensors, tensors that are
//! missing, left over, of another shape, or no numbers.

use crate::draft::{Draft, f32, text, u32};
use crate::sound::{
    ARCHITECTURES, F32, FEED_FORWARD, HEAD, HIDDEN, KNOWN, KV_HEADS, LAYERS, draft, numbers,
    shapes, tensor,
};
use crate::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![case(
        "no architecture",
        draft("llama").without("general.architecture").bytes(),
        missing("general.architecture"),
    )];
    all.extend(unknown());
    for arch in ARCHITECTURES {
        all.extend(
            [
                keys(arch),
                impossible(arch),
                missing_tensors(arch),
                shaped(arch),
            ]
            .into_iter()
            .flatten(),
        );
    }
    all.extend(
        [contradictions(), rotations(), left_over(), no_numbers()]
            .into_iter()
            .flatten(),
    );
    all
}

fn missing(key: &str) -> String {
    format!("key `{key}` is missing")
}

fn with(arch: &str, key: &str, value: u64) -> Draft {
    draft(arch).with(&format!("{arch}.{key}"), u32(value as u32))
}

fn number(arch: &str, key: &str, value: u64, fault: &str) -> Case {
    case(
        format!("{arch}: {key} {value}"),
        with(arch, key, value).bytes(),
        format!("the model's `{key}` is {value}: {fault}"),
    )
}

fn unknown() -> Vec<Case> {
    let long = "x".repeat(10_000);
    let shortened = format!("{}…", "x".repeat(80));
    let names = [
        ("rwkv7", "rwkv7"),
        ("", ""),
        ("LLAMA", "LLAMA"),
        ("llama ", "llama "),
        ("\x1b[2J", "\\u{1b}[2J"),
        (long.as_str(), shortened.as_str()),
    ];
    let name = |(name, shown): (&str, &str)| {
        let bytes = draft("llama")
            .with("general.architecture", text(name))
            .bytes();
        case(
            format!("architecture `{shown}`"),
            bytes,
            format!("architecture `{shown}` is not known; known are {KNOWN}"),
        )
    };
    names.map(name).into()
}

/// Keys without which nothing can be computed.
fn keys(arch: &str) -> Vec<Case> {
    let mut needed: Vec<&str> = numbers().map(|(name, _)| name).into();
    needed.retain(|name| !["attention.head_count_kv", "attention.key_length"].contains(name));
    needed.push("attention.layer_norm_rms_epsilon");
    let key = |name: &&str| {
        let key = format!("{arch}.{name}");
        case(
            format!("no {key}"),
            draft(arch).without(&key).bytes(),
            missing(&key),
        )
    };
    needed.iter().map(key).collect()
}

/// Nothing, and more than any model has.
fn impossible(arch: &str) -> Vec<Case> {
    let bounds = "it is zero or over the limit";
    let mut all = Vec::new();
    for (key, most) in [
        ("block_count", 512),
        ("embedding_length", 1 << 17),
        ("feed_forward_length", 1 << 17),
        ("context_length", 1 << 24),
        ("attention.head_count", 1 << 17),
    ] {
        for value in [0, most + 1, u64::from(u32::MAX)] {
            all.push(number(arch, key, value, bounds));
        }
    }
    for value in [0, 15, 1 << 17, u64::from(u32::MAX)] {
        all.push(number(
            arch,
            "attention.key_length",
            value,
            "it is zero, odd or over the limit",
        ));
    }
    for value in [0, 3, 4, u64::from(u32::MAX)] {
        all.push(number(
            arch,
            "attention.head_count_kv",
            value,
            "it does not divide the number of heads",
        ));
    }
    all
}

fn shape(name: &str, found: &[u64], said: &[u64]) -> String {
    format!("tensor `{name}`: its shape is {found:?}, the metadata says {said:?}")
}

/// Another number than the tensors have, and what is said of it.
fn other(key: &str, value: u64, says: String) -> Case {
    let bytes = with("llama", key, value).bytes();
    case(format!("{key} is {value}"), bytes, says)
}

/// Numbers that are possible and not those of the tensors.
fn contradictions() -> Vec<Case> {
    let vocabulary = draft("llama").tensor("token_embd.weight").dims[1];
    let said = |hidden: u64| {
        shape(
            "token_embd.weight",
            &[vocabulary, HIDDEN],
            &[vocabulary, hidden],
        )
    };
    let widths = [HIDDEN * 2, HIDDEN / 2, HIDDEN + 1];
    let mut all: Vec<Case> = widths
        .map(|hidden| other("embedding_length", hidden, said(hidden)))
        .into();
    let said = |rows: u64| {
        shape(
            "blk.0.ffn_gate.weight",
            &[FEED_FORWARD, HIDDEN],
            &[rows, HIDDEN],
        )
    };
    let widths = [FEED_FORWARD - 16, FEED_FORWARD * 16];
    all.extend(widths.map(|rows| other("feed_forward_length", rows, said(rows))));
    let missing = "tensor `blk.2.attn_norm.weight` is missing".to_owned();
    let left =
        "tensor `blk.1.attn_k.weight`: the graph of this architecture does not use it".to_owned();
    all.extend([LAYERS + 1, 512].map(|layers| other("block_count", layers, missing.clone())));
    all.push(other("block_count", LAYERS - 1, left));
    all.extend(heads());
    all
}

fn heads() -> Vec<Case> {
    let queries = |rows: u64| shape("blk.0.attn_q.weight", &[32, HIDDEN], &[rows, HIDDEN]);
    let keys = shape("blk.0.attn_k.weight", &[HEAD, HIDDEN], &[2 * HEAD, HIDDEN]);
    let uneven = draft("llama")
        .without("llama.attention.key_length")
        .with("llama.attention.head_count", u32(3))
        .bytes();
    let says = "the model's `attention.head_count` is 3: it does not divide the embedding's width";
    vec![
        other("attention.head_count", 1, queries(HEAD)),
        other("attention.head_count", 4, queries(4 * HEAD)),
        other("attention.key_length", 2 * HEAD, queries(4 * HEAD)),
        other("attention.key_length", 2, queries(4)),
        other("attention.head_count_kv", 2, keys),
        case("heads that do not divide the width", uneven, says),
    ]
}

fn rotations() -> Vec<Case> {
    let mut all = Vec::new();
    for (arch, key) in [
        ("llama", "rope.freq_base"),
        ("qwen3", "rope.freq_base"),
        ("gemma3", "rope.local.freq_base"),
    ] {
        let key = format!("{arch}.{key}");
        for (value, expected) in [
            (0.0, "positive"),
            (-1.0, "positive"),
            (f32::NAN, "a finite number"),
            (f32::INFINITY, "a finite number"),
        ] {
            let bytes = draft(arch).with(&key, f32(value)).bytes();
            all.push(case(
                format!("{key} {value}"),
                bytes,
                format!("key `{key}` should be {expected}"),
            ));
        }
    }
    all
}

/// Every tensor that an architecture has, gone.
fn missing_tensors(arch: &str) -> Vec<Case> {
    let layer = shapes(arch)
        .into_iter()
        .map(|(name, ..)| format!("blk.1.{name}"));
    let names = ["token_embd.weight", "output_norm.weight"]
        .map(str::to_owned)
        .into_iter()
        .chain(layer);
    let gone = |name: String| {
        case(
            format!("{arch} without {name}"),
            draft(arch).without_tensor(&name).bytes(),
            format!("tensor `{name}` is missing"),
        )
    };
    names.map(gone).collect()
}

/// Every matrix of a layer turned, and every vector made a matrix of one row.
fn shaped(arch: &str) -> Vec<Case> {
    let turned = |(name, dims, _): (&str, Vec<u64>, u32)| {
        let name = format!("blk.0.{name}");
        let mut draft = draft(arch);
        let said: Vec<u64> = dims.iter().rev().copied().collect();
        let found = match dims.as_slice() {
            [len] => vec![1, *len],
            _ => dims.clone(),
        };
        let told = draft.tensor(&name);
        // In f32, whose rows need no whole blocks.
        *told = tensor(&name, &found.iter().rev().copied().collect::<Vec<_>>(), F32);
        (found != said).then(|| {
            case(
                format!("{arch}: {name} as {found:?}"),
                draft.bytes(),
                shape(&name, &found, &said),
            )
        })
    };
    shapes(arch).into_iter().filter_map(turned).collect()
}

/// Tensors that another architecture has, and some that none has.
fn left_over() -> Vec<Case> {
    let extra = |arch: &str, name: &str, dims: &[u64]| {
        let mut draft = draft(arch);
        draft.tensors.push(tensor(name, dims, F32));
        case(
            format!("{arch} with {name}"),
            draft.bytes(),
            format!("tensor `{name}`: the graph of this architecture does not use it"),
        )
    };
    vec![
        extra("llama", "blk.0.attn_q.bias", &[32]),
        extra("llama", "blk.0.attn_q_norm.weight", &[HEAD]),
        extra("llama", "blk.0.ffn_gate_inp.weight", &[HIDDEN, 8]),
        extra("llama", "blk.2.attn_q.weight", &[HIDDEN, 32]),
        extra("llama", "output_norm.bias", &[HIDDEN]),
        extra("qwen2", "blk.1.attn_output.bias", &[HIDDEN]),
        extra("qwen2", "blk.0.attn_q_norm.weight", &[HEAD]),
        extra("qwen3", "blk.0.attn_k.bias", &[KV_HEADS * HEAD]),
        extra("qwen3", "position_embd.weight", &[HIDDEN, 64]),
        extra("gemma3", "blk.0.attn_v.bias", &[KV_HEADS * HEAD]),
        extra("gemma3", "output.bias", &[99]),
    ]
}

/// Vectors that would make every token NaN, and heads and divisors that do not fit.
fn no_numbers() -> Vec<Case> {
    let mut all = Vec::new();
    for (arch, name) in [
        ("llama", "output_norm.weight"),
        ("llama", "blk.1.ffn_norm.weight"),
        ("qwen2", "blk.0.attn_k.bias"),
        ("qwen3", "blk.1.attn_q_norm.weight"),
        ("gemma3", "blk.0.post_ffw_norm.weight"),
    ] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut draft = draft(arch);
            draft.tensor(name).data[12..16].copy_from_slice(&value.to_le_bytes());
            all.push(case(
                format!("{arch}: {value} in {name}"),
                draft.bytes(),
                format!("tensor `{name}`: its value 3 is not finite"),
            ));
        }
    }
    for (value, fault) in [
        (0.0_f32, "is not positive"),
        (-1.0, "is not positive"),
        (f32::NAN, "is not finite"),
    ] {
        let mut draft = draft("llama");
        let mut factors = tensor("rope_freqs.weight", &[HEAD / 2], F32);
        factors.data = [1.0_f32, value, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
            .map(f32::to_le_bytes)
            .concat();
        draft.tensors.push(factors);
        all.push(case(
            format!("rope divided by {value}"),
            draft.bytes(),
            format!("tensor `rope_freqs.weight`: its value 1 {fault}"),
        ));
    }
    let vocabulary = draft("llama").tensor("token_embd.weight").dims[1];
    for (what, name, dims, said) in [
        (
            "a head of fewer rows",
            "output.weight",
            [HIDDEN, vocabulary - 1],
            vec![vocabulary, HIDDEN],
        ),
        (
            "a head of more rows",
            "output.weight",
            [HIDDEN, vocabulary + 1],
            vec![vocabulary, HIDDEN],
        ),
        (
            "too many rope divisors",
            "rope_freqs.weight",
            [HEAD, 1],
            vec![HEAD / 2],
        ),
    ] {
        let mut draft = draft("llama");
        draft.tensors.push(tensor(name, &dims, F32));
        all.push(case(
            what,
            draft.bytes(),
            shape(name, &[dims[1], dims[0]], &said),
        ));
    }
    all
}
