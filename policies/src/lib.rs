//! Pure judgement: a manifest, a bundle of Rego and a call come in; grants and decisions go out. No clock, no file, no `async`: bytes and the time are passed in.
//!
//! Whatever goes wrong in here forbids: an error, a timeout, an undefined result, a conflict, an answer of the wrong shape.
//! Rego can only narrow what the manifest asked for and what the person may grant: the ceiling (paths, tools, time, reserved
//! folders) is held by [`Grants`] in Rust, whatever a rule says.

mod bundle;
mod call;
mod cases;
mod ceiling;
mod compare;
mod decision;
mod error;
mod explain;
mod grants;
mod json;
mod judge;
mod label;
mod limits;
mod manifest;
mod negotiate;
mod pattern;
mod plan;
mod redaction;
mod rego;
mod request;
mod session;
mod shipped;
mod verdict;

pub use bundle::{Bundle, PolicyFiles, Replacing};
pub use call::{Argument, Call, Resource};
pub use cases::{CaseResult, Coverage};
pub use ceiling::Ceiling;
pub use compare::{Flip, PastCall, Ruling};
pub use decision::{Answer, Decision, Permit, Question, Refusal, ReleaseTerms, Rule};
pub use error::PolicyError;
pub use explain::{Explanation, Finding};
pub use grants::{Grants, MODEL, Negotiated, Op, grantable};
pub use label::{Integrity, Label};
pub use limits::{LIMITS, Limits};
pub use manifest::{Capability, MANIFEST_SCHEMA, Manifest, Scope};
pub use pattern::{Pattern, normalise};
pub use plan::{Frozen, Plan};
pub use redaction::{Own, Redaction, taken_out};
pub use request::{GrantsView, Input, Kind, ManifestView, Request, ResourceView, SessionView};
pub use session::{AttestationKind, Confinement, Mode, Session, UnixMillis};
pub use shipped::{shipped, shipped_for_agents};
