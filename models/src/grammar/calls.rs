//! Calls of functions as a constraint: in the form that Qwen and Hermes models were trained to write, so that every output is a valid call.

use std::fmt::Write as _;

use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

use super::{Constraint, Width, escaped, refused, within};
use crate::ModelError;

/// A function that may be called.
#[derive(Debug, Clone, Copy)]
pub struct Callable<'a> {
    /// Its name.
    pub name: &'a str,
    /// JSON Schema of its arguments: an object.
    pub parameters: &'a Value,
}

/// How much of the first call is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Nothing.
    Nothing,
    /// The model wrote the opening mark by itself.
    Mark,
}

impl Constraint {
    /// The mark that opens a call.
    pub const CALL: &'static str = "<tool_call>";

    /// One call of one of these functions, or up to `most`, one a line:
    /// `<tool_call>⏎{"name": "f", "arguments": {…}}⏎</tool_call>`. Inside the braces no line ends, so the closing mark is beyond doubt.
    ///
    /// # Errors
    /// [`ModelError::Grammar`] when there is no function, a schema is not an object, or all together are too long. What a schema cannot
    /// mean shows in [`Constraint::start`].
    pub fn calls(
        functions: &[Callable<'_>],
        begun: Begun,
        most: usize,
    ) -> Result<Self, ModelError> {
        if functions.is_empty() || most == 0 {
            return Err(refused("there is nothing to call"));
        }
        let call = format!("\"{}\" body", escaped(Self::CALL));
        let first = match begun {
            Begun::Nothing => call.as_str(),
            Begun::Mark => "body",
        };
        let mut lark = format!("start: {first}");
        if most > 1 {
            let _ = write!(lark, " (\"\\n\" {call}){{0,{}}}", most - 1); // a String takes everything
        }
        lark.push_str("\nbody: \"\\n\" one \"\\n</tool_call>\"\none: ");
        let names: Vec<_> = (0..functions.len()).map(|i| format!("call_{i}")).collect();
        lark.push_str(&names.join(" | "));
        for (index, function) in functions.iter().enumerate() {
            let head = escaped(&format!(
                "{{\"name\": {}, \"arguments\": ",
                json!(function.name)
            ));
            let schema = spaced(function.parameters)?;
            let _ = write!(
                lark,
                "\ncall_{index}: \"{head}\" args_{index} \"}}\"\nargs_{index}: %json {schema}"
            );
        }
        within(lark.len())?;
        Ok(Self {
            grammar: TopLevelGrammar::from_lark(lark),
            width: Width::Wide,
            end: String::new(),
        })
    }
}

/// The schema with the white space that models write between tokens: one after each comma and colon, none elsewhere.
fn spaced(schema: &Value) -> Result<Value, ModelError> {
    let mut schema = schema
        .as_object()
        .cloned()
        .ok_or_else(|| refused("a schema must be an object"))?;
    schema.insert(
        "x-guidance".to_owned(),
        json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}),
    );
    Ok(Value::Object(schema))
}
