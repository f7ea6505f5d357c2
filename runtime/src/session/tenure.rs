//! Whether what a session rests on still stands: the time of its grants by every clock, and nobody having taken them back.
//!
//! They are taken back by `run/revoked/SESSION` in the home, one capability of them by `run/revoked/SESSION.file:read` (so it is called), and one path of
//! that by a file beside it (`taken.rs`): files that only the home's owner can make. The session looks for them before each call, several times a second
//! while one runs, and while the question waits. They only narrow, and one that is not understood takes back all that it might.

mod taken;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloister_policies::{Permit, UnixMillis};
use cloister_tools::Watch;
use cloister_tools::names::{Lines, escape};

use crate::clock::Clock;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::interrupt::{GoOn, Interrupt};

pub(crate) use taken::Taken;

/// Where to look after it was stopped.
const WAITS: &str = "nothing was released; what was made, if anything, waits in quarantine: `cloister quarantine list`";

/// What bounds a session's grants beside their terms.
#[derive(Debug, Clone)]
pub(crate) struct Tenure {
    pub(crate) clock: Clock,
    revoked: PathBuf,
}

/// What something needs to go on: capabilities, by name, and by which of them it touches which paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    capabilities: BTreeSet<&'static str>,
    paths: BTreeSet<(&'static str, PathBuf)>,
}

impl Needs {
    /// What the call of this permit draws on.
    pub(crate) fn of(permit: &Permit) -> Needs {
        let touched = permit.call().resources().iter();
        Needs {
            capabilities: permit.capabilities().collect(),
            paths: touched
                .map(|resource| (resource.op.capability(), resource.path.clone()))
                .collect(),
        }
    }

    /// The same, and what these name.
    pub(crate) fn and(mut self, more: impl Into<Needs>) -> Needs {
        let Needs {
            capabilities,
            paths,
        } = more.into();
        self.capabilities.extend(capabilities);
        self.paths.extend(paths);
        self
    }
}

/// Capabilities, whatever is touched by them.
impl<I: IntoIterator<Item = &'static str>> From<I> for Needs {
    fn from(names: I) -> Needs {
        Needs {
            capabilities: names.into_iter().collect(),
            paths: BTreeSet::new(),
        }
    }
}

impl Tenure {
    /// The tenure of a session that has just begun. What was said to earlier ones is swept away; one session at a time writes a home's ledger.
    pub(crate) fn begin(home: &Home, session: &str, clock: Clock) -> Tenure {
        let revoked = file(home, session);
        let own = |file: &Path| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.split('.').next() == Some(session) // which has no dot
        };
        let all = std::fs::read_dir(folder(home)).into_iter().flatten();
        for file in all.flatten().map(|item| item.path()) {
            if !own(&file) {
                let _ = std::fs::remove_file(file); // it means nothing any more, and is tried again by the next session
            }
        }
        Tenure { clock, revoked }
    }

    /// What holds as long as all of this stands.
    pub(crate) fn hold(&self, needs: impl Into<Needs>) -> Hold {
        Hold {
            tenure: self.clone(),
            needs: needs.into(),
        }
    }

    /// Whether this capability was taken back by itself.
    pub(crate) fn took(&self, capability: &str) -> bool {
        there(&of_one(&self.revoked, capability))
    }

    /// The paths that were taken back one by one; as long as nobody can tell which, everything is.
    pub(crate) fn took_of(&self) -> Result<Vec<Taken>, Failure> {
        Taken::all(&self.revoked).map_err(|_| revoked())
    }
}

/// What one thing rests on: the session's grants, and of them what it needs. The rest may be taken back meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    tenure: Tenure,
    needs: Needs,
}

impl Hold {
    /// The same until what one call drew on ends, which may be before the session's grants do.
    pub(crate) fn until(self, until: UnixMillis) -> Term {
        Term { hold: self, until }
    }

    /// Go on, or fail as revoked.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if there(&self.tenure.revoked) {
            return Err(revoked());
        }
        let Needs {
            capabilities,
            paths,
        } = &self.needs;
        if let Some(name) = capabilities.iter().find(|name| self.tenure.took(name)) {
            return Err(revoked_of(name));
        }
        if paths.is_empty() {
            return Ok(());
        }
        let taken = self.tenure.took_of()?;
        let touches = |one: &&Taken| paths.iter().any(|(name, path)| one.covers(name, path));
        let taken = taken.iter().find(touches);
        taken.map_or(Ok(()), |one| Err(revoked_of(&one.to_string())))
    }
}

