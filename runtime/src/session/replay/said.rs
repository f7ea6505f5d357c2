//! What of an entry must come out the same: everything but where the folder lies, what a file was called before it changed, and who agreed.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use cloister_attest::{Body, ContentHash, DecisionKind, Digest, Step};

use crate::contents::Plain;
use crate::counted::counted_in;
use crate::session::ASKED;

/// The part of an entry that a replay repeats. Contents are told apart by their digests, since the same one never has the same salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Request(String),
    Plan(Vec<Planned>),
    Decision {
        step: String,
        kind: DecisionKind,
        rule: String,
    },
    Call {
        step: String,
        tool: String,
        component: Digest,
        args: Option<Digest>,
    },
    Outcome {
        step: String,
        ended: String,
        output: Option<Digest>,
        read: BTreeSet<(Digest, u64)>,
    },
    /// What a tool asked the model, and what it answered.
    Asked(String),
    /// The name of each file that would change, and what it would hold.
    Effects(BTreeSet<(String, Option<Digest>)>),
}

/// One call of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    step: String,
    tool: String,
    args: Option<Digest>,
    open: Vec<String>,
}

impl Planned {
    fn of(step: &Step, plain: &Plain) -> Planned {
        Planned {
            step: step.id.clone(),
            tool: step.tool.clone(),
            args: digest(step.args, plain),
            open: step.open.clone(),
        }
    }
}

/// Of the bytes that an entry commits to, which were opened for it.
fn digest(hash: ContentHash, plain: &Plain) -> Option<Digest> {
    match hash {
        ContentHash::Plain(digest) => Some(digest),
        ContentHash::Salted(commitment) => plain.get(&commitment).copied(),
    }
}

impl Said {
    /// Nothing for entries that are about the session itself, or come after its effects. `plain` has every content that the body commits to.
    pub(super) fn of(body: &Body, plain: &Plain) -> Option<Said> {
        Some(match body {
            Body::Request(request) => Said::Request(request.intent.clone()),
            Body::Plan(plan) => {
                let steps = plan.steps.iter();
                Said::Plan(steps.map(|step| Planned::of(step, plain)).collect())
            }
            Body::Decision(decision) => Said::Decision {
                step: decision.step.clone(),
                kind: decision.decision,
                rule: decision.rule.clone(),
            },
            Body::CallIntent(call) => Said::Call {
                step: call.step.clone(),
                tool: call.tool.clone(),
                component: call.component,
                args: digest(call.args, plain),
            },
            Body::CallOutcome(outcome) => Said::Outcome {
                step: outcome.step.clone(),
                ended: outcome.outcome.clone(),
                output: outcome.output.and_then(|output| digest(output, plain)),
                read: outcome
                    .read
                    .iter()
                    .flatten()
                    .map(|file| (file.sha256, file.bytes))
                    .collect(),
            },
            Body::Effects(effects) => Said::Effects(
                effects
                    .changes
                    .iter()
                    .map(|change| {
                        (
                            name(change.to.as_ref().unwrap_or(&change.path)),
                            change.after,
                        )
                    })
                    .collect(),
            ),
            Body::Note(note) if note.about == ASKED => Said::Asked(note.text.clone()),
            _ => return None,
        })
    }

    /// In what another differs from it.
    pub(super) fn unlike(&self, other: &Said) -> String {
        match (self, other) {
            (Said::Outcome { step, read, .. }, Said::Outcome { read: now, .. }) if read != now => {
                format!("call {step} read other bytes")
            }
            (Said::Outcome { step, ended, .. }, Said::Outcome { ended: now, .. })
                if ended != now =>
            {
                format!("call {step} ended as `{now}` and not as `{ended}`")
            }
            (Said::Plan(then), Said::Plan(now)) => {
                let differs = then.iter().zip(now).find(|(then, now)| then != now);
                match differs {
                    Some((then, _)) => format!("another call than {} was planned", then.step),
                    None => format!("{other} instead of {self}"),
                }
            }
            (Said::Call { step, .. }, Said::Call { .. }) => {
                format!("another call than {step}, or with other arguments")
            }
            (Said::Outcome { step, .. }, Said::Outcome { .. }) => {
                format!("call {step} gave back something else")
            }
            (Said::Effects(then), Said::Effects(now)) => {
                let names: Vec<&str> = then
                    .symmetric_difference(now)
                    .map(|(name, _)| name.as_str())
                    .collect();
                format!("other bytes for {}", names.join(", "))
            }
            _ => format!("{other} instead of {self}"),
        }
    }
}

fn name(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or(path.to_owned(), |name| name.to_string_lossy().into_owned())
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Request(_) => write!(f, "a request"),
            Said::Plan(steps) => write!(f, "a plan of {}", counted_in(steps, "call")),
            Said::Decision { step, kind, rule } => {
                write!(f, "the decision `{kind:?}` about {step} by `{rule}`")
            }
            Said::Call { step, tool, .. } => write!(f, "call {step} of `{tool}`"),
            Said::Outcome { step, .. } => write!(f, "the outcome of call {step}"),
            Said::Asked(asked) => write!(f, "the model asked {asked}"),
            Said::Effects(changes) => write!(f, "effects on {} files", changes.len()),
        }
    }
}
