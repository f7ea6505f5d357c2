//! One tool package on disk: `tool.wasm`, one `.wit`, `tool.toml`. Each file is read once; the bytes that were hashed are the bytes that are
//! used. Reads the package's folder.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cloister_attest::Digest;
use cloister_cage::{Arg, Component, Handle, Limits};
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

use crate::code::Code;
use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::signature::{Binder, Signature, to_args};

/// What `tools.lock` says of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The tool's name, which is also its folder's.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of `tool.wasm`.
    pub wasm: Digest,
    /// Digest of the `.wit`.
    pub wit: Digest,
    /// Digest of `tool.toml`: its examples are shown to the model.
    pub manifest: Digest,
    /// What its component was compiled to, where that was kept.
    #[serde(default)]
    pub code: Option<Code>,
}

/// An example of a call, for prompts and tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The function: `summarize`.
    pub function: String,
    /// What a person might say.
    pub request: String,
    /// The arguments as JSON.
    pub call: serde_json::Value,
}

/// A package whose files have been read and fit together.
pub struct Package {
    pin: Pin,
    author: String,
    description: String,
    accepts: Vec<String>,
    writes: Vec<String>,
    examples: Vec<Example>,
    signatures: Vec<Signature>,
    wasm: Vec<u8>,
    component: OnceLock<Result<Component, String>>,
}

/// `tool.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    version: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    accepts: Vec<String>,
    #[serde(default)]
    writes: Vec<String>,
    #[serde(default, rename = "example")]
    examples: Vec<RawExample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExample {
    function: String,
    request: String,
    call: serde_json::Value,
}

impl Package {
    /// Read a package. Its component is not compiled yet.
    pub fn read(dir: &Path) -> Result<Package, ToolError> {
        let tool = dir
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let unsound = |reason: String| ToolError::Package {
            tool: tool.clone(),
            reason,
        };
        let toml = bounded(&dir.join("tool.toml"), BOUNDS.manifest_bytes)?;
        let wit = bounded(&the_wit(dir, &tool)?, BOUNDS.wit_bytes)?;
        let wasm = bounded(&dir.join("tool.wasm"), BOUNDS.wasm_bytes)?;
        let manifest: Manifest =
            toml::from_slice(&toml).map_err(|e| unsound(format!("tool.toml: {}", e.message())))?;
        if manifest.name != tool || !plain_name(&tool) {
            return Err(unsound(
                "the folder must have the tool's name, in lower-case letters, digits and `-`"
                    .into(),
            ));
        }
        let text = std::str::from_utf8(&wit).map_err(|_| unsound("its WIT is not UTF-8".into()))?;
        let signatures = Signature::parse(&tool, text)?;
        let examples = manifest
            .examples
            .into_iter()
            .map(|e| example(e, &signatures))
            .collect::<Result<_, _>>()
            .map_err(unsound)?;
        let pin = Pin {
            name: tool,
            version: manifest.version,
            wasm: Digest::of(&wasm),
            wit: Digest::of(&wit),
            manifest: Digest::of(&toml),
            code: None,
        };
        let component = OnceLock::new();
        Ok(Package {
            pin,
            author: manifest.author,
            description: manifest.description,
            accepts: manifest.accepts,
            writes: manifest.writes,
            examples,
            signatures,
            wasm,
            component,
        })
    }

    /// Name, version and digests of the bytes that were read.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The tool's name.
    pub fn name(&self) -> &str {
        &self.pin.name
    }

    /// Who made it.
    pub fn author(&self) -> &str {
        &self.author
    }

    /// A sentence on what it does.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// File name extensions that it reads, without the dot.
    pub fn accepts(&self) -> &[String] {
        &self.accepts
    }

    /// File name extensions that it writes, without the dot; none where it does not say.
    pub fn writes(&self) -> &[String] {
        &self.writes
    }

    /// Examples of calls.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Its functions.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Compile the component and hold it against what a tool may have, whatever was kept of an earlier time.
    ///
    /// # Errors
    /// [`ToolError::Component`] saying what it imports or where it differs from its WIT.
    pub fn check(&self) -> Result<(), ToolError> {
        compile(&self.wasm, &self.signatures)
            .map(drop)
            .map_err(|e| self.refused(e))
    }

    /// The component, its imports checked and its type equal to the WIT: as it was kept when it was pinned, or compiled at the first call in this
    /// process (about a second).
    ///
    /// # Errors
    /// [`ToolError::Component`] saying what it imports or where it differs.
    pub(crate) fn component(&self) -> Result<&Component, ToolError> {
        let compiled = self
            .component
            .get_or_init(|| compile(&self.wasm, &self.signatures));
        compiled.as_ref().map_err(|reason| self.refused(reason))
    }

