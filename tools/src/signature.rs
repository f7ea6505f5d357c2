//! One function of a tool as its WIT states it: the only contract. The names and docs the planner shows and the typed slots it decodes,
//! the JSON Schema of `tools list --json`, the request the policy judges, the sentence the person reads and the arguments the cage is given
//! all come from here. Touches nothing.

mod args;
mod schema;
mod sentence;
mod wit;

pub(crate) use args::{Binder, from_value, to_args};
pub use cloister_cage::Handle;
use cloister_cage::Shape;
use cloister_policies::Op;

use crate::error::ToolError;

/// A function of a tool: names, docs, parameters, result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    tool: String,
    function: String,
    interface: String,
    doc: String,
    params: Vec<Param>,
    result: Option<Type>,
    asks_model: bool,
}

/// A parameter, or a field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name, in kebab-case as in the WIT.
    pub name: String,
    /// Its doc; for a parameter the doc of its type's alias, since WIT has none for parameters.
    pub doc: String,
    /// Its type.
    pub ty: Type,
}

/// One case of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its doc.
    pub doc: String,
}

/// What an argument or result may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `s64`
    S64,
    /// `f64`
    F64,
    /// `string`
    String,
    /// A capability. In JSON: the file's name.
    Handle(Handle),
    /// `list<…>`
    List(Box<Type>),
    /// `option<…>`; in JSON null or absent.
    Option(Box<Type>),
    /// `result<…>`, only as a function's result.
    Result {
        /// What a success carries.
        ok: Option<Box<Type>>,
        /// What a failure carries.
        err: Option<Box<Type>>,
    },
    /// A record.
    Record {
        /// Its name.
        name: String,
        /// Its doc.
        doc: String,
        /// Its fields.
        fields: Vec<Param>,
    },
    /// An enum.
    Enum {
        /// Its name.
        name: String,
        /// Its doc.
        doc: String,
        /// Its cases.
        cases: Vec<Case>,
    },
    /// A named type such as `column`: marks what the second pass fills.
    Alias {
        /// Its name.
        name: String,
        /// Its doc.
        doc: String,
        /// What it stands for.
        of: Box<Type>,
    },
}

/// One file that a call wants, for the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which parameter names it.
    pub parameter: String,
    /// What would be done.
    pub op: Op,
    /// The name as given in the arguments.
    pub name: String,
}

impl Signature {
    /// Every function of the one interface that the WIT's world exports.
    ///
    /// `text` is the package's own WIT; `cloister:tool/handles` and `cloister:mind/tasks` are known to the host and need not be shipped.
    ///
    /// # Errors
    /// [`ToolError::Package`] when the WIT does not parse, its world imports anything but the handles and questions to the model, or a type is outside what tools may use.
    pub fn parse(tool: &str, text: &str) -> Result<Vec<Signature>, ToolError> {
        wit::parse(tool, text)
    }

    /// The tool: `sheet`.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The function: `summarize`.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Both: `sheet.summarize`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.tool, self.function)
    }

    /// The exported interface: `cloister:sheet/sheet@0.1.0`.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The function's doc.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// The parameters in order.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The result type.
    pub fn result(&self) -> Option<&Type> {
        self.result.as_ref()
    }

    /// Whether its tool may ask the model about what it reads: its world imports `cloister:mind/tasks`.
    pub fn asks_model(&self) -> bool {
        self.asks_model
    }

    /// The JSON Schema of the arguments as one object. A handle is a string with `x-handle`; an alias keeps its name in `x-alias`.
    pub fn json_schema(&self) -> serde_json::Value {
        schema::of(self)
    }

    /// What a call would do, for the consent screen: "`sheet.summarize` reads 12 files and writes `reports/q4.xlsx`". Safe for eyes.
    pub fn sentence(&self, args: &serde_json::Value) -> String {
        sentence::of(self, args)
    }

    /// Which files a call wants and what for. Names are as given; nothing is looked up.
    pub fn requests(&self, args: &serde_json::Value) -> Vec<Request> {
        sentence::requests(self, args)
    }

    /// The function as its component must state it.
    pub(crate) fn shape(&self) -> cloister_cage::Function {
        cloister_cage::Function {
            interface: self.interface.clone(),
            name: self.function.clone(),
            params: self
                .params
                .iter()
                .map(|p| (p.name.clone(), p.ty.shape()))
                .collect(),
            result: self.result.as_ref().map(Type::shape),
        }
    }
}

impl Type {
    /// The type behind aliases.
    pub fn plain(&self) -> &Type {
        match self {
            Type::Alias { of, .. } => of.plain(),
            other => other,
        }
    }

    /// The named alias that it is, or is a list or option of: `column`.
    pub fn alias(&self) -> Option<&str> {
        match self {
            Type::Alias { name, .. } => Some(name),
            Type::List(of) | Type::Option(of) => of.alias(),
            _ => None,
        }
    }

    /// Whether a handle occurs in it.
    pub fn holds_handle(&self) -> bool {
        match self {
            Type::Handle(_) => true,
            Type::List(of) | Type::Option(of) | Type::Alias { of, .. } => of.holds_handle(),
            Type::Record { fields, .. } => fields.iter().any(|f| f.ty.holds_handle()),
            Type::Result { ok, err } => ok.iter().chain(err).any(|t| t.holds_handle()),
            _ => false,
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Type::Bool => Shape::Bool,
            Type::U32 => Shape::Unsigned(32),
            Type::U64 => Shape::Unsigned(64),
            Type::S64 => Shape::Signed(64),
            Type::F64 => Shape::Float(64),
            Type::String => Shape::Text,
            Type::Handle(handle) => Shape::Handle(*handle),
            Type::List(of) => Shape::List(Box::new(of.shape())),
            Type::Option(of) => Shape::Option(Box::new(of.shape())),
            Type::Result { ok, err } => Shape::Result(
                ok.as_ref().map(|t| Box::new(t.shape())),
                err.as_ref().map(|t| Box::new(t.shape())),
            ),
            Type::Record { fields, .. } => Shape::Record(
                fields
                    .iter()
                    .map(|f| (f.name.clone(), f.ty.shape()))
                    .collect(),
            ),
            Type::Enum { cases, .. } => Shape::Enum(cases.iter().map(|c| c.name.clone()).collect()),
            Type::Alias { of, .. } => of.shape(),
        }
    }
}

/// What a handle does to its file.
pub(crate) fn op(handle: Handle) -> Op {
    match handle {
        Handle::Input => Op::Read,
        Handle::Output => Op::Write,
        Handle::Movable | Handle::Place => Op::Move,
    }
}

#[cfg(test)]
mod tests;
