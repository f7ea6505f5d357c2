//! Lies of the first 24 bytes, of the ends of the file, and files cut inside each kind of part.

use crate::draft::Draft;
use crate::sound::draft;
use crate::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [magics(), versions(), counts(), cuts(), ends()]
        .into_iter()
        .flatten()
        .collect()
}

fn changed(change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = draft("llama");
    change(&mut draft);
    draft.bytes()
}

fn cut(bytes: &[u8], at: usize, needed: usize, inside: &str) -> Case {
    let len = at + needed / 2;
    let says = format!(
        "the file has {len} bytes and ends inside {inside}, which needs {needed} bytes at byte {at}"
    );
    case(
        format!("cut inside {inside}, byte {at}"),
        bytes[..len].to_vec(),
        says,
    )
}

fn magics() -> Vec<Case> {
    let others: [&[u8; 4]; 8] = [
        b"GGML",
        b"ggjt",
        b"gguf",
        b"FUGG",
        b"PK\x03\x04",
        b"<htm",
        b"\x7fELF",
        b"\0\0\0\0",
    ];
    let other = |magic: &&[u8; 4]| {
        let hex: String = magic.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = changed(|draft| draft.magic = magic.to_vec());
        case(
            format!("magic {hex}"),
            bytes,
            format!("not a GGUF file: it starts with bytes `{hex}`"),
        )
    };
    others.iter().map(other).collect()
}

fn versions() -> Vec<Case> {
    let version = |version: u32| {
        let says = format!("GGUF version `{version}` is not read, only 2 and 3, little-endian");
        case(
            format!("version {version}"),
            changed(|draft| draft.version = version),
            says,
        )
    };
    // The last is 3 as a big-endian machine writes it.
    [0, 1, 4, u32::MAX, 3 << 24].map(version).into()
}

fn counts() -> Vec<Case> {
    let over = |count: u64, limit: u64, what: &str, change: fn(&mut Draft, u64)| {
        let says = format!("the number of {what} is {count}, the limit is {limit}");
        case(
            format!("{count} {what}"),
            changed(|draft| change(draft, count)),
            says,
        )
    };
    let mut all = Vec::new();
    for count in [32_769, 1 << 63, u64::MAX] {
        all.push(over(count, 32_768, "tensors", |draft, count| {
            draft.tensor_count = Some(count)
        }));
    }
    for count in [4_097, 1 << 63, u64::MAX] {
        all.push(over(count, 4_096, "keys", |draft, count| {
            draft.key_count = Some(count)
        }));
    }
    all.extend([
        one_tensor_more(),
        one_tensor_fewer(),
        one_key_more(),
        one_key_fewer(),
        nothing(),
    ]);
    all
}

/// The data is read as one more entry. It begins with the scale 0x1400 of a block and the quants behind it.
fn one_tensor_more() -> Case {
    let mut draft = draft("llama");
    draft.alignment = 8; // so that the data follows the last entry, whose end is pushed to a multiple of 8
    let draft = draft.with("general.alignment", crate::draft::u32(8));
    let mut draft = padded(draft);
    draft.tensor_count = Some(draft.tensors.len() as u64 + 1);
    let layout = draft.layout();
    let length = u64::from_le_bytes(
        layout.bytes[layout.data..layout.data + 8]
            .try_into()
            .unwrap(),
    );
    let says = format!("the length of a name is {length}, the limit is 256");
    case("one tensor more than there is", layout.bytes, says)
}

/// A key whose text fills the header up to its alignment.
fn padded(draft: Draft) -> Draft {
    let with = |length: usize| {
        draft
            .clone()
            .with("padding", crate::draft::text(&"x".repeat(length)))
    };
    let header = |draft: &Draft| {
        let (layout, last) = (draft.layout(), draft.tensors.last().unwrap());
        layout.tensors.last().unwrap()[2] + 4 + last.dims.len() * 8 + 4 + 8
    };
    let length = (0..8).find(|length| header(&with(*length)).is_multiple_of(8));
    with(length.unwrap())
}

/// The data is taken to begin where the last entry is, and the file to end too late.
fn one_tensor_fewer() -> Case {
    let mut draft = draft("llama");
    let last = draft.tensors.len() - 1;
    draft.tensor_count = Some(last as u64);
    let layout = draft.layout();
    let data = layout.tensors[last][0].next_multiple_of(32);
    let name = String::from_utf8(draft.tensors[last - 1].name.clone()).unwrap();
    let end =
        data + (draft.offset(&name) + draft.tensors[last - 1].data.len()).next_multiple_of(32);
    let says = format!(
        "{} bytes at byte {end} belong to no tensor",
        layout.bytes.len() - end
    );
    case("one tensor fewer than there are", layout.bytes, says)
}

/// The first tensor's entry is read as a key: two dimensions are the type of a `u16`, and the rest is no entry.
fn one_key_more() -> Case {
    let mut draft = draft("llama");
    draft.key_count = Some(draft.keys.len() as u64 + 1);
    let layout = draft.layout();
    let at = layout.tensors[0][2] + 4 + 2;
    let length = u64::from_le_bytes(layout.bytes[at..at + 8].try_into().unwrap());
    let says = format!("the length of a name is {length}, the limit is 256");
    case("one key more than there is", layout.bytes, says)
}

