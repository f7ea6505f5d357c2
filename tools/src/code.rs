//! What a component was compiled to when its package was pinned, kept beside it: to compile the shipped tools takes longer than most of what is
//! asked of them. It is machine code, and believed for one reason only: the admin's signature over `tools.lock` covers its digest. Where another
//! engine made it, or it is not there, the component is compiled as if it had never been kept. Reads and writes the package's folder.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cloister_attest::Digest;
use cloister_cage::Component;
use serde::Deserialize;

use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::package::bounded;

/// What `tools.lock` says of compiled code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The engine that made it, as [`cloister_cage::engine`] names it: no other may load it.
    pub(crate) engine: String,
    /// Digest of its bytes.
    pub(crate) digest: Digest,
}

impl Code {
    /// Keep what was compiled in the package's folder, and say what to pin.
    pub(crate) fn keep(component: &Component, package: &Path) -> Result<Code, ToolError> {
        let place = place(package);
        let engine = cloister_cage::engine().map_err(|e| refused(package, &e))?;
        let bytes = component.code().map_err(ToolError::io("read", &place))?;
        let mut file = OpenOptions::new();
        file.write(true).create(true).truncate(true).mode(0o600);
        file.open(&place)
            .and_then(|mut file| file.write_all(&bytes))
            .map_err(ToolError::io("write", &place))?;
        let digest = Digest::of(&bytes);
        Ok(Code { engine, digest })
    }

    /// The code as it was pinned, if this engine made it and it is there.
    pub(crate) fn read(&self, package: &Path) -> Result<Option<Vec<u8>>, ToolError> {
        let place = place(package);
        if cloister_cage::engine().map_err(|e| refused(package, &e))? != self.engine {
            return Ok(None);
        }
        let bytes = match bounded(&place, BOUNDS.code_bytes) {
            Ok(bytes) => bytes,
            Err(ToolError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let found = Digest::of(&bytes);
        if found != self.digest {
            return Err(ToolError::PinMismatch {
                tool: name(package),
                file: FILE.into(),
                pinned: self.digest.to_string(),
                found: found.to_string(),
            });
        }
        Ok(Some(bytes))
    }
}

const FILE: &str = "tool.cwasm";

fn place(package: &Path) -> PathBuf {
    package.join(FILE)
}

fn name(package: &Path) -> String {
    let name = package.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn refused(package: &Path, error: &cloister_cage::CageError) -> ToolError {
    ToolError::Component {
        tool: name(package),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;
    use crate::package::{Pin, lock_text, pin};
    use crate::testing::{folder, install, put};

    fn desk() -> (tempfile::TempDir, PathBuf, Pin) {
        let (temp, dir) = folder();
        install(&dir);
        let pin = pin(&dir.join("desk")).unwrap();
        (temp, dir, pin)
    }

    /// What the component is compiled to as the catalogue has it.
    fn code(dir: &Path, pin: &Pin) -> Result<Vec<u8>, ToolError> {
        let catalog = Catalog::open(dir, &lock_text(std::slice::from_ref(pin)))?;
        let package = catalog.package("desk").unwrap();
        Ok(package.component()?.code().unwrap())
    }

    #[test]
    fn what_is_loaded_is_what_was_kept() {
        let (_temp, dir, pin) = desk();
        let kept = std::fs::read(dir.join("desk").join(FILE)).unwrap();
        assert!(code(&dir, &pin).unwrap() == kept);
    }

    #[test]
    fn code_that_was_changed_is_refused_before_it_is_loaded() {
        let (_temp, dir, pin) = desk();
        let place = dir.join("desk").join(FILE);
        let mut bytes = std::fs::read(&place).unwrap();
        bytes[4096] ^= 1;
        put(&place, bytes);
        let error = code(&dir, &pin).unwrap_err();
        assert!(
            matches!(&error, ToolError::PinMismatch { file, .. } if file == FILE),
            "{error}"
        );
        assert!(error.is_integrity());
    }

    /// Twin of the one above: it is the digest that keeps other bytes out, and nothing behind it would.
    #[test]
    fn with_their_digest_pinned_other_bytes_are_taken() {
        let (_temp, dir, mut pin) = desk();
        put(&dir.join("desk").join(FILE), "no code");
        pin.code.as_mut().unwrap().digest = Digest::of(b"no code");
        assert_eq!(code(&dir, &pin).unwrap(), b"no code");
    }

    #[test]
    fn without_code_or_with_another_engines_the_component_is_compiled() {
        let (_temp, dir, mut pin) = desk();
        let place = dir.join("desk").join(FILE);
        std::fs::remove_file(&place).unwrap();
        assert!(code(&dir, &pin).unwrap().len() > 4096);
        put(&place, "another engine's");
        pin.code.as_mut().unwrap().engine = "0123456789abcdef".into();
        assert!(code(&dir, &pin).unwrap().len() > 4096);
    }
}
