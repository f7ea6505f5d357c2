//! Turns of a conversation as tokens. Control tokens come only from here; what people, tools and documents say is encoded as plain text.
//!
//! A file's own template is a program in Jinja. It is recognised, not run: five families cover the models that are supported, and a template
//! that is none of them is refused rather than guessed. Templates whose turn markers are plain text (`[INST]`) are refused on purpose: any
//! document could write them.

use std::sync::Arc;

use crate::ModelError;
use crate::gguf::Gguf;
use crate::tokenizer::Tokenizer;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    System,
    User,
    Assistant,
}

/// How the assistant's last turn ended, which the next prompt has to take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The model said the end token itself, and it is in the session already.
    ByModel,
    /// A constraint ended the output; the turn is still open.
    ByConstraint,
}

/// How a model's turns are written.
#[derive(Clone)]
pub struct Template {
    tokenizer: Arc<Tokenizer>,
    family: Family,
    assumed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `<|im_start|>role⏎text<|im_end|>⏎` (Qwen, SmolLM2).
    ChatMl(ChatMl, Thinking),
    /// `<start_of_turn>role⏎text<end_of_turn>⏎`; no system role: its text leads the first user turn.
    Gemma(Gemma),
    /// `<|start_header_id|>role<|end_header_id|>⏎⏎text<|eot_id|>`.
    Llama3(Header),
    /// `<|role|>text<|end|>` (Phi 3, Phi 4 mini). The line breaks that its template has behind markers are dropped by its tokenizer.
    Phi3(Phi3),
    /// `<|im_start|>role<|im_sep|>text<|im_end|>` (Phi 4).
    Phi4(Header),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChatMl {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gemma {
    start: u32,
    end: u32,
}

/// A role between two markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    open: u32,
    close: u32,
    end: u32,
}

/// A marker for each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phi3 {
    system: u32,
    user: u32,
    assistant: u32,
    end: u32,
}

/// Whether the model thinks aloud before it answers, unless it is shown that it already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    Never,
    Silenced,
}

impl Template {
    /// Recognises the template of a file.
    ///
    /// # Errors
    /// [`ModelError::Template`] when the file has none, when it is of no known family, or when the family's markers are not control tokens.
    pub fn new(gguf: &Gguf<'_>, tokenizer: Arc<Tokenizer>) -> Result<Self, ModelError> {
        let text = gguf
            .find::<&str>("tokenizer.chat_template")?
            .ok_or_else(|| unknown("the file has no `tokenizer.chat_template`"))?;
        let family = recognise(text, &tokenizer)?;
        Ok(Self {
            tokenizer,
            family,
            assumed: assumed(text),
        })
    }

    /// The system text that the file's own template has where a conversation brings none, and that the model knows from its training.
    #[must_use]
    pub fn assumed(&self) -> Option<&str> {
        self.assumed.as_deref()
    }

    /// The beginning of a conversation.
    pub fn begin(&self) -> Prompt<'_> {
        Prompt {
            template: self,
            tokens: self.tokenizer.bos().into_iter().collect(),
            lead: None,
        }
    }

    /// The turns that follow an assistant's turn: only what is new, to be appended to the session.
    pub fn follow(&self, ended: Ended) -> Prompt<'_> {
        let mut tokens = Vec::new();
        if ended == Ended::ByConstraint {
            tokens.push(self.end_of_turn());
        }
        self.part(&mut tokens);
        Prompt {
            template: self,
            tokens,
            lead: None,
        }
    }

    /// The token that ends a turn.
    #[must_use]
    pub fn end_of_turn(&self) -> u32 {
        match self.family {
            Family::ChatMl(ChatMl { end, .. }, _)
            | Family::Gemma(Gemma { end, .. })
            | Family::Llama3(Header { end, .. })
            | Family::Phi3(Phi3 { end, .. })
            | Family::Phi4(Header { end, .. }) => end,
        }
    }

    /// Opens a turn: everything up to its text.
    fn open(&self, role: Role, tokens: &mut Vec<u32>) {
        let text = |text: &str| self.tokenizer.encode(text);
        match self.family {
            Family::ChatMl(ChatMl { start, .. }, _) => {
                tokens.push(start);
                tokens.extend(text(&format!("{}\n", name(role, "assistant"))));
            }
            Family::Gemma(Gemma { start, .. }) => {
                tokens.push(start);
                tokens.extend(text(&format!("{}\n", name(role, "model"))));
            }
            Family::Llama3(Header { open, close, .. }) => {
                tokens.push(open);
                tokens.extend(text(name(role, "assistant")));
                tokens.push(close);
                tokens.extend(text("\n\n"));
            }
            Family::Phi3(markers) => tokens.push(match role {
                Role::System => markers.system,
                Role::User => markers.user,
                Role::Assistant => markers.assistant,
            }),
            Family::Phi4(Header { open, close, .. }) => {
                tokens.push(open);
                tokens.extend(text(name(role, "assistant")));
                tokens.push(close);
            }
        }
    }

    /// A whole turn. In the families whose own template trims a text, it is trimmed.
    fn turn(&self, role: Role, text: &str, tokens: &mut Vec<u32>) {
        self.open(role, tokens);
        match self.family {
            Family::ChatMl(..) => tokens.extend(self.tokenizer.encode_continued(text)),
            Family::Gemma(_) | Family::Llama3(_) => {
                tokens.extend(self.tokenizer.encode_continued(text.trim()))
            }
            Family::Phi3(_) => tokens.extend(self.tokenizer.encode(text.trim_start())),
            Family::Phi4(_) => tokens.extend(self.tokenizer.encode(text)),
        }
        tokens.push(self.end_of_turn());
        self.part(tokens);
    }

    /// What stands between turns.
    fn part(&self, tokens: &mut Vec<u32>) {
        if matches!(self.family, Family::ChatMl(..) | Family::Gemma(_)) {
            tokens.extend(self.tokenizer.encode("\n"));
        }
    }
}

