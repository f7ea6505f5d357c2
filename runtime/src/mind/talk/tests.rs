//! A mind that was taken over says what it likes on its line; what comes of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use cloister_models::Progress;
use cloister_process::Process;

use super::*;
use crate::failure::Kind;
use crate::mind::{Decide as _, Mind};
use crate::screen::{Detail, Screen, Style};
use crate::slots::{Alternative, Slot};

/// A state's name.
fn named(digit: char, len: u64) -> StateName {
    StateName {
        digits: digit.to_string().repeat(64),
        len,
    }
}

/// The agent's side of a mind that does `plays` with its end of the line.
fn facing(interrupt: &Interrupt, plays: impl FnOnce(UnixStream) + Send + 'static) -> Mind {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let process = Process::played(ours).unwrap();
    thread::spawn(move || plays(theirs));
    let screen = Screen::new(Style::Quiet, Detail::Usual, interrupt.clone());
    Mind {
        talk: Talk::new(process, interrupt.clone()),
        stage: screen.stage("planning"),
        settled: Vec::new(),
    }
}

fn slot() -> Slot {
    let alternatives = ["one", "two"].map(|text| Alternative::new(text, text.into()));
    Slot::new("which", alternatives.into())
}

/// What a choice comes to if the mind says this when it is asked.
fn choice(says: Vec<Told>) -> Result<usize, Failure> {
    let mut mind = facing(&Interrupt::never(), move |mut line| {
        Ask::receive(&mut line).unwrap();
        for told in says {
            let _ = told.send(&mut line);
        }
        let _ = line.read(&mut [0]); // stay until the agent has had enough
    });
    let chosen = mind.decide(&slot());
    assert_eq!(mind.talk.is_over(), chosen.is_err());
    chosen
}

#[test]
fn only_an_index_of_what_was_offered_is_a_choice() {
    let tally = Tally::default();
    assert_eq!(choice(vec![Told::Chosen(1, tally)]).unwrap(), 1);
    let others = [
        Told::Chosen(2, tally),
        Told::Chosen(u32::MAX, tally),
        Told::Said("one".into(), tally),
        Told::Done(tally),
        Told::Loaded,
        Told::Sealed(cloister_process::Layers::default()),
    ];
    for told in others {
        let failure = choice(vec![told]).unwrap_err();
        assert_eq!(failure.kind(), Kind::Failed);
        assert!(failure.message().contains("was ended"), "{failure}");
    }
}

#[test]
fn progress_without_end_ends() {
    let tell = |mut line: UnixStream| {
        let progress = Told::Progress(Progress::Decode { tokens: 1 });
        while progress.send(&mut line).is_ok() {}
    };
    let failure = facing(&Interrupt::never(), tell)
        .decide(&slot())
        .unwrap_err();
    assert!(failure.message().contains("without an answer"), "{failure}");
}

#[test]
fn nonsense_and_a_hangup_are_told_apart() {
    let garbage = |mut line: UnixStream| {
        let _ = line.write_all(&[0xff; 64]);
        let _ = line.read(&mut [0; 64]);
        let _ = line.read(&mut [0]);
    };
    let failure = facing(&Interrupt::never(), garbage)
        .decide(&slot())
        .unwrap_err();
    assert!(
        failure.message().contains("what no model says"),
        "{failure}"
    );
    let failure = facing(&Interrupt::never(), drop)
        .decide(&slot())
        .unwrap_err();
    assert!(failure.message().contains("is gone"), "{failure}");
    assert_eq!(failure.kind(), Kind::Failed);
}

#[test]
fn a_silent_mind_does_not_outlast_the_persons_patience() {
    let interrupt = Interrupt::never();
    let raised = interrupt.clone();
    let mut mind = facing(&interrupt, move |mut line| {
        let _ = Ask::receive(&mut line);
        raised.raise();
        let _ = line.read(&mut [0]);
    });
    let failure = mind.decide(&slot()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Interrupted);
    assert!(mind.keep().is_ok(), "it is asked nothing more");
}

#[test]
fn one_state_is_had_and_kept_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    folder.put(&named('a', 3).digits, b"abc").unwrap();
    folder.put(&named('b', 3).digits, b"abc").unwrap();
    let mut mind = facing(&Interrupt::never(), |mut line| {
        Ask::receive(&mut line).unwrap();
        Told::Get(named('a', 3)).send(&mut line).unwrap();
        assert!(matches!(
            Ask::receive(&mut line).unwrap(),
            Ask::State { len: 3 }
        ));
        let mut bytes = [0; 3];
        line.read_exact(&mut bytes).unwrap();
        Told::Put(named('a', 4)).send(&mut line).unwrap();
        line.write_all(b"abcd").unwrap();
        assert!(matches!(Ask::receive(&mut line).unwrap(), Ask::Yes));
        Told::Has(named('a', 4)).send(&mut line).unwrap();
        assert!(matches!(Ask::receive(&mut line).unwrap(), Ask::Yes));
        Told::Chosen(0, Tally::default()).send(&mut line).unwrap();
        Ask::receive(&mut line).unwrap();
        Told::Put(named('b', 1)).send(&mut line).unwrap();
        let _ = line.write_all(b"x");
        let _ = line.read(&mut [0]);
    });
    mind.talk.keep_in(folder.clone());
    assert_eq!(mind.decide(&slot()).unwrap(), 0);
    assert_eq!(folder.get(&named('a', 4).digits, 4).unwrap(), b"abcd");
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(
        failure.message().contains("what no model says"),
        "{failure}"
    );
    assert_eq!(folder.get(&named('b', 3).digits, 3).unwrap(), b"abc");
}

#[test]
fn a_state_that_is_shorter_than_it_claims_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    let mut mind = facing(&Interrupt::never(), |mut line| {
        Ask::receive(&mut line).unwrap();
        Told::Put(named('a', 1 << 20)).send(&mut line).unwrap();
        line.write_all(b"abc").unwrap();
    });
    mind.talk.keep_in(folder.clone());
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(failure.message().contains("is gone"), "{failure}");
    assert!(!home.path().join("kv").exists());
}