    /// The package with what its component was compiled to when it was pinned: from then on it is not compiled.
    pub(crate) fn with_code(self, code: &Code, folder: &Path) -> Result<Package, ToolError> {
        let Some(bytes) = code.read(folder)? else {
            return Ok(self);
        };
        let functions = self.signatures.iter().map(Signature::shape).collect();
        let component = Component::compiled(&bytes, functions).map_err(|e| self.refused(e))?;
        Ok(Package {
            component: OnceLock::from(Ok(component)),
            ..self
        })
    }

    fn refused(&self, reason: impl ToString) -> ToolError {
        ToolError::Component {
            tool: self.pin.name.clone(),
            reason: reason.to_string(),
        }
    }
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package")
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

/// Read the package in `dir`, compile it, check its imports and its type, keep what was compiled, and give its pin: for `tools add` and `init`.
///
/// # Errors
/// [`ToolError::Package`] when its files do not fit together, [`ToolError::Component`] when it imports what no tool may have or differs from its WIT.
pub fn pin(dir: &Path) -> Result<Pin, ToolError> {
    let package = Package::read(dir)?;
    let code = Code::keep(package.component()?, dir)?;
    Ok(Pin {
        code: Some(code),
        ..package.pin
    })
}

/// The body of `tools.lock` for these pins, sorted by name.
pub fn lock_text(pins: &[Pin]) -> String {
    let mut pins: Vec<_> = pins.iter().collect();
    pins.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for pin in pins {
        let quoted = |s: &str| toml::Value::from(s).to_string();
        let _ = writeln!(
            text,
            "[[tool]]\nname = {}\nversion = {}",
            quoted(&pin.name),
            quoted(&pin.version)
        );
        let _ = writeln!(
            text,
            "wasm = \"{}\"\nwit = \"{}\"\nmanifest = \"{}\"",
            pin.wasm, pin.wit, pin.manifest
        );
        if let Some(Code { engine, digest }) = &pin.code {
            let engine = quoted(engine);
            let _ = writeln!(
                text,
                "code = {{ engine = {engine}, digest = \"{digest}\" }}"
            );
        }
        text.push('\n');
    }
    text
}

fn compile(wasm: &[u8], signatures: &[Signature]) -> Result<Component, String> {
    let component = Component::compile(wasm, &Limits::STANDARD).map_err(|e| e.to_string())?;
    for signature in signatures {
        let stated = component
            .functions()
            .iter()
            .find(|f| f.name == signature.function() && f.interface == signature.interface());
        match stated {
            None => {
                return Err(format!(
                    "it does not export `{}` of its WIT",
                    signature.function()
                ));
            }
            Some(stated) if *stated != signature.shape() => {
                return Err(format!(
                    "`{}` has another type than its WIT says",
                    signature.function()
                ));
            }
            Some(_) => {}
        }
    }
    if component.asks_model() && !signatures.iter().any(Signature::asks_model) {
        return Err("it asks the model, which its WIT does not say".into());
    }
    if component.functions().len() != signatures.len() {
        return Err("it exports functions that are not in its WIT".into());
    }
    Ok(component)
}

fn example(raw: RawExample, signatures: &[Signature]) -> Result<Example, String> {
    let call = match raw.call {
        serde_json::Value::String(text) => serde_json::from_str(&text)
            .map_err(|e| format!("an example's call is not JSON: {e}"))?,
        other => other,
    };
    let signature = signatures.iter().find(|s| s.function() == raw.function);
    let signature = signature.ok_or_else(|| {
        format!(
            "an example calls `{}`, which it does not have",
            raw.function.escape_debug()
        )
    })?;
    let args = call
        .as_object()
        .ok_or("an example's call is not a record")?;
    to_args(signature, args, &mut AnyName).map_err(|e| format!("an example does not fit: {e}"))?;
    Ok(Example {
        function: raw.function,
        request: raw.request,
        call,
    })
}

/// The files of an example need not exist.
struct AnyName;
impl Binder for AnyName {
    fn bind(&mut self, _: &str, _: Handle, _: &str) -> Result<Arg, ToolError> {
        Ok(Arg::List(Vec::new()))
    }
}

fn plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn the_wit(dir: &Path, tool: &str) -> Result<PathBuf, ToolError> {
    let entries = std::fs::read_dir(dir).map_err(ToolError::io("list", dir))?;
    let mut wits = Vec::new();
    for entry in entries {
        let path = entry.map_err(ToolError::io("list", dir))?.path();
        if path.extension().is_some_and(|e| e == "wit") {
            wits.push(path);
        }
    }
    match (wits.pop(), wits.pop()) {
        (Some(wit), None) => Ok(wit),
        _ => Err(ToolError::Package {
            tool: tool.into(),
            reason: "it must hold exactly one `.wit`".into(),
        }),
    }
}

/// A stranger's folder may have a pipe under the name, which nobody ever writes to.
fn plain(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("it is no plain file")),
    }
}

pub(crate) fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ToolError> {
    let file = plain(path).map_err(ToolError::io("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(ToolError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(ToolError::Io {
            doing: "read",
            path: path.into(),
            source: std::io::ErrorKind::FileTooLarge.into(),
        });
    }
    Ok(bytes)
}
