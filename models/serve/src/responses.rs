//! `/v1/responses`: input items in, output items out: text and calls. Nothing is stored, so nothing earlier can be referred to.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Asked, Call, Label, Served, Voice, random_id};
use crate::ask::{self, Declared, Drawing, Format};
use crate::chat::{Word, token};
use crate::dialogue::{self, Content};
use crate::job::{Choice, Done, Finish, Piece, Prompt, Started, Task, Token, Turn};
use crate::limits::LIMITS;
use crate::refusal::Refusal;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Input,
    instructions: Option<String>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    parallel_tool_calls: Option<bool>,
    text: Option<TextOptions>,
    stream: Option<bool>,
    max_output_tokens: Option<usize>,
    top_logprobs: Option<usize>,
    #[serde(default)]
    include: Option<Vec<String>>,
    previous_response_id: Option<String>,
    background: Option<bool>,
    #[serde(flatten)]
    drawing: Drawing,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item without a type is a message.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tool {
    Function {
        #[serde(flatten)]
        function: Declared,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ToolChoice {
    Word(Word),
    One { name: String },
}

#[derive(Deserialize)]
struct TextOptions {
    format: Option<Format>,
}

/// Understands a request.
pub(crate) fn ask(body: &[u8], served: &Served) -> Result<Asked, Refusal> {
    let request: Request = ask::parse(body)?;
    ask::check_model(request.model.as_deref(), served)?;
    let unsupported = [
        (
            "previous_response_id",
            request.previous_response_id.is_some(),
            "nothing is stored; send the earlier items as `input`",
        ),
        (
            "background",
            request.background == Some(true),
            "nothing is stored; wait for the answer",
        ),
    ];
    if let Some((param, _, advice)) = unsupported.iter().find(|(_, asked, _)| *asked) {
        return Err(Refusal::unsupported(
            param,
            format!("`{param}` is not supported: {advice}"),
        ));
    }
    let declared = request.tools.unwrap_or_default().into_iter();
    let declared = declared.map(|Tool::Function { function }| function);
    let choice = request.tool_choice.map(|choice| match choice {
        ToolChoice::Word(word) => word.into(),
        ToolChoice::One { name } => Choice::One(name),
    });
    let told = request.include.unwrap_or_default();
    let likeliest = if told
        .iter()
        .any(|part| part == "message.output_text.logprobs")
    {
        let count = request.top_logprobs.unwrap_or(0);
        Some(ask::likeliest("top_logprobs", count)?)
    } else {
        None
    };
    let tools = ask::tools(declared.collect(), choice, request.parallel_tool_calls)?;
    let format = request.text.and_then(|text| text.format);
    let task = Task {
        prompt: Prompt::Dialogue(turns(request.instructions, request.input)?),
        format: ask::format("text.format", format)?,
        sampling: request.drawing.sampling()?,
        limit: ask::token_limit(&[("max_output_tokens", request.max_output_tokens)])?,
        stops: Vec::new(),
        likeliest,
        tools,
    };
    let voice = ItemVoice {
        echo: echo(&task),
        label: Label::new("resp_", served),
        started: Started::default(),
        sequence: 0,
        items: Vec::new(),
    };
    Ok(Asked {
        task,
        voice: Box::new(voice),
        delivery: request.stream.into(),
    })
}

/// What a response repeats of its request.
fn echo(task: &Task) -> Value {
    let tools: Vec<Value> = task.tools.offered.iter().map(shown).collect();
    let choice = match &task.tools.choice {
        Choice::None => json!("none"),
        Choice::Auto => json!("auto"),
        Choice::Required => json!("required"),
        Choice::One(name) => json!({"type": "function", "name": name}),
    };
    json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": task.tools.most > 1,
        "temperature": task.sampling.temperature, "top_p": task.sampling.top_p, "max_output_tokens": task.limit,
        "metadata": {}, "instructions": null})
}

/// A function in this endpoint's own, flatter form.
fn shown(function: &crate::job::Function) -> Value {
    let mut flat = Map::from_iter([("type".to_owned(), json!("function"))]);
    if let Some(inner) = function.shown.get("function").and_then(Value::as_object) {
        flat.extend(inner.clone());
    }
    flat.insert("strict".to_owned(), json!(true));
    Value::Object(flat)
}

fn turns(instructions: Option<String>, input: Input) -> Result<Vec<Turn>, Refusal> {
    let mut turns: Vec<Turn> = instructions.map(Turn::System).into_iter().collect();
    let items = match input {
        Input::Text(text) => {
            turns.push(Turn::User(text));
            return Ok(turns);
        }
        Input::Items(items) => items,
    };
    if items.is_empty() || items.len() > LIMITS.messages {
        let message = format!("there must be 1 to {} items", LIMITS.messages);
        return Err(Refusal::at("input", message));
    }
    for (index, item) in items.into_iter().enumerate() {
        add(&mut turns, &format!("input[{index}]"), item)?;
    }
    Ok(turns)
}

