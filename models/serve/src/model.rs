//! From what was named on the command line to a loaded engine: a pinned model of a home, or a file. The pins are those that the home's admin
//! signed; another file than the pinned one gives no engine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cloister_attest::{AttestError, Purpose, Roots, unseal, version_of};
use cloister_models::{
    DeviceChoice, Engine, Lock, ModelDigest, ModelError, ModelName, Pin, Progress, Sum, Sums,
    Unwatched, Watch, available_memory,
};
use thiserror::Error;

/// Why no model could be loaded.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("cannot read `{path}`: {source}")]
    File { path: String, source: io::Error },
    #[error("`{path}` is no plain file")]
    NoFile { path: String },
    #[error("no model `{name}` is pinned in `{home}`")]
    Unknown { name: String, home: String },
    #[error("`--sha256` goes with a file; the hash of `{name}` is pinned in `models.lock`")]
    Twice { name: String },
    #[error("`{file}` has {got}, not {want}")]
    WrongHash { file: String, got: Sum, want: Sum },
    #[error("`{path}`: {source}")]
    Seal { path: String, source: AttestError },
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl LoadError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some(
                "`cloister models list` shows what is pinned; a file is named with its folder, as in ./model.gguf, or with its --sha256".to_owned(),
            ),
            Self::NoFile { .. } => {
                Some("name a file on a disk; a folder, pipe or device is not read".to_owned())
            }
            Self::WrongHash { .. } => {
                Some("the file is not the one that you meant: fetch it again".to_owned())
            }
            Self::Seal { path, .. } => Some(format!(
                "`{path}` was changed after the admin signed it: `cloister models list` checks the same"
            )),
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
    let (pin, path) = found(named)?;
    let mut file = open(&path)?;
    let loaded = Engine::load(&pin, &mut file, DeviceChoice::Cpu, &mut Alone);
    let engine = loaded.map_err(|error| match error {
        ModelError::WrongHash { got, want, .. } if named.sha256.is_some() => LoadError::WrongHash {
            file: path.display().to_string(),
            got,
            want,
        },
        other => LoadError::Model(other),
    })?;
    engine.vocabulary().prepare()?; // so that no client waits for it
    Ok(engine)
}

/// Nobody waits for the model, but it must fit.
struct Alone;

impl Watch for Alone {
    fn on(&mut self, _: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn available(&self) -> Option<u64> {
        available_memory(|path| fs::read_to_string(path).ok())
    }
}

/// The file that was named and the pin that it is held against.
fn found(named: &Named<'_>) -> Result<(Pin, PathBuf), LoadError> {
    match pinned(named)? {
        Some(_) if named.sha256.is_some() => Err(LoadError::Twice {
            name: named.model.to_owned(),
        }),
        Some(found) => Ok(found),
        None => {
            let path = PathBuf::from(named.model);
            Ok((pin_of(&path, named.sha256)?, path))
        }
    }
}

/// The pin and the file of a model of this name in the home; none where a file is meant, which is named with its folder or with its hash, so that no
/// file of the current folder passes for a pinned model.
fn pinned(named: &Named<'_>) -> Result<Option<(Pin, PathBuf)>, LoadError> {
    if named.model.contains('/') {
        return Ok(None);
    }
    let home = home(named.home);
    let lock = match &home {
        Some(home) => read_lock(home)?,
        None => Lock::default(),
    };
    let name = ModelName::parse(named.model);
    let pin = name.and_then(|name| lock.get(&name).cloned());
    match (pin, home) {
        (Ok(pin), Some(home)) => {
            let path = home.join("models").join(format!("{}.gguf", pin.name()));
            Ok(Some((pin, path)))
        }
        _ if named.sha256.is_some() => Ok(None),
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

/// The pins of a home, if its admin signed them. A home without any has none.
fn read_lock(home: &Path) -> Result<Lock, LoadError> {
    let path = home.join("models.lock");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Lock::default()),
        other => other.map_err(failed(&path))?,
    };
    let roots = home.join("keys").join("roots.json");
    let roots =
        Roots::parse(&fs::read(&roots).map_err(failed(&roots))?).map_err(unsealed(&roots))?;
    let body = unseal(&text, Purpose::ModelsLock, roots.admin()).map_err(unsealed(&path))?;
    Ok(Lock::parse(version_of(body).1)?)
}

/// A file is pinned on the spot: by the hash that was given, or by its own.
fn pin_of(path: &Path, sha256: Option<&str>) -> Result<Pin, LoadError> {
    let mut file = open(path)?;
    let length = file.metadata().map_err(failed(path))?.len();
    let name = name_of(path)?;
    Ok(match sha256 {
        Some(sha256) => Pin::new(name, ModelDigest::parse(sha256)?, length, None)?,
        None => Pin::of(name, &Sums::read(&mut file, length, &mut Unwatched)?)?,
    })
}

/// Opens a plain file to read, and nothing else. Opening does not wait, so a pipe cannot hold us.
fn open(path: &Path) -> Result<File, LoadError> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags);
    let file = options.open(path).map_err(failed(path))?;
    match file.metadata().map_err(failed(path))?.is_file() {
        true => Ok(file),
        false => Err(LoadError::NoFile {
            path: path.display().to_string(),
        }),
    }
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

fn unsealed(path: &Path) -> impl FnOnce(AttestError) -> LoadError {
    let path = path.display().to_string();
    move |source| LoadError::Seal { path, source }
}

#[cfg(test)]
mod tests {
    use cloister_attest::{AdminKey, seal};
    use zeroize::Zeroizing;

