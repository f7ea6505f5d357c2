//! What an entry can say, one type a kind. Arguments and outputs are committed to, files are digests; the request's text is kept. Pure.

use serde::{Deserialize, Serialize};

use crate::anchor::Anchor;
use crate::canon;
use crate::contents::ContentHash;
use crate::digest::Digest;
use crate::error::AttestError;
use crate::evidence::{Evidence, SessionId, Statement};
use crate::keys::SessionPublic;

/// Stands before the steps in the hash of a plan.
const PLAN_DOMAIN: &[u8] = b"cloister-plan/v1\0";

/// What happened. In JSON: `"kind"` and `"body"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "kebab-case")]
pub enum Body {
    /// A session begins; written by [`crate::Resumed::begin`] alone.
    SessionStart(Box<SessionStart>),
    /// What the person asked for.
    Request(Request),
    /// The plan that the model made.
    Plan(Plan),
    /// What the policy said to one call.
    Decision(Decision),
    /// A call is about to run in the cage.
    CallIntent(CallIntent),
    /// How that call ended.
    CallOutcome(CallOutcome),
    /// What would change, as shown to the person.
    Effects(Effects),
    /// What the person, or the policy in their place, answered.
    Consent(Consent),
    /// The effects are about to be released.
    Release(Release),
    /// They have been released.
    Released(Released),
    /// A thing that waits in quarantine is about to be thrown away.
    Discard(Discard),
    /// The contents of an earlier session are about to be destroyed. Not in entries of versions below 3.
    Shred(Shred),
    /// Something was refused.
    Refusal(Refusal),
    /// The session was broken off.
    Interrupted(Interrupted),
    /// Anything else worth knowing: the protection in force, a model loaded.
    Note(Note),
    /// Earlier sessions that never ended, and what was found of them; written by [`crate::Resumed::begin`] alone.
    Recovery(Recovery),
    /// The TPM's counter was raised and certified; written by [`crate::Ledger::anchor`] alone.
    Anchor(Anchor),
    /// The session's key hands over to the next; written by [`crate::Ledger`] alone.
    Rotate(Rotate),
    /// A session ends; written by [`crate::Ledger::end`] alone.
    SessionEnd(SessionEnd),
}

impl Body {
    /// The kind as written in the entry.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SessionStart(_) => "session-start",
            Self::Request(_) => "request",
            Self::Plan(_) => "plan",
            Self::Decision(_) => "decision",
            Self::CallIntent(_) => "call-intent",
            Self::CallOutcome(_) => "call-outcome",
            Self::Effects(_) => "effects",
            Self::Consent(_) => "consent",
            Self::Release(_) => "release",
            Self::Released(_) => "released",
            Self::Discard(_) => "discard",
            Self::Shred(_) => "shred",
            Self::Refusal(_) => "refusal",
            Self::Interrupted(_) => "interrupted",
            Self::Note(_) => "note",
            Self::Recovery(_) => "recovery",
            Self::Anchor(_) => "anchor",
            Self::Rotate(_) => "rotate",
            Self::SessionEnd(_) => "session-end",
        }
    }

    /// Whether a key that has signed all that one key may signs this as its last.
    pub(crate) const fn ends_epoch(&self) -> bool {
        matches!(self, Self::Rotate(_))
    }

    /// Whether this starts something new, which a session may not do after its `not_after`. Saying how something went is never too late.
    pub(crate) const fn starts_something(&self) -> bool {
        matches!(
            self,
            Self::SessionStart(_)
                | Self::Request(_)
                | Self::Plan(_)
                | Self::Decision(_)
                | Self::CallIntent(_)
                | Self::Consent(_)
                | Self::Release(_)
                | Self::Discard(_)
                | Self::Shred(_)
        )
    }

    /// What it names without saying it, each with what it is of.
    pub fn contents(&self) -> Vec<(String, ContentHash)> {
        match self {
            Self::Plan(plan) => {
                let args = |step: &Step| (format!("args of {}", step.id), step.args);
                plan.steps.iter().map(args).collect()
            }
            Self::CallIntent(call) => vec![(format!("args of {}", call.step), call.args)],
            Self::CallOutcome(call) => {
                let output = |output| (format!("output of {}", call.step), output);
                call.output.map(output).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A session begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionStart {
    /// What the session claims to be.
    pub statement: Statement,
    /// What vouches for the claim.
    pub evidence: Evidence,
    /// Agent name of the manifest.
    pub agent: String,
    /// Version of the manifest.
    pub agent_version: String,
    /// Name of the model in the registry; its digest is in the statement.
    pub model: String,
    /// Account that started the session.
    pub user: String,
    /// What protects the process: `full`, `none`, or `partial` with what is missing.
    pub confinement: String,
    /// The rule that lets this manifest run unattended, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unattended: Option<String>,
}

/// What the person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The prompt, as typed.
    pub intent: String,
}

/// The plan that the model made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Over all of `steps`, and through their commitments over the very arguments; in versions below 3 it was not said over what.
    pub hash: Digest,
    /// Its calls, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of these calls.
    ///
    /// # Errors
    /// [`AttestError::Malformed`], which text alone never gives.
    pub fn of(steps: Vec<Step>) -> Result<Self, AttestError> {
        let hash = Self::hash_of(&steps)?;
        Ok(Self { hash, steps })
    }

    /// Whether its hash is that of its steps.
    pub(crate) fn holds(&self) -> bool {
        Self::hash_of(&self.steps).is_ok_and(|hash| hash == self.hash)
    }

    fn hash_of(steps: &[Step]) -> Result<Digest, AttestError> {
        let steps = canon::write("the plan", &steps)?;
        Ok(Digest::of_parts(&[PLAN_DOMAIN, &steps]))
    }
}

/// One call of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `$1`, `$2`, …
    pub id: String,
    /// `sheet.summarize`
    pub tool: String,
    /// Stands for the arguments' canonical JSON.
    pub args: ContentHash,
    /// The parameters that wait for what documents hold, and stand in no arguments yet. Not in entries of versions below 3, which do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// What the policy said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionKind {
    /// It may run, and what it makes may be released.
    Permit,
    /// It may run, and a person looks before the release.
    Ask,
    /// It may not.
    Forbid,
}

