//! JSON arguments to what the cage is given, and what the cage gives back to JSON; both led by the type.

use cloister_cage::{Arg, Handle, Value as Raw};
use serde_json::{Map, Number, Value, json};

use super::{Signature, Type};
use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::names::{Lines, escape};

/// Turns a file's name into a handle, or says why not.
pub(crate) trait Binder {
    /// The handle of kind `handle` for `name`, asked for by `parameter`.
    fn bind(&mut self, parameter: &str, handle: Handle, name: &str) -> Result<Arg, ToolError>;
}

/// The arguments in the order of the parameters. Parses once: what comes back fits the type.
pub(crate) fn to_args(
    signature: &Signature,
    args: &Map<String, Value>,
    binder: &mut impl Binder,
) -> Result<Vec<Arg>, ToolError> {
    if let Some(extra) = args
        .keys()
        .find(|k| !signature.params.iter().any(|p| p.name == **k))
    {
        return Err(Walk {
            signature,
            parameter: extra,
            at: extra.clone(),
        }
        .misfit("there is no such parameter"));
    }
    let arg = |p: &super::Param, binder: &mut _| {
        Walk {
            signature,
            parameter: &p.name,
            at: p.name.clone(),
        }
        .arg(&p.ty, args.get(&p.name), binder)
    };
    signature.params.iter().map(|p| arg(p, binder)).collect()
}

/// Where in the arguments we are.
struct Walk<'a> {
    signature: &'a Signature,
    parameter: &'a str,
    at: String,
}