/// The last key is read as a tensor: `u32`, type 4, is four dimensions.
fn one_key_fewer() -> Case {
    let mut draft = draft("llama");
    draft.key_count = Some(draft.keys.len() as u64 - 1);
    let layout = draft.layout();
    let name = String::from_utf8(draft.keys.last().unwrap().name.clone()).unwrap();
    let at = layout.keys.last().unwrap()[2] + 4 + 32;
    let kind = u32::from_le_bytes(layout.bytes[at..at + 4].try_into().unwrap());
    let says = format!("tensor `{name}`: its block type {kind} is not computed here");
    case("one key fewer than there are", layout.bytes, says)
}

fn nothing() -> Case {
    let bytes = [b"GGUF\x03\0\0\0".as_slice(), &[0; 16]].concat();
    case(
        "no key and no tensor",
        bytes,
        "key `general.architecture` is missing",
    )
}

/// In the middle of one part of each kind, and at the very beginning.
fn cuts() -> Vec<Case> {
    let draft = draft("llama");
    let layout = draft.layout();
    let bytes = &layout.bytes;
    let key = |name: &str| layout.keys[draft.key_index(name)];
    let [_, name, kind, value] = key("general.architecture");
    let [.., number] = key("llama.block_count");
    let [.., tokens] = key("tokenizer.ggml.tokens");
    let [.., types] = key("tokenizer.ggml.token_type");
    let [length, tensor, rank] = layout.tensors[0];
    let types_len = bytes_of(&draft, "tokenizer.ggml.token_type") - 12;
    vec![
        cut(bytes, 0, 0, "the magic").needing(4, 0),
        cut(bytes, 0, 4, "the magic"),
        cut(bytes, 4, 4, "the version"),
        cut(bytes, 8, 8, "the number of tensors"),
        cut(bytes, 16, 8, "the number of keys"),
        cut(bytes, 24, 8, "a key"),
        cut(bytes, name, "general.architecture".len(), "a key"),
        cut(bytes, kind, 4, "a metadata type"),
        cut(bytes, value, 8, "a text"),
        cut(bytes, value + 8, "llama".len(), "a text"),
        cut(bytes, number, 4, "a metadata value"),
        cut(bytes, tokens, 4, "an array type"),
        cut(bytes, tokens + 4, 8, "an array"),
        cut(bytes, tokens + 12, 8, "an array of texts"),
        cut(bytes, types + 12, types_len, "an array"),
        cut(bytes, length, 8, "a tensor's name"),
        cut(bytes, tensor, "token_embd.weight".len(), "a tensor's name"),
        cut(bytes, rank, 4, "a tensor's entry"),
        cut(bytes, rank + 4, 8, "a tensor's entry"),
        cut(bytes, rank + 12, 8, "a tensor's entry"),
        cut(bytes, rank + 20, 4, "a tensor's entry"),
        cut(bytes, rank + 24, 8, "a tensor's entry"),
    ]
}

impl Case {
    /// The empty file, of which half of nothing cannot be taken.
    fn needing(self, needed: usize, at: usize) -> Case {
        let says = format!(
            "the file has 0 bytes and ends inside the magic, which needs {needed} bytes at byte {at}"
        );
        case("nothing at all", self.bytes, says)
    }
}

fn bytes_of(draft: &Draft, key: &str) -> usize {
    draft.keys[draft.key_index(key)].value.1.len()
}

/// The data cut short, and files that go on behind it.
fn ends() -> Vec<Case> {
    let draft = draft("llama");
    let layout = draft.layout();
    let (bytes, len) = (&layout.bytes, layout.bytes.len());
    let end = |name: &str, size: usize| layout.data + draft.offset(name) + size;
    let short = |len: usize, name: &str| {
        let end = end(name, draft.tensors[draft.index(name)].data.len());
        let says = format!("tensor `{name}` ends at byte {end}, the file has {len}");
        case(format!("data of {len} bytes"), bytes[..len].to_vec(), says)
    };
    let mut all = vec![
        short(len - 1, "blk.1.ffn_down.weight"),
        short(len - 2048, "blk.1.ffn_down.weight"),
        short(
            layout.data + draft.offset("blk.1.attn_q.weight") - 1,
            "blk.1.attn_norm.weight",
        ),
        short(layout.data + 1, "token_embd.weight"),
        short(layout.data, "token_embd.weight"),
        short(layout.data - 1, "token_embd.weight"),
    ];
    let padded = len.next_multiple_of(32);
    for more in [1, 32, 4_096, 1 << 20] {
        let tail = vec![0; padded - len + more];
        let says = format!("{more} bytes at byte {padded} belong to no tensor");
        all.push(case(
            format!("{more} bytes more"),
            changed(|draft| draft.tail = tail),
            says,
        ));
    }
    let twice = [bytes.as_slice(), &vec![0; padded - len], bytes].concat();
    let says = format!("{len} bytes at byte {padded} belong to no tensor");
    all.push(case("a second file behind the first", twice, says));
    all
}
