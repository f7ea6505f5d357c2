//! What each step of a session says in the ledger: bodies made from what the stages hand on. Arguments and outputs are commitments, made before; the request is text.

use std::collections::BTreeSet;

use cloister_attest::{
    Body, CallIntent, CallOutcome, Change, ChangeOp, Commitment, Consent as ConsentBody,
    ConsentAnswer, ConsentBy, Decision as DecisionBody, DecisionKind, Digest, Discard,
    Effects as EffectsBody, FileState, Interrupted, Note, Plan, Refusal as RefusalBody,
    Release as ReleaseBody, Released as ReleasedBody, Request, Resource, SessionId, Shred, Step,
};
use cloister_policies::{Call, Decision, Permit, Refusal};
use cloister_tools::Change as Op;
use cloister_tools::{Consent, Consenter, Effect, Effects, Reading, Released};
use serde_json::{Map, Value};

use crate::consent;
use crate::failure::Failure;
use crate::report::StepReport;

pub(crate) fn request(intent: &str) -> Body {
    Body::Request(Request {
        intent: intent.to_owned(),
    })
}

/// The plan as it was frozen, before any document was opened, with what binds to the arguments of each step.
pub(crate) fn plan(steps: &[StepReport], args: Vec<Commitment>) -> Result<Plan, Failure> {
    let step = |(s, args): (&StepReport, Commitment)| Step {
        id: s.id.clone(),
        tool: s.tool.clone(),
        args: args.into(),
        open: s.open.clone(),
    };
    Ok(Plan::of(steps.iter().zip(args).map(step).collect())?)
}

pub(crate) fn decision(step: &str, decision: &Decision) -> Body {
    let kind = match decision {
        Decision::Permit(_) => DecisionKind::Permit,
        Decision::Ask(_) => DecisionKind::Ask,
        Decision::Forbid(_) => DecisionKind::Forbid,
    };
    Body::Decision(DecisionBody {
        step: step.to_owned(),
        decision: kind,
        rule: decision.rule().to_owned(),
        reason: decision.reason().to_owned(),
    })
}

/// What is about to run, on what.
pub(crate) fn intent(permit: &Permit, component: Digest, args: Commitment) -> Body {
    let call = permit.call();
    let resource = |r: &cloister_policies::Resource| Resource {
        op: r.op.name().to_owned(),
        path: r.path.to_string_lossy().into_owned(),
        sha256: None,
    };
    Body::CallIntent(CallIntent {
        step: call.id().to_owned(),
        tool: call.tool().to_owned(),
        component,
        args: args.into(),
        resources: call.resources().iter().map(resource).collect(),
    })
}

/// How a call ended and which bytes it saw. A file that it read twice alike is named once.
pub(crate) fn outcome(
    step: &str,
    ended: &str,
    output: Option<Commitment>,
    readings: &[Reading],
) -> Body {
    let state = |r: &Reading| FileState {
        path: r.path.to_string_lossy().into_owned(),
        sha256: r.sha256,
        bytes: r.bytes,
    };
    let read: BTreeSet<FileState> = readings.iter().map(state).collect();
    Body::CallOutcome(CallOutcome {
        step: step.to_owned(),
        outcome: ended.to_owned(),
        output: output.map(Into::into),
        read: Some(read.into_iter().collect()),
    })
}

pub(crate) fn effects(effects: &Effects) -> Body {
    Body::Effects(EffectsBody {
        hash: effects.hash(),
        changes: effects.list().iter().map(change).collect(),
    })
}

pub(crate) fn change(effect: &Effect) -> Change {
    let text = |p: &std::path::Path| p.to_string_lossy().into_owned();
    let (digest, terms) = (Some(effect.digest()), effect.hash());
    let (op, path, to, before) = match effect.change() {
        Op::Create { path } => (ChangeOp::Create, path, None, None),
        Op::Replace { path, before } => (ChangeOp::Replace, path, None, Some(*before)),
        Op::Move { from, to } => (ChangeOp::Move, from, Some(text(to)), digest),
        Op::Delete { path } => (ChangeOp::Delete, path, None, digest),
    };
    let after = digest.filter(|_| op != ChangeOp::Delete);
    Change {
        op,
        path: text(path),
        to,
        before,
        after,
        terms,
    }
}

pub(crate) fn consent(consent: &Consent) -> Body {
    let (by, rule) = match &consent.by {
        Consenter::Person => (ConsentBy::Person, None),
        Consenter::Policy { rule } => (ConsentBy::Policy, Some(rule.clone())),
        Consenter::Remembered { id } => (ConsentBy::Remembered, Some(id.clone())),
        Consenter::Nobody => (ConsentBy::Nobody, None),
    };
    let answer = match consent::word(consent.answer) {
        "allow" => ConsentAnswer::Allow,
        "decline" => ConsentAnswer::Decline,
        _ => ConsentAnswer::Unasked,
    };
    Body::Consent(ConsentBody {
        effects: consent.effects_hash,
        by,
        answer,
        rule,
    })
}

pub(crate) fn release(effects: Digest) -> Body {
    Body::Release(ReleaseBody { effects })
}

pub(crate) fn released(effects: Digest, files: &[Released]) -> Body {
    let state = |r: &Released| FileState {
        path: r.path.to_string_lossy().into_owned(),
        sha256: r.sha256,
        bytes: r.bytes,
    };
    Body::Released(ReleasedBody {
        effects,
        files: files.iter().map(state).collect(),
    })
}

/// What is about to be thrown away; `change` only where the ledger says that it was made.
pub(crate) fn discard(id: &str, change: Option<Change>) -> Body {
    Body::Discard(Discard {
        id: id.to_owned(),
        change,
    })
}

/// The contents of a session are about to be destroyed.
pub(crate) fn shred(session: SessionId) -> Body {
    Body::Shred(Shred { session })
}

pub(crate) fn refusal(refusal: &Refusal) -> Body {
    Body::Refusal(RefusalBody {
        what: refusal.what.clone(),
        rule: refusal.rule.clone(),
        reason: refusal.reason.clone(),
    })
}

pub(crate) fn interrupted(stage: &str, reason: &str) -> Body {
    Body::Interrupted(Interrupted {
        stage: stage.to_owned(),
        reason: reason.to_owned(),
    })
}

pub(crate) fn note(about: &str, text: &str) -> Body {
    Body::Note(Note {
        about: about.to_owned(),
        text: text.to_owned(),
    })
}

/// Arguments as they are committed to: canonical JSON, which writes finite numbers and text alone and so cannot fail on them.
pub(crate) fn args(args: &Map<String, Value>) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(args).unwrap_or_default()
}

pub(crate) fn call_args(call: &Call) -> Vec<u8> {
    let each = call.args().iter();
    args(&each.map(|a| (a.name.clone(), a.value.clone())).collect())
}
