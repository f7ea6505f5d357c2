//! One call of a plan as judgement sees it: the tool, its arguments with labels, the files it would touch. Touches nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{PolicyError, shown};
use crate::grants::Op;
use crate::json;
use crate::label::Label;
use crate::limits::LIMITS;
use crate::pattern::normalise;

/// One argument of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// The parameter's name in the signature.
    pub name: String,
    /// The named alias of its type in the WIT (`column`, `file-name`), where it has one. Some aliases are sinks.
    #[serde(default)]
    pub alias: Option<String>,
    /// The value. A file is the name that the person knows.
    pub value: Value,
    /// Where the value came from.
    pub label: Label,
}

/// One file that a call would touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What the call does to it. A move has two resources: where from and where to.
    pub op: Op,
    /// Its absolute path.
    pub path: PathBuf,
    /// The parameter that names it. The argument of that name is a sink.
    pub parameter: String,
}

/// One call of a plan. Not `Clone`: what was judged is what runs.
#[derive(Debug, PartialEq, Serialize)]
pub struct Call {
    id: String,
    tool: String,
    args: Vec<Argument>,
    resources: Vec<Resource>,
    asks_model: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    id: Option<String>,
    tool: String,
    #[serde(default)]
    args: Vec<Argument>,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    asks_model: bool,
}

impl Call {
    /// A call `id` (`$1`) of the function `tool` (`sheet.summarize`). Resource paths lose `.` and doubled `/`.
    ///
    /// # Errors
    /// Where a path is relative or has `..`, where a resource's parameter is not among the arguments, or where a limit is exceeded.
    pub fn new(
        id: String,
        tool: String,
        args: Vec<Argument>,
        resources: Vec<Resource>,
    ) -> Result<Self, PolicyError> {
        count("arguments", args.len(), LIMITS.arguments)?;
        count("files", resources.len(), LIMITS.resources)?;
        let resources = resources
            .into_iter()
            .map(|resource| {
                let Some(path) = normalise(&resource.path) else {
                    return Err(PolicyError::BadPath {
                        path: shown(&resource.path.to_string_lossy()),
                    });
                };
                if args.iter().any(|arg| arg.name == resource.parameter) {
                    Ok(Resource { path, ..resource })
                } else {
                    Err(PolicyError::UnknownKey {
                        place: "a resource of the call".into(),
                        key: shown(&resource.parameter),
                        known: "the names of its arguments".into(),
                    })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            id,
            tool,
            args,
            resources,
            asks_model: false,
        })
    }

    /// The same call of a tool that may ask the model about what it reads.
    #[must_use]
    pub fn asking_model(self) -> Self {
        Self {
            asks_model: true,
            ..self
        }
    }

    /// A call written down as JSON, for `cloister policy explain`: `{"tool", "args": [{"name", "value", "label"}], "resources": [{"op", "path",
    /// "parameter"}], "asks_model"}`. Relative paths are relative to `folder`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and where it is not such JSON.
    pub fn from_json(bytes: &[u8], folder: &Path) -> Result<Self, PolicyError> {
        if bytes.len() > LIMITS.call {
            return Err(PolicyError::TooLarge {
                what: "call".into(),
                got: bytes.len(),
                limit: LIMITS.call,
            });
        }
        let value = json::parse(bytes, "call")?;
        let mut written: Written =
            serde_json::from_value(value).map_err(|error| PolicyError::Json {
                what: "call".into(),
                detail: shown(&error.to_string()),
            })?;
        for resource in &mut written.resources {
            resource.path = folder.join(&resource.path);
        }
        let call = Self::new(
            written.id.unwrap_or_else(|| "$1".into()),
            written.tool,
            written.args,
            written.resources,
        )?;
        Ok(Self {
            asks_model: written.asks_model,
            ..call
        })
    }

    /// The step of the plan: `$1`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The function: `sheet.summarize`.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The arguments, in the signature's order.
    #[must_use]
    pub fn args(&self) -> &[Argument] {
        &self.args
    }

    /// Whether its tool may ask the model about what it reads.
    #[must_use]
    pub const fn asks_model(&self) -> bool {
        self.asks_model
    }

    /// The files it would touch, absolute and without `.` and `..`.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }
}

fn count(of: &'static str, got: usize, limit: usize) -> Result<(), PolicyError> {
    if got > limit {
        Err(PolicyError::TooMany {
            what: "call",
            of,
            got,
            limit,
        })
    } else {
        Ok(())
    }
}
