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

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
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
    #[serde(default = "nothing", deserialize_with = "table")]
    input: Value,
    #[serde(default = "nothing", deserialize_with = "table")]
    settings: Value,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    decision: Outcome,
    rule: String,
    #[serde(default)]
    ttl_seconds: Option<u64>,
    #[serde(default)]
    max_uses: Option<u64>,
    #[serde(default)]
    remember_days: Option<u64>,
}

pub(crate) struct CaseFile {
    file: String,
    base: Value,
    cases: Vec<Case>,
}

/// What a case asks, for bundles other than its own.
pub(crate) struct Asked<'a> {
    /// The case's file and name.
    pub(crate) about: String,
    pub(crate) input: Value,
    pub(crate) settings: &'a Value,
}

/// How much of one file of rules the cases come to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Coverage {
    /// The file.
    pub file: String,
    /// Lines that can be evaluated.
    pub lines: usize,
    /// Those of them that no case reaches, from 1.
    pub missed: BTreeSet<u32>,
}

/// What all cases of all files reach together.
pub(crate) fn coverage(files: &[CaseFile], rego: &Rego, settings: &Value) -> Vec<Coverage> {
    let mut all: BTreeMap<String, (BTreeSet<u32>, BTreeSet<u32>)> = BTreeMap::new();
    for asked in files.iter().flat_map(CaseFile::asked) {
        let Ok(rego) = rego.with_settings(&merged(settings, asked.settings)) else {
            continue; // no rule was asked anything
        };
        for found in rego.reached(kind_of(&asked.input), &asked.input) {
            let (reached, missed) = all.entry(found.file).or_default();
            reached.extend(found.reached);
            missed.extend(found.missed);
        }
    }
    let sum = |(file, (reached, missed)): (String, (BTreeSet<u32>, BTreeSet<u32>))| Coverage {
        file,
        lines: reached.union(&missed).count(),
        missed: missed.difference(&reached).copied().collect(),
    };
    all.into_iter().map(sum).collect()
}

impl CaseFile {
    pub(crate) fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        self.cases.iter().map(|case| Asked {
            about: format!("{}: {}", self.file, case.name),
            input: merged(&self.base, &case.input),
            settings: &case.settings,
        })
    }

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
        let input = merged(&self.base, &case.input);
        let got = match rego.with_settings(&merged(settings, &case.settings)) {
            Ok(rego) => decide(&rego, input),
            Err(error) => error.to_string(),
        };
        let Expect {
            decision,
            rule,
            ttl_seconds,
            max_uses,
            remember_days,
        } = &case.expect;
        let caps = [*ttl_seconds, *max_uses, *remember_days];
        let expected = line(*decision, rule, caps);
        CaseResult {
            file: self.file.clone(),
            case: case.name.clone(),
            passed: expected == got,
            expected,
            got,
        }
    }
}

fn nothing() -> Value {
    json!({})
}

fn table<'de, D: Deserializer<'de>>(input: D) -> Result<Value, D::Error> {
    Map::deserialize(input).map(Value::Object)
}

fn decide(rego: &Rego, input: Value) -> String {
    let verdict = verdict(rego, input);
    let days = Some(verdict.remember_days).filter(|days| *days > 0);
    let caps = [verdict.ttl_seconds, verdict.max_uses, days];
    line(verdict.decision, &verdict.rule, caps)
}

/// What a document asks for; nothing where it is for policies of other agents.
fn kind_of(input: &Value) -> Option<Kind> {
    let wanted = input
        .pointer("/request/type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Kind::ALL.into_iter().find(|kind| kind.name() == wanted)
}

/// What the rules say to the document `input`.
pub(crate) fn verdict(rego: &Rego, input: Value) -> Verdict {
    let said = match kind_of(&input) {
        Some(kind) => rego.ask_value(kind, input),
        None => rego.ask_foreign_value(&input),
    };
    Verdict::of(said)
}

fn line(decision: Outcome, rule: &str, caps: [Option<u64>; 3]) -> String {
    let units = ["s", "uses", "days remembered"];
    let caps = caps.into_iter().zip(units);
    let caps = caps.filter_map(|(cap, unit)| Some(format!(" ({} {unit})", cap?)));
    let said = format!("{} by `{rule}`", decision.name());
    caps.fold(said, |said, cap| said + &cap)
}

/// `over` laid over `under`: objects key by key, anything else replaced.
pub(crate) fn merged(under: &Value, over: &Value) -> Value {
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
