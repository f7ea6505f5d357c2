//! Paths of a session's capabilities that were taken back one by one: `run/revoked/SESSION.file:read.DIGEST`, the digest that of the path, which the file
//! holds. One file each, so that of two at a time none is lost. A file that holds no path takes every path back.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cloister_attest::Digest;
use cloister_policies::Pattern;

use crate::disk;
use crate::failure::Failure;

/// What is read of such a file, bytes: no path is longer than 4,096.
const READ: u64 = 4096;
/// What a file that is not understood takes back.
const EVERYTHING: &str = "/";

/// One path of a capability: a file, a folder with what lies below it, or a pattern as it was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) capability: String,
    pub(crate) path: String,
}

impl Taken {
    /// Take it back from the session whose own file is `revoked`.
    pub(super) fn write(&self, revoked: &Path) -> Result<(), Failure> {
        let digest = Digest::of(self.path.as_bytes()).hex();
        let file = revoked.with_extension(format!("{}.{digest}", self.capability));
        disk::replace(&file, self.path.as_bytes())
    }

    /// All that were taken back from it.
    pub(super) fn all(revoked: &Path) -> io::Result<Vec<Taken>> {
        let listing = match revoked.parent().unwrap_or(revoked).read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing?,
        };
        let own = format!("{}.", revoked.file_name().unwrap_or_default().display());
        let mut all = Vec::new();
        for file in listing {
            let file = file?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let after = name.strip_prefix(&own);
            if let Some((capability, _)) = after.and_then(|after| after.split_once('.')) {
                let capability = capability.to_owned();
                let path = written(&file).unwrap_or_else(|| EVERYTHING.to_owned());
                all.push(Taken { capability, path });
            }
        }
        all.sort_by(|a, b| (&a.capability, &a.path).cmp(&(&b.capability, &b.path)));
        Ok(all)
    }

    /// Whether `path` is, by this capability, what was taken back. Read both as a path and as a pattern: more is refused by it, never less.
    pub(super) fn covers(&self, capability: &str, path: &Path) -> bool {
        let pattern = || Pattern::parse(&self.path, Path::new("/"));
        self.capability == capability
            && (path.starts_with(&self.path) || pattern().is_ok_and(|all| all.covers(path)))
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.capability, self.path)
    }
}

fn written(file: &Path) -> Option<String> {
    let text = String::from_utf8(disk::read_bounded(file, READ).ok()?).ok()?;
    PathBuf::from(&text).is_absolute().then_some(text)
}
