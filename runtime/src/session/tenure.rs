//! Whether what a session rests on still stands: the time of its grants by every clock, and nobody having taken them back.
//!
//! They are taken back by `run/revoked/SESSION` in the home, a file that only the home's owner can make. The session looks for it before each call,
//! several times a second while one runs, and while the question waits. It only narrows, so what stands in the file does not matter.

use std::path::PathBuf;

use cloister_policies::UnixMillis;
use cloister_tools::Watch;

use crate::clock::Clock;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::interrupt::{GoOn, Interrupt};

/// Where to look after it was stopped.
const WAITS: &str = "nothing was released; what was made, if anything, waits in quarantine: `cloister quarantine list`";

/// What bounds a session's grants beside their terms.
#[derive(Debug, Clone)]
pub(crate) struct Tenure {
    pub(crate) clock: Clock,
    revoked: PathBuf,
}

impl Tenure {
    /// The tenure of a session that has just begun. What was said to earlier ones is swept away; one session at a time writes a home's ledger.
    pub(crate) fn begin(home: &Home, session: &str, clock: Clock) -> Tenure {
        let revoked = file(home, session);
        let all = std::fs::read_dir(folder(home)).into_iter().flatten();
        for file in all.flatten().map(|item| item.path()) {
            if file != revoked {
                let _ = std::fs::remove_file(file); // it means nothing any more, and is tried again by the next session
            }
        }
        Tenure { clock, revoked }
    }

    /// The same for what one call drew on, which may end before the session's grants do.
    pub(crate) fn term(&self, until: UnixMillis) -> Term<'_> {
        Term {
            tenure: self,
            until,
        }
    }

    /// Go on, or fail as revoked.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if !self.revoked() {
            return Ok(());
        }
        Err(revoked())
    }
}

impl Watch for Tenure {
    fn now(&self) -> UnixMillis {
        self.clock.for_policy()
    }

    fn revoked(&self) -> bool {
        // A folder that cannot be looked into may hold the file.
        let there = self.revoked.symlink_metadata();
        !there.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What waits for the model looks at both.
impl GoOn for (Interrupt, Tenure) {
    fn check(&self) -> Result<(), Failure> {
        self.0.check()?;
        self.1.check()
    }
}

/// What bounds the release of what one call made.
#[derive(Debug)]
pub(crate) struct Term<'a> {
    tenure: &'a Tenure,
    until: UnixMillis,
}

impl Term<'_> {
    /// Go on, or fail as revoked or as over.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.tenure.check()?;
        if self.tenure.now() < self.until {
            return Ok(());
        }
        Err(over("the release").hint(WAITS.to_owned()))
    }
}

/// What waits at a terminal does too.
impl GoOn for (&Interrupt, &Term<'_>) {
    fn check(&self) -> Result<(), Failure> {
        self.0.check()?;
        self.1.check()
    }
}

/// The failure that a revocation is.
pub(crate) fn revoked() -> Failure {
    Failure::new(Kind::Revoked, "the grants of this session were revoked").hint(WAITS.to_owned())
}

/// The failure that it is when what a call drew on ended before this.
pub(super) fn over(before: &str) -> Failure {
    let said = format!("the grants ended before {before}");
    Failure::new(Kind::Refused, said).hint(
        "run it again: grants last `ttl_seconds` of the manifest, or of one of its capabilities"
            .to_owned(),
    )
}

/// Take the grants of a running session back.
pub(crate) fn revoke(home: &Home, session: &str) -> Result<(), Failure> {
    disk::folder(&folder(home))?;
    disk::replace(&file(home, session), b"")
}

fn folder(home: &Home) -> PathBuf {
    home.scratch().join("revoked")
}

fn file(home: &Home, session: &str) -> PathBuf {
    folder(home).join(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_revoked_by_its_own_file_and_not_by_one_of_an_earlier_session() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        revoke(&home, "8899aabbccddeeff").unwrap();
        let begin = || Tenure::begin(&home, "0011223344556677", Clock::start());
        let tenure = begin();
        assert_eq!(std::fs::read_dir(super::folder(&home)).unwrap().count(), 0);
        tenure.check().unwrap();
        revoke(&home, "8899aabbccddeeff").unwrap();
        tenure.check().unwrap();
        revoke(&home, "0011223344556677").unwrap();
        let failure = tenure.check().unwrap_err();
        // Nobody is too quick: it counts also if it comes before the session looks.
        assert!(begin().revoked());
        assert_eq!(
            (failure.kind(), failure.kind().exit_code()),
            (Kind::Revoked, 3)
        );
    }

    #[test]
    fn a_release_does_not_wait_longer_than_what_its_call_drew_on() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let tenure = Tenure::begin(&home, "0011223344556677", Clock::start());
        tenure.term(tenure.now().plus_seconds(60)).check().unwrap();
        let (never, over) = (Interrupt::never(), tenure.term(tenure.now()));
        let failure = GoOn::check(&(&never, &over)).unwrap_err();
        assert_eq!(failure.kind(), Kind::Refused);
        assert!(
            failure
                .to_string()
                .contains("the grants ended before the release")
        );
        revoke(&home, "0011223344556677").unwrap();
        let failure = tenure
            .term(tenure.now().plus_seconds(60))
            .check()
            .unwrap_err();
        assert_eq!(failure.kind(), Kind::Revoked);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_into_revokes() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let tenure = Tenure::begin(&home, "0011223344556677", Clock::start());
        std::fs::create_dir_all(home.scratch()).unwrap();
        std::fs::write(home.scratch().join("revoked"), "no folder").unwrap();
        assert!(tenure.revoked());
    }
}
