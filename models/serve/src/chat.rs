//! `/v1/chat/completions`: messages in, a message or calls out.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Asked, Call, Label, Served, Voice, event, usage};
use crate::ask::{self, Declared, Drawing, Format, OneOrMany, StreamOptions};
use crate::dialogue::{self, Content};
use crate::job::{Choice, Done, Finish, Piece, Prompt, Started, Task, Token, Turn};
use crate::limits::LIMITS;
use crate::refusal::Refusal;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    messages: Vec<Message>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<Format>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    stop: Option<OneOrMany>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
    #[serde(flatten)]
    drawing: Drawing,
}

#[derive(Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message {
    System {
        content: Content,
    },
    Developer {
        content: Content,
    },
    User {
        content: Content,
    },
    Assistant {
        content: Option<Content>,
        tool_calls: Option<Vec<Said>>,
    },
    Tool {
        content: Content,
    },
}

/// A call that the model made earlier.
#[derive(Deserialize)]
struct Said {
    function: SaidFunction,
}

#[derive(Deserialize)]
struct SaidFunction {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tool {
    Function { function: Declared },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ToolChoice {
    Word(Word),
    One { function: Named },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    None,
    Auto,
    Required,
}

impl From<Word> for Choice {
    fn from(word: Word) -> Self {
        match word {
            Word::None => Self::None,
            Word::Auto => Self::Auto,
            Word::Required => Self::Required,
        }
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Understands a request.
pub(crate) fn ask(body: &[u8], served: &Served) -> Result<Asked, Refusal> {
    let request: Request = ask::parse(body)?;
    ask::check_model(request.model.as_deref(), served)?;
    if request.messages.is_empty() || request.messages.len() > LIMITS.messages {
        let message = format!("there must be 1 to {} messages", LIMITS.messages);
        return Err(Refusal::at("messages", message));
    }
    let declared = request.tools.unwrap_or_default().into_iter();
    let declared = declared.map(|Tool::Function { function }| function);
    let choice = request.tool_choice.map(|choice| match choice {
        ToolChoice::Word(word) => word.into(),
        ToolChoice::One { function } => Choice::One(function.name),
    });
    let likeliest = match request.logprobs {
        Some(true) => Some(ask::likeliest(
            "top_logprobs",
            request.top_logprobs.unwrap_or(0),
        )?),
        _ => None,
    };
    let task = Task {
        prompt: Prompt::Dialogue(turns(request.messages)?),
        tools: ask::tools(declared.collect(), choice, request.parallel_tool_calls)?,
        format: ask::format("response_format", request.response_format)?,
        sampling: request.drawing.sampling()?,
        limit: ask::token_limit(&[
            ("max_completion_tokens", request.max_completion_tokens),
            ("max_tokens", request.max_tokens),
        ])?,
        stops: ask::stops(request.stop)?,
        likeliest,
    };
    let voice = ChatVoice {
        label: Label::new("chatcmpl-", served),
        started: Started::default(),
        calls: 0,
        usage: request.stream_options.and_then(StreamOptions::usage),
    };
    Ok(Asked {
        task,
        voice: Box::new(voice),
        delivery: request.stream.into(),
    })
}

fn turns(messages: Vec<Message>) -> Result<Vec<Turn>, Refusal> {
    let mut turns = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let text = |content: Content| content.text(&format!("messages[{index}].content"));
        match message {
            Message::System { content } | Message::Developer { content } => {
                turns.push(Turn::System(text(content)?));
            }
            Message::User { content } => turns.push(Turn::User(text(content)?)),
            Message::Tool { content } => dialogue::add_result(&mut turns, &text(content)?),
            Message::Assistant {
                content,
                tool_calls,
            } => {
                let said = content.map(text).transpose()?.unwrap_or_default();
                dialogue::add_said(&mut turns, &said);
                for call in tool_calls.unwrap_or_default() {
                    dialogue::add_call(&mut turns, &call.function.name, &call.function.arguments);
                }
            }
        }
    }
    Ok(turns)
}

struct ChatVoice {
    label: Label,
    started: Started,
    /// How many calls have begun.
    calls: usize,
    /// Present if a last event is to tell the token counts.
    usage: Option<()>,
}

impl ChatVoice {
    fn document(&self, object: &str, choices: Value) -> Value {
        let Label {
            id,
            created,
            model,
            fingerprint,
        } = &self.label;
        json!({"id": id, "object": object, "created": created, "model": model, "system_fingerprint": fingerprint, "choices": choices})
    }

    fn chunk(&self, delta: Value, logprobs: Value, finish: Value) -> String {
        let choice =
            json!([{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]);
        event(&self.document("chat.completion.chunk", choice))
    }
}

impl Voice for ChatVoice {
    fn whole(&mut self, answer: Answer) -> Value {
        let content = if answer.text.is_empty() && !answer.calls.is_empty() {
            Value::Null
        } else {
            json!(answer.text)
        };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if let (Some(message), false) = (message.as_object_mut(), answer.calls.is_empty()) {
            let calls: Vec<Value> = answer.calls.iter().map(call).collect();
            message.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        let choice = json!([{"index": 0, "message": message, "logprobs": logprobs(&answer.tokens),
            "finish_reason": finish(answer.done.finish)}]);
        let mut document = self.document("chat.completion", choice);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("usage".to_owned(), usage(answer.started, answer.done));
        }
        document
    }

    fn begin(&mut self, started: Started) -> String {
        self.started = started;
        let delta = json!({"role": "assistant", "content": ""});
        self.chunk(delta, Value::Null, Value::Null)
    }

    fn piece(&mut self, piece: Piece) -> String {
        let current = self.calls.saturating_sub(1);
        match piece {
            Piece::Text(text, tokens) => {
                self.chunk(json!({"content": text}), logprobs(&tokens), Value::Null)
            }
            Piece::Call(name) => {
                let mut begun = call(&Call::new(name));
                if let Some(begun) = begun.as_object_mut() {
                    begun.insert("index".to_owned(), json!(self.calls));
                }
                self.calls = self.calls.saturating_add(1);
                self.chunk(json!({"tool_calls": [begun]}), Value::Null, Value::Null)
            }
            Piece::Arguments(text) => {
                let more = json!([{"index": current, "function": {"arguments": text}}]);
                self.chunk(json!({"tool_calls": more}), Value::Null, Value::Null)
            }
        }
    }

    fn end(&mut self, done: Done) -> String {
        let mut frames = self.chunk(json!({}), Value::Null, json!(finish(done.finish)));
        if self.usage.is_some() {
            let mut last = self.document("chat.completion.chunk", json!([]));
            if let Some(fields) = last.as_object_mut() {
                fields.insert("usage".to_owned(), usage(self.started, done));
            }
            frames.push_str(&event(&last));
        }
        frames.push_str("data: [DONE]\n\n");
        frames
    }
}

fn call(call: &Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

pub(crate) fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

fn logprobs(tokens: &[Token]) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let content: Vec<Value> = tokens.iter().map(token).collect();
    json!({"content": content, "refusal": null})
}

/// A token with its likelihood, as chat and responses tell it.
pub(crate) fn token(token: &Token) -> Value {
    let told = |bytes: &[u8], logp: f64| {
        // JSON has no infinity; OpenAI writes this number for "never".
        json!({"token": String::from_utf8_lossy(bytes), "logprob": logp.max(-9999.0), "bytes": bytes})
    };
    let likeliest: Vec<Value> = token.likeliest.iter().map(|(b, p)| told(b, *p)).collect();
    let mut value = told(&token.bytes, token.logp);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("top_logprobs".to_owned(), Value::Array(likeliest));
    }
    value
}
