//! What one client may ask of the server. Reaching a limit is a 4xx that names it; nothing here is configurable.

use std::time::Duration;

pub(crate) struct Limits {
    /// A request's body, bytes. 4 MiB: a context of 32 768 tokens is some 130 KB of text; the rest is room for escapes and schemas.
    pub(crate) body: usize,
    /// Time for a request's head, and again for its body. 30 s: a local client needs milliseconds; a stuck one holds a connection.
    pub(crate) receive: Duration,
    /// Connections at once. 64: one works, the queue waits, the rest are idle keep-alives.
    pub(crate) connections: usize,
    /// Requests that wait for the engine. 16: at a few seconds each more would be a minute of silence.
    pub(crate) queue: usize,
    /// Messages of a conversation. 1024: more do not fit the context.
    pub(crate) messages: usize,
    /// Functions offered. 128: what the original accepts.
    pub(crate) tools: usize,
    /// One schema as JSON, bytes. 64 KiB: the largest in BFCL has 6.
    pub(crate) schema: usize,
    /// Nesting of a schema. 32: each level is a rule of the grammar; hand-written ones have 5.
    pub(crate) schema_depth: usize,
    /// A function's name, bytes. 64: what the original accepts.
    pub(crate) name: usize,
    /// Calls in one answer. 16: a small model under `parallel_tool_calls` must come to an end.
    pub(crate) calls: usize,
    /// Stop strings. 8: twice what the original accepts.
    pub(crate) stops: usize,
    /// One stop string, bytes. 256: held back from the stream while it may yet come.
    pub(crate) stop: usize,
    /// Likeliest tokens told at each place. 20: what the original accepts.
    pub(crate) likeliest: usize,
    /// Tokens of an answer when the request names no limit. 2048: a minute or two on a small machine.
    pub(crate) answer: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    body: 4 << 20,
    receive: Duration::from_secs(30),
    connections: 64,
    queue: 16,
    messages: 1024,
    tools: 128,
    schema: 64 << 10,
    schema_depth: 32,
    name: 64,
    calls: 16,
    stops: 8,
    stop: 256,
    likeliest: 20,
    answer: 2048,
};
