//! The order of one call: what to run, on which handles, within which limits. Handles cross as numbers; what is behind them stays here.

use std::time::Duration;

use super::{Budget, Decoder, Encoder, Malformed, value};
use crate::limits::Limits;
use crate::outcome::Moment;
use crate::value::{Arg, Input, Movable, Output, Place, Sink, Source};

/// Levels of an argument. Arguments are checked against a type of `Limits::nesting` levels before; this only bounds recursion.
const ARGUMENT_NESTING: usize = 64;

/// What the cage's process is to do.
pub struct Order {
    /// The interface of the function.
    pub interface: String,
    /// The function.
    pub function: String,
    /// Length of the compiled component, which is read from its own descriptor.
    pub component_bytes: u64,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// What it may use.
    pub limits: Limits,
    /// Time and chance.
    pub moment: Moment,
}

/// What stays with the agent: the inputs and outputs, by the numbers that the cage knows them by.
#[derive(Default)]
pub struct Handles {
    /// Sources of the inputs.
    pub inputs: Vec<Box<dyn Source>>,
    /// Sinks of the outputs.
    pub outputs: Vec<Box<dyn Sink>>,
}

/// Makes handles in the cage whose bytes are asked for and sent back.
pub trait Remote {
    /// Input `number` of this size.
    fn source(&self, number: u32, size: u64) -> Box<dyn Source>;
    /// Output `number`.
    fn sink(&self, number: u32) -> Box<dyn Sink>;
}

impl Order {
    /// The order as a payload, and the handles that it names by number.
    pub fn encode(self) -> (Vec<u8>, Handles) {
        let mut to = Encoder::default();
        let mut handles = Handles::default();
        to.text(&self.interface);
        to.text(&self.function);
        to.u64(self.component_bytes);
        put_limits(&mut to, &self.limits);
        to.u64(self.moment.unix_millis);
        to.u64(self.moment.seed);
        to.count(self.args.len());
        for arg in self.args {
            put(&mut to, arg, &mut handles);
        }
        (to.into_bytes(), handles)
    }

    /// The order in a payload.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(payload: &[u8], remote: &impl Remote) -> Result<Order, Malformed> {
        let mut from = Decoder::new(payload);
        let (interface, function) = (from.text()?, from.text()?);
        let component_bytes = from.u64()?;
        let limits = take_limits(&mut from)?;
        let (unix_millis, seed) = (from.u64()?, from.u64()?);
        let mut budget = Budget::of_frame(ARGUMENT_NESTING);
        let mut args = Vec::new();
        for _ in 0..from.count()? {
            args.push(take(&mut from, remote, &mut budget)?);
        }
        from.end()?;
        Ok(Order {
            interface,
            function,
            component_bytes,
            args,
            limits,
            moment: Moment { unix_millis, seed },
        })
    }
}

fn put(to: &mut Encoder, arg: Arg, handles: &mut Handles) {
    match arg {
        Arg::Value(plain) => {
            to.u8(0);
            value::put(to, &plain);
        }
        Arg::List(items) => {
            to.u8(1);
            to.count(items.len());
            items.into_iter().for_each(|item| put(to, item, handles));
        }
        Arg::Option(some) => {
            to.u8(2);
            to.u8(u8::from(some.is_some()));
            if let Some(arg) = some {
                put(to, *arg, handles);
            }
        }
        Arg::Input(input) => {
            to.u8(3);
            to.text(&input.name);
            to.count(handles.inputs.len());
            to.u64(input.source.size());
            handles.inputs.push(input.source);
        }
        Arg::Output(output) => {
            to.u8(4);
            to.text(&output.name);
            to.count(handles.outputs.len());
            handles.outputs.push(output.sink);
        }
        Arg::Movable(Movable { name, id }) => {
            to.u8(5);
            to.text(&name);
            to.u32(id);
        }
        Arg::Place(Place { name, id }) => {
            to.u8(6);
            to.text(&name);
            to.u32(id);
        }
    }
}

fn take(
    from: &mut Decoder<'_>,
    remote: &impl Remote,
    budget: &mut Budget,
) -> Result<Arg, Malformed> {
    budget.node(|budget| {
        Ok(match from.u8()? {
            0 => Arg::Value(value::take(from, budget)?),
            1 => {
                let mut items = Vec::new();
                for _ in 0..from.count()? {
                    items.push(take(from, remote, budget)?);
                }
                Arg::List(items)
            }
            2 if from.bool()? => Arg::Option(Some(Box::new(take(from, remote, budget)?))),
            2 => Arg::Option(None),
            3 => {
                let name = from.text()?;
                let source = remote.source(from.u32()?, from.u64()?);
                Arg::Input(Input { name, source })
            }
            4 => {
                let name = from.text()?;
                let sink = remote.sink(from.u32()?);
                Arg::Output(Output { name, sink })
            }
            5 => {
                let (name, id) = (from.text()?, from.u32()?);
                Arg::Movable(Movable { name, id })
            }
            6 => {
                let (name, id) = (from.text()?, from.u32()?);
                Arg::Place(Place { name, id })
            }
            _ => return Err(Malformed),
        })
    })
}

/// Every limit, so that a new one does not compile until it crosses.
fn put_limits(to: &mut Encoder, limits: &Limits) {
    let Limits {
        component_bytes,
        memory_bytes,
        table_elements,
        instances,
        memories,
        tables,
        stack_bytes,
        fuel,
        wall,
        read_bytes,
        read_chunk,
        write_bytes,
        moves,
        handles,
        hostcall_bytes,
        random_bytes,
        diagnostics_bytes,
        nesting,
        result_bytes,
        questions,
        question_bytes,
    } = limits;
    for size in [
        component_bytes,
        memory_bytes,
        table_elements,
        instances,
        memories,
        tables,
        stack_bytes,
        moves,
        handles,
        hostcall_bytes,
        diagnostics_bytes,
        nesting,
        result_bytes,
        questions,
        question_bytes,
    ] {
        to.u64(*size as u64);
    }
    for number in [fuel, read_bytes, write_bytes, random_bytes] {
        to.u64(*number);
    }
    to.u64(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX));
    to.u32(*read_chunk);
}

fn take_limits(from: &mut Decoder<'_>) -> Result<Limits, Malformed> {
    // Fields are read in the order in which they stand here.
    Ok(Limits {
        component_bytes: from.size()?,
        memory_bytes: from.size()?,
        table_elements: from.size()?,
        instances: from.size()?,
        memories: from.size()?,
        tables: from.size()?,
        stack_bytes: from.size()?,
        moves: from.size()?,
        handles: from.size()?,
        hostcall_bytes: from.size()?,
        diagnostics_bytes: from.size()?,
        nesting: from.size()?,
        result_bytes: from.size()?,
        questions: from.size()?,
        question_bytes: from.size()?,
        fuel: from.u64()?,
        read_bytes: from.u64()?,
        write_bytes: from.u64()?,
        random_bytes: from.u64()?,
        wall: Duration::from_nanos(from.u64()?),
        read_chunk: from.u32()?,
    })
}
