//! One file per fault, each made from a sound one; and anything at all, which must not panic.

use candle_core::quantized::gguf_file::Value as Written;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::testing;

fn tensor(len: usize) -> QTensor {
    let values = Tensor::ones(len, candle_core::DType::F32, &Device::Cpu).unwrap();
    QTensor::quantize(&values, GgmlDType::F32).unwrap()
}

fn sound() -> Vec<u8> {
    let numbers = Written::Array(vec![Written::U32(3), Written::U32(4)]);
    let texts = Written::Array(vec![
        Written::String("one".into()),
        Written::String("zwei".into()),
    ]);
    let metadata = [
        ("name", Written::String("x".into())),
        ("count", Written::U32(7)),
        ("half", Written::F32(0.5)),
        ("flag", Written::Bool(true)),
        ("numbers", numbers),
        ("texts", texts),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    testing::write(
        &metadata,
        &[
            ("first".to_owned(), tensor(8)),
            ("other".to_owned(), tensor(16)),
        ],
    )
}

fn fault(bytes: &[u8]) -> String {
    Gguf::parse(bytes).unwrap_err().to_string()
}

/// Replaces the bytes that follow the first `after`.
fn patched(after: &[u8], skip: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = sound();
    let at = bytes
        .windows(after.len())
        .position(|window| window == after)
        .unwrap()
        + after.len()
        + skip;
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

#[test]
fn a_sound_file_is_read_with_its_types() {
    let bytes = sound();
    let gguf = Gguf::parse(&bytes).unwrap();
    assert_eq!(gguf.str("name").unwrap(), "x");
    assert_eq!(gguf.u32("count").unwrap(), 7);
    assert_eq!(gguf.f32("half").unwrap(), 0.5);
    assert!(gguf.bool("flag").unwrap());
    assert_eq!(gguf.u32s("numbers").unwrap().collect::<Vec<_>>(), [3, 4]);
    assert_eq!(
        gguf.strings("texts").unwrap().collect::<Vec<_>>(),
        [b"one".as_slice(), b"zwei"]
    );
    assert_eq!(
        bytes[gguf.tensor("first").unwrap().range()],
        [1_f32; 8].map(f32::to_le_bytes).concat()
    );
    assert_eq!(gguf.tensor("other").unwrap().dims(), [16]);
}

#[test]
fn absent_and_mistyped_keys_are_told_apart() {
    let bytes = sound();
    let gguf = Gguf::parse(&bytes).unwrap();
    assert_eq!(gguf.find::<u32>("nothing").unwrap(), None);
    assert_eq!(
        gguf.u32("nothing").unwrap_err().to_string(),
        "key `nothing` is missing"
    );
    assert_eq!(
        gguf.find::<u32>("name").unwrap_err().to_string(),
        "key `name` should be a whole number from 0 to 4294967295"
    );
    assert_eq!(
        gguf.f32s("numbers").unwrap_err().to_string(),
        "key `numbers` should be an array of f32"
    );
}

#[test]
fn the_preamble_is_checked() {
    assert_eq!(
        fault(b"GGML\x02\0\0\0"),
        "not a GGUF file: it starts with bytes `47474d4c`"
    );
    assert_eq!(
        fault(b"GGUF\0\0\0\x03"),
        "GGUF version `50331648` is not read, only 2 and 3, little-endian"
    );
    assert_eq!(
        fault(b"GGUF"),
        "the file has 4 bytes and ends inside the version, which needs 4 bytes at byte 4"
    );
    let many = [
        b"GGUF\x03\0\0\0".as_slice(),
        &u64::MAX.to_le_bytes(),
        &[0; 8],
    ]
    .concat();
    assert_eq!(
        fault(&many),
        "the number of tensors is 18446744073709551615, the limit is 32768"
    );
    let many = [
        b"GGUF\x03\0\0\0".as_slice(),
        &[0; 8],
        &u64::MAX.to_le_bytes(),
    ]
    .concat();
    assert_eq!(
        fault(&many),
        "the number of keys is 18446744073709551615, the limit is 4096"
    );
}

#[test]
fn keys_are_short_unique_text_of_a_known_type() {
    assert_eq!(
        fault(&patched(b"name", 0, &[99])),
        "key `name` has value type 99, which is not read"
    );
    assert_eq!(
        fault(&patched(b"flag", 4, &[2])),
        "key `flag` should be true or false"
    );
    assert_eq!(
        fault(&patched(b"numbers", 0, &[9, 0, 0, 0, 9])),
        "key `numbers` has value type 9, which is not read"
    );
    assert!(
        fault(&patched(b"numbers", 8, &u64::MAX.to_le_bytes()))
            .contains("the length of an array is 18446744073709551615")
    );
    assert!(
        fault(&patched(b"texts", 16, &u64::MAX.to_le_bytes()[..7]))
            .contains("ends inside an array of texts")
    );
    let bytes = sound();
    let at = bytes
        .windows(4)
        .position(|window| window == b"name")
        .unwrap();
    let mut broken = bytes;
    broken[at] = 0xff;
    assert_eq!(fault(&broken), format!("a key at byte {at} is not UTF-8"));
}

#[test]
fn tensors_are_checked() {
    assert_eq!(
        fault(&patched(b"first", 0, &[5])),
        "tensor `first`: it has 5 dimensions, 1 to 4 are read"
    );
    assert_eq!(
        fault(&patched(b"first", 4, &[0])),
        "tensor `first`: a dimension is zero"
    );
    assert_eq!(
        fault(&patched(b"first", 4, &u64::MAX.to_le_bytes())),
        "tensor `first`: its shape is too large"
    );
    assert_eq!(
        fault(&patched(b"first", 12, &[19])),
        "tensor `first`: its block type 19 is not computed here"
    );
    assert_eq!(
        fault(&patched(b"first", 12, &[8])),
        "tensor `first`: its rows of 8 are not whole blocks of 32"
    );
    assert_eq!(
        fault(&patched(b"first", 16, &[1])),
        "tensor `first`: its offset 1 is not a multiple of 32"
    );
    assert_eq!(
        fault(&patched(b"first", 4, &[9])),
        "tensors `first` and `other` overlap"
    );
    let len = sound().len();
    let far = len + (1 << 24);
    assert_eq!(
        fault(&patched(b"other", 16 + 3, &[1])),
        format!("tensor `other` ends at byte {far}, the file has {len}")
    );
}

#[test]
fn a_header_is_not_read_beyond_its_limit() {
    let claimed = 1_u64 << 30; // within the file, and far more than any header
    let front = [
        b"GGUF\x03\0\0\0".as_slice(),
        &0_u64.to_le_bytes(),
        &1_u64.to_le_bytes(),
        &3_u64.to_le_bytes(),
        b"key",
        &8_u32.to_le_bytes(),
        &claimed.to_le_bytes(),
    ]
    .concat();
    let end = front.len() as u64 + claimed;
    let mut text = front.chain(std::io::repeat(b'a')).take(end);
    let fault = read_front(&mut text, 1 << 31).unwrap_err().to_string();
    let said = format!("the length of the header is {end}, the limit is 268435456");
    assert_eq!(fault, said);
    let read = end - text.limit();
    assert_eq!(read, LIMITS.front);
}

#[test]
fn a_file_that_was_cut_says_where() {
    let bytes = sound();
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(
        fault(cut),
        format!(
            "tensor `other` ends at byte {}, the file has {}",
            bytes.len(),
            cut.len()
        )
    );
    for len in 0..bytes.len() {
        assert!(Gguf::parse(&bytes[..len]).is_err());
    }
}

#[test]
fn repeated_names_and_a_bad_alignment_are_refused() {
    let key = ("key".to_owned(), Written::U32(1));
    assert_eq!(
        fault(&testing::write(&[key.clone(), key], &[])),
        "key `key` is there twice"
    );
    let twice = testing::write(
        &[],
        &[
            ("same".to_owned(), tensor(8)),
            ("same".to_owned(), tensor(8)),
        ],
    );
    assert_eq!(fault(&twice), "tensor `same` is there twice");
    for alignment in [0, 4, 24, 8192] {
        let key = ("general.alignment".to_owned(), Written::U32(alignment));
        let expected = format!("alignment `{alignment}` is not a power of two between 8 and 4096");
        assert_eq!(fault(&testing::write(&[key], &[])), expected);
    }
}

proptest! {
    #[test]
    fn no_mutation_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut in any::<prop::sample::Index>()) {
        let mut bytes = sound();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let all = bytes.len();
        for len in [all, cut.index(all)] {
            if let Ok(gguf) = Gguf::parse(&bytes[..len]) {
                for tensor in gguf.tensors() {
                    prop_assert!(tensor.range().end <= len);
                }
                for key in ["numbers", "texts", "name"] {
                    let _ = gguf.find::<Strings<'_>>(key).map(|strings| strings.map(Iterator::count));
                    let _ = gguf.find::<Numbers<'_, u32>>(key).map(|numbers| numbers.map(Iterator::count));
                }
            }
        }
    }
}