fn add(turns: &mut Vec<Turn>, at: &str, item: Item) -> Result<(), Refusal> {
    let missing = |part: &str| Refusal::at(format!("{at}.{part}"), format!("`{part}` is missing"));
    let text = |part: &str, content: Option<Content>| {
        let content = content.ok_or_else(|| missing(part))?;
        content.text(&format!("{at}.{part}"))
    };
    match item.kind.as_deref().unwrap_or("message") {
        "message" => {
            let role = item.role.as_deref().ok_or_else(|| missing("role"))?;
            let said = text("content", item.content)?;
            match role {
                "system" | "developer" => turns.push(Turn::System(said)),
                "user" => turns.push(Turn::User(said)),
                "assistant" => dialogue::add_said(turns, &said),
                other => {
                    let message = format!("role `{}` is not known", other.escape_debug());
                    return Err(Refusal::at(format!("{at}.role"), message));
                }
            }
        }
        "function_call" => {
            let name = item.name.ok_or_else(|| missing("name"))?;
            let arguments = item.arguments.ok_or_else(|| missing("arguments"))?;
            dialogue::add_call(turns, &name, &arguments);
        }
        "function_call_output" => dialogue::add_result(turns, &text("output", item.output)?),
        "reasoning" => {} // this model's own thoughts of earlier turns are not part of its prompt
        other => {
            let message = format!(
                "items of type `{}` are not read; send messages, function calls and their outputs",
                other.escape_debug()
            );
            return Err(Refusal::at(format!("{at}.type"), message));
        }
    }
    Ok(())
}

/// An output item while it grows.
enum Grown {
    Message {
        id: String,
        text: String,
        tokens: Vec<Token>,
    },
    Call {
        id: String,
        call: Call,
    },
}

impl Grown {
    fn message() -> Self {
        Self::Message {
            id: random_id("msg_"),
            text: String::new(),
            tokens: Vec::new(),
        }
    }

    fn call(call: Call) -> Self {
        Self::Call {
            id: random_id("fc_"),
            call,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Call { id, .. } => id,
        }
    }

    fn part(&self) -> Value {
        match self {
            Self::Message { text, tokens, .. } => {
                json!({"type": "output_text", "text": text, "annotations": [],
                "logprobs": tokens.iter().map(token).collect::<Vec<_>>()})
            }
            Self::Call { .. } => Value::Null,
        }
    }

    fn item(&self, status: &str) -> Value {
        match self {
            Self::Message { id, .. } => {
                json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": [self.part()]})
            }
            Self::Call { id, call } => {
                json!({"type": "function_call", "id": id, "call_id": call.id, "status": status, "name": call.name,
                    "arguments": call.arguments})
            }
        }
    }
}

struct ItemVoice {
    echo: Value,
    label: Label,
    started: Started,
    /// Events told so far.
    sequence: u64,
    items: Vec<Grown>,
}

