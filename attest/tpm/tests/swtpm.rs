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
    AdminKey, AdminPublic, Attestation, Binding, Digest, EnrolledKey, Evidence, LedgerHead,
    PcrSelection, Roots, SessionEvidence, SessionKey, Statement, Verdict, verify_evidence,
};
use cloister_attest_tpm::{Tpm, TpmError};
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

    fn open(&self) -> Tpm {
        let (tcti, until) = (
            format!("swtpm:host=127.0.0.1,port={}", self.port),
            Instant::now() + Duration::from_secs(10),
        );
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

fn statement(key: &SessionKey) -> Statement {
    let pin = Digest::of("pin");
    let binding = Binding {
        admin: admin(),
        runtime: pin,
        model: pin,
        policy: pin,
        manifest: pin,
        tools: pin,
        not_after: 2_000_000_000_000.into(),
        challenge: None,
        device: "desk-7".to_owned(),
    };
    Statement::new(
        key.public(),
        LedgerHead {
            head: Digest::ZERO,
            size: 0,
        },
        binding,
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
