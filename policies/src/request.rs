//! The one input document that every rule sees, as a type. Its field names are the contract with people who write Rego; see the crate's README.
//! Touches nothing.

use serde::Serialize;
use serde_json::Value;

use crate::call::{Argument, Call};
use crate::grants::{Grants, Op};
use crate::session::{AttestationKind, Confinement, Mode, Session, UnixMillis};

/// What is being decided. Its name is also the package that decides: `data.cloister.call.verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One thing that a manifest asks for.
    Negotiate,
    /// One call of a plan.
    Call,
    /// Whether the manifest may run with nobody to ask.
    Unattended,
    /// Whether a session may run with this attestation.
    Attestation,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Negotiate,
        Self::Call,
        Self::Unattended,
        Self::Attestation,
    ];

    /// As in `input.request.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "negotiate",
            Self::Call => "call",
            Self::Unattended => "unattended",
            Self::Attestation => "attestation",
        }
    }
}

/// The document `input`. Absent parts are not there at all, so a rule that needs one is undefined.
#[derive(Clone, Debug, Serialize)]
pub struct Input<'a> {
    /// What is being decided.
    pub request: Request<'a>,
    /// The call, for `call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallView<'a>>,
    /// Who asks.
    pub manifest: &'a ManifestView,
    /// What was negotiated, for `call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<GrantsView<'a>>,
    /// The session, for `call` and `negotiate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView<'a>>,
    /// Milliseconds since 1970, for `call` and `negotiate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<UnixMillis>,
}

/// `input.request`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Request<'a> {
    /// One thing that a manifest asks for: a path, host, tool or model of one capability, or the time.
    Negotiate {
        /// `file:read` and so on; `ttl` for the time.
        capability: &'a str,
        /// Whether this product knows the capability.
        known: bool,
        /// The absolute pattern, the host, the tool or the model.
        #[serde(skip_serializing_if = "Option::is_none")]
        item: Option<&'a str>,
        /// For a path: the folder before the first wildcard.
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<&'a str>,
        /// For the time: seconds. For a path or tool, where its capability says how long.
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl_seconds: Option<u64>,
        /// For a path or tool: how many calls, where its capability says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_uses: Option<u64>,
    },
    /// One call of a plan.
    Call,
    /// May this manifest run with nobody to ask?
    Unattended,
    /// May a session of this manifest run with this attestation?
    Attestation {
        /// `none`, `tpm2-software` or `tpm2-hardware`.
        attestation: AttestationKind,
    },
    /// For policies written for other agents: one host of a `network:outbound`.
    Network {
        /// The host.
        host: &'a str,
    },
}

impl Request<'_> {
    /// What is being decided; nothing for the query of foreign policies.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Negotiate { .. } => Some(Kind::Negotiate),
            Self::Call => Some(Kind::Call),
            Self::Unattended => Some(Kind::Unattended),
            Self::Attestation { .. } => Some(Kind::Attestation),
            Self::Network { .. } => None,
        }
    }
}

/// `input.manifest`: the manifest as it was written, paths made absolute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ManifestView {
    /// The agent's name.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// `[{name, paths | hosts | tools | models, description}]`.
    pub capabilities: Vec<Value>,
}

/// `input.call`.
#[derive(Clone, Debug, Serialize)]
pub struct CallView<'a> {
    /// `$1`.
    pub id: &'a str,
    /// `sheet.summarize`.
    pub tool: &'a str,
    /// Whether the grants let this tool be used.
    pub tool_granted: bool,
    /// `[{name, alias, value, label: {integrity, sources}}]`.
    pub args: &'a [Argument],
    /// The files it would touch.
    pub resources: Vec<ResourceView<'a>>,
    /// Whether the tool may ask the model about what it reads. What the model answers is data, as what was read.
    pub asks_model: bool,
}

/// One of `input.call.resources`.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceView<'a> {
    /// `read`, `write`, `move` or `delete`.
    pub op: Op,
    /// The absolute path.
    pub path: &'a str,
    /// The parameter that names it.
    pub parameter: &'a str,
    /// Whether the grants cover `op` on `path`; computed in Rust, so that no rule re-implements globs.
    pub granted: bool,
}

/// `input.grants`.
#[derive(Clone, Debug, Serialize)]
pub struct GrantsView<'a> {
    /// Patterns, by operation.
    pub read: Vec<&'a str>,
    /// Patterns.
    pub write: Vec<&'a str>,
    /// Patterns.
    #[serde(rename = "move")]
    pub moving: Vec<&'a str>,
    /// Patterns.
    pub delete: Vec<&'a str>,
    /// When they end, milliseconds since 1970.
    pub until: UnixMillis,
    /// Whether they have ended.
    pub expired: bool,
}

/// `input.session`.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView<'a> {
    /// `none`, `tpm2-software` or `tpm2-hardware`.
    pub attestation: AttestationKind,
    /// `{level: "full" | "partial" | "none", missing: […]}`.
    pub confinement: &'a Confinement,
    /// Whether nobody can be asked.
    pub unattended: bool,
    /// The person's login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    pub(crate) fn of(session: &'a Session) -> Self {
        let Session {
            attestation,
            confinement,
            mode,
            person,
            reserved: _,
            device: _,
        } = session;
        Self {
            attestation: *attestation,
            confinement,
            unattended: *mode == Mode::Unattended,
            person: person.as_deref(),
        }
    }
}

impl<'a> GrantsView<'a> {
    pub(crate) fn of(grants: &'a Grants, now: UnixMillis) -> Self {
        let list = |op| {
            grants
                .patterns(op)
                .map(crate::pattern::Pattern::text)
                .collect()
        };
        Self {
            read: list(Op::Read),
            write: list(Op::Write),
            moving: list(Op::Move),
            delete: list(Op::Delete),
            until: grants.until(),
            expired: grants.expired(now),
        }
    }
}

impl<'a> CallView<'a> {
    /// Nothing where a path is not UTF-8: rules could not see it as it is.
    pub(crate) fn of(call: &'a Call, grants: &Grants) -> Option<Self> {
        let resources = call.resources().iter().map(|resource| {
            let path = resource.path.to_str()?;
            let granted = grants.covers(resource.op, &resource.path);
            Some(ResourceView {
                op: resource.op,
                path,
                parameter: &resource.parameter,
                granted,
            })
        });
        Some(Self {
            id: call.id(),
            tool: call.tool(),
            tool_granted: grants.allows_tool(call.tool()),
            args: call.args(),
            resources: resources.collect::<Option<Vec<_>>>()?,
            asks_model: call.asks_model(),
        })
    }
}
