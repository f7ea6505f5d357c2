//! The only file that names regorus. Rules in, one verdict out; whatever goes wrong is a verdict that forbids. Touches nothing.
//!
//! regorus is built without its network and time builtins, so a rule that calls one does not load. Its own monotonic timer bounds each evaluation;
//! no rule can see it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use regorus::Engine;
use regorus::utils::limits::ExecutionTimerConfig;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{PolicyError, is_deceptive, shown};
use crate::limits::LIMITS;
use crate::request::{Input, Kind};

/// What one rule said, or all of them together. The later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Permit,
    Ask,
    Forbid,
}

/// One member of `verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) decision: Outcome,
    pub(crate) rule: String,
    pub(crate) reason: String,
    /// Negotiation only, of the time or of a path or tool: at most so many seconds.
    #[serde(default)]
    pub(crate) ttl_seconds: Option<u64>,
    /// Negotiation of a path or tool only: used by so many calls at most.
    #[serde(default)]
    pub(crate) max_uses: Option<u64>,
    /// A question only: a person's answer may be remembered for so many days; without it, it is asked each time.
    #[serde(default)]
    pub(crate) remember_days: Option<u64>,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Ask => "ask",
            Self::Forbid => "forbid",
        }
    }
}

impl Said {
    pub(crate) fn forbid(rule: &str, reason: impl Into<String>) -> Self {
        Self {
            decision: Outcome::Forbid,
            rule: rule.into(),
            reason: reason.into(),
            ttl_seconds: None,
            max_uses: None,
            remember_days: None,
        }
    }
}

/// One file of rules.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// Written for OPA before 1.0.
    pub(crate) v0: bool,
}

/// Lines of one file, from 1.
pub(crate) struct Reached {
    pub(crate) file: String,
    pub(crate) reached: BTreeSet<u32>,
    pub(crate) missed: BTreeSet<u32>,
}

/// The rules of a bundle, ready to be asked.
#[derive(Clone)]
pub(crate) struct Rego {
    engine: Engine,
    /// Rule paths `data.agent.policy.allow` of packages outside `cloister`.
    foreign: Vec<String>,
}

impl Rego {
    /// Compiles the rules over `settings`, the document `data.settings`.
    pub(crate) fn load(sources: &[Source<'_>], settings: &Value) -> Result<Self, PolicyError> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: Duration::from_millis(LIMITS.evaluation),
            check_interval: NonZeroU32::MIN,
        });
        let mut foreign = Vec::new();
        for Source { file, text, v0 } in sources {
            deterministic(file, text)?;
            engine.set_rego_v0(*v0);
            let package = engine
                .add_policy((*file).to_owned(), (*text).to_owned())
                .map_err(|error| unreadable(file, &error))?;
            let rule = format!("{package}.allow");
            if !package.starts_with("data.cloister.") && !foreign.contains(&rule) {
                foreign.push(rule);
            }
        }
        let mut rego = Self { engine, foreign };
        rego.settle(settings)?;
        Ok(rego)
    }

    /// The same rules over other settings.
    pub(crate) fn with_settings(&self, settings: &Value) -> Result<Self, PolicyError> {
        let mut other = self.clone();
        other.settle(settings)?;
        Ok(other)
    }

    fn settle(&mut self, settings: &Value) -> Result<(), PolicyError> {
        self.engine.clear_data();
        let data = serde_json::json!({ "settings": settings });
        self.engine
            .add_data(data.into())
            .map_err(|error| unreadable("settings.json", &error))?;
        self.prepare();
        Ok(())
    }

    /// Has regorus analyse the rules here, once: otherwise each decision would, in its own copy, and that costs several times the evaluation. What is
    /// asked for is no rule, so the answer is an error; rules that cannot be analysed stay so, and then every decision forbids.
    fn prepare(&mut self) {
        let _ = self.engine.eval_rule("data".to_owned());
    }

    /// What the rules of `data.cloister.<kind>.verdict` say; never empty.
    pub(crate) fn ask(&self, kind: Kind, input: &Input<'_>) -> Vec<Said> {
        match serde_json::to_value(input) {
            Ok(input) => self.ask_value(kind, input),
            Err(error) => vec![unput(&error)],
        }
    }

    /// As [`ask`](Self::ask), for an input that a case wrote. Nothing said at all is the default, which forbids.
    pub(crate) fn ask_value(&self, kind: Kind, input: Value) -> Vec<Said> {
        let said = self.hear_value(kind, input);
        if said.is_empty() {
            return vec![Said::forbid("default", "no rule of the policy allows it")];
        }
        said
    }

    /// As [`ask`](Self::ask), but nothing where no rule says anything, for a question that is put in two ways.
    pub(crate) fn hear(&self, kind: Kind, input: &Input<'_>) -> Vec<Said> {
        match serde_json::to_value(input) {
            Ok(input) => self.hear_value(kind, input),
            Err(error) => vec![unput(&error)],
        }
    }

    fn hear_value(&self, kind: Kind, input: Value) -> Vec<Said> {
        match self.evaluate(format!("data.cloister.{}.verdict", kind.name()), input) {
            Ok(value) => read(value),
            Err(said) => vec![said],
        }
    }

    /// What packages written for other agents say: `permit` for each `allow` that is `true`, else `forbid`. Empty where the bundle has none.
    pub(crate) fn ask_foreign(&self, input: &Input<'_>) -> Vec<Said> {
        match serde_json::to_value(input) {
            Ok(input) => self.ask_foreign_value(&input),
            Err(error) => vec![unput(&error)],
        }
    }

    /// As [`ask_foreign`](Self::ask_foreign), for an input that a case wrote.
    pub(crate) fn ask_foreign_value(&self, input: &Value) -> Vec<Said> {
        let one = |rule: &String| {
            let name = rule.trim_start_matches("data.").to_owned();
            match self.evaluate(rule.clone(), input.clone()) {
                Ok(Value::Bool(true)) => {
                    let reason = "a policy written for other agents allows it".into();
                    Said {
                        decision: Outcome::Permit,
                        rule: name,
                        reason,
                        ttl_seconds: None,
                        max_uses: None,
                        remember_days: None,
                    }
                }
                Ok(_) => Said::forbid(&name, "a policy written for other agents does not allow it"),
                Err(said) => said,
            }
        };
        self.foreign.iter().map(one).collect()
    }

    /// The lines of each file that a decision on `input` evaluates, beside all that it could.
    pub(crate) fn reached(&self, kind: Option<Kind>, input: &Value) -> Vec<Reached> {
        let rules = match kind {
            Some(kind) => vec![format!("data.cloister.{}.verdict", kind.name())],
            None => self.foreign.clone(),
        };
        let mut engine = self.engine.clone();
        engine.set_enable_coverage(true);
        engine.set_input(input.clone().into());
        for rule in rules {
            // A rule that fails forbids; the lines that it came to count all the same.
            let _ = engine.eval_rule(rule);
        }
        let report = engine.get_coverage_report().unwrap_or_default();
        let files = report.files.into_iter();
        files
            .map(|file| Reached {
                file: file.path,
                reached: file.covered,
                missed: file.not_covered,
            })
            .collect()
    }

    fn evaluate(&self, rule: String, input: Value) -> Result<Value, Said> {
        let mut engine = self.engine.clone();
        engine.set_input(input.into());
        let value = engine
            .eval_rule(rule)
            .map_err(|error| failed(&error.to_string()))?;
        if value == regorus::Value::Undefined {
            return Ok(Value::Null);
        }
        serde_json::to_value(&value).map_err(|error| failed(&error.to_string()))
    }
}

