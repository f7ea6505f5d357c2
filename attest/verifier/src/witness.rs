//! `cloister-verify witness`: a witness's key and the last note that it cosigned of each ledger, in one folder. Reads the clock and the system's random source.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use cloister_attest::{AttestError, UnixSeconds, WitnessKey, WitnessRequest};
use zeroize::Zeroizing;

use crate::{NO_INPUT, NO_OUTPUT, NO_ROOTS, USAGE, fail, folder, read_roots};

/// The private key, and the lock that one process holds.
const KEY: &str = "witness.key";
/// The note that was cosigned last of each ledger, by the hash that names the ledger.
const NOTES: &str = "notes";
/// What was asked for is refused; with 2 the ledger does nothing wrong that can be seen.
const REFUSED: u8 = 1;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key; its public half, which verifiers pin, goes to standard output
    New {
        /// A folder that is not there yet
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// What the witness calls itself: printable ASCII without blanks and `+`
        #[arg(long)]
        name: String,
    },
    /// The public half of the key, on standard output
    Key {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Cosign the checkpoint of a proof; the note that goes back to the ledger goes to standard output
    ///
    /// The proof is what `cloister audit proof --for NAME` gives. Exit codes: 0 cosigned; 1 it does not hold, or does not go on from what was cosigned last; 2 its
    /// sessions are not attested; 3 no trust roots; 64 wrong usage; 66 nothing to read; 74 nothing can be kept. Nothing is cosigned but with 0.
    Cosign {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[arg(value_name = "PROOF")]
        proof: PathBuf,
        /// What you trust of the ledger: `roots.json`, from its admin
        #[arg(long, value_name = "ROOTS.json")]
        roots: PathBuf,
        /// Cosign sessions without a TPM too: whoever holds that disk can write them
        #[arg(long)]
        unattested: bool,
    },
}

pub(crate) fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::New { folder, name } => new(folder, name),
        Command::Key { folder } => Opened::at(folder).map(|opened| opened.public()),
        Command::Cosign {
            folder,
            proof,
            roots,
            unattested,
        } => cosign(folder, proof, roots, highest(*unattested)),
    };
    match done.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused { error, hint, code }) => fail(&error, &hint, code),
    }
}

/// The highest exit code of a verdict that is cosigned.
fn highest(unattested: bool) -> u8 {
    if unattested { 2 } else { 0 }
}

/// Why nothing was cosigned, and the exit code that says so.
struct Refused {
    error: anyhow::Error,
    hint: String,
    code: u8,
}

impl Refused {
    fn because(code: u8, hint: &str) -> impl FnOnce(anyhow::Error) -> Self {
        let hint = hint.to_owned();
        move |error| Self { error, hint, code }
    }
}

fn new(folder: &Path, name: &str) -> Result<String, Refused> {
    let mut seed = Zeroizing::new([0; 32]);
    let drawn = getrandom::fill(seed.as_mut_slice()).map_err(|error| anyhow!("{error}"));
    drawn.map_err(Refused::because(
        NO_OUTPUT,
        "the system has no random source",
    ))?;
    let key = WitnessKey::from_random(name, seed).map_err(anyhow::Error::new);
    let key = key.map_err(Refused::because(
        USAGE,
        "take the name of a host or a person",
    ))?;
    let made = make_folders(folder).and_then(|()| {
        let text = key.to_text();
        put(&folder.join(KEY), text.as_bytes())
    });
    made.map_err(Refused::because(
        NO_OUTPUT,
        "name a folder that is not there yet",
    ))?;
    Ok(format!("{}\n", key.witness()))
}

fn make_folders(folder: &Path) -> Result<()> {
    for one in [folder.to_owned(), folder.join(NOTES)] {
        let made = DirBuilder::new().mode(0o700).create(&one);
        made.with_context(|| format!("`{}` cannot be made", one.display()))?;
    }
    Ok(())
}

