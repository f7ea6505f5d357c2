//! From what was named on the command line to a loaded engine: a pinned model of a home, or a file. Its bytes are hashed before they are read.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cloister_models::{
    DeviceChoice, Engine, Lock, ModelDigest, ModelError, ModelName, Pin, Progress, Verified,
};
use thiserror::Error;

/// Why no model could be loaded.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("cannot read `{path}`: {source}")]
    File { path: String, source: io::Error },
    #[error("`{name}` is neither a file nor a model pinned in `{home}`")]
    Unknown { name: String, home: String },
    #[error("`--sha256` goes with a file; the hash of `{name}` is pinned in `models.lock`")]
    Twice { name: String },
    #[error("`{file}` has SHA-256 {got}, not {want}")]
    WrongHash {
        file: String,
        got: ModelDigest,
        want: ModelDigest,
    },
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl LoadError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some(
                "`cloister models list` shows what is pinned; a file is named with its folder, as in ./model.gguf".to_owned(),
            ),
            Self::WrongHash { .. } => {
                Some("the file is not the one that you meant: fetch it again".to_owned())
            }
            Self::Model(error) => error.hint(),
            _ => None,
        }
    }
}

/// What was named.
pub(crate) struct Named<'a> {
    pub(crate) model: &'a str,
    pub(crate) sha256: Option<&'a str>,
    pub(crate) home: Option<&'a Path>,
}

/// Reads, checks and loads.
///
/// # Errors
/// [`LoadError`], each with what is wrong with which file.
pub(crate) fn load(named: &Named<'_>) -> Result<Engine, LoadError> {
    let verified = verified(named)?;
    let mut watch = |_: Progress| ControlFlow::Continue(());
    Ok(Engine::load(&verified, DeviceChoice::Cpu, &mut watch)?)
}

fn verified(named: &Named<'_>) -> Result<Verified, LoadError> {
    if let Some((pin, path)) = pinned(named)? {
        if named.sha256.is_some() {
            return Err(LoadError::Twice {
                name: named.model.to_owned(),
            });
        }
        let file = File::open(&path).map_err(failed(&path))?;
        return Ok(pin.read(file, |_| {})?);
    }
    from_file(Path::new(named.model), named.sha256)
}

/// The pin and the file of a model of this name in the home, if there is one. A path is never a name.
fn pinned(named: &Named<'_>) -> Result<Option<(Pin, PathBuf)>, LoadError> {
    let Ok(name) = ModelName::parse(named.model) else {
        return Ok(None);
    };
    let home = home(named.home);
    let lock = match &home {
        Some(home) => read_lock(home)?,
        None => Lock::default(),
    };
    match (lock.get(&name), home) {
        (Ok(pin), Some(home)) => {
            let path = home.join("models").join(format!("{name}.gguf"));
            Ok(Some((pin.clone(), path)))
        }
        _ if Path::new(named.model).is_file() => Ok(None),
        (_, home) => Err(LoadError::Unknown {
            name: named.model.to_owned(),
            home: home.map_or_else(|| "no home".to_owned(), |h| h.display().to_string()),
        }),
    }
}

/// The home that was named, or the one that `cloister` uses.
fn home(named: Option<&Path>) -> Option<PathBuf> {
    let usual = || {
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let data = data.or_else(|| Some(etcetera::home_dir().ok()?.join(".local/share")))?;
        Some(data.join("cloister"))
    };
    named.map(Path::to_path_buf).or_else(usual)
}

/// The pins of a home. The last line is the admin's signature; whoever owns the home can check it with `cloister models verify`, this
/// program only holds the model's bytes against the pin.
fn read_lock(home: &Path) -> Result<Lock, LoadError> {
    let path = home.join("models.lock");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Lock::default()),
        other => other.map_err(failed(&path))?,
    };
    let body = text
        .rsplit_once("signature = \"ed25519:")
        .map_or(text.as_str(), |(body, _)| body);
    Ok(Lock::parse(body)?)
}

/// A file is pinned on the spot: by the hash that was given, or by its own.
fn from_file(path: &Path, sha256: Option<&str>) -> Result<Verified, LoadError> {
    let want = sha256.map(ModelDigest::parse).transpose()?;
    let bytes = fs::read(path).map_err(failed(path))?;
    let got = ModelDigest::of(&bytes);
    if let Some(want) = want.filter(|want| *want != got) {
        return Err(LoadError::WrongHash {
            file: path.display().to_string(),
            got,
            want,
        });
    }
    let pin = Pin::new(name_of(path)?, got, bytes.len() as u64, None)?;
    Ok(pin.check(bytes)?)
}

/// A file's name without its ending, as a model's name.
fn name_of(path: &Path) -> Result<ModelName, ModelError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || ".-".contains(c) {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    let name: String = stem.chars().map(kept).take(64).collect();
    ModelName::parse(name.trim_start_matches('.'))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.display().to_string();
    move |source| LoadError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(model: &'a str, sha256: Option<&'a str>, home: &'a Path) -> Named<'a> {
        Named {
            model,
            sha256,
            home: Some(home),
        }
    }

    #[test]
    fn a_pinned_model_is_read_only_if_its_bytes_are_the_pinned_ones() {
        let home = tempfile::tempdir().unwrap();
        let digest = ModelDigest::of(b"weights");
        let lock = format!(
            "[[model]]\nname = \"m\"\nsha256 = \"{digest}\"\nbytes = 7\nsignature = \"ed25519:00\"\n"
        );
        fs::write(home.path().join("models.lock"), lock).unwrap();
        fs::create_dir(home.path().join("models")).unwrap();
        let file = home.path().join("models/m.gguf");
        fs::write(&file, "weights").unwrap();
        assert_eq!(
            verified(&named("m", None, home.path())).unwrap().sha256(),
            digest
        );
        fs::write(&file, "weightz").unwrap();
        let refused = verified(&named("m", None, home.path()));
        assert!(
            matches!(refused, Err(LoadError::Model(ModelError::WrongHash { .. }))),
            "{refused:?}"
        );
        let refused = verified(&named("n", None, home.path()));
        assert!(
            matches!(refused, Err(LoadError::Unknown { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_file_is_held_against_the_hash_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("My Model.Q4.gguf");
        fs::write(&file, "weights").unwrap();
        let path = file.to_str().unwrap();
        let digest = ModelDigest::of(b"weights").to_string();
        let read = verified(&named(path, Some(&digest), folder.path())).unwrap();
        assert_eq!(read.name().as_str(), "my_model.q4");
        let other = ModelDigest::of(b"others").to_string();
        let refused = verified(&named(path, Some(&other), folder.path()));
        assert!(
            matches!(refused, Err(LoadError::WrongHash { .. })),
            "{refused:?}"
        );
    }
}
