//! The TPM against swtpm, an emulator of its own in a temporary folder. Skipped, and said so, where swtpm is not installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test's helpers fail as tests do"
)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cloister_attest::{
    AdminKey, AdminPublic, Attestation, Binding, Body, COUNTERS, Challenge, CounterAnswer, Digest,
    EnrolledKey, Evidence, Files, Ledger, LedgerHead, Memory, Note, PcrSelection, Roots,
    SessionEvidence, SessionKey, SessionStart, Statement, Storage, Verdict, verify_answer,
    verify_evidence,
};
use cloister_attest_tpm::{Counter, Made, Tpm, TpmError};
use zeroize::Zeroizing;

struct Emulator {
    process: Child,
    port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // A second kill of a process that is gone already is no failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The TCTI wants two ports in a row: commands, then control.
fn two_free_ports() -> Option<u16> {
    (0..100).find_map(|_| {
        let first = TcpListener::bind(("127.0.0.1", 0))
            .ok()?
            .local_addr()
            .ok()?
            .port();
        TcpListener::bind(("127.0.0.1", first.checked_add(1)?))
            .ok()
            .map(|_| first)
    })
}

impl Emulator {
    fn start(state: &Path) -> Option<Self> {
        let port = two_free_ports()?;
        let started = Command::new("swtpm")
            .args([
                "socket",
                "--tpm2",
                "--flags",
                "not-need-init,startup-clear",
                "--tpmstate",
            ])
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!(
                "type=tcp,bindaddr=127.0.0.1,port={port},disconnect"
            ))
            .arg("--ctrl")
            .arg(format!("type=tcp,bindaddr=127.0.0.1,port={}", port + 1))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(process) => Some(Self { process, port }),
            Err(error) => {
                println!("skipped: swtpm cannot be started: {error}");
                None
            }
        }
    }

    fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    fn open(&self) -> Tpm {
        let (tcti, until) = (self.tcti(), Instant::now() + Duration::from_secs(10));
        loop {
            match Tpm::open(&tcti) {
                Ok(tpm) => return tpm,
                Err(error) if Instant::now() > until => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

fn admin() -> AdminPublic {
    AdminKey::from_random(Zeroizing::new([2; 32])).public()
}

fn binding() -> Binding {
    let pin = Digest::of("pin");
    Binding {
        admin: admin(),
        runtime: pin,
        model: pin,
        policy: pin,
        manifest: pin,
        tools: pin,
        not_after: 2_000_000_000_000.into(),
        challenge: None,
        device: "desk-7".to_owned(),
    }
}

fn statement(key: &SessionKey) -> Statement {
    Statement::new(
        key.public(),
        LedgerHead {
            head: Digest::ZERO,
            size: 0,
        },
        binding(),
    )
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = run();
    println!("{what}: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    done
}

#[test]
fn a_quote_holds_and_the_key_is_the_same_after_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let mut tpm = timed("open", || emulator.open());
    assert_eq!(
        timed("kind", || tpm.kind()).unwrap(),
        Attestation::Tpm2Software
    );
    let key = timed("attestation key", || tpm.attestation_key()).unwrap();

    let session = SessionKey::from_random(Zeroizing::new([1; 32]));
    let statement = statement(&session);
    let quote = timed("quote", || {
        tpm.quote(&statement.qualifying().unwrap(), &PcrSelection::boot())
    })
    .unwrap();
    // No resource manager here: ten more quotes work only if every key before was flushed.
    for _ in 0..10 {
        tpm.quote(&statement.qualifying().unwrap(), &PcrSelection::boot())
            .unwrap();
    }
    let evidence = Evidence::Tpm2Software { quote };
    let bytes = SessionEvidence::write(statement, evidence, &session).unwrap();
    let pinned = |kind| {
        let public = key.public_area().to_vec();
        EnrolledKey::pinned_in_person("desk-7".to_owned(), public, kind, PcrSelection::boot())
            .unwrap()
    };
    let roots = Roots::new(admin())
        .enrolling(pinned(Attestation::Tpm2Software))
        .accepting_software();
    assert_eq!(
        verify_evidence(&bytes, &roots, None).verdict(),
        &Verdict::Sound
    );
    // The twin: the same quote, and nobody enrolled.
    assert_eq!(
        verify_evidence(&bytes, &Roots::new(admin()), None).exit_code(),
        2
    );

    drop(tpm);
    drop(emulator);
    let Some(again) = Emulator::start(state.path()) else {
        return;
    };
    assert_eq!(again.open().attestation_key().unwrap(), key);
    let other = tempfile::tempdir().unwrap();
    let Some(stranger) = Emulator::start(other.path()) else {
        return;
    };
    assert_ne!(stranger.open().attestation_key().unwrap(), key);
}

#[test]
fn more_pcrs_than_one_reading_returns_can_be_quoted() {
    let state = tempfile::tempdir().unwrap();
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let mut tpm = emulator.open();
    let all: Vec<u8> = (0..24).collect();
    let quote = tpm
        .quote(&Digest::of("x"), &PcrSelection::new(&all).unwrap())
        .unwrap();
    assert_eq!(quote.pcrs().len(), 24);
}

#[test]
fn nobody_there_is_an_error_with_a_hint() {
    let Some(port) = two_free_ports() else { return };
    let Err(error) = Tpm::open(&format!("swtpm:host=127.0.0.1,port={port}")) else {
        panic!("nobody listens there")
    };
    assert!(matches!(error, TpmError::Tss { .. }), "{error}");
    assert!(error.hint().is_some());
}

/// A home that asks again gets the counter that was made for it, until somebody uses that one.
#[test]
fn a_counter_that_nobody_used_is_taken_again() {
    let state = tempfile::tempdir().unwrap();
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let tcti = emulator.tcti();
    drop(emulator.open()); // it is up
    let made = Counter::define(&tcti).unwrap();
    assert!(Counter::is_unused(&tcti, made).unwrap());
    assert_eq!(emulator.open().new_counter(Some(made)).unwrap(), made);
    let other = emulator.open().new_counter(None).unwrap();
    assert_ne!(other.index, made.index);
    let elsewhere = Made {
        index: COUNTERS.end() - 1,
        ..made
    };
    assert!(!Counter::is_unused(&tcti, elsewhere).unwrap()); // not there
    let mut counter = Counter::open(&tcti, made.index).unwrap();
    counter.raise_and_certify(&Digest::of("x")).unwrap();
    assert!(!Counter::is_unused(&tcti, made).unwrap());
    assert_ne!(
        emulator.open().new_counter(Some(made)).unwrap().index,
        made.index
    );
}

/// A device with one home: its simulator, its counter, and what an auditor trusts of it.
struct Device {
    emulator: Emulator,
    index: u32,
    roots: Roots,
    ak_name: Vec<u8>,
}

impl Device {
    fn enrol(emulator: Emulator) -> Self {
        let key = emulator.open().attestation_key().unwrap();
        let index = Counter::define(&emulator.tcti()).unwrap().index;
        let kind = Attestation::Tpm2Software;
        let public = key.public_area().to_vec();
        let enrolled =
            EnrolledKey::pinned_in_person("desk-7".to_owned(), public, kind, PcrSelection::boot());
        let roots = Roots::new(admin())
            .enrolling(enrolled.unwrap().anchored_by(index).unwrap())
            .accepting_software();
        Self {
            emulator,
            index,
            roots,
            ak_name: key.name().to_vec(),
        }
    }

    fn counter(&self) -> Counter {
        Counter::open(&self.emulator.tcti(), self.index).unwrap()
    }

    /// A session of one note, anchored at its start and its end; or cut off before its end.
    fn session(&self, storage: Memory, seed: u8, end: Ending) -> Result<Memory, String> {
        let copy = storage.clone();
        let resumed = Ledger::resume(copy.files(), storage).unwrap();
        let value = self.counter().value().unwrap();
        resumed
            .expect_counter(&self.ak_name, value)
            .map_err(|error| error.to_string())?;
        let key = SessionKey::from_random(Zeroizing::new([seed; 32]));
        let statement = Statement::new(key.public(), resumed.head(), binding());
        let quote = self
            .emulator
            .open()
            .quote(&statement.qualifying().unwrap(), &PcrSelection::boot())
            .unwrap();
        let evidence = Evidence::Tpm2Software { quote };
        let mut ledger = resumed
            .begin(key, start(statement, evidence), 1.into())
            .unwrap();
        self.anchor(&mut ledger);
        let note = Note {
            about: "x".to_owned(),
            text: "y".to_owned(),
        };
        ledger.note(Body::Note(note), 1.into()).unwrap();
        match end {
            Ending::CutOff => Ok(ledger.storage().clone()),
            Ending::Ended => {
                self.anchor(&mut ledger);
                Ok(ledger
                    .end("done".to_owned(), 1.into())
                    .unwrap()
                    .into_storage())
            }
        }
    }

    fn anchor<S: Storage>(&self, ledger: &mut Ledger<S>) {
        let certify = |over: &Digest| {
            let anchor = self.counter().raise_and_certify(over).unwrap();
            Ok::<_, cloister_attest::AttestError>(anchor)
        };
        ledger.anchor(1.into(), certify).unwrap();
    }

    /// What the device answers to `challenge`, judged with its ledger.
    fn asked(&self, ledger: &Memory) -> (u8, String) {
        let challenge: Challenge = "c0ffee".parse().unwrap();
        let certified = self
            .counter()
            .certify(&CounterAnswer::qualifying(&challenge))
            .unwrap();
        let answer =
            CounterAnswer::write(certified.ak_public, challenge.clone(), certified.anchor).unwrap();
        let report = verify_answer(ledger.files(), &self.roots, &challenge, &answer).unwrap();
        (report.exit_code(), report.to_string())
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Ended,
    CutOff,
}

fn start(statement: Statement, evidence: Evidence) -> SessionStart {
    SessionStart {
        statement,
        evidence,
        agent: "a".to_owned(),
        agent_version: "1".to_owned(),
        model: "m".to_owned(),
        user: "u".to_owned(),
        confinement: "full".to_owned(),
        unattended: None,
    }
}

#[test]
fn a_disk_that_was_put_back_is_refused_and_shown_by_a_challenge() {
    let state = tempfile::tempdir().unwrap();
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let device = Device::enrol(emulator);
    let old = device.session(Memory::default(), 1, Ending::Ended).unwrap();
    let new = device.session(old.clone(), 2, Ending::Ended).unwrap();
    assert_eq!(device.asked(&new).0, 0, "{}", device.asked(&new).1);
    // Sound by itself, and by its checkpoint: only the counter tells.
    let (code, why) = device.asked(&old);
    assert_eq!(code, 1, "{why}");
    assert!(why.contains("what came after it is missing"), "{why}");
    let refused = device.session(old, 3, Ending::Ended).unwrap_err();
    assert!(refused.contains("not the newest"), "{refused}");
    assert_eq!(
        device.asked(&new).0,
        0,
        "the refused session raised nothing"
    );
}

#[test]
fn a_crash_between_raising_and_recording_is_taken_up_and_never_forgotten() {
    let state = tempfile::tempdir().unwrap();
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let device = Device::enrol(emulator);
    let cut = device
        .session(Memory::default(), 1, Ending::CutOff)
        .unwrap();
    device
        .counter()
        .raise_and_certify(&Digest::of("lost"))
        .unwrap();
    let (code, why) = device.asked(&cut);
    assert_eq!(code, 2, "{why}");
    let whole = device.session(cut, 2, Ending::Ended).unwrap();
    let (code, why) = device.asked(&whole);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("raised without an anchor"), "{why}");
    // Raised while no session ran: no crash does that.
    device
        .counter()
        .raise_and_certify(&Digest::of("again"))
        .unwrap();
    assert!(device.session(whole, 3, Ending::Ended).is_err());
}

#[test]
fn state_moved_from_one_tpm_to_another_is_refused() {
    let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(emulator) = Emulator::start(mine.path()) else {
        return;
    };
    let Some(other) = Emulator::start(theirs.path()) else {
        return;
    };
    let (device, stranger) = (Device::enrol(emulator), Device::enrol(other));
    let ledger = device.session(Memory::default(), 1, Ending::Ended).unwrap();
    // The same disk on another machine: its sessions are by a key that nobody enrolled, and its answers are not the device's.
    let moved = stranger.session(ledger.clone(), 2, Ending::Ended).unwrap();
    let (code, why) = device.asked(&moved);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("by a key that is not enrolled"), "{why}");
    let foreign = Device {
        roots: device.roots.clone(),
        ..stranger
    };
    let (code, why) = foreign.asked(&ledger);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("not enrolled with a counter"), "{why}");
}

#[test]
fn both_put_back_together_are_caught_only_by_a_checkpoint_kept_elsewhere() {
    let (state, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(emulator) = Emulator::start(state.path()) else {
        return;
    };
    let device = Device::enrol(emulator);
    let old = device.session(Memory::default(), 1, Ending::Ended).unwrap();
    let Device {
        emulator,
        index,
        roots,
        ak_name,
    } = device;
    let of = |emulator: Emulator| Device {
        emulator,
        index,
        roots: roots.clone(),
        ak_name: ak_name.clone(),
    };
    drop(emulator);
    copy(state.path(), kept.path());
    let Some(again) = Emulator::start(state.path()) else {
        return;
    };
    again.open();
    let device = of(again);
    let new = device.session(old.clone(), 2, Ending::Ended).unwrap();
    assert_eq!(device.asked(&old).0, 1, "the disk alone was put back");
    drop(device);
    let Some(restored) = Emulator::start(kept.path()) else {
        return;
    };
    restored.open();
    let device = of(restored);
    assert_eq!(device.asked(&old).0, 0, "nothing on the device shows it");
    let elsewhere = new.files().checkpoint;
    let files = Files {
        checkpoint: elsewhere,
        ..old.files()
    };
    let report = cloister_attest::verify(files, &device.roots, None).unwrap();
    assert_eq!(
        report.exit_code(),
        1,
        "the checkpoint kept elsewhere does: {report}"
    );
}

fn copy(from: &Path, to: &Path) {
    for item in std::fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}
