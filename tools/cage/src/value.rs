//! Values that cross into and out of the cage, free of wasmtime's types, and the handles that the host gives.

use std::io;

/// A value of the component model, as far as tools use it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `u8` to `u64`; the shape says how wide.
    Unsigned(u64),
    /// `s8` to `s64`
    Signed(i64),
    /// `f32`, `f64`
    Float(f64),
    /// `string`, `char`
    Text(String),
    /// `list<…>`
    List(Vec<Value>),
    /// `record { … }` in the order of its type.
    Record(Vec<(String, Value)>),
    /// `enum`: the case's name.
    Enum(String),
    /// `option<…>`
    Option(Option<Box<Value>>),
    /// `result<…>`
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
}

/// An argument: a value, or a handle at any depth of lists and options.
pub enum Arg {
    /// A plain value.
    Value(Value),
    /// A list that holds handles.
    List(Vec<Arg>),
    /// An option that holds a handle.
    Option(Option<Box<Arg>>),
    /// A file that may be read.
    Input(Input),
    /// A file that may be created or replaced.
    Output(Output),
    /// A file that may be moved.
    Movable(Movable),
    /// A place that a file may be moved to.
    Place(Place),
}

/// Where the bytes of an input come from. The cage knows no paths.
pub trait Source: Send {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Fill `buffer` from `offset`; 0 at the end.
    ///
    /// # Errors
    /// `FileTooLarge` ends the call as a read limit; anything else is the guest's `fault.io`.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Where the bytes of an output go.
pub trait Sink: Send {
    /// Append all of `bytes`.
    ///
    /// # Errors
    /// Any error is the guest's `fault.io`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A readable file.
pub struct Input {
    /// The name as the person knows it.
    pub name: String,
    /// Its bytes.
    pub source: Box<dyn Source>,
}

/// A file to write.
pub struct Output {
    /// The name that the file will have.
    pub name: String,
    /// Where its bytes wait.
    pub sink: Box<dyn Sink>,
}

/// A file to move.
pub struct Movable {
    /// The name that the file has.
    pub name: String,
    /// The host's number for it, given back in [`crate::Move`].
    pub id: u32,
}

/// A place to move a file to.
pub struct Place {
    /// The name that the file would have.
    pub name: String,
    /// The host's number for it, given back in [`crate::Move`].
    pub id: u32,
}
