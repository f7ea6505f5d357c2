//! What the ledger costs: an append (canonical JSON, hash, signature, write, `fdatasync`) beside a write and `fdatasync` of a line of the same
//! length, in turn on the same disk; and how many entries a second one core verifies. Run by `make bench-ledger`.
//!
//! usage: costs FOLDER

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark ends where something fails"
)]

#[path = "../../benches/told.rs"]
mod told;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloister_attest::{
    AdminKey, Binding, Body, Digest, ENTRIES_FILE, Evidence, Files, Ledger, Memory, Note, Roots,
    SessionKey, SessionStart, Statement, Storage, UnixMillis, verify,
};
use told::{at_part, sorted};
use zeroize::Zeroizing;

/// Appends in turn with plain writes. Some seconds on a disk that takes a millisecond.
const APPENDS: usize = 2_000;
/// Entries that are verified.
const VERIFIED: usize = 200_000;
/// Times that the verifier runs over them.
const TURNS: usize = 5;

/// Milliseconds since 1970 of the first entry, and long after the last.
const START: u64 = 1_800_000_000_000;
const END: u64 = 2_000_000_000_000;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: costs FOLDER"));
    std::fs::create_dir_all(&folder).unwrap();
    appends(&folder);
    verifying();
}

/// A ledger on a disk as the agent keeps it, without its lock.
struct OnDisk(File);

impl Storage for OnDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    /// The checkpoint, which is written once a session.
    fn replace(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

fn appends(folder: &Path) {
    let (ours, plain) = (folder.join(ENTRIES_FILE), folder.join("plain"));
    let mut ledger = begun(OnDisk(fresh(&ours)));
    let mut beside = fresh(&plain);
    let length = usize::try_from(ours.metadata().unwrap().len()).unwrap();
    ledger.note(entry(0), at(0)).unwrap();
    let line = usize::try_from(ours.metadata().unwrap().len()).unwrap() - length;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for n in 1..=APPENDS {
        with.push(timed(|| _ = ledger.note(entry(n), at(n)).unwrap()));
        without.push(timed(|| {
            beside.write_all(&vec![b'x'; line]).unwrap();
            beside.sync_data().unwrap();
        }));
    }
    println!(
        "append: {APPENDS} of {line} bytes, median {:.0} us; write and fdatasync of as many bytes {:.0} us; {}",
        told::median(&with) * 1e6,
        told::median(&without) * 1e6,
        told::ratio(&with, &without)
    );
    for file in [ours, plain] {
        std::fs::remove_file(file).unwrap();
    }
}

fn verifying() {
    let mut ledger = begun(Memory::default());
    for n in 0..VERIFIED {
        ledger.note(entry(n), at(n)).unwrap();
    }
    let closed = ledger.end("done".to_owned(), at(VERIFIED)).unwrap();
    let storage = closed.into_storage();
    let roots = Roots::new(admin().public());
    let rates = (0..TURNS).map(|_| {
        let begun = Instant::now();
        let report = verify(storage.files(), &roots, None).unwrap();
        assert!(report.entries() >= VERIFIED as u64, "{report}");
        report.entries() as f64 / begun.elapsed().as_secs_f64()
    });
    let rates = sorted(rates);
    println!(
        "verify: {:.0} entries a second on one core, median of {TURNS} ({:.0} to {:.0})",
        at_part(&rates, 0.5),
        at_part(&rates, 0.0),
        at_part(&rates, 1.0)
    );
}

fn begun<S: Storage>(storage: S) -> Ledger<S> {
    let nothing = Files {
        entries: &[][..],
        checkpoint: None,
        others: Default::default(),
    };
    let resumed = Ledger::resume(nothing, storage).unwrap();
    let key = SessionKey::from_random(Zeroizing::new([1; 32]));
    let digest = Digest::of("none");
    let binding = Binding {
        admin: admin().public(),
        runtime: digest,
        model: digest,
        policy: digest,
        manifest: digest,
        tools: digest,
        not_after: END.into(),
        challenge: None,
        device: "bench".to_owned(),
    };
    let start = SessionStart {
        statement: Statement::new(key.public(), resumed.head(), binding),
        evidence: Evidence::None {
            reason: "a benchmark".to_owned(),
        },
        agent: "bench".to_owned(),
        agent_version: "1".to_owned(),
        model: "none".to_owned(),
        user: "nobody".to_owned(),
        confinement: "none".to_owned(),
        unattended: None,
    };
    resumed.begin(key, start, at(0)).unwrap()
}

fn admin() -> AdminKey {
    AdminKey::from_random(Zeroizing::new([9; 32]))
}

fn entry(n: usize) -> Body {
    Body::Note(Note {
        about: "bench".to_owned(),
        text: format!("entry {n:08} is about as long as most: {}", "a".repeat(100)),
    })
}

/// A tenth of a second apart.
fn at(n: usize) -> UnixMillis {
    (START + n as u64 * 100).into()
}

fn fresh(path: &Path) -> File {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(path)
        .unwrap()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
