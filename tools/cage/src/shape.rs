//! The type of an exported function as the component itself states it, for comparison with its WIT.

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