impl Walk<'_> {
    fn below(&self, step: std::fmt::Arguments<'_>) -> Walk<'_> {
        Walk {
            signature: self.signature,
            parameter: self.parameter,
            at: format!("{}{step}", self.at),
        }
    }

    fn misfit(&self, reason: impl Into<String>) -> ToolError {
        ToolError::Argument {
            function: self.signature.name(),
            at: escape(&self.at, Lines::Escape),
            reason: reason.into(),
        }
    }

    fn arg(
        &self,
        ty: &Type,
        json: Option<&Value>,
        binder: &mut impl Binder,
    ) -> Result<Arg, ToolError> {
        if !ty.holds_handle() {
            return self.value(ty, json).map(Arg::Value);
        }
        match (ty.plain(), json) {
            (Type::Option(_), None | Some(Value::Null)) => Ok(Arg::Option(None)),
            (Type::Option(of), some) => {
                Ok(Arg::Option(Some(Box::new(self.arg(of, some, binder)?))))
            }
            (Type::List(of), Some(Value::Array(items))) => {
                self.short(items)?;
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| self.below(format_args!("[{i}]")).arg(of, Some(v), binder));
                items.collect::<Result<_, _>>().map(Arg::List)
            }
            (Type::Handle(handle), Some(Value::String(name))) => {
                binder.bind(self.parameter, *handle, name)
            }
            (Type::List(_), _) => Err(self.misfit("a list of file names is needed")),
            _ => Err(self.misfit("a file's name is needed")),
        }
    }

    fn short(&self, items: &[Value]) -> Result<(), ToolError> {
        if items.len() > BOUNDS.list {
            Err(self.misfit(format!("more than {} items", BOUNDS.list)))
        } else {
            Ok(())
        }
    }

    fn value(&self, ty: &Type, json: Option<&Value>) -> Result<Raw, ToolError> {
        match (ty, json) {
            (Type::Alias { of, .. }, json) => self.value(of, json),
            (Type::Option(_), None | Some(Value::Null)) => Ok(Raw::Option(None)),
            (Type::Option(of), some) => Ok(Raw::Option(Some(Box::new(self.value(of, some)?)))),
            (_, None) => Err(self.misfit("it is missing")),
            (Type::List(of), Some(Value::Array(items))) => {
                self.short(items)?;
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| self.below(format_args!("[{i}]")).value(of, Some(v)));
                items.collect::<Result<_, _>>().map(Raw::List)
            }
            (Type::Record { fields, .. }, Some(Value::Object(map))) => self.record(fields, map),
            (Type::Enum { cases, .. }, Some(Value::String(case))) => {
                match cases.iter().find(|c| c.name == *case) {
                    Some(case) => Ok(Raw::Enum(case.name.clone())),
                    None => Err(self.misfit(format!(
                        "one of {} is needed",
                        list(cases.iter().map(|c| c.name.as_str()))
                    ))),
                }
            }
            (plain, Some(json)) => self.scalar(plain, json),
        }
    }

    fn record(&self, fields: &[super::Param], map: &Map<String, Value>) -> Result<Raw, ToolError> {
        if let Some(extra) = map.keys().find(|k| !fields.iter().any(|f| f.name == **k)) {
            return Err(self
                .below(format_args!(".{extra}"))
                .misfit("there is no such field"));
        }
        let field = |f: &super::Param| {
            Ok((
                f.name.clone(),
                self.below(format_args!(".{}", f.name))
                    .value(&f.ty, map.get(&f.name))?,
            ))
        };
        fields
            .iter()
            .map(field)
            .collect::<Result<_, _>>()
            .map(Raw::Record)
    }

    fn scalar(&self, ty: &Type, json: &Value) -> Result<Raw, ToolError> {
        match (ty, json) {
            (Type::Bool, Value::Bool(b)) => Ok(Raw::Bool(*b)),
            (Type::String, Value::String(s)) if s.len() <= BOUNDS.text_bytes => {
                Ok(Raw::Text(s.clone()))
            }
            (Type::String, Value::String(_)) => {
                Err(self.misfit(format!("a text of more than {} bytes", BOUNDS.text_bytes)))
            }
            (Type::U32, Value::Number(n)) => match n.as_u64() {
                Some(n) if n <= u64::from(u32::MAX) => Ok(Raw::Unsigned(n)),
                _ => Err(self.misfit("a whole number from 0 to 4294967295 is needed")),
            },
            (Type::U64, Value::Number(n)) => n
                .as_u64()
                .map(Raw::Unsigned)
                .ok_or_else(|| self.misfit("a whole number from 0 is needed")),
            (Type::S64, Value::Number(n)) => n
                .as_i64()
                .map(Raw::Signed)
                .ok_or_else(|| self.misfit("a whole number is needed")),
            (Type::F64, Value::Number(n)) => n
                .as_f64()
                .map(Raw::Float)
                .ok_or_else(|| self.misfit("a number is needed")),
            (other, _) => Err(self.misfit(format!("{} is needed", kind(other)))),
        }
    }
}

fn kind(ty: &Type) -> &'static str {
    match ty.plain() {
        Type::Bool => "true or false",
        Type::U32 | Type::U64 | Type::S64 => "a whole number",
        Type::F64 => "a number",
        Type::List(_) => "a list",
        Type::Record { .. } => "a record",
        Type::Handle(_) => "a file's name",
        _ => "a text",
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a function gave back, as JSON. A float that JSON cannot hold becomes null; the shape was compared before the call.
pub(crate) fn from_value(value: &Raw) -> Value {
    match value {
        Raw::Bool(b) => json!(b),
        Raw::Unsigned(n) => json!(n),
        Raw::Signed(n) => json!(n),
        Raw::Float(n) => Number::from_f64(*n).map_or(Value::Null, Value::Number),
        Raw::Text(s) | Raw::Enum(s) => json!(s),
        Raw::List(items) => items.iter().map(from_value).collect(),
        Raw::Record(fields) => Value::Object(
            fields
                .iter()
                .map(|(k, v)| (k.clone(), from_value(v)))
                .collect(),
        ),
        Raw::Option(some) => some.as_deref().map_or(Value::Null, from_value),
        Raw::Result(Ok(ok)) => ok.as_deref().map_or(Value::Null, from_value),
        Raw::Result(Err(err)) => err.as_deref().map_or(Value::Null, from_value),
    }
}