fn cosign(folder: &Path, proof: &Path, roots: &Path, highest: u8) -> Result<String, Refused> {
    let opened = Opened::at(folder)?;
    let roots = read_roots(roots).map_err(Refused::because(
        NO_ROOTS,
        "take `keys/roots.json` from the admin, not from the machine under audit",
    ))?;
    let proof = folder::proof(proof).map_err(Refused::because(
        NO_INPUT,
        "name a file that `cloister audit proof` gave",
    ))?;
    let (report, request) = WitnessRequest::read(&proof, &roots);
    eprint!("{report}");
    let (Some(request), true) = (request, report.exit_code() <= highest) else {
        let error = anyhow!("nothing was cosigned");
        let hint = match report.exit_code() {
            REFUSED => "keep the file for whoever audits that machine",
            _ => "if the machine has no TPM, say so by --unattested",
        };
        return Err(Refused::because(report.exit_code(), hint)(error));
    };
    opened.cosign(&request)
}

/// A witness's folder, opened by one process alone.
struct Opened {
    folder: PathBuf,
    key: WitnessKey,
    /// Held until it is dropped, so that of two requests the second sees what the first left.
    _lock: File,
}

impl Opened {
    fn at(folder: &Path) -> Result<Self, Refused> {
        let path = folder.join(KEY);
        let read = || {
            let lock = File::open(&path)?;
            lock.lock()?;
            std::fs::read_to_string(&path).map(|text| (lock, Zeroizing::new(text)))
        };
        let unreadable = || format!("`{}` cannot be read", path.display());
        let opened = read().with_context(unreadable).and_then(|(lock, text)| {
            let key = WitnessKey::from_text(&text)?;
            let folder = folder.to_owned();
            Ok(Self {
                folder,
                key,
                _lock: lock,
            })
        });
        opened.map_err(Refused::because(
            NO_INPUT,
            "`cloister-verify witness new DIR --name NAME` makes a witness's folder",
        ))
    }

    fn public(&self) -> String {
        format!("{}\n", self.key.witness())
    }

    /// Cosigns what goes on from the last note; the new one is durable in its place before anybody gets it.
    fn cosign(&self, request: &WitnessRequest) -> Result<String, Refused> {
        let path = self.folder.join(NOTES).join(request.log().hex());
        let last = self.last(&path)?;
        let noted = clock().and_then(|now| Ok(request.cosign(&self.key, last.as_deref(), now)?));
        let note = noted.map_err(|error| {
            let hint = error.downcast_ref().and_then(AttestError::hint);
            let kept = format!("NOTE is `{}`", path.display());
            let hint = hint.map_or(kept.clone(), |hint| format!("{hint}; {kept}"));
            Refused::because(REFUSED, &hint)(error)
        })?;
        put(&path, note.as_bytes()).map_err(Refused::because(
            NO_OUTPUT,
            "nothing was given out; make room in the witness's folder",
        ))?;
        Ok(note)
    }

    /// The note that was cosigned last of a ledger. That it cannot be read is not that there is none.
    fn last(&self, path: &Path) -> Result<Option<Vec<u8>>, Refused> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => folder::small(path).map(Some).map_err(Refused::because(
                NO_INPUT,
                "a witness that lost its notes must not go on under the same key",
            )),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a cosignature says when; a verdict does not depend on it"
)]
fn clock() -> Result<UnixSeconds> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let seconds = since.and_then(|since| UnixSeconds::new(since.as_secs()));
    seconds.context("the clock of this machine is not set")
}

/// Puts a file in its place, whole and durable, for its owner alone.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().with_context(|| format!("`{}` cannot be written", path.display()))
}

fn print(text: &str) -> Result<(), Refused> {
    let printed = std::io::stdout().write_all(text.as_bytes());
    let printed = printed.context("standard output cannot be written");
    printed.map_err(Refused::because(
        NO_OUTPUT,
        "ask again: what was cosigned is kept in the witness's folder",
    ))
}
