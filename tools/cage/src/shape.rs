//! The type of an exported function as the component itself states it, for comparison with its WIT.

use crate::value::Value;

/// A type without names and docs of its own: what the component really exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `bool`
    Bool,
    /// Unsigned, with its width in bits.
    Unsigned(u8),
    /// Signed, with its width in bits.
    Signed(u8),
    /// Floating point, with its width in bits.
    Float(u8),
    /// `char`
    Char,
    /// `string`
    Text,
    /// `list<…>`
    List(Box<Shape>),
    /// `option<…>`
    Option(Box<Shape>),
    /// `result<ok, err>`
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
    /// `record`, field names in order.
    Record(Vec<(String, Shape)>),
    /// `enum`, case names in order.
    Enum(Vec<String>),
    /// An owned handle of `cloister:tool/handles`.
    Handle(Handle),
    /// Anything that tools may not use: variants, tuples, flags, borrowed or foreign resources.
    Foreign(&'static str),
}

impl Shape {
    /// Whether a value is one of this type: asked of what the cage's process gives back, since nobody else has checked it.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Shape::Bool, Value::Bool(_)) | (Shape::Text, Value::Text(_)) => true,
            (Shape::Unsigned(bits), Value::Unsigned(n)) => *bits >= 64 || n >> *bits == 0,
            (Shape::Signed(bits), Value::Signed(n)) => {
                let unused = 64_u32.saturating_sub(u32::from(*bits));
                n.wrapping_shl(unused).wrapping_shr(unused) == *n
            }
            (Shape::Float(_), Value::Float(_)) => true,
            (Shape::Char, Value::Text(text)) => text.chars().count() == 1,
            (Shape::List(of), Value::List(items)) => items.iter().all(|item| of.admits(item)),
            (Shape::Option(of), Value::Option(some)) => {
                some.as_ref().is_none_or(|value| of.admits(value))
            }
            (Shape::Result(ok, _), Value::Result(Ok(value))) => {
                both(ok.as_deref(), value.as_deref())
            }
            (Shape::Result(_, err), Value::Result(Err(value))) => {
                both(err.as_deref(), value.as_deref())
            }
            (Shape::Record(fields), Value::Record(values)) => {
                let mut pairs = fields.iter().zip(values);
                fields.len() == values.len()
                    && pairs.all(|((name, of), (given, value))| name == given && of.admits(value))
            }
            (Shape::Enum(cases), Value::Enum(case)) => cases.contains(case),
            _ => false,
        }
    }
}

/// A result's half: both absent, or a value of the type.
pub(crate) fn both(shape: Option<&Shape>, value: Option<&Value>) -> bool {
    match (shape, value) {
        (None, None) => true,
        (Some(shape), Some(value)) => shape.admits(value),
        _ => false,
    }
}

/// The four handles of `cloister:tool/handles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Handle {
    /// A file that may be read.
    Input,
    /// A file that may be created or replaced.
    Output,
    /// A file that may be moved.
    Movable,
    /// A place that a file may be moved to.
    Place,
}

/// One exported function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The interface, for example `cloister:sheet/sheet@0.1.0`.
    pub interface: String,
    /// The function's name.
    pub name: String,
    /// Parameter names and shapes in order.
    pub params: Vec<(String, Shape)>,
    /// The result, if it has one.
    pub result: Option<Shape>,
}
