//! `/v1/completions`: a text in, what follows it out. No template, no functions.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Asked, Label, Served, Voice, event, usage};
use crate::ask::{self, Drawing, OneOrMany, StreamOptions};
use crate::chat::finish;
use crate::job::{Done, Piece, Prompt, Started, Task, Token, Tools};
use crate::refusal::Refusal;

/// What the original writes when nothing is said.
const TOKENS: usize = 16;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    prompt: OneOrMany,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    stop: Option<OneOrMany>,
    max_tokens: Option<usize>,
    logprobs: Option<usize>,
    echo: Option<bool>,
    suffix: Option<String>,
    best_of: Option<u64>,
    #[serde(flatten)]
    drawing: Drawing,
}

/// Understands a request.
pub(crate) fn ask(body: &[u8], served: &Served) -> Result<Asked, Refusal> {
    let request: Request = ask::parse(body)?;
    ask::check_model(request.model.as_deref(), served)?;
    let unsupported = [
        ("echo", request.echo == Some(true)),
        ("suffix", request.suffix.is_some_and(|s| !s.is_empty())),
        ("best_of", request.best_of.unwrap_or(1) != 1),
    ];
    if let Some((param, _)) = unsupported.iter().find(|(_, asked)| *asked) {
        let message = format!("`{param}` is not supported; leave it out");
        return Err(Refusal::unsupported(param, message));
    }
    let prompt = match request.prompt {
        OneOrMany::One(text) => text,
        OneOrMany::Many(mut texts) if texts.len() == 1 => texts.pop().unwrap_or_default(),
        OneOrMany::Many(_) => {
            let message = "one prompt is continued at a time; send one request for each";
            return Err(Refusal::unsupported("prompt", message));
        }
    };
    if prompt.is_empty() {
        return Err(Refusal::at("prompt", "`prompt` is empty"));
    }
    let likeliest = request
        .logprobs
        .map(|count| ask::likeliest("logprobs", count));
    let task = Task {
        prompt: Prompt::Text(prompt),
        tools: Tools::default(),
        format: None,
        sampling: request.drawing.sampling()?,
        limit: ask::token_limit(&[("max_tokens", request.max_tokens.or(Some(TOKENS)))])?,
        stops: ask::stops(request.stop)?,
        likeliest: likeliest.transpose()?,
    };
    let voice = TextVoice {
        label: Label::new("cmpl-", served),
        started: Started::default(),
        offset: 0,
        usage: request.stream_options.and_then(StreamOptions::usage),
    };
    Ok(Asked {
        task,
        voice: Box::new(voice),
        delivery: request.stream.into(),
    })
}

struct TextVoice {
    label: Label,
    started: Started,
    /// Characters told so far.
    offset: usize,
    /// Present if a last event is to tell the token counts.
    usage: Option<()>,
}

impl TextVoice {
    fn document(&mut self, text: &str, tokens: &[Token], finish: Value) -> Value {
        let logprobs = logprobs(tokens, &mut self.offset);
        let choice =
            json!([{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}]);
        self.around(choice)
    }

    fn around(&self, choices: Value) -> Value {
        let Label {
            id,
            created,
            model,
            fingerprint,
        } = &self.label;
        json!({"id": id, "object": "text_completion", "created": created, "model": model,
            "system_fingerprint": fingerprint, "choices": choices})
    }
}

impl Voice for TextVoice {
    fn whole(&mut self, answer: Answer) -> Value {
        let end = json!(finish(answer.done.finish));
        let mut document = self.document(&answer.text, &answer.tokens, end);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("usage".to_owned(), usage(answer.started, answer.done));
        }
        document
    }

    fn begin(&mut self, started: Started) -> String {
        self.started = started;
        String::new()
    }

    fn piece(&mut self, piece: Piece) -> String {
        match piece {
            Piece::Text(text, tokens) => event(&self.document(&text, &tokens, Value::Null)),
            Piece::Call(_) | Piece::Arguments(_) => String::new(), // no functions were offered
        }
    }

    fn end(&mut self, done: Done) -> String {
        let mut frames = event(&self.document("", &[], json!(finish(done.finish))));
        if self.usage.is_some() {
            let mut last = self.around(json!([]));
            if let Some(fields) = last.as_object_mut() {
                fields.insert("usage".to_owned(), usage(self.started, done));
            }
            frames.push_str(&event(&last));
        }
        frames.push_str("data: [DONE]\n\n");
        frames
    }
}

/// The older form: parallel lists.
fn logprobs(tokens: &[Token], offset: &mut usize) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut texts, mut own, mut top, mut offsets) = (vec![], vec![], vec![], vec![]);
    for token in tokens {
        offsets.push(*offset);
        *offset = offset.saturating_add(text(&token.bytes).chars().count());
        texts.push(text(&token.bytes));
        own.push(token.logp.max(-9999.0));
        let likeliest = token.likeliest.iter();
        top.push(
            likeliest
                .map(|(bytes, logp)| (text(bytes), json!(logp)))
                .collect::<Map<_, _>>(),
        );
    }
    json!({"tokens": texts, "token_logprobs": own, "top_logprobs": top, "text_offset": offsets})
}
