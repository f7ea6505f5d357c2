//! Puts the members of every object of compact JSON into the order of RFC 8785, and lets no number pass but safe integers. Pure.

use std::cmp::Ordering;

/// Largest integer that every JSON reader keeps exactly, 2^53 - 1 (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2).
const MAX_SAFE: u64 = (1 << 53) - 1;
const NOT_COMPACT: &str = "it is not compact json";

/// Canonical bytes of one document as serde_json writes it: without blanks, and with no escapes but those that must be.
pub(super) fn canonical(compact: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut writer = Writer {
        rest: compact,
        out: Vec::with_capacity(compact.len()),
    };
    writer.value()?;
    if writer.rest.is_empty() {
        Ok(writer.out)
    } else {
        Err(NOT_COMPACT)
    }
}

/// What is still to be read, and what has been written.
struct Writer<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

/// A member of an object, as places in what has been written: where it and its key begin, where the key ends, and where its value does.
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

impl<'a> Writer<'a> {
    fn value(&mut self) -> Result<(), &'static str> {
        match self.rest.first() {
            Some(b'{') => self.object(),
            Some(b'[') => self.items(b'[', b']', Self::value),
            Some(b'"') => self.string(),
            _ => self.scalar(),
        }
    }

    fn object(&mut self) -> Result<(), &'static str> {
        let mut members = Vec::new();
        self.items(b'{', b'}', |this| {
            let start = this.out.len();
            this.string()?;
            let key_end = this.out.len();
            this.byte(b':')?;
            this.value()?;
            let end = this.out.len();
            members.push(Member {
                start,
                key_end,
                end,
            });
            Ok(())
        })?;
        self.sort(members);
        Ok(())
    }

    /// What stands between two brackets, with commas between.
    fn items(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        self.byte(open)?;
        if self.rest.first() == Some(&close) {
            return self.byte(close);
        }
        loop {
            item(self)?;
            match self.pass(1)? {
                b"," => {}
                [last] if *last == close => return Ok(()),
                _ => return Err(NOT_COMPACT),
            }
        }
    }

    fn string(&mut self) -> Result<(), &'static str> {
        self.byte(b'"')?;
        loop {
            let plain = self.length(|byte| !matches!(byte, b'"' | b'\\'));
            self.pass(plain)?;
            match self.rest.first() {
                Some(b'"') => return self.byte(b'"'),
                _ => self.pass(2)?, // a backslash and what it escapes
            };
        }
    }

    fn scalar(&mut self) -> Result<(), &'static str> {
        let length = self.length(|byte| !matches!(byte, b',' | b']' | b'}'));
        match self.pass(length)? {
            b"null" | b"true" | b"false" => Ok(()),
            number => {
                let digits = number.strip_prefix(b"-").unwrap_or(number);
                let number = std::str::from_utf8(digits).ok();
                let number: Option<u64> = number.and_then(|digits| digits.parse().ok());
                let safe = number.filter(|number| *number <= MAX_SAFE);
                safe.map(drop)
                    .ok_or("a number is not an integer below 2^53")
            }
        }
    }

    /// How many of the next bytes are like this.
    fn length(&self, like: impl Fn(u8) -> bool) -> usize {
        let ends = self.rest.iter().position(|byte| !like(*byte));
        ends.unwrap_or(self.rest.len())
    }

    fn byte(&mut self, expected: u8) -> Result<(), &'static str> {
        match self.pass(1)? {
            [found] if *found == expected => Ok(()),
            _ => Err(NOT_COMPACT),
        }
    }

    /// Writes the next so many bytes as they are.
    fn pass(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (passed, rest) = self.rest.split_at_checked(count).ok_or(NOT_COMPACT)?;
        self.out.extend_from_slice(passed);
        self.rest = rest;
        Ok(passed)
    }

    /// Sorts the members of the object that was written last.
    fn sort(&mut self, mut members: Vec<Member>) {
        let written = |from: usize, to: usize| self.out.get(from..to).unwrap_or_default();
        let by_key = |a: &Member, b: &Member| {
            by_utf16(written(a.start, a.key_end), written(b.start, b.key_end))
        };
        if members.is_sorted_by(|a, b| by_key(a, b) != Ordering::Greater) {
            return;
        }
        let first = members.first().map_or(0, |member| member.start);
        members.sort_by(by_key);
        let sorted = members
            .iter()
            .map(|member| written(member.start, member.end))
            .collect::<Vec<_>>()
            .join(&b',');
        self.out.truncate(first);
        self.out.extend(sorted);
        self.out.push(b'}');
    }
}

