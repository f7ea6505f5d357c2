//! JSON read strictly: one meaning for every reader. Duplicate keys and deep nesting are errors; `serde_json` alone takes the last of two keys. Touches nothing.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{PolicyError, shown};
use crate::limits::LIMITS;

/// What the visitor found wrong; serde's errors carry text only.
enum Fault {
    Duplicate(String),
    Deep,
}

/// Reads one document, and nothing after it.
pub(crate) fn parse(bytes: &[u8], what: &str) -> Result<Value, PolicyError> {
    let fault = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        depth: 0,
        fault: &fault,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match fault.into_inner() {
        Some(Fault::Duplicate(key)) => PolicyError::DuplicateKey {
            what: what.into(),
            key: shown(&key),
        },
        Some(Fault::Deep) => PolicyError::TooDeep {
            what: what.into(),
            limit: LIMITS.depth,
        },
        None => PolicyError::Json {
            what: what.into(),
            detail: shown(&error.to_string()),
        },
    })
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    fault: &'a RefCell<Option<Fault>>,
}

impl<'a> Strict<'a> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > LIMITS.depth {
            self.fault.replace(Some(Fault::Deep));
            return Err(E::custom("nested too deep"));
        }
        Ok(Strict {
            depth,
            fault: self.fault,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                self.fault.replace(Some(Fault::Duplicate(key)));
                return Err(A::Error::custom("duplicate key"));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_twice_is_an_error_where_serde_json_takes_the_last() {
        let bytes = br#"{"a": {"b": 1, "b": 2}}"#;
        let lenient: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(
            lenient,
            serde_json::json!({"a": {"b": 2}}),
            "the attack works on the usual reader"
        );
        assert_eq!(
            parse(bytes, "manifest").unwrap_err().to_string(),
            "the manifest has the key `b` twice in one object"
        );
    }

    #[test]
    fn depth_counts_levels() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(LIMITS.depth).as_bytes(), "call").is_ok());
        assert!(matches!(
            parse(nested(LIMITS.depth + 1).as_bytes(), "call"),
            Err(PolicyError::TooDeep { .. })
        ));
        assert!(matches!(
            parse("[".repeat(100_000).as_bytes(), "call"),
            Err(PolicyError::TooDeep { .. })
        ));
    }

    #[test]
    fn nothing_may_follow() {
        assert!(matches!(
            parse(b"{} {}", "call"),
            Err(PolicyError::Json { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, "call");
        }

        #[test]
        fn agrees_with_serde_json_on_what_it_accepts(text in r#"[\[\]{}",:a0-9. -]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes(), "call") {
                prop_assert_eq!(Ok(value), serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
            }
        }
    }
}