/// What the policy said to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The call.
    pub step: String,
    /// The answer.
    pub decision: DecisionKind,
    /// The rule that gave it.
    pub rule: String,
    /// Why, for a person.
    pub reason: String,
}

/// A path and what a call does to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// `read`, `write`, `move` or `delete`.
    pub op: String,
    /// The path.
    pub path: String,
    /// Digest of the bytes before the call, when there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// A call is about to run in the cage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallIntent {
    /// The call.
    pub step: String,
    /// The tool and function.
    pub tool: String,
    /// Digest of the component that will run.
    pub component: Digest,
    /// Stands for the arguments' canonical JSON.
    pub args: ContentHash,
    /// What it is handed.
    pub resources: Vec<Resource>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallOutcome {
    /// The call.
    pub step: String,
    /// `returned`, `failed`, `trapped`, `out of fuel`, …
    pub outcome: String,
    /// Stands for how it ended and what it gave back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<ContentHash>,
    /// What it read, as it was then, by path; empty for nothing. Absent in entries of version 1, which do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<FileState>>,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// A new file.
    Create,
    /// New bytes under an old name.
    Replace,
    /// A new name for the same bytes.
    Move,
    /// The file goes.
    Delete,
}

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What happens.
    pub op: ChangeOp,
    /// To which path.
    pub path: String,
    /// Where to, for a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Digest before, when there was a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// Digest after, when there will be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// The hash of an `effects` entry with this change alone: it covers all that is shown of it, also what is not named here.
    pub terms: Digest,
}

/// What would change, as shown to the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// The hash the answer is bound to.
    pub hash: Digest,
    /// Each change.
    pub changes: Vec<Change>,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentBy {
    /// A person at the terminal.
    Person,
    /// The policy's rule for unattended sessions, or for effects that need no question.
    Policy,
    /// There was nobody to ask.
    Nobody,
    /// A person, in an earlier session, for this and what is like it; `rule` names that answer. Not in entries of version 1.
    Remembered,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentAnswer {
    /// Yes.
    Allow,
    /// No.
    Decline,
    /// Nobody was asked, which is no.
    Unasked,
}

/// What the person, or the policy in their place, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Hash of the effects that were shown.
    pub effects: Digest,
    /// Who answered.
    pub by: ConsentBy,
    /// What.
    pub answer: ConsentAnswer,
    /// The rule, when a policy answered; the earlier answer, when one was remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The effects are about to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Hash of the effects, as consented to.
    pub effects: Digest,
}

/// A file as it was at that moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileState {
    /// Its path.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub bytes: u64,
}

/// The effects have been released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// Hash of the effects.
    pub effects: Digest,
    /// What now stands where.
    pub files: Vec<FileState>,
}

/// A thing that waits in quarantine is about to be thrown away. What was released stays as it is; nothing else is said by this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discard {
    /// Its name in quarantine.
    pub id: String,
    /// The change that will not be made, as an earlier `effects` entry has it; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// The contents of an earlier session are about to be destroyed: arguments and outputs, with their salts. What the ledger says of them still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shred {
    /// Whose.
    pub session: SessionId,
}

/// Something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// A capability, a call, a release.
    pub what: String,
    /// The rule that refused it.
    pub rule: String,
    /// Why, for a person.
    pub reason: String,
}

/// The session was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interrupted {
    /// What was being done.
    pub stage: String,
    /// A signal, a lost TPM, …
    pub reason: String,
}

/// Anything else worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What it is about, a word.
    pub about: String,
    /// The text.
    pub text: String,
}

/// A session that never ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unended {
    /// Which.
    pub session: SessionId,
    /// Number of its last entry.
    pub last: u64,
    /// Numbers of its `call-intent` and `release` entries whose outcome is unknown.
    pub open: Vec<u64>,
}

/// A torn last line that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Torn {
    /// Name of the file in the ledger folder that holds it.
    pub file: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub bytes: u64,
}

/// Earlier sessions that never ended, and what was found of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Every session since the last recovery that has no end.
    pub unended: Vec<Unended>,
    /// Every torn line put aside since the last recovery.
    pub torn: Vec<Torn>,
}

/// The session's key hands over: it signs this as its last, and is wiped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Number of the epoch that begins with the next entry, from 1.
    pub epoch: u64,
    /// The key that signs from then on.
    pub next: SessionPublic,
}

/// A session ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// `done`, `refused`, `failed`, …
    pub outcome: String,
    /// Entries of this session before this one.
    pub entries: u64,
}
