//! The manifest: what an agent's author asks for. Parsed once, here; afterwards every path is absolute and every text can be shown. Touches nothing.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use serde_json::{Map, Value, json};

use crate::error::{PolicyError, is_deceptive, shown};
use crate::grants::{MODEL, NamePattern, Op, TOOL};
use crate::json;
use crate::limits::LIMITS;
use crate::pattern::{Pattern, normalise};
use crate::request::ManifestView;

/// The JSON Schema of a manifest, as `cloister policy schema` prints it.
pub const MANIFEST_SCHEMA: &str = include_str!("../manifest.schema.json");

/// The keys of a manifest; `manifest.schema.json` has the same.
const KEYS: [&str; 4] = ["agent", "version", "capabilities", "ttl_seconds"];
/// The keys of a capability.
const CAPABILITY_KEYS: [&str; 8] = [
    "name",
    "description",
    "paths",
    "hosts",
    "tools",
    "models",
    "max_uses",
    "ttl_seconds",
];
/// Of those, the ones that bound it; a model is asked once a session, so there is nothing to count.
const BOUNDS: [&str; 2] = ["max_uses", "ttl_seconds"];
/// Of those, the ones that hold what is asked for; a capability has the one that its name goes with.
const LISTS: [&str; 4] = ["paths", "hosts", "tools", "models"];

/// What an agent's author asks for.
#[derive(Clone, Debug)]
pub struct Manifest {
    agent: String,
    version: String,
    capabilities: Vec<Capability>,
    ttl: u64,
    folder: PathBuf,
}

/// One thing asked for.
#[derive(Clone, Debug)]
pub struct Capability {
    name: String,
    description: Option<String>,
    scope: Scope,
    bounds: Bounds,
}

/// What a capability asks for at most, where it says so: by itself, and for all that it lists together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that use it.
    pub max_uses: Option<u64>,
    /// Seconds from the session's begin.
    pub ttl_seconds: Option<u64>,
}

/// What a capability reaches.
#[derive(Clone, Debug)]
pub enum Scope {
    /// `file:…`: what is done to which paths.
    Paths(Op, Vec<Pattern>),
    /// `network:outbound`: host names. Never granted by this product; kept so that the refusal can name them.
    Hosts(Vec<String>),
    /// `tool:use`: packages or functions.
    Tools(Vec<String>),
    /// `model:use`: names in the registry.
    Models(Vec<String>),
    /// A capability that this product does not know, with what it asks for.
    Unknown(Vec<String>),
}

impl Capability {
    /// `file:read` and so on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it is needed, in the author's words.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What it reaches.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How often and how long it is asked for.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }
}

impl Manifest {
    /// Reads a manifest that lies in `folder`, an absolute path; relative paths in it are relative to that.
    ///
    /// # Errors
    /// Unknown or duplicate keys, wrong types, `..`, control characters, anything over a limit: see [`PolicyError`], each with a hint.
    pub fn parse(bytes: &[u8], folder: &Path) -> Result<Self, PolicyError> {
        if bytes.len() > LIMITS.manifest {
            return Err(PolicyError::TooLarge {
                what: "manifest".into(),
                got: bytes.len(),
                limit: LIMITS.manifest,
            });
        }
        let folder = normalise(folder).ok_or_else(|| PolicyError::BadPath {
            path: shown(&folder.to_string_lossy()),
        })?;
        let value = json::parse(bytes, "manifest")?;
        let object = Object::new("the manifest", &value, &KEYS)?;
        let agent = object.text("agent", LIMITS.name)?;
        let version = object.text("version", LIMITS.name)?;
        let ttl = object.number("ttl_seconds", LIMITS.ttl)?;
        let ttl = ttl.unwrap_or(LIMITS.default_ttl);
        let written = object.list("capabilities")?;
        limit("capabilities", written.len(), LIMITS.capabilities)?;
        let capabilities = written
            .iter()
            .enumerate()
            .map(|(index, value)| capability(value, index, &folder))
            .collect::<Result<Vec<_>, _>>()?;
        limit(
            "paths, hosts, tools and models",
            capabilities.iter().map(Capability::items).sum(),
            LIMITS.items,
        )?;
        Ok(Self {
            agent,
            version,
            capabilities,
            ttl,
            folder,
        })
    }

