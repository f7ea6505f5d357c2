//! What the ledger promises to whoever writes: durable before it counts, poisoned by a failure, recovered after a crash.

use std::io;

use cloister_attest::*;

use crate::kit::{self, FakeTpm, Folder, START, begin, begin_unattested, resume, roots, story};

#[test]
fn what_was_written_is_sound() {
    let tpm = FakeTpm::new(5);
    let report = Folder::of(&kit::ledger(&tpm)).verify(&roots(&tpm));
    assert_eq!(report.verdict(), &Verdict::Sound, "{report}");
    assert_eq!(
        (report.entries(), report.sessions(), report.attested()),
        (18, 3, 3)
    );
    assert_eq!(report.exit_code(), 0);
}

#[test]
fn a_crash_is_recovered_and_named() {
    let tpm = FakeTpm::new(5);
    let folder = Folder::of(&kit::ledger(&tpm));
    let line = &folder.lines()[16];
    let Body::Recovery(recovery) = Entry::parse(line.strip_suffix(b"\n").unwrap())
        .unwrap()
        .body
    else {
        panic!("entry 16 is the recovery");
    };
    assert_eq!(recovery.unended.len(), 1);
    assert_eq!(
        (
            recovery.unended[0].last,
            recovery.unended[0].open.as_slice()
        ),
        (14, [14].as_slice())
    );
    assert_eq!(recovery.torn.len(), 1);
    assert_eq!(
        folder.others[&recovery.torn[0].file],
        br#"{"att":"tpm2-hardware","body":{"eff"#
    );
}

#[test]
fn a_crash_between_putting_aside_and_recording_loses_nothing() {
    let tpm = FakeTpm::new(5);
    let mut torn = begin(resume(Memory::default()), 1, &tpm, START)
        .storage()
        .clone();
    let whole = torn.files().entries.len();
    torn.append(b"{\"torn").unwrap();
    // The first resume put the line aside and cut it off; the process died before a session began.
    let mut aside = torn.clone();
    aside
        .replace(
            &format!("torn-{}.bin", Digest::of("{\"torn").hex()),
            b"{\"torn",
        )
        .unwrap();
    let died_before_the_cut = aside.clone();
    aside.cut(whole as u64).unwrap();
    let unrecorded = Folder::of(&aside).verify(&roots(&tpm));
    assert_eq!(unrecorded.exit_code(), 2, "{unrecorded}");
    for storage in [torn, died_before_the_cut, aside] {
        let resumed = resume(storage);
        assert_eq!(resumed.recovery().torn.len(), 1);
        let ledger = begin(resumed, 2, &tpm, START + 1);
        assert_eq!(ledger.storage().files().others.len(), 1);
        let storage = ledger
            .end("done".to_owned(), (START + 2).into())
            .unwrap()
            .into_storage();
        assert_eq!(
            Folder::of(&storage).verify(&roots(&tpm)).verdict(),
            &Verdict::Sound
        );
    }
}

/// Fails at the n-th call that writes; `None` never does, which is the twin that shows the test can pass.
struct Failing {
    memory: Memory,
    left: Option<u32>,
}

impl Failing {
    fn tick(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Storage for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tick()?;
        self.memory.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.tick()
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.tick()?;
        self.memory.cut(length)
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.tick()?;
        self.memory.replace(name, bytes)
    }
}

fn note() -> Body {
    Body::Note(Note {
        about: "x".to_owned(),
        text: "y".to_owned(),
    })
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    for left in 2..4 {
        let storage = Failing {
            memory: Memory::default(),
            left: Some(left),
        };
        let resumed = Ledger::resume(Memory::default().files(), storage).unwrap();
        let mut ledger = begin_unattested(resumed, 1, START);
        assert!(matches!(
            ledger.record(note(), START.into(), "permit"),
            Err(AttestError::Storage(_))
        ));
        for _ in 0..2 {
            assert!(matches!(
                ledger.record(note(), START.into(), "permit"),
                Err(AttestError::Poisoned)
            ));
        }
        assert!(matches!(
            ledger.end("done".to_owned(), START.into()),
            Err(AttestError::Poisoned)
        ));
    }
    let storage = Failing {
        memory: Memory::default(),
        left: None,
    };
    let mut ledger = begin_unattested(
        Ledger::resume(Memory::default().files(), storage).unwrap(),
        1,
        START,
    );
    let (permit, receipt) = ledger
        .record(note(), START.into(), "permit")
        .unwrap()
        .into_parts();
    assert_eq!(
        (permit, receipt.seq(), receipt.hash()),
        ("permit", 1, ledger.head().head)
    );
}

#[test]
fn a_failed_checkpoint_is_an_error() {
    let storage = Failing {
        memory: Memory::default(),
        left: Some(4),
    };
    let ledger = begin_unattested(
        Ledger::resume(Memory::default().files(), storage).unwrap(),
        1,
        START,
    );
    assert!(matches!(
        ledger.end("done".to_owned(), START.into()),
        Err(AttestError::Storage(_))
    ));
}

