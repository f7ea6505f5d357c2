//! Lies of metadata: names, types, lengths, texts, and values of another type than their key has.

use crate::draft::{Draft, Key, Value, array, f32, string, text, truth, u32};
use crate::sound::draft;
use crate::{Case, case};

const WHOLE: &str = "a whole number from 0 to 4294967295";

pub(crate) fn cases() -> Vec<Case> {
    [
        names(),
        kinds(),
        lengths(),
        encodings(),
        numbers(),
        others(),
        general(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn valued(name: &str, key: &str, value: Value, says: impl Into<String>) -> Case {
    case(
        format!("`{key}`: {name}"),
        draft("llama").with(key, value).bytes(),
        says,
    )
}

fn mistyped(name: &str, key: &str, value: Value, expected: &str) -> Case {
    valued(
        name,
        key,
        value,
        format!("key `{key}` should be {expected}"),
    )
}

/// One more key, with this name.
fn named(name: &[u8]) -> Draft {
    let mut draft = draft("llama");
    draft.keys.push(Key {
        name: name.to_vec(),
        value: u32(1),
    });
    draft
}

fn names() -> Vec<Case> {
    let shown = |name: &[u8], fault: &str| {
        let layout = named(name).layout();
        let at = layout.keys.last().unwrap()[1];
        case(
            format!("key named {}", name.escape_ascii()),
            layout.bytes,
            format!("a key at byte {at} {fault}"),
        )
    };
    let unshowable = "is empty or holds control characters";
    let mut all: Vec<Case> = [
        &b""[..],
        b"line\nbreak",
        b"\x1b[31mred",
        b"nul\0",
        b"del\x7f",
        "c1\u{9b}".as_bytes(),
    ]
    .map(|name| shown(name, unshowable))
    .into();
    all.extend(
        [&b"\xff"[..], b"half\xe2\x82", b"\xc0\x80long"].map(|name| shown(name, "is not UTF-8")),
    );
    for length in [257, 65_536] {
        let says = format!("the length of a name is {length}, the limit is 256");
        all.push(case(
            format!("key of {length} bytes"),
            named(&vec![b'k'; length]).bytes(),
            says,
        ));
    }
    for key in [
        "general.architecture",
        "llama.block_count",
        "tokenizer.ggml.tokens",
        "llama.rope.freq_base",
    ] {
        let mut draft = draft("llama");
        let again = draft.keys[draft.key_index(key)].clone();
        draft.keys.push(again);
        all.push(case(
            format!("`{key}` twice"),
            draft.bytes(),
            format!("key `{key}` is there twice"),
        ));
    }
    all
}

/// Types that GGUF does not have, and arrays in arrays.
fn kinds() -> Vec<Case> {
    let says = |kind: u32| format!("key `stray` has value type {kind}, which is not read");
    let mut all: Vec<Case> = [13, 14, 255, 1 << 16, u32::MAX]
        .map(|kind| {
            valued(
                &format!("type {kind}"),
                "stray",
                Value(kind, vec![0; 8]),
                says(kind),
            )
        })
        .into();
    all.extend([9, 13, u32::MAX].map(|kind| {
        valued(
            &format!("array of type {kind}"),
            "stray",
            array(kind, 1, &[0; 32]),
            says(kind),
        )
    }));
    for byte in [2, 255] {
        all.push(mistyped(
            &format!("truth {byte}"),
            "stray",
            truth(byte),
            "true or false",
        ));
    }
    all
}

fn lengths() -> Vec<Case> {
    let mut all = Vec::new();
    for count in [(4 << 20) + 1, u64::MAX] {
        for (of, kind) in [("u8", 0), ("f64", 12), ("texts", 8)] {
            let says = format!("the length of an array is {count}, the limit is 4194304");
            all.push(valued(
                &format!("{count} {of}"),
                "stray",
                array(kind, count, &[]),
                says,
            ));
        }
    }
    // Behind this key come the tensors, fewer bytes than these claim.
    for (of, kind, count, needed) in [
        ("u8", 0, 4_000_000_u64, 4_000_000_u64),
        ("u16", 2, 4_000_000, 8_000_000),
        ("f64", 12, 4_194_304, 33_554_432),
    ] {
        let layout = draft("llama")
            .with("stray", array(kind, count, &[]))
            .layout();
        let at = layout.keys.last().unwrap()[3] + 12;
        let says = format!(
            "the file has {} bytes and ends inside an array, which needs {needed} bytes at byte {at}",
            layout.bytes.len()
        );
        all.push(case(
            format!("{count} {of} that are not there"),
            layout.bytes,
            says,
        ));
    }
    for length in [1_u64 << 32, 1 << 63, u64::MAX] {
        let layout = draft("llama")
            .with("stray", Value(8, length.to_le_bytes().into()))
            .layout();
        let at = layout.keys.last().unwrap()[3] + 8;
        let says = format!(
            "the file has {} bytes and ends inside a text, which needs {length} bytes at byte {at}",
            layout.bytes.len()
        );
        all.push(case(format!("text of {length} bytes"), layout.bytes, says));
    }
    let tokens = [string(b"a"), u64::MAX.to_le_bytes().into()].concat();
    let layout = draft("llama").with("stray", array(8, 2, &tokens)).layout();
    let at = layout.keys.last().unwrap()[3] + 12 + tokens.len();
    let says = format!(
        "the file has {} bytes and ends inside an array of texts, which needs {} bytes at byte {at}",
        layout.bytes.len(),
        u64::MAX
    );
    all.push(case("array with an endless text", layout.bytes, says));
    all
}

/// Bytes that are no UTF-8: alone, cut, overlong, a surrogate, beyond Unicode.
fn encodings() -> Vec<Case> {
    let wrong: [&[u8]; 6] = [
        b"\xff",
        b"\x80",
        b"\xe2\x82",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ];
    let text = |bytes: &&[u8]| {
        let layout = draft("llama")
            .with("general.name", Value(8, string(bytes)))
            .layout();
        let at = layout.keys.last().unwrap()[3];
        case(
            format!("text {}", bytes.escape_ascii()),
            layout.bytes,
            format!("a text at byte {at} is not UTF-8"),
        )
    };
    wrong.iter().map(text).collect()
}

/// A key that should be a whole number, as everything else and out of its range.
fn numbers() -> Vec<Case> {
    let key = "llama.block_count";
    let others = [
        (
            "u64 too large",
            Value(10, (1_u64 << 32).to_le_bytes().into()),
        ),
        ("i8 -1", Value(1, vec![0xff])),
        ("i16 -1", Value(3, vec![0xff; 2])),
        ("i32 -1", Value(5, vec![0xff; 4])),
        ("i64 -1", Value(11, vec![0xff; 8])),
        ("i64 too large", Value(11, i64::MAX.to_le_bytes().into())),
        ("f32", f32(2.0)),
        ("f64", Value(12, 2.0_f64.to_le_bytes().into())),
        ("truth", truth(1)),
        ("text", text("2")),
        ("array", array(4, 1, &2_u32.to_le_bytes())),
        ("array of texts", array(8, 1, &string(b"2"))),
    ];
    others
        .into_iter()
        .map(|(name, value)| mistyped(name, key, value, WHOLE))
        .collect()
}

fn others() -> Vec<Case> {
    let mut all = Vec::new();
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    let floats = [
        ("u32", u32(1)),
        ("text", text("1e-6")),
        ("truth", truth(1)),
        ("NaN", f32(f32::NAN)),
        ("infinity", f32(f32::INFINITY)),
        ("minus infinity", f32(f32::NEG_INFINITY)),
        ("f64 NaN", Value(12, f64::NAN.to_le_bytes().into())),
        ("f64 beyond f32", Value(12, 1e300_f64.to_le_bytes().into())),
    ];
    all.extend(floats.map(|(name, value)| mistyped(name, epsilon, value, "a finite number")));
    all.extend(
        [("zero", 0.0), ("minus one", -1.0)]
            .map(|(name, value)| mistyped(name, epsilon, f32(value), "positive")),
    );
    for key in [
        "general.architecture",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.chat_template",
    ] {
        all.push(mistyped("a number", key, u32(1), "a text"));
    }
    all.push(mistyped(
        "texts",
        "general.architecture",
        array(8, 1, &string(b"llama")),
        "a text",
    ));
    for key in [
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.add_space_prefix",
    ] {
        all.push(mistyped("a number", key, u32(1), "true or false"));
    }
    for key in ["tokenizer.ggml.tokens", "tokenizer.ggml.merges"] {
        all.push(mistyped("one text", key, text("a"), "an array of texts"));
        all.push(mistyped(
            "numbers",
            key,
            array(4, 1, &[0; 4]),
            "an array of texts",
        ));
    }
    all.push(mistyped(
        "u32",
        "tokenizer.ggml.token_type",
        array(4, 1, &[0; 4]),
        "an array of i32",
    ));
    all.push(mistyped(
        "i8",
        "tokenizer.ggml.token_type",
        array(1, 4, &[0; 4]),
        "an array of i32",
    ));
    all.push(mistyped(
        "a text",
        "tokenizer.ggml.eos_token_id",
        text("</s>"),
        WHOLE,
    ));
    all
}

/// Keys that say something of the whole file.
fn general() -> Vec<Case> {
    let key = "general.alignment";
    let mut all: Vec<Case> = [0, 1, 2, 4, 12, 24, 33, 8_192, 1 << 31]
        .map(|alignment| {
            let says = format!("alignment `{alignment}` is not a power of two between 8 and 4096");
            valued(&alignment.to_string(), key, u32(alignment), says)
        })
        .into();
    all.push(mistyped("a text", key, text("32"), WHOLE));
    all.push(mistyped(
        "minus 32",
        key,
        Value(5, (-32_i32).to_le_bytes().into()),
        WHOLE,
    ));
    all.push(valued(
        "two",
        "split.count",
        Value(2, vec![2, 0]),
        "the model was split into 2 files, and this is one of them",
    ));
    all.push(mistyped("a text", "split.count", text("2"), WHOLE));
    all
}