/// The order of two keys, each in its quotes: that of their UTF-16 code units (RFC 8785 section 3.2.3).
fn by_utf16(a: &[u8], b: &[u8]) -> Ordering {
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => units(a).cmp(&units(b)),
    }
}

/// The key without its quotes, if each of its bytes is a code unit. All of ours are like that.
fn plain(key: &[u8]) -> Option<&[u8]> {
    let inner = key.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let is_unit = |byte: &u8| byte.is_ascii() && *byte != b'\\';
    inner.iter().all(is_unit).then_some(inner)
}

fn units(key: &[u8]) -> Vec<u16> {
    let text: String = serde_json::from_slice(key).unwrap_or_default();
    text.encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    /// What another's canonicalizer, which the vectors of RFC 8785 are run on, writes of the same.
    fn by_another(value: &Value) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(value).unwrap()
    }

    fn ours(value: &Value) -> Result<Vec<u8>, &'static str> {
        super::canonical(&serde_json::to_vec(value).unwrap())
    }

    /// Few different characters, so that keys begin alike: quotes, escapes, and those that UTF-8 and UTF-16 order otherwise.
    fn text() -> impl Strategy<Value = String> {
        let character = prop::sample::select(
            "ab!\"\\\n\u{1}\u{7f}é\u{d7ff}\u{fb33}\u{ffff}😀"
                .chars()
                .collect::<Vec<_>>(),
        );
        prop::collection::vec(character, 0..4).prop_map(|of| of.into_iter().collect())
    }

    fn document() -> impl Strategy<Value = Value> {
        let most = super::MAX_SAFE as i64;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-most..=most).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let members = prop::collection::vec((text(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|of| Value::from(Map::from_iter(of))),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_is_what_another_program_writes(value in document()) {
            prop_assert_eq!(ours(&value).unwrap(), by_another(&value));
        }
    }

    #[test]
    fn members_are_ordered_by_their_utf_16() {
        let value = json!({"\u{fb33}": 1, "😀": [{"b": 2, "a": {}}], "a!": 0, "a": 3, "\n": null});
        let expected = "{\"\\n\":null,\"a\":3,\"a!\":0,\"😀\":[{\"a\":{},\"b\":2}],\"\u{fb33}\":1}";
        assert_eq!(ours(&value).unwrap(), expected.as_bytes());
        assert_eq!(by_another(&value), expected.as_bytes());
    }

    #[test]
    fn no_number_but_a_safe_integer_is_written() {
        let most = super::MAX_SAFE;
        for number in [json!(most), json!(-(most as i64)), json!(0)] {
            assert_eq!(ours(&number), Ok(number.to_string().into_bytes()));
        }
        for number in [
            json!(most + 1),
            json!(-(most as i64) - 1),
            json!(u64::MAX),
            json!(1.5),
            json!(1e30),
        ] {
            assert!(ours(&json!({"n": [number]})).is_err(), "{number}");
        }
    }

    #[test]
    fn what_is_no_compact_json_is_not_written() {
        for text in [
            "", "{", "[1", "{\"a\"}", "[1}", "\"a", "\"\\", "1 2", "{1:2}", "tru",
        ] {
            assert!(super::canonical(text.as_bytes()).is_err(), "{text}");
        }
    }
}
