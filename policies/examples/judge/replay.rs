//! A replayed session: calls are judged by the shipped rules and admitted by the frozen plan, as the agent's own are. Touches nothing.
//!
//! Each call is judged first as if nobody were there, for an agent that the settings let run alone. Where that forbids it, it is judged again with
//! a person there: so a question is put only about what a document, and not the person, chose.

use std::error::Error;
use std::path::Path;

use cloister_policies::{
    Argument, AttestationKind, Bundle, Call, Ceiling, Confinement, Decision, Frozen, Grants, Label,
    Manifest, Mode, Plan, Refusal, Resource, Session, UnixMillis, shipped_for_agents,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the replayed agent was granted: to change what lies in its accounts. Reading them takes no grant here, since no file is named.
const MANIFEST: &str = r#"{"agent": "replayed", "version": "1", "capabilities": [
    {"name": "file:write", "paths": ["/accounts"]}, {"name": "file:delete", "paths": ["/accounts"]}]}"#;
const NOW: UnixMillis = UnixMillis(1_000_000);

/// One line of the program's input.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    /// A session begins: what defends it, and its plan.
    Begin(Begin),
    /// A call is wanted.
    Call(Wanted),
}

/// How a session begins.
#[derive(Deserialize)]
pub(crate) struct Begin {
    pub(crate) labels: Defence,
    pub(crate) plan: Defence,
    pub(crate) steps: Vec<Frozen>,
}

/// Whether a defence is there.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Defence {
    On,
    Off,
}

/// A call that somebody wants, whoever that is.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    tool: String,
    args: Vec<Given>,
    resources: Vec<Resource>,
}

/// An argument, with the label of each part that its value was made from.
#[derive(Deserialize)]
struct Given {
    name: String,
    #[serde(default)]
    alias: Option<String>,
    value: Value,
    labels: Vec<Label>,
}

/// What was decided, by which rule, and why.
#[derive(Serialize)]
pub(crate) struct Ruling {
    pub(crate) decision: &'static str,
    pub(crate) rule: String,
    pub(crate) reason: String,
}

/// The shipped policy, and the session before it.
pub(crate) struct Court {
    bundle: Bundle,
    grants: Grants,
    labels: Defence,
    plan: Option<Plan>,
}

impl Court {
    /// Loads the shipped policy, whose cases run, with more `aliases` of sinks in its settings.
    pub(crate) fn sit(aliases: &[String]) -> Result<Self, Box<dyn Error>> {
        let mut files = shipped_for_agents(&["replayed"]);
        let text = files
            .get("settings.json")
            .ok_or("the bundle has no settings")?;
        let mut settings: Value = serde_json::from_slice(text)?;
        settings
            .pointer_mut("/call/sink_aliases")
            .and_then(Value::as_array_mut)
            .ok_or("the settings name no sinks")?
            .extend(aliases.iter().map(|alias| json!(alias)));
        files.insert("settings.json".into(), serde_json::to_vec(&settings)?);
        let bundle = Bundle::load(&files)?;
        let manifest = Manifest::parse(MANIFEST.as_bytes(), Path::new("/"))?;
        let grants = bundle
            .negotiate(&manifest, &session(Mode::Attended), NOW)
            .grants;
        let (labels, plan) = (Defence::On, Some(Plan::default()));
        Ok(Self {
            bundle,
            grants,
            labels,
            plan,
        })
    }

    /// Takes one line.
    pub(crate) fn hear(&mut self, line: Line) -> Result<Ruling, Box<dyn Error>> {
        match line {
            Line::Call(wanted) => self.judge(&wanted),
            Line::Begin(begin) => {
                self.labels = begin.labels;
                self.plan = match begin.plan {
                    Defence::On => Some(Plan::freeze(begin.steps)),
                    Defence::Off => None,
                };
                Ok(Ruling {
                    decision: "permit",
                    rule: "begin".into(),
                    reason: String::new(),
                })
            }
        }
    }

    fn judge(&mut self, wanted: &Wanted) -> Result<Ruling, Box<dyn Error>> {
        let mut decision = self.decide(wanted, Mode::Unattended)?;
        if matches!(decision, Decision::Forbid(_)) {
            decision = self.decide(wanted, Mode::Attended)?;
        }
        let ruling = Ruling {
            decision: decision.name(),
            rule: decision.rule().to_owned(),
            reason: decision.reason().to_owned(),
        };
        let permit = match decision {
            Decision::Permit(permit) => permit,
            Decision::Ask(question) => question.into_permit(),
            Decision::Forbid(_) => return Ok(ruling),
        };
        let admitted = match &mut self.plan {
            Some(plan) => plan.admit(permit).map(drop),
            None => Ok(()),
        };
        Ok(admitted.map_or_else(forbidden, |()| ruling))
    }

    fn decide(&self, wanted: &Wanted, mode: Mode) -> Result<Decision, Box<dyn Error>> {
        let args = wanted.args.iter().map(|given| self.argument(given));
        let (args, resources) = (args.collect(), wanted.resources.clone());
        let call = Call::new("$1".into(), wanted.tool.clone(), args, resources)?;
        Ok(self.bundle.judge(call, &self.grants, &session(mode), NOW))
    }

    /// The argument with the join of its labels. Without the defence, everything counts as the person's word.
    fn argument(&self, given: &Given) -> Argument {
        let label = match self.labels {
            Defence::On => given.labels.iter().fold(Label::person(), Label::join),
            Defence::Off => Label::person(),
        };
        Argument {
            name: given.name.clone(),
            alias: given.alias.clone(),
            value: given.value.clone(),
            label,
        }
    }
}

fn forbidden(refusal: Refusal) -> Ruling {
    Ruling {
        decision: "forbid",
        rule: refusal.rule,
        reason: refusal.reason,
    }
}

fn session(mode: Mode) -> Session {
    Session {
        attestation: AttestationKind::None,
        confinement: Confinement::Full,
        mode,
        person: None,
        reserved: Vec::new(),
        device: Ceiling::NONE,
    }
}
