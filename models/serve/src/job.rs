//! What the engine is asked and what it tells: plain data between the HTTP side and the one thread that owns the engine.

use std::time::Instant;

use cloister_models::Sampling;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::refusal::Refusal;

/// One request as the engine sees it, every part of it checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) prompt: Prompt,
    pub(crate) tools: Tools,
    /// What text must look like: a JSON schema, or anything.
    pub(crate) format: Option<Value>,
    pub(crate) sampling: Sampling,
    /// Tokens at most, if the request says so.
    pub(crate) limit: Option<usize>,
    pub(crate) stops: Vec<String>,
    /// How many of the likeliest tokens to tell at each place.
    pub(crate) likeliest: Option<usize>,
}

/// A task on its way to the engine. Whoever drops the receiving end of `events` has left.
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) asked: Instant,
    pub(crate) events: UnboundedSender<Event>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Prompt {
    Dialogue(Vec<Turn>),
    /// Continued as it stands.
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    System(String),
    User(String),
    Assistant(String),
}

/// The functions that the model is told of, and whether it may or must call.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tools {
    pub(crate) offered: Vec<Function>,
    pub(crate) choice: Choice,
    /// Calls in one answer at most.
    pub(crate) most: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    None,
    Auto,
    Required,
    One(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// As the model is shown it.
    pub(crate) shown: Value,
    /// What its arguments must be: closed, so that nothing undeclared can be passed.
    pub(crate) parameters: Value,
}

/// What the engine tells, in this order: `Started` or `Refused`; pieces; `Done` or `Refused`.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Started(Started),
    Piece(Piece),
    Done(Done),
    Refused(Refusal),
}

/// The prompt was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Started {
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// How many of them were in the cache.
    pub(crate) cached: usize,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String, Vec<Token>),
    /// The next call begins.
    Call(String),
    /// More of the arguments of the call that began last, as JSON text.
    Arguments(String),
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) bytes: Vec<u8>,
    pub(crate) logp: f64,
    pub(crate) likeliest: Vec<(Vec<u8>, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Calls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) finish: Finish,
    /// Tokens written.
    pub(crate) tokens: usize,
}
