//! What a call is given beside its handles, and what comes of it. No type of wasmtime is in it.

use std::time::Duration;

use crate::limits::{Limit, Limits};
use crate::question::Mind;
use crate::value::Value;

/// Time and chance as the component sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970-01-01T00:00:00Z. Stands still during a call.
    pub unix_millis: u64,
    /// Where the random numbers start; the same seed gives the same call again.
    pub seed: u64,
}

/// What a call is run under.
pub struct Terms<'a> {
    /// What it may use.
    pub limits: &'a Limits,
    /// What it sees as time and chance.
    pub moment: Moment,
    /// Whether it is to end at once, asked several times a second while it runs.
    pub stop: &'a dyn Fn() -> bool,
    /// Who answers what it asks the model. Meanwhile the clock of its limit stands still.
    pub mind: &'a mut dyn Mind,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It gave this back; nothing for a function without a result.
    Returned(Option<Value>),
    /// It did something that no component may, or gave up. The text may hold the component's own words.
    Trapped(Fault, String),
    /// It reached a limit.
    StoppedBy(Limit),
    /// [`Terms::stop`] said so.
    CalledOff,
    /// It never started: no such function, or arguments that do not fit it.
    NotStarted(String),
}

/// What a component did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It gave up: a panic in Rust, or an exit.
    GaveUp,
    /// It reached outside its memory or a table.
    OutOfBounds,
    /// It divided by zero or overflowed.
    Arithmetic,
    /// It called something that the cage leaves undefined.
    Undefined,
    /// Anything else that wasmtime calls a trap.
    Other,
    /// The cage's process ended before its time, or said what no call may say. The system stopped it, or it was taken over.
    Died,
    /// It asked the model, and there was no answer.
    Unanswered,
}

impl Fault {
    const ALL: [Fault; 7] = [
        Fault::GaveUp,
        Fault::OutOfBounds,
        Fault::Arithmetic,
        Fault::Undefined,
        Fault::Other,
        Fault::Died,
        Fault::Unanswered,
    ];

    /// A stable name for records.
    pub fn code(self) -> &'static str {
        match self {
            Fault::GaveUp => "gave-up",
            Fault::OutOfBounds => "out-of-bounds",
            Fault::Arithmetic => "arithmetic",
            Fault::Undefined => "undefined",
            Fault::Other => "other",
            Fault::Died => "died",
            Fault::Unanswered => "unanswered",
        }
    }

    pub(crate) fn of_code(code: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

/// A move that was asked for, by the host's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The number of the movable.
    pub file: u32,
    /// The number of the place.
    pub place: u32,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Time on the wall.
    pub wall: Duration,
    /// Units of fuel.
    pub fuel: u64,
    /// Largest linear memory, bytes.
    pub memory_bytes: u64,
    /// Bytes read through handles.
    pub read_bytes: u64,
    /// Bytes written through handles.
    pub written_bytes: u64,
    /// Questions to the model.
    pub questions: usize,
    /// The most memory that its process had at once, bytes, the program itself included: as the system says, which the process cannot
    /// sway. Nothing where the system does not say, or the process had ended by itself.
    pub process_bytes: Option<u64>,
}

/// A finished call.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub ended: Ended,
    /// Moves it asked for, in order. Of no effect by themselves.
    pub moves: Vec<Move>,
    /// What it used.
    pub used: Used,
    /// What it said on standard output and error: the component's own words, for a log that escapes them.
    pub diagnostics: Vec<u8>,
}