    /// The agent's name.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Its version, as written.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it asks for, in the order written.
    #[must_use]
    pub fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    /// How long it asks for it, seconds.
    #[must_use]
    pub const fn ttl(&self) -> u64 {
        self.ttl
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// As rules see it.
    #[must_use]
    pub fn view(&self) -> ManifestView {
        let capabilities = self.capabilities.iter().map(Capability::view).collect();
        ManifestView {
            agent: self.agent.clone(),
            version: self.version.clone(),
            capabilities,
        }
    }
}

impl Capability {
    fn items(&self) -> usize {
        match &self.scope {
            Scope::Paths(_, patterns) => patterns.len(),
            Scope::Hosts(names)
            | Scope::Tools(names)
            | Scope::Models(names)
            | Scope::Unknown(names) => names.len(),
        }
    }

    fn view(&self) -> Value {
        let mut view = Map::new();
        view.insert("name".into(), json!(self.name));
        if let Some(description) = &self.description {
            view.insert("description".into(), json!(description));
        }
        let (key, items) = match &self.scope {
            Scope::Paths(_, patterns) => (
                "paths",
                patterns
                    .iter()
                    .map(|pattern| json!(pattern.text()))
                    .collect(),
            ),
            Scope::Hosts(names) => ("hosts", names.iter().map(|name| json!(name)).collect()),
            Scope::Tools(names) => ("tools", names.iter().map(|name| json!(name)).collect()),
            Scope::Models(names) => ("models", names.iter().map(|name| json!(name)).collect()),
            Scope::Unknown(names) => ("items", names.iter().map(|name| json!(name)).collect()),
        };
        view.insert(key.into(), Value::Array(items));
        let Bounds {
            max_uses,
            ttl_seconds,
        } = self.bounds;
        let bounds = BOUNDS.into_iter().zip([max_uses, ttl_seconds]);
        view.extend(bounds.filter_map(|(key, bound)| Some((key.to_owned(), json!(bound?)))));
        Value::Object(view)
    }
}

fn capability(value: &Value, index: usize, folder: &Path) -> Result<Capability, PolicyError> {
    let object = Object::new(&format!("`capabilities[{index}]`"), value, &CAPABILITY_KEYS)?;
    let name = object.text("name", LIMITS.name)?;
    let description = match object.get("description") {
        Some(_) => Some(object.text("description", LIMITS.text)?),
        None => None,
    };
    let paths = |op| {
        let patterns = object.texts("paths")?;
        let patterns = patterns
            .iter()
            .map(|text| Pattern::parse(text, folder))
            .collect::<Result<_, _>>()?;
        Ok(Scope::Paths(op, patterns))
    };
    let op = Op::ALL.into_iter().find(|op| op.capability() == name);
    let (list, scope) = match (name.as_str(), op) {
        (_, Some(op)) => (Some("paths"), paths(op)?),
        ("network:outbound", _) => (Some("hosts"), Scope::Hosts(object.texts("hosts")?)),
        (TOOL, _) => (Some("tools"), Scope::Tools(object.names("tools")?)),
        (MODEL, _) => (Some("models"), Scope::Models(object.names("models")?)),
        _ => (None, Scope::Unknown(object.everything()?)),
    };
    // A list that the capability does not use would be a promise that nobody keeps.
    if let Some(list) = list
        && let Some(stray) = object.stray(list)
    {
        return Err(PolicyError::UnknownKey {
            place: format!("a `{name}` of the manifest"),
            key: stray.into(),
            known: match list {
                "models" => "`name`, `description`, `models`".to_owned(),
                list => format!("`name`, `description`, `{list}`, `{}`", BOUNDS.join("`, `")),
            },
        });
    }
    Ok(Capability {
        name,
        description,
        scope,
        bounds: Bounds {
            max_uses: object.number("max_uses", LIMITS.uses)?,
            ttl_seconds: object.number("ttl_seconds", LIMITS.ttl)?,
        },
    })
}

fn limit(of: &'static str, got: usize, limit: usize) -> Result<(), PolicyError> {
    if got > limit {
        Err(PolicyError::TooMany {
            what: "manifest",
            of,
            got,
            limit,
        })
    } else {
        Ok(())
    }
}

/// Compiles a name of `tools` or `models`; `*` stands for any characters but `/`.
pub(crate) fn name_pattern(text: &str) -> Result<NamePattern, PolicyError> {
    let glob = GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| PolicyError::BadPattern {
            pattern: shown(text),
            fault: format!(
                "cannot be read as a name: {}",
                shown(&error.kind().to_string())
            ),
            hint: "write a name, with `*` for any characters",
        })?;
    Ok(NamePattern {
        text: text.to_owned(),
        glob: glob.compile_matcher(),
    })
}

