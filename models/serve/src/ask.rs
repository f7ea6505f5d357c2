//! What the endpoints' requests have in common, and the checks on it. After this everything is known to be within the limits.

use cloister_models::Sampling;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::answer::{Served, random};
use crate::job::{Choice, Function, Tools};
use crate::limits::LIMITS;
use crate::refusal::Refusal;

/// Reads a body.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::new(
            400,
            "invalid_json",
            format!("the body is not understood: {error}"),
        )
    })
}

/// What a client wants of a stream besides its content.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    include_usage: Option<bool>,
}

impl StreamOptions {
    /// Whether the last event tells the usage.
    pub(crate) fn usage(self) -> Option<()> {
        self.include_usage.filter(|told| *told).map(|_| ())
    }
}

/// How tokens are drawn, under the names that every endpoint uses; `top_k`, `min_p` and `repetition_penalty` go beyond the original.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Drawing {
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    seed: Option<i64>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    logit_bias: Option<Map<String, Value>>,
    n: Option<u64>,
}

impl Drawing {
    /// The sampling that is asked for. Without a temperature it is greedy: equal requests get equal answers.
    pub(crate) fn sampling(&self) -> Result<Sampling, Refusal> {
        for (param, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if penalty.unwrap_or(0.0) != 0.0 {
                return Err(Refusal::unsupported(
                    param,
                    format!("`{param}` is not supported; use `repetition_penalty`"),
                ));
            }
        }
        if self
            .logit_bias
            .as_ref()
            .is_some_and(|bias| !bias.is_empty())
        {
            return Err(Refusal::unsupported(
                "logit_bias",
                "`logit_bias` is not supported; leave it out",
            ));
        }
        if self.n.unwrap_or(1) != 1 {
            return Err(Refusal::unsupported(
                "n",
                "one answer is given at a time: leave `n` at 1 and ask again",
            ));
        }
        Ok(Sampling {
            temperature: between("temperature", self.temperature, 0.0, 2.0)?.unwrap_or(0.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: between("top_p", self.top_p, 0.0, 1.0)?.unwrap_or(1.0),
            min_p: between("min_p", self.min_p, 0.0, 1.0)?.unwrap_or(0.0),
            repetition_penalty: between("repetition_penalty", self.repetition_penalty, 0.1, 10.0)?
                .unwrap_or(1.0),
            seed: self.seed.map_or_else(random, i64::cast_unsigned),
        })
    }
}

fn between(param: &str, value: Option<f32>, low: f32, high: f32) -> Result<Option<f32>, Refusal> {
    match value {
        Some(value) if !(low..=high).contains(&value) => Err(Refusal::at(
            param,
            format!("`{param}` is {value}; it must be from {low} to {high}"),
        )),
        _ => Ok(value),
    }
}

/// Refuses a model that is not the one that is loaded.
pub(crate) fn check_model(asked: Option<&str>, served: &Served) -> Result<(), Refusal> {
    match asked {
        Some(name) if name != served.name => {
            let message = format!(
                "model `{}` is not loaded; this server has `{}`",
                name.escape_debug(),
                served.name
            );
            Err(Refusal::new(404, "model_not_found", message))
        }
        _ => Ok(()),
    }
}

/// A text or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The stop strings.
pub(crate) fn stops(stop: Option<OneOrMany>) -> Result<Vec<String>, Refusal> {
    let stops = match stop {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    };
    if stops.len() > LIMITS.stops {
        let message = format!(
            "{} stop strings are more than {}",
            stops.len(),
            LIMITS.stops
        );
        return Err(Refusal::at("stop", message));
    }
    if stops.iter().any(|s| s.is_empty() || s.len() > LIMITS.stop) {
        let message = format!("a stop string must have 1 to {} bytes", LIMITS.stop);
        return Err(Refusal::at("stop", message));
    }
    Ok(stops)
}

/// The first limit on tokens that is given; zero is refused.
pub(crate) fn token_limit(named: &[(&str, Option<usize>)]) -> Result<Option<usize>, Refusal> {
    let given = named
        .iter()
        .find_map(|(param, limit)| limit.map(|limit| (param, limit)));
    match given {
        Some((param, 0)) => Err(Refusal::at(*param, format!("`{param}` must be at least 1"))),
        other => Ok(other.map(|(_, limit)| limit)),
    }
}

/// How many likeliest tokens are told, if any.
pub(crate) fn likeliest(param: &str, count: usize) -> Result<usize, Refusal> {
    if count > LIMITS.likeliest {
        let message = format!("`{param}` is {count}, more than {}", LIMITS.likeliest);
        return Err(Refusal::at(param, message));
    }
    Ok(count)
}

/// A function as chat and responses declare it, each in its own wrapping.
#[derive(Debug, Deserialize)]
pub(crate) struct Declared {
    pub(crate) name: String,
    description: Option<String>,
    parameters: Option<Value>,
}

/// The offered functions and the choice among them, checked.
pub(crate) fn tools(
    declared: Vec<Declared>,
    choice: Option<Choice>,
    parallel: Option<bool>,
) -> Result<Tools, Refusal> {
    if declared.len() > LIMITS.tools {
        let message = format!("{} tools are more than {}", declared.len(), LIMITS.tools);
        return Err(Refusal::at("tools", message));
    }
    let mut offered: Vec<Function> = Vec::with_capacity(declared.len());
    for (index, declared) in declared.into_iter().enumerate() {
        let function = function(index, declared)?;
        if offered.iter().any(|other| other.name == function.name) {
            let message = format!("function `{}` is declared twice", function.name);
            return Err(Refusal::at(format!("tools[{index}]"), message));
        }
        offered.push(function);
    }
    let choice = match choice {
        None | Some(Choice::Auto) if offered.is_empty() => Choice::None,
        None => Choice::Auto,
        Some(Choice::Required) if offered.is_empty() => {
            let message = "a call is required, but there are no `tools`";
            return Err(Refusal::at("tool_choice", message));
        }
        Some(Choice::One(name)) if offered.iter().all(|f| f.name != name) => {
            let message = format!(
                "function `{}` is not among the `tools`",
                name.escape_debug()
            );
            return Err(Refusal::at("tool_choice", message));
        }
        Some(choice) => choice,
    };
    let single = parallel == Some(false) || matches!(choice, Choice::One(_));
    Ok(Tools {
        offered,
        choice,
        most: if single { 1 } else { LIMITS.calls },
    })
}

fn function(index: usize, declared: Declared) -> Result<Function, Refusal> {
    let Declared {
        name,
        description,
        parameters,
    } = declared;
    let at = |part: &str| format!("tools[{index}].{part}");
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if !(1..=LIMITS.name).contains(&name.len()) || !name.bytes().all(allowed) {
        let message = format!(
            "`{}` cannot name a function; use 1 to {} of a-z, A-Z, 0-9, `_`, `-` and `.`",
            name.escape_debug(),
            LIMITS.name
        );
        return Err(Refusal::at(at("name"), message));
    }
    let parameters = parameters
        .filter(|p| !p.is_null())
        .unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    check_schema(&at("parameters"), &parameters)?;
    if parameters.get("type").is_some_and(|t| t != "object") {
        let message = format!("the parameters of `{name}` must be of type `object`");
        return Err(Refusal::at(at("parameters"), message));
    }
    let mut shown = json!({"type": "function", "function": {"name": name}});
    if let Some(inner) = shown.get_mut("function").and_then(Value::as_object_mut) {
        if let Some(description) = description {
            inner.insert("description".to_owned(), json!(description));
        }
        inner.insert("parameters".to_owned(), parameters.clone());
    }
    let mut closed = closed(parameters);
    if let Some(root) = closed.as_object_mut() {
        root.entry("type").or_insert_with(|| json!("object"));
    }
    Ok(Function {
        name,
        shown,
        parameters: closed,
    })
}

/// Refuses a schema that is no object, too long or too deep.
pub(crate) fn check_schema(param: &str, schema: &Value) -> Result<(), Refusal> {
    if !schema.is_object() {
        return Err(Refusal::at(param, "a schema must be a JSON object"));
    }
    let bytes = schema.to_string().len();
    if bytes > LIMITS.schema {
        let message = format!("a schema of {bytes} bytes is longer than {}", LIMITS.schema);
        return Err(Refusal::at(param, message));
    }
    let depth = depth(schema);
    if depth > LIMITS.schema_depth {
        let message = format!(
            "a schema nested {depth} deep is deeper than {}",
            LIMITS.schema_depth
        );
        return Err(Refusal::at(param, message));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or(0).saturating_add(1)
}

/// The schema in which an object that declares properties takes no others, unless it says that it does: a small model would invent some.
fn closed(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.into_iter().map(|(k, v)| (k, closed(v))).collect();
            if fields.get("properties").is_some_and(Value::is_object)
                && !fields.contains_key("additionalProperties")
                && fields.get("type").is_none_or(|kind| kind == "object")
            {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(closed).collect()),
        other => other,
    }
}

/// What text must look like, as chat (`response_format`) and responses (`text.format`) say it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Format {
    Text,
    JsonObject,
    JsonSchema {
        /// Chat wraps the schema once more.
        json_schema: Option<Wrapped>,
        schema: Option<Value>,
    },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wrapped {
    schema: Option<Value>,
}

/// The schema that text must follow, if any.
pub(crate) fn format(param: &str, format: Option<Format>) -> Result<Option<Value>, Refusal> {
    let schema = match format {
        None | Some(Format::Text) => return Ok(None),
        Some(Format::JsonObject) => json!({"type": "object"}),
        Some(Format::JsonSchema {
            json_schema,
            schema,
        }) => json_schema
            .and_then(|wrapped| wrapped.schema)
            .or(schema)
            .ok_or_else(|| Refusal::at(param, "`json_schema` needs a `schema`"))?,
    };
    check_schema(param, &schema)?;
    Ok(Some(closed(schema)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(value: Value) -> Declared {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn arguments_that_were_not_declared_are_closed_out_at_every_depth() {
        let parameters = json!({"type": "object", "properties": {
            "open": {"type": "object"},
            "inner": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "said": {"type": "object", "properties": {}, "additionalProperties": true}}});
        let tools = tools(
            vec![declared(json!({"name": "f", "parameters": parameters}))],
            None,
            None,
        )
        .unwrap();
        let closed = &tools.offered[0].parameters;
        assert_eq!(closed["additionalProperties"], json!(false));
        assert_eq!(
            closed["properties"]["inner"]["items"]["additionalProperties"],
            json!(false)
        );
        assert_eq!(closed["properties"]["open"], json!({"type": "object"}));
        assert_eq!(
            closed["properties"]["said"]["additionalProperties"],
            json!(true)
        );
        assert_eq!(
            tools.offered[0].shown["function"]["parameters"], parameters,
            "the model is shown what was declared"
        );
    }

    #[test]
    fn a_function_without_parameters_takes_none() {
        for value in [
            json!({"name": "f"}),
            json!({"name": "f", "parameters": null}),
        ] {
            let tools = tools(vec![declared(value)], Some(Choice::Required), None).unwrap();
            assert_eq!(
                tools.offered[0].parameters["additionalProperties"],
                json!(false)
            );
        }
    }

    #[test]
    fn one_function_and_no_parallel_calls_mean_one_call() {
        let f = || vec![declared(json!({"name": "f"}))];
        let most = |choice, parallel| tools(f(), choice, parallel).unwrap().most;
        assert_eq!(most(None, None), LIMITS.calls);
        assert_eq!(most(None, Some(false)), 1);
        assert_eq!(most(Some(Choice::One("f".to_owned())), Some(true)), 1);
        assert_eq!(tools(Vec::new(), None, None).unwrap().choice, Choice::None);
        assert_eq!(tools(f(), None, None).unwrap().choice, Choice::Auto);
    }

    #[test]
    fn a_name_or_choice_that_cannot_be_is_refused() {
        for name in ["", "a b", "x\"", &"n".repeat(65)] {
            let refused = tools(vec![declared(json!({"name": name}))], None, None);
            assert_eq!(refused.unwrap_err().status, 400, "{name}");
        }
        assert!(tools(Vec::new(), Some(Choice::Required), None).is_err());
        assert!(tools(Vec::new(), Some(Choice::One("f".to_owned())), None).is_err());
    }

    #[test]
    fn depth_is_counted_to_the_innermost() {
        assert_eq!(depth(&json!(1)), 0);
        assert_eq!(depth(&json!({"a": [{"b": 1}], "c": {}})), 3);
    }

    #[test]
    fn what_is_out_of_range_or_unsupported_is_refused() {
        let drawing = |value: Value| serde_json::from_value::<Drawing>(value).unwrap().sampling();
        assert_eq!(drawing(json!({})).unwrap().temperature, 0.0);
        assert_eq!(drawing(json!({"seed": -1})).unwrap().seed, u64::MAX);
        for wrong in [
            json!({"temperature": -0.1}),
            json!({"top_p": 1.1}),
            json!({"n": 2}),
            json!({"presence_penalty": 0.5}),
            json!({"logit_bias": {"1": 1}}),
            json!({"repetition_penalty": 0.0}),
        ] {
            assert_eq!(drawing(wrong.clone()).unwrap_err().status, 400, "{wrong}");
        }
    }
}
