//! The tools that are pinned and present, and the door through which a call comes in. Reads the tool folder once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cloister_cage::{Arg, Handle};
use cloister_policies::{Argument, Call, Label, Resource};
use serde::Deserialize;
use serde_json::Value;

use crate::error::ToolError;
use crate::names::{Lines, escape};
use crate::package::{Package, Pin};
use crate::signature::{Binder, Signature, op, to_args};
use crate::survey::Survey;

/// Every pinned tool, its bytes equal to the pin.
#[derive(Debug)]
pub struct Catalog {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    #[serde(default, rename = "tool")]
    tools: Vec<Pin>,
}

/// What the text of `tools.lock` pins, whatever of it is there.
///
/// # Errors
/// [`ToolError::Lock`] for a lock that does not parse or pins a tool twice.
pub fn pins(lock: &str) -> Result<Vec<Pin>, ToolError> {
    let lock: Lock = toml::from_str(lock).map_err(|e| ToolError::Lock {
        reason: e.message().into(),
    })?;
    let mut names = BTreeSet::new();
    match lock.tools.iter().find(|pin| !names.insert(&pin.name)) {
        None => Ok(lock.tools),
        Some(twice) => Err(ToolError::Lock {
            reason: format!("`{}` is pinned twice", escape(&twice.name, Lines::Escape)),
        }),
    }
}

impl Catalog {
    /// Read every package below `dir` that `lock` pins. `lock` is the text of `tools.lock` whose signature the caller has verified.
    ///
    /// # Errors
    /// [`ToolError::PinMismatch`] with both digests, [`ToolError::Unpinned`] for a package without a pin or a pin without a package,
    /// [`ToolError::Lock`] for a lock that does not parse or pins a tool twice.
    pub fn open(dir: &Path, lock: &str) -> Result<Catalog, ToolError> {
        let mut packages = BTreeMap::new();
        for pin in pins(lock)? {
            packages.insert(pin.name.clone(), pinned(dir, &pin)?);
        }
        for entry in std::fs::read_dir(dir).map_err(ToolError::io("list", dir))? {
            let name = entry
                .map_err(ToolError::io("list", dir))?
                .file_name()
                .to_string_lossy()
                .into_owned();
            if !name.starts_with('.') && !packages.contains_key(&name) {
                return Err(ToolError::Unpinned {
                    tool: escape(&name, Lines::Escape),
                    reason: "is installed but tools.lock does not pin it",
                });
            }
        }
        Ok(Catalog { packages })
    }

    /// The packages by name.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// One package: `sheet`.
    pub fn package(&self, tool: &str) -> Option<&Package> {
        self.packages.get(tool)
    }

    /// Every function of every tool.
    pub fn functions(&self) -> impl Iterator<Item = &Signature> {
        self.packages.values().flat_map(Package::signatures)
    }

    /// One function: `sheet.summarize`.
    pub fn signature(&self, name: &str) -> Option<&Signature> {
        let (tool, function) = name.split_once('.')?;
        self.package(tool)?
            .signatures()
            .iter()
            .find(|s| s.function() == function)
    }

    /// Compile the components of these tools now, where what they were compiled to was not kept, so that no call waits for it: about a second each.
    /// Made for a thread of its own.
    ///
    /// # Errors
    /// [`ToolError::Component`] for the first one that is refused.
    pub fn warm(&self, tools: &BTreeSet<String>) -> Result<(), ToolError> {
        let named = self.packages().filter(|p| tools.contains(p.name()));
        named.map(Package::component).try_for_each(|c| c.map(drop))
    }

    /// The door: `tool` exists, `args` fit its type, and every file is granted. `labels` says where each argument came from; one
    /// without a label is taken for text out of a document.
    ///
    /// # Errors
    /// [`ToolError::NoFunction`], [`ToolError::Argument`] or [`ToolError::NotGranted`]; the last says nothing about what exists.
    pub fn parse_call(
        &self,
        id: &str,
        tool: &str,
        args: Value,
        labels: &BTreeMap<String, Label>,
        survey: &Survey,
    ) -> Result<Call, ToolError> {
        let signature = self.signature(tool).ok_or_else(|| ToolError::NoFunction {
            name: escape(tool, Lines::Escape),
        })?;
        let Value::Object(args) = args else {
            return Err(ToolError::Argument {
                function: tool.into(),
                at: "args".into(),
                reason: "a record of arguments is needed".into(),
            });
        };
        let mut door = Door {
            survey,
            resources: Vec::new(),
        };
        to_args(signature, &args, &mut door)?;
        let mut arguments = Vec::new();
        for param in signature.params() {
            if let Some(value) = args.get(&param.name).filter(|v| !v.is_null()) {
                let label = labels
                    .get(&param.name)
                    .cloned()
                    .unwrap_or_else(|| Label::data("unlabelled"));
                let alias = param.ty.alias().map(str::to_string);
                arguments.push(Argument {
                    name: param.name.clone(),
                    alias,
                    value: value.clone(),
                    label,
                });
            }
        }
        let refused = |e: cloister_policies::PolicyError| ToolError::Argument {
            function: tool.into(),
            at: "args".into(),
            reason: e.to_string(),
        };
        let call = Call::new(id.into(), tool.into(), arguments, door.resources).map_err(refused)?;
        Ok(match signature.asks_model() {
            true => call.asking_model(),
            false => call,
        })
    }
}

fn pinned(dir: &Path, pin: &Pin) -> Result<Package, ToolError> {
    let folder = dir.join(&pin.name);
    let one_name = Path::new(&pin.name).components().count() == 1 && !pin.name.starts_with('.');
    if !one_name || !folder.is_dir() {
        return Err(ToolError::Unpinned {
            tool: escape(&pin.name, Lines::Escape),
            reason: "is pinned but not installed",
        });
    }
    let package = Package::read(&folder)?;
    let found = package.pin();
    let files = [
        ("tool.wasm", pin.wasm, found.wasm),
        ("the .wit", pin.wit, found.wit),
        ("tool.toml", pin.manifest, found.manifest),
    ];
    for (file, pinned, found) in files {
        if pinned != found {
            return Err(ToolError::PinMismatch {
                tool: pin.name.clone(),
                file: file.into(),
                pinned: pinned.to_string(),
                found: found.to_string(),
            });
        }
    }
    if found.version != pin.version {
        return Err(ToolError::Lock {
            reason: format!(
                "it pins `{}` as version `{}`, but that is `{}`",
                pin.name,
                escape(&pin.version, Lines::Escape),
                escape(&found.version, Lines::Escape)
            ),
        });
    }
    match &pin.code {
        Some(code) => package.with_code(code, &folder),
        None => Ok(package),
    }
}

/// Looks every name up in the survey and keeps what the policy will be asked; opens nothing.
struct Door<'a> {
    survey: &'a Survey,
    resources: Vec<Resource>,
}

impl Binder for Door<'_> {
    fn bind(&mut self, parameter: &str, handle: Handle, name: &str) -> Result<Arg, ToolError> {
        let path = self.survey.resolve(handle, name)?;
        self.resources.push(Resource {
            op: op(handle),
            path,
            parameter: parameter.into(),
        });
        Ok(Arg::List(Vec::new())) // thrown away: the cage opens the file itself, after the permit
    }
}

#[cfg(test)]
mod tests;
