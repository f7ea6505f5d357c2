//! Cases beside rules: an input, perhaps other settings, and what must come out. Touches nothing.
//!
//! ```toml
//! [base]                        # merged under the input of every case
//! request = { type = "call" }
//!
//! [[case]]
//! name = "reading a granted file"
//! input = { … }                 # merged over base
//! settings = { … }              # merged over the bundle's settings.json
//! expect = { decision = "permit", rule = "file.read.granted" }
//! ```

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::bundle::bad_toml;
use crate::error::{PolicyError, shown};
use crate::rego::{Outcome, Rego};
use crate::request::Kind;
use crate::verdict::Verdict;

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CaseResult {
    /// The case file.
    pub file: String,
    /// The case's name.
    pub case: String,
    /// Decision and rule, as written in the case.
    pub expected: String,
    /// Decision and rule that the bundle gave.
    pub got: String,
    /// Whether they are the same.
    pub passed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    base: Map<String, Value>,
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    input: Map<String, Value>,
    #[serde(default)]
    settings: Map<String, Value>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    decision: Outcome,
    rule: String,
    #[serde(default)]
    ttl_seconds: Option<u64>,
}

pub(crate) struct CaseFile {
    file: String,
    base: Value,
    cases: Vec<Case>,
}

impl CaseFile {
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, PolicyError> {
        let Written { base, case } =
            toml::from_str(text).map_err(|error| bad_toml(file, &error))?;
        if case.is_empty() {
            return Err(PolicyError::BadFile {
                file: shown(file),
                fault: "holds no `[[case]]`".into(),
                hint: "show at least one decision of the rules",
            });
        }
        Ok(Self {
            file: file.into(),
            base: Value::Object(base),
            cases: case,
        })
    }

    pub(crate) fn run(&self, rego: &Rego, settings: &Value) -> Vec<CaseResult> {
        self.cases
            .iter()
            .map(|case| self.one(case, rego, settings))
            .collect()
    }

    fn one(&self, case: &Case, rego: &Rego, settings: &Value) -> CaseResult {
        let input = merged(&self.base, &Value::Object(case.input.clone()));
        let got = match rego.with_settings(&merged(settings, &Value::Object(case.settings.clone())))
        {
            Ok(rego) => decide(&rego, input),
            Err(error) => error.to_string(),
        };
        let expected = line(
            case.expect.decision,
            &case.expect.rule,
            case.expect.ttl_seconds,
        );
        CaseResult {
            file: self.file.clone(),
            case: case.name.clone(),
            passed: expected == got,
            expected,
            got,
        }
    }
}

fn decide(rego: &Rego, input: Value) -> String {
    let wanted = input
        .pointer("/request/type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let said = match Kind::ALL.into_iter().find(|kind| kind.name() == wanted) {
        Some(kind) => rego.ask_value(kind, input),
        None => rego.ask_foreign_value(&input),
    };
    let verdict = Verdict::of(said);
    line(verdict.decision, &verdict.rule, verdict.ttl_seconds)
}

fn line(decision: Outcome, rule: &str, ttl: Option<u64>) -> String {
    match ttl {
        Some(seconds) => format!("{} by `{rule}` ({seconds} s)", decision.name()),
        None => format!("{} by `{rule}`", decision.name()),
    }
}

/// `over` laid over `under`: objects key by key, anything else replaced.
fn merged(under: &Value, over: &Value) -> Value {
    let (Some(under), Some(over)) = (under.as_object(), over.as_object()) else {
        return over.clone();
    };
    let mut result = under.clone();
    for (key, value) in over {
        let value = under
            .get(key)
            .map_or_else(|| value.clone(), |below| merged(below, value));
        result.insert(key.clone(), value);
    }
    json!(result)
}

/// The first case that failed, as an error.
pub(crate) fn first_failure(results: Vec<CaseResult>) -> Result<(), PolicyError> {
    match results.into_iter().find(|result| !result.passed) {
        Some(CaseResult {
            file,
            case,
            expected,
            got,
            ..
        }) => Err(PolicyError::CaseFailed {
            file,
            case,
            expected,
            got,
        }),
        None => Ok(()),
    }
}