/// `verdict` may be one object or a set of them, or nothing at all.
fn read(value: Value) -> Vec<Said> {
    let members = match value {
        Value::Null => Vec::new(),
        Value::Array(members) => members,
        single => vec![single],
    };
    members.into_iter().map(member).collect()
}

fn member(value: Value) -> Said {
    match serde_json::from_value::<Said>(value) {
        Ok(said) => Said {
            reason: for_people(&said.reason),
            rule: for_people(&said.rule),
            ..said
        },
        Err(error) => Said::forbid(
            "policy.malformed",
            for_people(&format!(
                "a rule answered in a form that is not understood: {error}"
            )),
        ),
    }
}

/// Reasons quote file names: nothing in them may move or hide what is on the screen.
fn for_people(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(LIMITS.reason) {
        if is_deceptive(character) {
            out.extend(character.escape_unicode())
        } else {
            out.push(character)
        }
    }
    out
}

fn unput(error: &serde_json::Error) -> Said {
    Said::forbid(
        "policy.error",
        format!("the request could not be put to the policy: {error}"),
    )
}

fn failed(error: &str) -> Said {
    if error.contains("execution exceeded time limit") {
        let reason = format!(
            "the policy took longer than {} ms to decide",
            LIMITS.evaluation
        );
        return Said::forbid("policy.timeout", reason);
    }
    let line = error
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Said::forbid(
        "policy.error",
        format!("the policy could not decide: {}", shown(line.trim())),
    )
}

/// `rand.intn` comes with regorus whether wanted or not; a policy that throws dice cannot be explained.
fn deterministic(file: &str, text: &str) -> Result<(), PolicyError> {
    let dice = text.lines().any(|line| {
        line.split('#')
            .next()
            .is_some_and(|code| code.contains("rand.intn"))
    });
    if dice {
        return Err(PolicyError::BadFile {
            file: file.into(),
            fault: "uses `rand.intn`".into(),
            hint: "a policy must decide alike every time; remove it",
        });
    }
    Ok(())
}

fn unreadable(file: &str, error: &impl ToString) -> PolicyError {
    let text = error.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let position = lines
        .first()
        .map_or("", |line| line.trim_start_matches("--> "));
    let problem = lines
        .last()
        .map_or("", |line| line.trim_start_matches("error: "));
    PolicyError::BadFile {
        file: file.into(),
        fault: format!("does not load: {} ({})", shown(problem), shown(position)),
        hint: "mend it at that line and column; a file written for OPA before 1.0 is named under `rego_v0` in `bundle.toml`",
    }
}
