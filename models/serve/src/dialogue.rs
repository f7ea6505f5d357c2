//! Turns of a conversation as the model reads them: how functions are declared, called and answered, in the words of Qwen's own template.

use cloister_models::{Constraint, Template};
use serde::Deserialize;

use crate::job::{Choice, Function, Tools, Turn};
use crate::refusal::Refusal;

/// The system text where neither a conversation brings one nor the model's template, but functions need one.
const SYSTEM: &str = "You are a helpful assistant.";

/// What a call gave begins with this.
const RESULT: &str = "<tool_response>";

/// The text of a message: as it stands, or in parts.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

impl Content {
    /// All of it as one text; `param` is where it stands.
    pub(crate) fn text(self, param: &str) -> Result<String, Refusal> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) => parts,
        };
        let mut whole = String::new();
        for part in parts {
            match (part.kind.as_str(), part.text) {
                ("text" | "input_text" | "output_text", Some(text)) => whole.push_str(&text),
                (kind, _) => {
                    let message = format!(
                        "a part of type `{}` is not read; send text",
                        kind.escape_debug()
                    );
                    return Err(Refusal::at(param, message));
                }
            }
        }
        Ok(whole)
    }
}

/// What the assistant said earlier; goes on where it had spoken last.
pub(crate) fn add_said(turns: &mut Vec<Turn>, text: &str) {
    match turns.last_mut() {
        Some(Turn::Assistant(said)) => {
            if !said.is_empty() && !text.is_empty() {
                said.push('\n');
            }
            said.push_str(text);
        }
        _ => turns.push(Turn::Assistant(text.to_owned())),
    }
}

/// A call that the assistant made earlier.
pub(crate) fn add_call(turns: &mut Vec<Turn>, name: &str, arguments: &str) {
    let name = serde_json::Value::from(name);
    let mark = Constraint::CALL;
    add_said(
        turns,
        &format!("{mark}\n{{\"name\": {name}, \"arguments\": {arguments}}}\n</tool_call>"),
    );
}

/// What a call gave. Results in a row are one turn.
pub(crate) fn add_result(turns: &mut Vec<Turn>, text: &str) {
    let result = format!("{RESULT}\n{text}\n</tool_response>");
    match turns.last_mut() {
        Some(Turn::User(before)) if before.ends_with("</tool_response>") => {
            before.push('\n');
            before.push_str(&result);
        }
        _ => turns.push(Turn::User(result)),
    }
}

/// A prompt in tokens.
pub(crate) struct Laid {
    pub(crate) tokens: Vec<u32>,
    /// How many of them are the system text and the functions: what comes first, and is often the same.
    pub(crate) fixed: usize,
}

/// The tokens of a conversation, up to where the assistant begins to speak.
pub(crate) fn laid(template: &Template, turns: &[Turn], tools: &Tools) -> Laid {
    let mut prompt = template.begin();
    let (own, rest) = match turns.split_first() {
        Some((Turn::System(text), after)) => (Some(text.as_str()), after),
        _ => (template.assumed(), turns),
    };
    if tools.choice != Choice::None {
        let own = own.unwrap_or(SYSTEM);
        prompt = prompt.system(&format!("{own}{}", declared(&tools.offered)));
    } else if let Some(text) = own {
        prompt = prompt.system(text);
    }
    let fixed = prompt.tokens().len();
    for turn in rest {
        prompt = match turn {
            Turn::System(text) => prompt.system(text),
            Turn::User(text) => prompt.user(text),
            Turn::Assistant(text) => prompt.answered(text),
        };
    }
    let tokens = prompt.assistant();
    Laid { tokens, fixed }
}

/// The functions as Qwen's template declares them.
fn declared(functions: &[Function]) -> String {
    let mut text =
        "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
        You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
            .to_owned();
    for function in functions {
        text.push('\n');
        text.push_str(&spaced(&function.shown));
    }
    text.push_str(
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n\
         <tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>",
    );
    text
}

/// The question put apart from the conversation: whether one of the functions serves what was asked last. Nothing when the last turn is the
/// result of a call, after which going on is the model's own business.
pub(crate) fn question(template: &Template, turns: &[Turn], tools: &Tools) -> Option<Vec<u32>> {
    let asked = match turns.last()? {
        Turn::User(text) if !text.starts_with(RESULT) => text,
        _ => return None,
    };
    let mut text = "Functions:".to_owned();
    for Function { name, shown, .. } in &tools.offered {
        let what = shown.pointer("/function/description");
        let what = what.and_then(serde_json::Value::as_str).unwrap_or_default();
        text.push_str(&format!("\n- {name}: {what}"));
    }
    text.push_str(&format!(
        "\n\nRequest: {asked}\n\nIs one of these functions the right one for this request? Answer yes or no."
    ));
    Some(template.begin().user(&text).assistant())
}

/// JSON with a space after commas and colons, as the template's `tojson` writes it.
fn spaced(value: &serde_json::Value) -> String {
    struct Spaced;
    impl serde_json::ser::Formatter for Spaced {
        fn begin_array_value<W: ?Sized + std::io::Write>(
            &mut self,
            writer: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            writer.write_all(if first { b"" } else { b", " })
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(
            &mut self,
            writer: &mut W,
            first: bool,
        ) -> std::io::Result<()> {
            writer.write_all(if first { b"" } else { b", " })
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(
            &mut self,
            writer: &mut W,
        ) -> std::io::Result<()> {
            writer.write_all(b": ")
        }
    }
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(), // a Vec takes everything
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_shown_with_spaces() {
        let value = json!({"a": [1, {"b": "x,y:z"}], "c": {}});
        assert_eq!(spaced(&value), r#"{"a": [1, {"b": "x,y:z"}], "c": {}}"#);
    }

    #[test]
    fn calls_and_results_become_the_turns_of_the_template() {
        let mut turns = vec![Turn::User("weather?".to_owned())];
        add_said(&mut turns, "");
        add_call(&mut turns, "get", "{\"city\": \"Rome\"}");
        add_call(&mut turns, "get", "{}");
        add_result(&mut turns, "sunny");
        add_result(&mut turns, "rain");
        let said = "<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>\n\
                    <tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>";
        let results =
            "<tool_response>\nsunny\n</tool_response>\n<tool_response>\nrain\n</tool_response>";
        assert_eq!(
            turns[1..],
            [
                Turn::Assistant(said.to_owned()),
                Turn::User(results.to_owned())
            ]
        );
    }
}
