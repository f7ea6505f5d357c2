//! Bytes to text: UTF-8, UTF-16 with a mark, otherwise Windows-1252, which office programs still write.

use std::cmp::Ordering;
use std::iter::once;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The text of `bytes` without its byte-order mark, or `None` where they are not text (they hold NUL).
pub fn decode(bytes: &[u8]) -> Option<String> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, bytes.get(mark..)?),
        None if std::str::from_utf8(bytes).is_ok() => (UTF_8, bytes),
        None => (WINDOWS_1252, bytes),
    };
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    (!text.contains('\0')).then(|| text.into_owned())
}

/// At most the first `limit` bytes of `text`, ending between characters.
pub fn first_bytes(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Lower case, without outer and doubled blanks: what two headings or words have in common when a person calls them the same.
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

/// Append the bytes of [`folded`].
pub fn fold_into(text: &str, into: &mut Vec<u8>) {
    if !text.is_ascii() {
        return into.extend(folded(text).into_bytes());
    }
    let begun = into.len();
    let mut apart = false;
    for byte in text.bytes() {
        if matches!(byte, b' ' | b'\t'..=b'\r') {
            apart = into.len() > begun;
            continue;
        }
        if apart {
            into.push(b' ');
            apart = false;
        }
        into.push(byte.to_ascii_lowercase());
    }
}

/// The order of two texts as [`folded`] would have it.
pub fn order_folded(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    // Words that both begin with decide nothing; they end before a blank, which stands between characters.
    let pairs = left.bytes().zip(right.bytes());
    let alike = pairs.take_while(|(left, right)| left == right).count();
    let common = left.as_bytes().get(..alike).unwrap_or_default();
    let blank = common.iter().rposition(|byte| *byte == b' ').unwrap_or(0);
    let left = left.get(blank..).unwrap_or_default();
    let right = right.get(blank..).unwrap_or_default();
    if left.is_ascii() && right.is_ascii() {
        return folding_ascii(left).cmp(folding_ascii(right));
    }
    folding(left).cmp(folding(right))
}

/// As [`folding`], without a look at all the world's letters.
fn folding_ascii(text: &str) -> impl Iterator<Item = u8> {
    let small = |byte: u8| byte.to_ascii_lowercase();
    text.split_whitespace()
        .flat_map(move |word| once(b' ').chain(word.bytes().map(small)))
}

fn folding(text: &str) -> impl Iterator<Item = char> {
    text.split_whitespace()
        .flat_map(|word| once(' ').chain(word.chars().flat_map(char::to_lowercase)))
}

/// Whether a spreadsheet that opens a text file would compute this field.
pub fn begins_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A text without the characters that XML cannot hold.
pub fn legal_in_xml(text: &str) -> String {
    let held = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    };
    text.chars()
        .map(|c| if held(c) { c } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodings_of_offices() {
        for bytes in [
            "Größe €".as_bytes().to_vec(),
            [b"\xef\xbb\xbf".as_slice(), "Größe €".as_bytes()].concat(),
            b"Gr\xf6\xdfe \x80".to_vec(),
            [0xff, 0xfe]
                .into_iter()
                .chain("Größe €".encode_utf16().flat_map(u16::to_le_bytes))
                .collect(),
            [0xfe, 0xff]
                .into_iter()
                .chain("Größe €".encode_utf16().flat_map(u16::to_be_bytes))
                .collect(),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Some("Größe €"));
        }
    }

    #[test]
    fn nul_is_not_text() {
        assert_eq!(decode(b"MZ\0\0"), None);
    }

    #[test]
    fn folding() {
        assert_eq!(folded("  Net \t AMOUNT "), "net amount");
    }

    proptest! {
        #[test]
        fn equal_in_order_is_equal_when_folded(left in "[aAbB ßẞ]{0,4}", right in "[aAbB ßẞ]{0,4}") {
            prop_assert_eq!(order_folded(&left, &right) == Ordering::Equal, folded(&left) == folded(&right));
        }

        #[test]
        fn to_fold_into_bytes_is_to_fold(text in "[aAbB ßẞ\t\u{b}\u{a0}]{0,8}") {
            let mut bytes = b"x".to_vec();
            fold_into(&text, &mut bytes);
            prop_assert_eq!(bytes, format!("x{}", folded(&text)).into_bytes());
        }

        #[test]
        fn what_both_begin_with_decides_nothing(left in "[aAbB ßẞ\u{a0}]{0,8}", right in "[aAbB ßẞ\u{a0}]{0,8}") {
            prop_assert_eq!(order_folded(&left, &right), super::folding(&left).cmp(super::folding(&right)));
        }

        #[test]
        fn first_bytes_is_a_prefix_within_the_limit(text in ".*", limit in 0usize..40) {
            let first = first_bytes(&text, limit);
            prop_assert!(text.starts_with(first) && first.len() <= limit);
        }

        #[test]
        fn any_bytes_decode_or_hold_nul(bytes: Vec<u8>) {
            prop_assert!(decode(&bytes).is_some() || bytes.contains(&0));
        }
    }
}
