//! Our values to wasmtime's and back.

use wasmtime::AsContextMut as _;
use wasmtime::component::{Resource, ResourceAny, Val};

use crate::handles::{InputFile, MovableFile, OutputFile, PlaceName};
use crate::limits::Limit;
use crate::shape::{Handle, Shape};
use crate::state::{State, Stopped};
use crate::value::{Arg, Value};

type Store = wasmtime::Store<State>;

/// An argument as wasmtime wants it. The shape says how wide a number is and refuses what does not fit.
pub(crate) fn to_val(store: &mut Store, shape: &Shape, arg: Arg) -> wasmtime::Result<Val> {
    match (shape, arg) {
        (_, Arg::Value(value)) => plain(shape, value),
        (Shape::List(of), Arg::List(items)) => Ok(Val::List(
            items
                .into_iter()
                .map(|a| to_val(store, of, a))
                .collect::<Result<_, _>>()?,
        )),
        (Shape::Option(of), Arg::Option(some)) => Ok(Val::Option(
            some.map(|a| to_val(store, of, *a).map(Box::new))
                .transpose()?,
        )),
        (Shape::Handle(Handle::Input), Arg::Input(file)) => own(store, InputFile(file)),
        (Shape::Handle(Handle::Output), Arg::Output(file)) => own(store, OutputFile(file)),
        (Shape::Handle(Handle::Movable), Arg::Movable(file)) => own(store, MovableFile(file)),
        (Shape::Handle(Handle::Place), Arg::Place(place)) => own(store, PlaceName(place)),
        (shape, _) => Err(misfit(shape)),
    }
}

fn own<T: Send + 'static>(store: &mut Store, entry: T) -> wasmtime::Result<Val> {
    let resource: Resource<T> = store.data_mut().push(entry)?;
    Ok(Val::Resource(ResourceAny::try_from_resource(
        resource,
        store.as_context_mut(),
    )?))
}

fn misfit(shape: &Shape) -> wasmtime::Error {
    wasmtime::Error::msg(format!("an argument does not fit {shape:?}"))
}

fn plain(shape: &Shape, value: Value) -> wasmtime::Result<Val> {
    Ok(match (shape, value) {
        (Shape::Bool, Value::Bool(b)) => Val::Bool(b),
        (Shape::Text, Value::Text(s)) => Val::String(s),
        (Shape::Enum(cases), Value::Enum(case)) if cases.contains(&case) => Val::Enum(case),
        (Shape::Unsigned(bits), Value::Unsigned(n)) => unsigned(*bits, n)?,
        (Shape::Signed(bits), Value::Signed(n)) => signed(*bits, n)?,
        (Shape::Float(64), Value::Float(n)) => Val::Float64(n),
        (Shape::List(of), Value::List(items)) => Val::List(
            items
                .into_iter()
                .map(|v| plain(of, v))
                .collect::<Result<_, _>>()?,
        ),
        (Shape::Option(of), Value::Option(some)) => {
            Val::Option(some.map(|v| plain(of, *v).map(Box::new)).transpose()?)
        }
        (Shape::Record(fields), Value::Record(values)) if fields.len() == values.len() => {
            let pairs = fields.iter().zip(values);
            let pairs = pairs.map(|((name, of), (given, v))| {
                if *name == given {
                    Ok((given, plain(of, v)?))
                } else {
                    Err(misfit(of))
                }
            });
            Val::Record(pairs.collect::<Result<_, _>>()?)
        }
        (shape, _) => return Err(misfit(shape)),
    })
}

fn unsigned(bits: u8, n: u64) -> wasmtime::Result<Val> {
    Ok(match bits {
        8 => Val::U8(n.try_into()?),
        16 => Val::U16(n.try_into()?),
        32 => Val::U32(n.try_into()?),
        _ => Val::U64(n),
    })
}

fn signed(bits: u8, n: i64) -> wasmtime::Result<Val> {
    Ok(match bits {
        8 => Val::S8(n.try_into()?),
        16 => Val::S16(n.try_into()?),
        32 => Val::S32(n.try_into()?),
        _ => Val::S64(n),
    })
}

/// What is left of the limits on a result while it is taken over.
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) nesting: usize,
}

impl Room {
    /// A result as our value. Each node costs 16 bytes beside its text, so that a list of nothing is not free.
    pub(crate) fn take(&mut self, val: Val) -> wasmtime::Result<Value> {
        self.spend(16)?;
        self.nesting = self.nesting.checked_sub(1).ok_or(Stopped(Limit::Nesting))?;
        let value = self.take_node(val);
        self.nesting = self.nesting.saturating_add(1);
        value
    }

    fn take_node(&mut self, val: Val) -> wasmtime::Result<Value> {
        Ok(match val {
            Val::Bool(b) => Value::Bool(b),
            Val::U8(n) => Value::Unsigned(n.into()),
            Val::U16(n) => Value::Unsigned(n.into()),
            Val::U32(n) => Value::Unsigned(n.into()),
            Val::U64(n) => Value::Unsigned(n),
            Val::S8(n) => Value::Signed(n.into()),
            Val::S16(n) => Value::Signed(n.into()),
            Val::S32(n) => Value::Signed(n.into()),
            Val::S64(n) => Value::Signed(n),
            Val::Float32(n) => Value::Float(n.into()),
            Val::Float64(n) => Value::Float(n),
            Val::Char(c) => Value::Text(c.to_string()),
            Val::String(s) => {
                self.spend(s.len())?;
                Value::Text(s)
            }
            Val::Enum(case) => Value::Enum(case),
            Val::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|v| self.take(v))
                    .collect::<Result<_, _>>()?,
            ),
            Val::Record(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(k, v)| Ok((k, self.take(v)?)))
                    .collect::<wasmtime::Result<_>>()?,
            ),
            Val::Option(some) => Value::Option(self.take_boxed(some)?),
            Val::Result(Ok(ok)) => Value::Result(Ok(self.take_boxed(ok)?)),
            Val::Result(Err(err)) => Value::Result(Err(self.take_boxed(err)?)),
            _ => {
                return Err(wasmtime::Error::msg(
                    "a result of a kind that tools may not use",
                ));
            }
        })
    }

    fn take_boxed(&mut self, some: Option<Box<Val>>) -> wasmtime::Result<Option<Box<Value>>> {
        some.map(|v| self.take(*v).map(Box::new)).transpose()
    }

    fn spend(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.bytes = self
            .bytes
            .checked_sub(bytes)
            .ok_or(Stopped(Limit::Result))?;
        Ok(())
    }
}
