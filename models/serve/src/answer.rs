//! An answer while it is told: what every endpoint's own form is made of, and the trait by which each tells it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::job::{Done, Finish, Piece, Started, Task, Token};
use crate::refusal::Refusal;

/// A request understood: what to do, and how to tell of it.
pub(crate) struct Asked {
    pub(crate) task: Task,
    pub(crate) voice: Box<dyn Voice>,
    pub(crate) delivery: Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Streamed,
}

impl From<Option<bool>> for Delivery {
    fn from(stream: Option<bool>) -> Self {
        match stream {
            Some(true) => Self::Streamed,
            _ => Self::Whole,
        }
    }
}

/// How one endpoint tells an answer: as one document, or as server-sent events while it comes.
pub(crate) trait Voice: Send + Sync {
    fn whole(&mut self, answer: Answer) -> Value;
    fn begin(&mut self, started: Started) -> String;
    fn piece(&mut self, piece: Piece) -> String;
    fn end(&mut self, done: Done) -> String;
    /// The answer broke off after it had begun.
    fn broken(&mut self, refusal: &Refusal) -> String {
        event(&refusal.body())
    }
}

/// One server-sent event.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) started: Started,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) calls: Vec<Call>,
    pub(crate) done: Done,
}

/// A call of a function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

impl Call {
    pub(crate) fn new(name: String) -> Self {
        Self {
            id: random_id("call_"),
            name,
            arguments: String::new(),
        }
    }
}

impl Answer {
    pub(crate) fn new(started: Started) -> Self {
        Self {
            started,
            text: String::new(),
            tokens: Vec::new(),
            calls: Vec::new(),
            done: Done {
                finish: Finish::Stop,
                tokens: 0,
            },
        }
    }

    pub(crate) fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text, tokens) => {
                self.text.push_str(&text);
                self.tokens.extend(tokens);
            }
            Piece::Call(name) => self.calls.push(Call::new(name)),
            Piece::Arguments(text) => {
                if let Some(call) = self.calls.last_mut() {
                    call.arguments.push_str(&text);
                }
            }
        }
    }
}

/// Which model answers; stands in every document.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) name: String,
    /// The first digits of the SHA-256 of its file.
    pub(crate) fingerprint: String,
    /// Seconds since 1970 at which it was loaded.
    pub(crate) since: u64,
}

/// An answer's own marks.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) fingerprint: String,
}

impl Label {
    pub(crate) fn new(prefix: &str, served: &Served) -> Self {
        Self {
            id: random_id(prefix),
            created: now(),
            model: served.name.clone(),
            fingerprint: format!("sha256:{}", served.fingerprint),
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A name that nobody else has.
pub(crate) fn random_id(prefix: &str) -> String {
    let number = random();
    format!("{prefix}{number:016x}{:08x}", random() >> 32)
}

/// 64 random bits. Should the system have none, the clock serves: ids and unseeded draws guard nothing.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
    })
}

/// Token counts as chat and completions tell them.
pub(crate) fn usage(started: Started, done: Done) -> Value {
    json!({
        "prompt_tokens": started.prompt,
        "completion_tokens": done.tokens,
        "total_tokens": started.prompt.saturating_add(done.tokens),
        "prompt_tokens_details": {"cached_tokens": started.cached},
    })
}