/// An object whose keys have been checked.
struct Object<'a> {
    place: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    fn new(place: &str, value: &'a Value, known: &[&str]) -> Result<Self, PolicyError> {
        let place = place.to_owned();
        let Some(map) = value.as_object() else {
            return Err(PolicyError::WrongType {
                key: place,
                place: "the file".into(),
                want: "an object, `{…}`",
            });
        };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(PolicyError::UnknownKey {
                place,
                key: shown(key),
                known: format!("`{}`", known.join("`, `")),
            }),
            None => Ok(Self { place, map }),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    fn need(&self, key: &'static str) -> Result<&'a Value, PolicyError> {
        self.get(key).ok_or_else(|| PolicyError::Missing {
            place: self.place.clone(),
            key,
        })
    }

    fn list(&self, key: &'static str) -> Result<&'a [Value], PolicyError> {
        let list = self.need(key)?.as_array();
        list.map(Vec::as_slice)
            .ok_or_else(|| self.wrong(key, "a list, `[…]`"))
    }

    fn text(&self, key: &'static str, limit: usize) -> Result<String, PolicyError> {
        let text = self
            .need(key)?
            .as_str()
            .ok_or_else(|| self.wrong(key, "a text, `\"…\"`"))?;
        self.checked(key, text, limit)
    }

    fn texts(&self, key: &'static str) -> Result<Vec<String>, PolicyError> {
        let list = self.list(key)?;
        if list.is_empty() {
            return Err(self.wrong(key, "a list with at least one entry"));
        }
        list.iter()
            .map(|value| {
                let text = value
                    .as_str()
                    .ok_or_else(|| self.wrong(key, "a list of texts"))?;
                self.checked(key, text, LIMITS.text)
            })
            .collect()
    }

    fn names(&self, key: &'static str) -> Result<Vec<String>, PolicyError> {
        let names = self.texts(key)?;
        names
            .iter()
            .try_for_each(|name| name_pattern(name).map(drop))?;
        Ok(names)
    }

    fn everything(&self) -> Result<Vec<String>, PolicyError> {
        let mut all = Vec::new();
        for key in LISTS {
            if self.get(key).is_some() {
                all.extend(self.texts(key)?);
            }
        }
        Ok(all)
    }

    /// A number from 1 to `limit`; nothing where the key is not there.
    fn number(&self, key: &'static str, limit: u64) -> Result<Option<u64>, PolicyError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = value.as_u64().filter(|n| (1..=limit).contains(n));
        number.map(Some).ok_or_else(|| PolicyError::BadNumber {
            key,
            got: shown(&value.to_string()),
            limit,
        })
    }

    fn stray(&self, list: &str) -> Option<&'static str> {
        let unbounded = BOUNDS.into_iter().filter(|_| list == "models");
        LISTS
            .into_iter()
            .filter(|key| *key != list)
            .chain(unbounded)
            .find(|key| self.get(key).is_some())
    }

    fn checked(&self, key: &str, text: &str, limit: usize) -> Result<String, PolicyError> {
        let fault = if text.is_empty() {
            "is empty"
        } else if text.len() > limit {
            "is too long"
        } else if text.chars().any(is_deceptive) {
            "has control or invisible characters"
        } else {
            return Ok(text.to_owned());
        };
        Err(PolicyError::BadText {
            place: self.place.clone(),
            key: key.into(),
            fault,
            text: shown(text),
        })
    }

    fn wrong(&self, key: &str, want: &'static str) -> PolicyError {
        PolicyError::WrongType {
            place: self.place.clone(),
            key: key.into(),
            want,
        }
    }
}

#[cfg(test)]
mod tests;
