//! What the session that runs was granted, written down in `run/granted` of the home for whoever would take some of it back. Nothing is granted by it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cloister_policies::{Grants, grantable};
use serde::{Deserialize, Serialize};

use super::tenure;
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
        (granted.session == session).then_some(granted)
    }
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
}
