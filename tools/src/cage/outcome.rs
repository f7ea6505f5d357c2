//! From the cage's end of a call to ours.

use cloister_attest::Digest;
use cloister_cage::{Ended as Raw, Run, Used, Value as RawValue};
use serde_json::{Value, json};

use super::{Ended, Outcome};
use crate::signature::from_value;

impl Outcome {
    /// An outcome without a run.
    pub(super) fn plain(ended: Ended) -> Outcome {
        Outcome {
            ended,
            value: None,
            detail: None,
            diagnostics: Vec::new(),
            effects: Vec::new(),
            readings: Vec::new(),
            used: Used::default(),
        }
    }

    pub(super) fn of(run: &Run) -> Outcome {
        let (ended, value, detail) = match &run.ended {
            Raw::Returned(None) => (Ended::Returned, None, None),
            Raw::Returned(Some(RawValue::Result(Err(error)))) => {
                let code = error
                    .as_deref()
                    .and_then(code)
                    .unwrap_or("failed")
                    .to_string();
                let error = error.as_deref().map_or(Value::Null, from_value);
                let detail = detail(&error);
                (Ended::Failed(code), Some(error), detail)
            }
            Raw::Returned(Some(value)) => (Ended::Returned, Some(from_value(value)), None),
            Raw::Trapped(fault, text) => (Ended::Trapped(*fault), None, Some(text.clone())),
            Raw::StoppedBy(limit) => (Ended::StoppedBy(*limit), None, None),
            // Which of the two it was, the cage does not know: whoever called it off says.
            Raw::CalledOff => (Ended::Revoked, None, None),
            Raw::NotStarted(reason) => (Ended::NotRun(reason.clone()), None, None),
        };
        Outcome {
            ended,
            value,
            detail,
            diagnostics: run.diagnostics.clone(),
            used: run.used,
            ..Outcome::plain(Ended::Expired)
        }
    }

    /// Canonical JSON. Files by the names that a person knows, so that the same call on a copy of the folder gives the same.
    pub(crate) fn content(&self, asked: Option<Digest>) -> Vec<u8> {
        let written: Vec<_> = self
            .effects
            .iter()
            .map(|e| json!([e.name(), e.digest()]))
            .collect();
        let terms = json!({"asked": asked, "ended": format!("{:?}", self.ended), "value": self.value, "detail": self.detail, "effects": written});
        // Canonical JSON fails on non-finite numbers only, and `from_value` makes none.
        serde_json_canonicalizer::to_vec(&terms).unwrap_or_default()
    }
}

/// The `fault` of a failure record, or a failure that is an enum: a case that stands in the WIT. Never a text that the tool made.
fn code(error: &RawValue) -> Option<&str> {
    match error {
        RawValue::Enum(case) => Some(case),
        RawValue::Record(fields) => match fields.iter().find(|(name, _)| name == "fault") {
            Some((_, RawValue::Enum(case))) => Some(case),
            _ => None,
        },
        _ => None,
    }
}

fn detail(error: &Value) -> Option<String> {
    if let Value::String(text) = error {
        return Some(text.clone());
    }
    let text = |key| {
        error
            .get(key)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
    };
    match (text("file"), text("detail")) {
        (Some(file), Some(detail)) => Some(format!("`{file}`: {detail}")),
        (Some(one), None) | (None, Some(one)) => Some(one.into()),
        (None, None) => None,
    }
}