fn name(role: Role, assistant: &'static str) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => assistant,
    }
}

fn unknown(why: &str) -> ModelError {
    ModelError::Template {
        why: why.to_owned(),
    }
}

/// A whole system turn among the literals of a template.
fn assumed(template: &str) -> Option<String> {
    const LONGEST: usize = 1000; // bytes; what is longer was not closed, and is program
    template
        .split("<|im_start|>system")
        .skip(1)
        .find_map(|rest| {
            let rest = rest.strip_prefix("\\n").or(rest.strip_prefix('\n'))?;
            let (text, _) = rest.split_once("<|im_end|>")?;
            let literal = !text.contains(['\'', '"', '{', '\\']);
            (literal && (1..=LONGEST).contains(&text.len())).then(|| text.to_owned())
        })
}

fn recognise(text: &str, tokenizer: &Tokenizer) -> Result<Family, ModelError> {
    let control = |name: &str| {
        tokenizer
            .control(name)
            .ok_or_else(|| unknown(&format!("`{name}` is no control token of the file")))
    };
    let header = |open, close, end| {
        Ok(Header {
            open: control(open)?,
            close: control(close)?,
            end: control(end)?,
        })
    };
    if text.contains("<|im_sep|>") {
        return header("<|im_start|>", "<|im_sep|>", "<|im_end|>").map(Family::Phi4);
    }
    if text.contains("<|im_start|>") {
        let thinking = if text.contains("enable_thinking") {
            Thinking::Silenced
        } else {
            Thinking::Never
        };
        return Ok(Family::ChatMl(
            ChatMl {
                start: control("<|im_start|>")?,
                end: control("<|im_end|>")?,
            },
            thinking,
        ));
    }
    if text.contains("<start_of_turn>") {
        return Ok(Family::Gemma(Gemma {
            start: control("<start_of_turn>")?,
            end: control("<end_of_turn>")?,
        }));
    }
    if text.contains("<|start_header_id|>") {
        return header("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
            .map(Family::Llama3);
    }
    if text.contains("<|assistant|>") && text.contains("<|end|>") {
        return Ok(Family::Phi3(Phi3 {
            system: control("<|system|>")?,
            user: control("<|user|>")?,
            assistant: control("<|assistant|>")?,
            end: control("<|end|>")?,
        }));
    }
    Err(unknown(
        "it has none of the turn markers `<|im_start|>`, `<start_of_turn>`, `<|start_header_id|>`, `<|end|>`",
    ))
}

/// Turns, as tokens to be appended to a session. Ends where the assistant begins to speak.
#[must_use]
pub struct Prompt<'a> {
    template: &'a Template,
    tokens: Vec<u32>,
    lead: Option<String>,
}

impl Prompt<'_> {
    /// What the program says to the model.
    pub fn system(mut self, text: &str) -> Self {
        if matches!(self.template.family, Family::Gemma(_)) {
            let lead = self.lead.take().unwrap_or_default();
            self.lead = Some(format!("{lead}{}\n\n", text.trim()));
        } else {
            self.template.turn(Role::System, text, &mut self.tokens);
        }
        self
    }

    /// What the person, or a tool on their behalf, says.
    pub fn user(mut self, text: &str) -> Self {
        let lead = self.lead.take().unwrap_or_default();
        self.template
            .turn(Role::User, &format!("{lead}{text}"), &mut self.tokens);
        self
    }

    /// An answer given as an example, as if the assistant had said it.
    pub fn answered(mut self, text: &str) -> Self {
        self.flush();
        self.template.turn(Role::Assistant, text, &mut self.tokens);
        self
    }

    /// The tokens of these turns so far. A system text that waits to be carried by a user's turn is not among them yet.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Hands the word to the assistant: the tokens of these turns, up to where its text begins.
    #[must_use]
    pub fn assistant(mut self) -> Vec<u32> {
        self.flush();
        let Self {
            template,
            mut tokens,
            ..
        } = self;
        template.open(Role::Assistant, &mut tokens);
        if let Family::ChatMl(_, Thinking::Silenced) = template.family {
            tokens.extend(template.tokenizer.encode("<think>\n\n</think>\n\n"));
        }
        tokens
    }

    /// A system text that no user turn came to carry becomes one.
    fn flush(&mut self) {
        if let Some(lead) = self.lead.take() {
            self.template.turn(Role::User, &lead, &mut self.tokens);
        }
    }
}

#[cfg(test)]
mod tests;
