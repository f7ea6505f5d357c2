//! Lies of the table of tensors: names, shapes, types, and where the bytes lie.

use crate::draft::{Draft, Tensor, u32};
use crate::sound::{draft, tensor};
use crate::{Case, case};

/// One tensor that is told of wrongly, and the two after it.
const FIRST: &str = "token_embd.weight";
const ANY: &str = "blk.0.attn_q.weight";
const NEXT: &str = "blk.0.attn_k.weight";

pub(crate) fn cases() -> Vec<Case> {
    [
        names(),
        ranks(),
        shapes(),
        blocks(),
        kinds(),
        misaligned(),
        places(),
        overlaps(),
        gaps(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn changed(name: &str, change: impl FnOnce(&mut Tensor)) -> Draft {
    let mut draft = draft("llama");
    change(draft.tensor(name));
    draft
}

fn told(what: impl Into<String>, change: impl FnOnce(&mut Tensor), fault: &str) -> Case {
    case(
        what,
        changed(ANY, change).bytes(),
        format!("tensor `{ANY}`: {fault}"),
    )
}

fn names() -> Vec<Case> {
    let named = |name: &[u8]| changed(ANY, |tensor| tensor.name = name.to_vec()).layout();
    let index = draft("llama").index(ANY);
    let at = |name: &[u8], fault: &str| {
        let layout = named(name);
        let says = format!(
            "a tensor's name at byte {} {fault}",
            layout.tensors[index][1]
        );
        case(
            format!("tensor named {}", name.escape_ascii()),
            layout.bytes,
            says,
        )
    };
    let long = named(&[b't'; 257]).bytes;
    vec![
        at(b"", "is empty or holds control characters"),
        at(b"\x1b]0;title\x07", "is empty or holds control characters"),
        at(b"a\nb", "is empty or holds control characters"),
        at(b"\xff", "is not UTF-8"),
        at(b"cut\xe2\x82", "is not UTF-8"),
        case(
            "tensor with a long name",
            long,
            "the length of a name is 257, the limit is 256",
        ),
        case(
            "a tensor twice",
            named(NEXT.as_bytes()).bytes,
            format!("tensor `{NEXT}` is there twice"),
        ),
    ]
}

fn ranks() -> Vec<Case> {
    let rank = |rank: u32| {
        let fault = format!("it has {rank} dimensions, 1 to 4 are read");
        told(
            format!("{rank} dimensions"),
            |tensor| tensor.rank = Some(rank),
            &fault,
        )
    };
    [0, 5, 255, u32::MAX].map(rank).into()
}

fn shapes() -> Vec<Case> {
    let shape = |dims: &[u64], fault: &str| {
        told(
            format!("shape {dims:?}"),
            |tensor| tensor.dims = dims.to_vec(),
            fault,
        )
    };
    let mut all: Vec<Case> = [
        &[0][..],
        &[32, 0],
        &[0, 32],
        &[32, 1, 0],
        &[32, 1, 1, 0],
        &[0, 0, 0, 0],
    ]
    .map(|dims| shape(dims, "a dimension is zero"))
    .into();
    let huge: [&[u64]; 5] = [
        &[32, 1 << 60],
        &[1 << 32, 1 << 32],
        &[1 << 63, 2],
        &[u64::MAX - 31, u64::MAX],
        &[1 << 17, 1 << 17, 1 << 17, 1 << 17],
    ];
    all.extend(huge.map(|dims| shape(dims, "its shape is too large")));
    all
}

/// Rows that are no whole blocks, for each type that has blocks.
fn blocks() -> Vec<Case> {
    let small = [2, 3, 6, 7, 8].map(|kind| (kind, 32_u64));
    let large = [10, 11, 12, 13, 14].map(|kind| (kind, 256));
    let row = |(kind, block): (u32, u64)| {
        let inner = block / 2;
        let fault = format!("its rows of {inner} are not whole blocks of {block}");
        let change = |tensor: &mut Tensor| (tensor.kind, tensor.dims) = (kind, vec![inner, 32]);
        told(format!("type {kind} in rows of {inner}"), change, &fault)
    };
    small.into_iter().chain(large).map(row).collect()
}

/// Removed types, types of activations, those that nothing here computes, and numbers that are none.
fn kinds() -> Vec<Case> {
    let kind = |kind: u32| {
        let fault = format!("its block type {kind} is not computed here");
        told(
            format!("block type {kind}"),
            |tensor| tensor.kind = kind,
            &fault,
        )
    };
    [
        4,
        5,
        9,
        15,
        16,
        18,
        20,
        23,
        24,
        28,
        29,
        34,
        39,
        40,
        1 << 31,
        u32::MAX,
    ]
    .map(kind)
    .into()
}

fn misaligned() -> Vec<Case> {
    let sound = draft("llama").offset(ANY) as u64;
    let by = |by: u64| {
        let offset = sound + by;
        let fault = format!("its offset {offset} is not a multiple of 32");
        told(
            format!("offset {by} too large"),
            |tensor| tensor.offset = Some(offset),
            &fault,
        )
    };
    let mut all: Vec<Case> = [1, 2, 4, 8, 16, 31].map(by).into();
    let wider = draft("llama").with("general.alignment", u32(4_096)).bytes();
    let first = draft("llama")
        .tensors
        .iter()
        .map(|t| String::from_utf8(t.name.clone()).unwrap())
        .find_map(|name| {
            let offset = draft("llama").offset(&name);
            (!offset.is_multiple_of(4_096))
                .then(|| format!("tensor `{name}`: its offset {offset} is not a multiple of 4096"))
        });
    all.push(case(
        "an alignment that the offsets do not keep",
        wider,
        first.unwrap(),
    ));
    all
}

/// Beyond the file, by a little and by as much as a number holds.
fn places() -> Vec<Case> {
    let layout = draft("llama").layout();
    let last = "blk.1.ffn_down.weight";
    let at = |offset: u64| {
        let bytes = changed(last, |tensor| tensor.offset = Some(offset)).bytes();
        let size = draft("llama").tensor(last).data.len() as u64;
        let end = (layout.data as u64)
            .saturating_add(offset)
            .saturating_add(size);
        case(
            format!("data at {offset}"),
            bytes,
            format!(
                "tensor `{last}` ends at byte {end}, the file has {}",
                layout.bytes.len()
            ),
        )
    };
    let len = layout.bytes.len().next_multiple_of(32) as u64;
    [len, 1 << 40, 1 << 63, u64::MAX - 31].map(at).into()
}

fn overlaps() -> Vec<Case> {
    let overlap = |what: &str, draft: Draft, first: &str, second: &str| {
        case(
            what,
            draft.bytes(),
            format!("tensors `{first}` and `{second}` overlap"),
        )
    };
    let any = draft("llama").offset(ANY) as u64;
    let moved = |offset: u64| changed(NEXT, |tensor| tensor.offset = Some(offset));
    let taller = changed(ANY, |tensor| tensor.dims[1] += 1);
    let wider = changed(FIRST, |tensor| tensor.kind = 0);
    let norm = "blk.0.attn_norm.weight";
    vec![
        overlap("the same place", moved(any), ANY, NEXT),
        overlap("one inside another", moved(any + 64), ANY, NEXT),
        overlap("the last byte shared", moved(any + 32 * 33), ANY, NEXT),
        overlap("a row too many", taller, ANY, NEXT),
        overlap("a type that needs more", wider, FIRST, "output_norm.weight"),
        overlap(
            "all at the beginning",
            all_at(0),
            FIRST,
            "output_norm.weight",
        ),
        overlap(
            "over the next",
            changed(norm, |tensor| tensor.dims[0] = 64),
            norm,
            ANY,
        ),
    ]
}

fn all_at(offset: u64) -> Draft {
    let mut draft = draft("llama");
    draft
        .tensors
        .iter_mut()
        .for_each(|tensor| tensor.offset = Some(offset));
    draft
}

/// Bytes that no tensor claims: before, between, behind; and where a shape or a type says less than is there.
fn gaps() -> Vec<Case> {
    let stray = |what: &str, draft: Draft, bytes: usize, from: usize| {
        let layout = draft.layout();
        let says = format!(
            "{bytes} bytes at byte {} belong to no tensor",
            layout.data + from
        );
        case(what, layout.bytes, says)
    };
    let sound = draft("llama");
    let start = sound.offset(ANY);
    let end = start + sound.tensors[sound.index(ANY)].data.len();
    let hidden = |more: usize| {
        changed(ANY, |tensor| {
            tensor.data.resize(tensor.data.len() + more, 7)
        })
    };
    let shorter = changed(ANY, |tensor| tensor.dims[1] -= 1);
    let smaller = changed(ANY, |tensor| tensor.kind = 2);
    vec![
        stray("hidden between two", hidden(64), 64, end),
        stray(
            "a megabyte hidden between two",
            hidden(1 << 20),
            1 << 20,
            end,
        ),
        stray("a row too few", shorter, 32, end - 34 + 2),
        stray("a type that needs less", smaller, 32 * 16, start + 32 * 18),
        stray(
            "an entry left out",
            left_out(),
            32 * 16 * 2,
            sound.offset(NEXT),
        ),
        stray("data before the first", pushed_back(), 128, 0),
    ]
}

/// Each entry says where its data lies now, whatever is changed about the others.
fn pinned(mut draft: Draft) -> Draft {
    let name = |tensor: &Tensor| String::from_utf8(tensor.name.clone()).unwrap();
    let offsets: Vec<usize> = draft
        .tensors
        .iter()
        .map(|tensor| draft.offset(&name(tensor)))
        .collect();
    for (tensor, offset) in draft.tensors.iter_mut().zip(offsets) {
        tensor.offset = Some(offset as u64);
    }
    draft
}

/// The data of a tensor that is not in the table.
fn left_out() -> Draft {
    let mut draft = pinned(draft("llama"));
    let index = draft.index(NEXT);
    let gone = draft.tensors.remove(index);
    draft.tensors[index - 1].data.extend(gone.data);
    draft
}

/// Data before that of the first tensor.
fn pushed_back() -> Draft {
    let mut draft = draft("llama");
    draft.tensors.insert(0, tensor("x", &[32], 0));
    let mut draft = pinned(draft);
    let before = draft.tensors.remove(0);
    draft.tensors[0].data.splice(0..0, before.data);
    draft
}
