//! The highest version that this home has seen of each document that its admin signed: `seen.toml`. An older one is refused, for a signature holds
//! for ever and a document that was replaced was replaced for a reason.
//!
//! A new version is remembered before anything is done with the document, and synced. A crash while one is signed leaves the new document and the
//! older memory, which the next opening brings up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::failure::{Failure, Kind};

/// What a home remembers of versions.
#[derive(Debug)]
pub(crate) struct Seen {
    path: PathBuf,
}

impl Seen {
    pub(crate) fn at(path: PathBuf) -> Seen {
        Seen { path }
    }

    /// The version that a document signed now gets.
    pub(crate) fn next(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.of(name)?.saturating_add(1))
    }

    /// Take note of this version of `name`, unless it is older than one that was seen.
    pub(crate) fn accept(&self, name: &str, version: u64) -> Result<(), Failure> {
        let newest = self.of(name)?;
        if version < newest {
            let said =
                format!("`{name}` is version {version}, and this home has had version {newest}");
            return Err(Failure::new(Kind::Integrity, said).hint(
                "bring the newer one back, or have the admin sign again what is meant".to_owned(),
            ));
        }
        if version == newest {
            return Ok(());
        }
        let mut all = self.all()?;
        all.insert(name.to_owned(), version);
        let text = toml::to_string(&all).map_err(Failure::failed)?;
        disk::replace(&self.path, text.as_bytes())
    }

    fn of(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.all()?.get(name).copied().unwrap_or(0))
    }

    /// Everything remembered; nothing in a home that never opened a document with a version.
    fn all(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let text = match std::fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            other => other.map_err(|e| disk::failed("read", &self.path, &e))?,
        };
        toml::from_str(&text).map_err(|_| not_understood(&self.path))
    }
}

fn not_understood(path: &Path) -> Failure {
    let said = format!("`{}` is not understood", path.display());
    Failure::new(Kind::Integrity, said)
        .hint("it holds a number for each signed document; restore it from a backup".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_is_refused_and_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let seen = Seen::at(folder.path().join("seen.toml"));
        for version in [0, 0, 1, 3, 3] {
            seen.accept("policies.lock", version).unwrap();
        }
        seen.accept("tools.lock", 1).unwrap();
        let refused = seen.accept("policies.lock", 2).unwrap_err();
        assert_eq!(
            refused.message(),
            "`policies.lock` is version 2, and this home has had version 3"
        );
        assert_eq!(refused.kind(), Kind::Integrity);
        assert!(seen.accept("policies.lock", 0).is_err());
        assert_eq!(seen.next("policies.lock").unwrap(), 4);
        assert_eq!(seen.next("tools.lock").unwrap(), 2);
        seen.accept("policies.lock", 3).unwrap();
    }

    #[test]
    fn a_memory_that_is_not_understood_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.toml");
        std::fs::write(&path, "\"policies.lock\" = -1\n").unwrap();
        let refused = Seen::at(path).accept("policies.lock", 9).unwrap_err();
        assert_eq!(refused.kind(), Kind::Integrity);
    }
}