#[test]
fn nothing_new_begins_after_the_session_s_time() {
    let mut ledger = begin_unattested(resume(Memory::default()), 1, START);
    let late = UnixMillis::new(kit::NOT_AFTER + 1);
    let release = Body::Release(Release {
        effects: Digest::of("e"),
    });
    for new in [release.clone(), kit::discard(None)] {
        assert!(matches!(
            ledger.record(new, late, ()),
            Err(AttestError::Expired { .. })
        ));
    }
    let _ = ledger.record(release, kit::NOT_AFTER.into(), ()).unwrap();
    ledger.note(note(), late).unwrap();
    ledger.end("done".to_owned(), late).unwrap();
}

/// It was called evidence that does not fit, as if somebody had tampered.
#[test]
fn a_start_that_took_too_long_is_too_late() {
    let begin = |now: u64| {
        let resumed = resume(Memory::default());
        let key = kit::session_key(1);
        let statement = Statement::new(key.public(), resumed.head(), kit::binding(None));
        let evidence = Evidence::None {
            reason: "no TPM".to_owned(),
        };
        resumed.begin(key, kit::start(statement, evidence), now.into())
    };
    assert!(begin(kit::NOT_AFTER).is_ok());
    assert!(matches!(
        begin(kit::NOT_AFTER + 1),
        Err(AttestError::Expired { .. })
    ));
}

#[test]
fn the_clock_does_not_go_back_in_a_session() {
    let mut ledger = begin_unattested(resume(Memory::default()), 1, START);
    ledger.note(note(), (START + 9).into()).unwrap();
    ledger.note(note(), (START + 3).into()).unwrap();
    let times: Vec<u64> = Folder::of(ledger.storage())
        .lines()
        .iter()
        .map(|line| {
            Entry::parse(line.strip_suffix(b"\n").unwrap())
                .unwrap()
                .ts
                .get()
                - START
        })
        .collect();
    assert_eq!(times, [0, 9, 9]);
}

#[test]
fn entries_of_the_ledger_s_own_and_endless_ones_are_refused() {
    let mut ledger = begin_unattested(resume(Memory::default()), 1, START);
    let own = Body::SessionEnd(SessionEnd {
        outcome: "done".to_owned(),
        entries: 1,
    });
    assert!(matches!(
        ledger.note(own, START.into()),
        Err(AttestError::NotYours {
            kind: "session-end"
        })
    ));
    let endless = Body::Request(Request {
        intent: "x".repeat(1 << 20),
    });
    assert!(matches!(
        ledger.note(endless, START.into()),
        Err(AttestError::EntryTooLong { .. })
    ));
    ledger.note(note(), START.into()).unwrap();
}

#[test]
fn a_session_begins_only_with_its_own_evidence() {
    let tpm = FakeTpm::new(5);
    let statement = |key: &SessionKey, head| Statement::new(key.public(), head, kit::binding(None));
    let (key, other) = (kit::session_key(1), kit::session_key(2));
    let head = resume(Memory::default()).head();
    let quote = |statement: &Statement| Evidence::Tpm2Hardware {
        quote: tpm.quote(&statement.qualifying().unwrap()),
    };
    let elsewhere = LedgerHead {
        head: Digest::of("x"),
        size: 3,
    };
    let good = statement(&key, head);
    for (what, statement, evidence) in [
        (
            "another key's statement",
            statement(&other, head),
            quote(&statement(&other, head)),
        ),
        (
            "another statement's quote",
            good.clone(),
            quote(&statement(&other, head)),
        ),
        (
            "another place",
            statement(&key, elsewhere),
            quote(&statement(&key, elsewhere)),
        ),
    ] {
        let begun = resume(Memory::default()).begin(
            kit::session_key(1),
            kit::start(statement, evidence),
            START.into(),
        );
        assert!(matches!(begun, Err(AttestError::Evidence(_))), "{what}");
    }
    let evidence = quote(&good);
    assert!(
        resume(Memory::default())
            .begin(key, kit::start(good, evidence), START.into())
            .is_ok()
    );
}

#[test]
fn a_ledger_that_was_cut_or_changed_takes_no_session() {
    let tpm = FakeTpm::new(5);
    let whole = Folder::of(&kit::ledger(&tpm));
    let resumes = |folder: &Folder| Ledger::resume(folder.files(), Memory::default()).is_ok();
    assert!(resumes(&whole));
    let lines = whole.lines();
    assert!(
        !resumes(&whole.with_lines(&lines[..lines.len() - 1])),
        "the last entry is gone"
    );
    assert!(
        !resumes(&whole.with_lines(&lines[1..])),
        "the first entry is gone"
    );
    let mut changed = whole.clone();
    let at = changed.entries.len() - 20;
    changed.entries[at] ^= 1;
    assert!(!resumes(&changed), "a byte of the last entry");
    let mut checkpoint = whole.clone();
    checkpoint.checkpoint.as_mut().unwrap()[90] ^= 1;
    assert!(!resumes(&checkpoint), "a byte of the checkpoint");
}

#[test]
fn a_whole_story_can_be_told_twice() {
    let tpm = FakeTpm::new(5);
    let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
    story(&mut ledger, START);
    story(&mut ledger, START + 50);
    let closed = ledger.end("done".to_owned(), (START + 100).into()).unwrap();
    assert_eq!(closed.checkpoint().size(), 22);
    assert!(
        closed
            .checkpoint()
            .text()
            .starts_with("cloister-ledger/v2/")
    );
}
