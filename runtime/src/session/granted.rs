//! What the session that runs was granted, written down in `run/granted` of the home for whoever would take some of it back. Nothing is granted by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cloister_policies::{Grants, Pattern, grantable, normalise};
use serde::{Deserialize, Serialize};

use super::tenure::{self, Taken};
use crate::commands::Desk;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

/// A session, and its capabilities with the paths or names that are granted of each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Granted {
    session: String,
    pub(crate) capabilities: BTreeMap<String, Vec<String>>,
    /// Of those the paths that were taken back by themselves.
    #[serde(skip)]
    pub(crate) without: BTreeMap<String, Vec<String>>,
}

impl Granted {
    fn of(session: &str, grants: &Grants) -> Granted {
        let own = |(name, which): (&str, Vec<&str>)| {
            (
                name.to_owned(),
                which.into_iter().map(str::to_owned).collect(),
            )
        };
        Granted {
            session: session.to_owned(),
            capabilities: grants.capabilities().into_iter().map(own).collect(),
            without: BTreeMap::new(),
        }
    }

    fn keep(&self, home: &Home) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(self).map_err(Failure::failed)?;
        disk::folder(&home.scratch())?;
        disk::replace(&file(home), &bytes)
    }

    /// What this session was granted and still has, if it told.
    pub(crate) fn standing(home: &Home, session: &str) -> Option<Granted> {
        let bytes = disk::read(&file(home)).ok()?;
        let mut granted: Granted = serde_json::from_slice(&bytes).ok()?;
        let stands = |name: &str| !tenure::took(home, session, name);
        let known = |name: &str| grantable().any(|one| one == name); // a name is part of a path
        let all = &mut granted.capabilities;
        all.retain(|name, _| known(name) && stands(name));
        for Taken { capability, path } in tenure::took_of(home, session) {
            if let Some(which) = all.get_mut(&capability) {
                which.retain(|one| *one != path);
                granted.without.entry(capability).or_default().push(path);
            }
        }
        (granted.session == session).then_some(granted)
    }

    /// `path`, relative to where one stands or a pattern as it was granted, as what can be taken back of a capability; nothing where nothing of it was
    /// granted, or it was taken back already.
    pub(crate) fn one(&self, capability: &str, path: &Path) -> Option<Taken> {
        let granted = self.capabilities.get(capability)?;
        let granted: Vec<&String> = granted.iter().filter(|one| one.starts_with('/')).collect(); // a tool's name is no path
        let whole = std::path::absolute(path).ok();
        let whole = whole.and_then(|whole| normalise(&whole)?.into_os_string().into_string().ok());
        let listed = granted.iter().find(|one| path.as_os_str() == one.as_str());
        let whole = whole.filter(|whole| overlaps(&granted, whole));
        let path = listed.map(|one| (*one).clone()).or(whole)?;
        let capability = capability.to_owned();
        let taken = self.without.get(&capability);
        let again = taken.is_some_and(|taken| taken.contains(&path));
        (!again).then_some(Taken { capability, path })
    }
}

/// Whether something may be granted that is this path, above or below it. What a wildcard finds is not looked at.
fn overlaps(granted: &[&String], path: &str) -> bool {
    let patterns = granted
        .iter()
        .filter_map(|one| Pattern::parse(one, Path::new("/")).ok());
    let (path, mut bases) = (Path::new(path), patterns.map(|one| one.base().to_owned()));
    bases.any(|base| path.starts_with(&base) || base.starts_with(path))
}

/// Let others see what a session has. One at a time writes a home's ledger, so the last one's is written over. Where that fails the grants can still be
/// taken back all at once, so it is no reason to stop.
pub(super) fn tell(home: &Home, session: &str, grants: &Grants, desk: &Desk) {
    if let Err(error) = Granted::of(session, grants).keep(home) {
        let said = format!("capabilities cannot be taken back one by one: {error}");
        desk.screen.detail("note", said);
    }
}

fn file(home: &Home) -> PathBuf {
    home.scratch().join("granted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_what_this_session_told_and_nobody_took_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let names = |session| {
            let granted = Granted::standing(&home, session)?;
            Some(granted.capabilities.into_keys().collect::<Vec<_>>())
        };
        assert_eq!(names("0011223344556677"), None);
        let told = ["file:read", "file:write", "../file:read"];
        let granted = Granted {
            session: "0011223344556677".to_owned(),
            capabilities: told.map(|name| (name.to_owned(), Vec::new())).into(),
            without: BTreeMap::new(),
        };
        granted.keep(&home).unwrap();
        assert_eq!(names("8899aabbccddeeff"), None);
        let stand = names("0011223344556677").unwrap();
        assert_eq!(stand, ["file:read", "file:write"]);
        tenure::revoke_one(&home, "0011223344556677", "file:read").unwrap();
        assert_eq!(names("0011223344556677").unwrap(), ["file:write"]);
        std::fs::write(file(&home), "no document").unwrap();
        assert_eq!(names("0011223344556677"), None);
    }

    #[test]
    fn a_path_that_is_taken_back_is_one_that_was_granted_and_stands() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let paths = ["/w/*.txt", "/w/in/**/*.csv"].map(str::to_owned).to_vec();
        let told = [
            ("file:read", paths.clone()),
            ("tool:use", vec!["*".to_owned()]),
        ];
        let told = Granted {
            session: "0011223344556677".to_owned(),
            capabilities: told.map(|(name, paths)| (name.to_owned(), paths)).into(),
            without: BTreeMap::new(),
        };
        told.keep(&home).unwrap();
        let standing = || Granted::standing(&home, "0011223344556677").unwrap();
        let one = |path: &str| Some(standing().one("file:read", Path::new(path))?.path);
        for path in ["/w/*.txt", "/w/a.txt", "/w/in/x", "/w", "/"] {
            assert_eq!(one(path).as_deref(), Some(path));
        }
        assert_eq!(one("/w//./a.txt").as_deref(), Some("/w/a.txt"));
        for path in ["/v/a.txt", "/w/../w/a.txt", "*.txt", ""] {
            assert_eq!(one(path), None, "{path}");
        }
        assert_eq!(standing().one("file:write", Path::new("/w/a.txt")), None);
        for path in ["/w/a.txt", "*"] {
            assert_eq!(standing().one("tool:use", Path::new(path)), None, "{path}");
        }
        for path in ["/w/*.txt", "/w/in/x"] {
            let taken = standing().one("file:read", Path::new(path)).unwrap();
            tenure::revoke_path(&home, "0011223344556677", &taken).unwrap();
            assert_eq!(one(path), None, "it was taken back before");
        }
        assert_eq!(standing().capabilities["file:read"], paths[1..]);
        assert_eq!(standing().without["file:read"], ["/w/*.txt", "/w/in/x"]);
    }
}