impl Watch for Hold {
    fn now(&self) -> UnixMillis {
        self.tenure.clock.for_policy()
    }

    fn revoked(&self) -> bool {
        self.check().is_err()
    }
}

/// What waits for the model looks at both.
impl GoOn for (Interrupt, Hold) {
    fn check(&self) -> Result<(), Failure> {
        self.0.check()?;
        self.1.check()
    }
}

/// What bounds the release of what one call made.
#[derive(Debug)]
pub(crate) struct Term {
    hold: Hold,
    until: UnixMillis,
}

impl Term {
    /// Go on, or fail as revoked or as over.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.hold.check()?;
        if self.hold.now() < self.until {
            return Ok(());
        }
        Err(over("the release").hint(WAITS.to_owned()))
    }
}

/// What waits at a terminal does too.
impl GoOn for (&Interrupt, &Term) {
    fn check(&self) -> Result<(), Failure> {
        self.0.check()?;
        self.1.check()
    }
}

/// The failure that a revocation is.
pub(crate) fn revoked() -> Failure {
    Failure::new(Kind::Revoked, "the grants of this session were revoked").hint(WAITS.to_owned())
}

fn revoked_of(what: &str) -> Failure {
    let what = escape(what, Lines::Escape);
    let said = format!("{what} was granted to this session and was revoked");
    Failure::new(Kind::Revoked, said).hint(WAITS.to_owned())
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

/// Take one capability of a running session back.
pub(crate) fn revoke_one(home: &Home, session: &str, capability: &str) -> Result<(), Failure> {
    disk::folder(&folder(home))?;
    disk::replace(&of_one(&file(home, session), capability), b"")
}

/// Take one path of a capability of a running session back.
pub(crate) fn revoke_path(home: &Home, session: &str, taken: &Taken) -> Result<(), Failure> {
    disk::folder(&folder(home))?;
    taken.write(&file(home, session))
}

/// The paths of a session's capabilities that were taken back one by one.
pub(super) fn took_of(home: &Home, session: &str) -> Vec<Taken> {
    Taken::all(&file(home, session)).unwrap_or_default()
}

/// Whether one capability of a session was taken back by itself.
pub(super) fn took(home: &Home, session: &str, capability: &str) -> bool {
    there(&of_one(&file(home, session), capability))
}

/// A folder that cannot be looked into may hold the file.
fn there(file: &Path) -> bool {
    let about = file.symlink_metadata();
    !about.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn of_one(revoked: &Path, capability: &str) -> PathBuf {
    revoked.with_extension(capability)
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

    const SESSION: &str = "0011223344556677";

    fn home(folder: &tempfile::TempDir) -> Home {
        Home::at(folder.path().to_owned())
    }

    #[test]
    fn a_session_is_revoked_by_its_own_file_and_not_by_one_of_an_earlier_session() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        revoke(&home, "8899aabbccddeeff").unwrap();
        revoke_one(&home, "8899aabbccddeeff", "file:read").unwrap();
        let begin = || Tenure::begin(&home, SESSION, Clock::start()).hold(["file:read"]);
        let hold = begin();
        assert_eq!(std::fs::read_dir(super::folder(&home)).unwrap().count(), 0);
        hold.check().unwrap();
        revoke(&home, "8899aabbccddeeff").unwrap();
        hold.check().unwrap();
        revoke(&home, SESSION).unwrap();
        let failure = hold.check().unwrap_err();
        // Nobody is too quick: it counts also if it comes before the session looks.
        assert!(begin().revoked());
        assert_eq!(
            (failure.kind(), failure.kind().exit_code()),
            (Kind::Revoked, 3)
        );
    }

    #[test]
    fn a_capability_that_is_taken_back_stops_what_needs_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let begin = || Tenure::begin(&home, SESSION, Clock::start());
        let tenure = begin();
        let (reads, writes) = (
            tenure.hold(["file:read", "tool:use"]),
            tenure.hold(["file:write"]),
        );
        revoke_one(&home, SESSION, "file:read").unwrap();
        let failure = reads.check().unwrap_err();
        assert_eq!(failure.kind(), Kind::Revoked);
        assert!(failure.to_string().contains("file:read"), "{failure}");
        assert!(reads.revoked() && !writes.revoked());
        tenure.hold([]).check().unwrap();
        writes
            .until(tenure.clock.for_policy().plus_seconds(60))
            .check()
            .unwrap();
        assert!(tenure.took("file:read") && !tenure.took("file:write"));
        assert!(
            begin().took("file:read"),
            "it counts also if it comes before the session looks"
        );
    }

    fn one(capability: &str, path: &str) -> Taken {
        let (capability, path) = (capability.to_owned(), path.to_owned());
        Taken { capability, path }
    }

    fn touching(touched: &[(&'static str, &str)]) -> Needs {
        let paths = touched.iter().map(|(name, path)| (*name, path.into()));
        let paths = paths.collect();
        Needs {
            paths,
            ..Needs::from(["file:read", "file:write"])
        }
    }

    #[test]
    fn a_path_that_is_taken_back_stops_what_touches_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let begin = || Tenure::begin(&home, SESSION, Clock::start());
        let tenure = begin();
        for path in ["/w/a.txt", "/w/old", "/w/*.csv", "/w/[1].txt"] {
            revoke_path(&home, SESSION, &one("file:read", path)).unwrap();
        }
        let revoked = |touched: &[_]| tenure.hold(touching(touched)).revoked();
        for path in [
            "/w/a.txt",
            "/w/old",
            "/w/old/.x/b.txt",
            "/w/c.csv",
            "/w/[1].txt",
        ] {
            assert!(revoked(&[("file:read", path)]), "{path}");
            assert!(!revoked(&[("file:write", path)]), "{path}");
        }
        for path in ["/w/ab.txt", "/w/a.txt.old", "/w/older", "/w/x/c.csv", "/w"] {
            assert!(!revoked(&[("file:read", path)]), "{path}");
        }
        let needs = touching(&[("file:write", "/w/r"), ("file:read", "/w/a.txt")]);
        let failure = tenure.hold(needs).check().unwrap_err();
        assert_eq!(failure.kind(), Kind::Revoked);
        assert!(failure.to_string().contains("file:read /w/a.txt"));
        assert!(!tenure.hold(["file:read"]).revoked() && !tenure.took("file:read"));
        let again = begin().hold(touching(&[("file:read", "/w/a.txt")]));
        assert!(again.revoked(), "it was swept away with earlier sessions'");
        let next = Tenure::begin(&home, "8899aabbccddeeff", Clock::start());
        assert!(next.took_of().unwrap().is_empty());
        assert_eq!(std::fs::read_dir(super::folder(&home)).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_names_no_path_takes_every_path_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let tenure = Tenure::begin(&home, SESSION, Clock::start());
        disk::folder(&super::folder(&home)).unwrap();
        for bytes in [&b""[..], b"a.txt", b"/w/\xff"] {
            let garbled = file(&home, SESSION).with_extension("file:read.00");
            std::fs::write(&garbled, bytes).unwrap();
            let touched = touching(&[("file:read", "/v/b.txt")]);
            assert!(tenure.hold(touched).revoked(), "{bytes:?}");
        }
    }

    #[test]
    fn a_release_does_not_wait_longer_than_what_its_call_drew_on() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let tenure = Tenure::begin(&home, SESSION, Clock::start());
        let now = tenure.clock.for_policy();
        let term = |seconds| tenure.hold([]).until(now.plus_seconds(seconds));
        term(60).check().unwrap();
        let failure = GoOn::check(&(&Interrupt::never(), &term(0))).unwrap_err();
        assert_eq!(failure.kind(), Kind::Refused);
        assert!(
            failure
                .to_string()
                .contains("the grants ended before the release")
        );
        revoke(&home, SESSION).unwrap();
        let failure = term(60).check().unwrap_err();
        assert_eq!(failure.kind(), Kind::Revoked);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_into_revokes() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let tenure = Tenure::begin(&home, SESSION, Clock::start());
        std::fs::create_dir_all(home.scratch()).unwrap();
        std::fs::write(home.scratch().join("revoked"), "no folder").unwrap();
        assert!(tenure.hold([]).revoked() && tenure.took("file:read"));
    }
}
