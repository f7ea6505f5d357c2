//! Values as bytes. Their nesting and number are bounded while they are read, so that no frame costs much more than its length.

use super::{Decoder, Encoder, Malformed};
use crate::value::Value;

/// What is left of the bounds on a value while it is read. Each node costs 16 bytes beside its text, as it did in the cage.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes.
    pub bytes: usize,
    /// Levels.
    pub nesting: usize,
}

impl Budget {
    /// What belongs to the agent itself is bounded by its frame alone.
    pub(crate) fn of_frame(nesting: usize) -> Budget {
        let bytes = usize::MAX;
        Budget { bytes, nesting }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Malformed)?;
        Ok(())
    }

    /// One node, and what lies in it.
    pub(crate) fn node<T>(
        &mut self,
        read: impl FnOnce(&mut Budget) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.spend(16)?;
        self.nesting = self.nesting.checked_sub(1).ok_or(Malformed)?;
        let node = read(self);
        self.nesting = self.nesting.saturating_add(1);
        node
    }
}

pub(crate) fn put(to: &mut Encoder, value: &Value) {
    match value {
        Value::Bool(b) => {
            to.u8(0);
            to.u8(u8::from(*b));
        }
        Value::Unsigned(n) => {
            to.u8(1);
            to.u64(*n);
        }
        Value::Signed(n) => {
            to.u8(2);
            to.u64(n.cast_unsigned());
        }
        Value::Float(n) => {
            to.u8(3);
            to.u64(n.to_bits());
        }
        Value::Text(text) => {
            to.u8(4);
            to.text(text);
        }
        Value::List(items) => {
            to.u8(5);
            to.count(items.len());
            items.iter().for_each(|item| put(to, item));
        }
        Value::Record(fields) => {
            to.u8(6);
            to.count(fields.len());
            for (name, field) in fields {
                to.text(name);
                put(to, field);
            }
        }
        Value::Enum(case) => {
            to.u8(7);
            to.text(case);
        }
        Value::Option(some) => {
            to.u8(8);
            put_boxed(to, some.as_deref());
        }
        Value::Result(Ok(ok)) => {
            to.u8(9);
            put_boxed(to, ok.as_deref());
        }
        Value::Result(Err(err)) => {
            to.u8(10);
            put_boxed(to, err.as_deref());
        }
    }
}

pub(crate) fn put_boxed(to: &mut Encoder, some: Option<&Value>) {
    to.u8(u8::from(some.is_some()));
    if let Some(value) = some {
        put(to, value);
    }
}

pub(crate) fn take(from: &mut Decoder<'_>, budget: &mut Budget) -> Result<Value, Malformed> {
    budget.node(|budget| take_node(from, budget))
}

fn take_node(from: &mut Decoder<'_>, budget: &mut Budget) -> Result<Value, Malformed> {
    Ok(match from.u8()? {
        0 => Value::Bool(from.bool()?),
        1 => Value::Unsigned(from.u64()?),
        2 => Value::Signed(from.u64()?.cast_signed()),
        3 => Value::Float(f64::from_bits(from.u64()?)),
        4 => {
            let text = from.text()?;
            budget.spend(text.len())?;
            Value::Text(text)
        }
        5 => {
            let mut items = Vec::new();
            for _ in 0..from.count()? {
                items.push(take(from, budget)?);
            }
            Value::List(items)
        }
        6 => {
            let mut fields = Vec::new();
            for _ in 0..from.count()? {
                fields.push((from.text()?, take(from, budget)?));
            }
            Value::Record(fields)
        }
        7 => Value::Enum(from.text()?),
        8 => Value::Option(take_boxed(from, budget)?),
        9 => Value::Result(Ok(take_boxed(from, budget)?)),
        10 => Value::Result(Err(take_boxed(from, budget)?)),
        _ => return Err(Malformed),
    })
}

pub(crate) fn take_boxed(
    from: &mut Decoder<'_>,
    budget: &mut Budget,
) -> Result<Option<Box<Value>>, Malformed> {
    match from.bool()? {
        true => Ok(Some(Box::new(take(from, budget)?))),
        false => Ok(None),
    }
}