    use super::*;

    fn admin(number: u8) -> AdminKey {
        AdminKey::from_random(Zeroizing::new([number; 32]))
    }

    /// A home that trusts admin 1, whose lock of one model is signed by `signer`. The lock is as an earlier version wrote it.
    fn home(signer: &AdminKey, model: &[u8]) -> tempfile::TempDir {
        let pin = Pin::new(name(), ModelDigest::of(model), model.len() as u64, None);
        home_with(signer, model, pin.unwrap())
    }

    fn name() -> ModelName {
        ModelName::parse("m").unwrap()
    }

    fn home_with(signer: &AdminKey, model: &[u8], pin: Pin) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let lock = Lock::default().pin(pin).print().unwrap();
        let roots = Roots::new(admin(1).public()).to_json().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("keys/roots.json", roots.as_bytes());
        put("models/m.gguf", model);
        put(
            "models.lock",
            seal(&lock, Purpose::ModelsLock, signer).as_bytes(),
        );
        home
    }

    fn named<'a>(model: &'a str, sha256: Option<&'a str>, home: &'a Path) -> Named<'a> {
        Named {
            model,
            sha256,
            home: Some(home),
        }
    }

    #[test]
    fn a_pinned_model_is_read_only_if_its_bytes_are_the_pinned_ones() {
        let today = Pin::of(name(), &Sums::of(b"weights")).unwrap();
        let home = home(&admin(1), b"weights");
        for home in [&home, &home_with(&admin(1), b"weights", today)] {
            let file = home.path().join("models/m.gguf");
            let refused = load(&named("m", None, home.path())).err();
            assert!(
                matches!(refused, Some(LoadError::Model(ModelError::Magic { .. }))),
                "{refused:?}" // the pinned bytes, which are no model
            );
            fs::write(&file, "weightz").unwrap();
            let refused = load(&named("m", None, home.path())).err();
            assert!(
                matches!(
                    refused,
                    Some(LoadError::Model(ModelError::WrongHash { .. }))
                ),
                "{refused:?}"
            );
        }
        let refused = load(&named("n", None, home.path())).err();
        assert!(
            matches!(refused, Some(LoadError::Unknown { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn pins_that_the_admin_did_not_sign_are_refused() {
        let refused = |home: &Path| {
            let refused = load(&named("m", None, home)).err();
            assert!(
                matches!(refused, Some(LoadError::Seal { .. })),
                "{refused:?}"
            );
        };
        refused(home(&admin(2), b"weights").path());
        let home = home(&admin(1), b"weights");
        let lock = home.path().join("models.lock");
        let signed = fs::read_to_string(&lock).unwrap();
        let other = ModelDigest::of(b"weightz").to_string();
        fs::write(home.path().join("models/m.gguf"), "weightz").unwrap();
        fs::write(
            &lock,
            signed.replace(&ModelDigest::of(b"weights").to_string(), &other),
        )
        .unwrap();
        refused(home.path());
        let (unsigned, _) = signed.rsplit_once("signature").unwrap();
        fs::write(&lock, unsigned).unwrap();
        refused(home.path());
    }

    #[test]
    fn a_file_of_the_current_folder_is_no_pinned_model() {
        let here = "Cargo.toml"; // where tests run there is one
        assert!(Path::new(here).is_file());
        let home = home(&admin(1), b"weights");
        let refused = load(&named(here, None, home.path())).err().unwrap();
        assert!(matches!(refused, LoadError::Unknown { .. }), "{refused}");
        assert!(refused.hint().unwrap().contains("./model.gguf"));
        let digest = ModelDigest::of(b"weights").to_string();
        let meant = [
            named("./Cargo.toml", None, home.path()),
            named(here, Some(&digest), home.path()),
        ];
        for named in meant {
            let (pin, path) = found(&named).unwrap();
            assert_eq!(pin.name().as_str(), "cargo");
            assert!(path.is_file());
        }
        let twice = found(&named("m", Some(&digest), home.path())).err();
        assert!(matches!(twice, Some(LoadError::Twice { .. })), "{twice:?}");
    }

    #[test]
    fn a_pipe_in_the_place_of_a_model_is_refused() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let home = home(&admin(1), b"weights");
        let pinned = home.path().join("models/m.gguf");
        fs::remove_file(&pinned).unwrap();
        mknodat(CWD, &pinned, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for model in ["m", pinned.to_str().unwrap()] {
            let refused = load(&named(model, None, home.path())).err().unwrap();
            assert!(matches!(refused, LoadError::NoFile { .. }), "{refused}");
            assert!(refused.hint().is_some());
        }
    }

    #[test]
    fn a_file_is_held_against_the_hash_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("My Model.Q4.gguf");
        fs::write(&file, "weights").unwrap();
        let path = file.to_str().unwrap();
        let digest = ModelDigest::of(b"weights").to_string();
        let given = named(path, Some(&digest), folder.path());
        assert_eq!(found(&given).unwrap().0.name().as_str(), "my_model.q4");
        let refused = load(&given).err();
        assert!(
            matches!(refused, Some(LoadError::Model(ModelError::Magic { .. }))),
            "{refused:?}" // the bytes that were meant, which are no model
        );
        let other = ModelDigest::of(b"others").to_string();
        let refused = load(&named(path, Some(&other), folder.path())).err();
        assert!(
            matches!(refused, Some(LoadError::WrongHash { .. })),
            "{refused:?}"
        );
    }
}