impl ItemVoice {
    fn response(&self, status: &str, done: Option<Done>) -> Value {
        let ended = done.map_or("in_progress", item_status);
        let output: Vec<Value> = self.items.iter().map(|item| item.item(ended)).collect();
        let Label {
            id, created, model, ..
        } = &self.label;
        let incomplete = match done {
            Some(Done {
                finish: Finish::Length,
                ..
            }) => json!({"reason": "max_output_tokens"}),
            _ => Value::Null,
        };
        let usage = done.map(|done| {
            json!({"input_tokens": self.started.prompt, "input_tokens_details": {"cached_tokens": self.started.cached},
                "output_tokens": done.tokens, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": self.started.prompt.saturating_add(done.tokens)})
        });
        let mut response = json!({"id": id, "object": "response", "created_at": created, "status": status, "model": model,
            "output": output, "error": null, "incomplete_details": incomplete, "usage": usage});
        if let (Some(fields), Some(echo)) = (response.as_object_mut(), self.echo.as_object()) {
            fields.extend(echo.clone());
        }
        response
    }

    /// One event, with its place in the sequence.
    fn told(&mut self, kind: &str, mut data: Value) -> String {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".to_owned(), json!(kind));
            fields.insert("sequence_number".to_owned(), json!(self.sequence));
        }
        self.sequence = self.sequence.saturating_add(1);
        format!("event: {kind}\ndata: {data}\n\n")
    }

    /// Where the last item stands.
    fn last(&self) -> usize {
        self.items.len().saturating_sub(1)
    }

    /// Begins an item, after closing the one before it.
    fn open(&mut self, item: Grown) -> String {
        let mut frames = self.close("completed");
        let empty = match &item {
            Grown::Message { id, .. } => {
                json!({"type": "message", "id": id, "status": "in_progress", "role": "assistant", "content": []})
            }
            Grown::Call { .. } => item.item("in_progress"),
        };
        self.items.push(item);
        let place = self.last();
        frames.push_str(&self.told(
            "response.output_item.added",
            json!({"output_index": place, "item": empty}),
        ));
        if let Some(Grown::Message { id, .. }) = self.items.last() {
            let part = json!({"item_id": id, "output_index": place, "content_index": 0,
                "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []}});
            frames.push_str(&self.told("response.content_part.added", part));
        }
        frames
    }

    /// Says that the last item is whole.
    fn close(&mut self, status: &str) -> String {
        let place = self.last();
        let Some(item) = self.items.last() else {
            return String::new();
        };
        let (id, whole) = (item.id().to_owned(), item.item(status));
        let inner = match item {
            Grown::Message { text, tokens, .. } => {
                let logprobs: Vec<Value> = tokens.iter().map(token).collect();
                let at = json!({"item_id": id, "output_index": place, "content_index": 0});
                vec![
                    (
                        "response.output_text.done",
                        with(&at, &[("text", json!(text)), ("logprobs", json!(logprobs))]),
                    ),
                    (
                        "response.content_part.done",
                        with(&at, &[("part", item.part())]),
                    ),
                ]
            }
            Grown::Call { call, .. } => vec![(
                "response.function_call_arguments.done",
                json!({"item_id": id, "output_index": place, "name": call.name, "arguments": call.arguments}),
            )],
        };
        let mut frames = String::new();
        for (kind, data) in inner {
            frames.push_str(&self.told(kind, data));
        }
        frames.push_str(&self.told(
            "response.output_item.done",
            json!({"output_index": place, "item": whole}),
        ));
        frames
    }
}

fn with(base: &Value, more: &[(&str, Value)]) -> Value {
    let mut fields = base.as_object().cloned().unwrap_or_default();
    fields.extend(
        more.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    Value::Object(fields)
}

/// What became of the last item.
fn item_status(done: Done) -> &'static str {
    match done.finish {
        Finish::Stop | Finish::Calls => "completed",
        Finish::Length => "incomplete",
    }
}

impl Voice for ItemVoice {
    fn whole(&mut self, answer: Answer) -> Value {
        self.started = answer.started;
        if !answer.text.is_empty() || answer.calls.is_empty() {
            self.items.push(Grown::Message {
                id: random_id("msg_"),
                text: answer.text,
                tokens: answer.tokens,
            });
        }
        self.items.extend(answer.calls.into_iter().map(Grown::call));
        self.response(item_status(answer.done), Some(answer.done))
    }

    fn begin(&mut self, started: Started) -> String {
        self.started = started;
        let response = json!({"response": self.response("in_progress", None)});
        let mut frames = self.told("response.created", response.clone());
        frames.push_str(&self.told("response.in_progress", response));
        frames
    }

    fn piece(&mut self, piece: Piece) -> String {
        let mut frames = match (&piece, self.items.last()) {
            (Piece::Text(..), Some(Grown::Message { .. })) | (Piece::Arguments(_), _) => {
                String::new()
            }
            (Piece::Text(..), _) => self.open(Grown::message()),
            (Piece::Call(name), _) => self.open(Grown::call(Call::new(name.clone()))),
        };
        let place = self.last();
        let told = match (piece, self.items.last_mut()) {
            (Piece::Text(delta, likely), Some(Grown::Message { id, text, tokens })) => {
                let logprobs: Vec<Value> = likely.iter().map(token).collect();
                text.push_str(&delta);
                tokens.extend(likely);
                Some((
                    "response.output_text.delta",
                    json!({"item_id": id, "output_index": place, "content_index": 0,
                    "delta": delta, "logprobs": logprobs}),
                ))
            }
            (Piece::Arguments(delta), Some(Grown::Call { id, call })) => {
                call.arguments.push_str(&delta);
                Some((
                    "response.function_call_arguments.delta",
                    json!({"item_id": id, "output_index": place, "delta": delta}),
                ))
            }
            _ => None,
        };
        if let Some((kind, data)) = told {
            frames.push_str(&self.told(kind, data));
        }
        frames
    }

    fn end(&mut self, done: Done) -> String {
        let mut frames = String::new();
        if self.items.is_empty() {
            frames.push_str(&self.open(Grown::message()));
        }
        let status = item_status(done);
        frames.push_str(&self.close(status));
        let response = json!({"response": self.response(status, Some(done))});
        let kind = format!("response.{status}");
        frames.push_str(&self.told(&kind, response));
        frames
    }

    fn broken(&mut self, refusal: &Refusal) -> String {
        let error = refusal.body();
        let error = error.get("error").cloned().unwrap_or_default();
        self.told("error", error)
    }
}
