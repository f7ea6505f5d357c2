//! A cage that was taken over, played by a thread: what it says does not get past the agent.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::outcome::Move;
use crate::question::{Nobody, Task, Unanswered};
use crate::value::{Sink, Source, Value};

struct Text;
impl Source for Text {
    fn size(&self) -> u64 {
        5
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = b"hello".get(offset as usize..).unwrap_or_default();
        (&mut &mut *buffer).write(rest)
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);
impl Sink for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().extend(bytes);
        Ok(())
    }
}

/// Hold a call with `cage` at the other end, one input, one output, and a result of type bool.
fn held(limits: &Limits, cage: impl FnOnce(UnixStream) + Send + 'static) -> (Ended, Vec<u8>, Used) {
    held_until(&|| false, limits, cage)
}

fn held_until(
    stop: &dyn Fn() -> bool,
    limits: &Limits,
    cage: impl FnOnce(UnixStream) + Send + 'static,
) -> (Ended, Vec<u8>, Used) {
    held_beside(&mut Nobody, stop, limits, cage)
}

fn held_beside(
    mind: &mut dyn Mind,
    stop: &dyn Fn() -> bool,
    limits: &Limits,
    cage: impl FnOnce(UnixStream) + Send + 'static,
) -> (Ended, Vec<u8>, Used) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut process = Process::played(ours).unwrap();
    let playing = std::thread::spawn(move || cage(theirs));
    let kept = Kept::default();
    let handles = Handles {
        inputs: vec![Box::new(Text)],
        outputs: vec![Box::new(kept.clone())],
    };
    let mut talk = Talk {
        handles,
        limits,
        deadline: Instant::now() + limits.wall,
        stop,
        mind,
        used: Used::default(),
    };
    let ended = match talk.hold(&process, b"order", Some(&Shape::Bool)) {
        Ok(run) => run.ended,
        Err(end) => end.of(&mut process),
    };
    let used = talk.used;
    drop((talk, process));
    playing.join().unwrap();
    let bytes = kept.0.lock().unwrap().clone();
    (ended, bytes, used)
}

/// Say these, taking the order first and an answer after each.
fn saying(told: Vec<Told>) -> impl FnOnce(UnixStream) + Send {
    move |mut stream| {
        for told in [None].into_iter().chain(told.into_iter().map(Some)) {
            if let Some(told) = told {
                let _ = send(&mut stream, &told.encode());
            }
            let _ = receive(&mut stream); // hung up, once it lied
        }
    }
}

fn done(value: Value, moves: usize) -> Told {
    let mut run = plain(Ended::Returned(Some(value)));
    run.moves = vec![Move { file: 0, place: 0 }; moves];
    Told::Done(run)
}

fn wrote(output: u32, bytes: usize) -> Told {
    let bytes = vec![b'x'; bytes];
    Told::Write { output, bytes }
}

fn reads(input: u32) -> Told {
    let (offset, length) = (0, 5);
    Told::Read {
        input,
        offset,
        length,
    }
}

fn died(ended: &Ended) -> bool {
    matches!(ended, Ended::Trapped(Fault::Died, _))
}

#[test]
fn what_an_honest_cage_says_is_done_and_counted() {
    let told = vec![reads(0), wrote(0, 3), done(Value::Bool(true), 1)];
    let (ended, kept, used) = held(&Limits::STANDARD, saying(told));
    assert_eq!(ended, Ended::Returned(Some(Value::Bool(true))));
    assert_eq!(kept, b"xxx");
    assert_eq!((used.read_bytes, used.written_bytes), (5, 3));
}

#[test]
fn handles_that_were_not_given_results_that_do_not_fit_and_nonsense_end_the_call() {
    let limits = Limits::STANDARD;
    for told in [
        reads(1),
        wrote(7, 1),
        done(Value::Text("no bool".into()), 0),
        done(Value::Bool(true), limits.moves + 1),
        Told::Sealed(Default::default()),
    ] {
        let said = format!("{told:?}");
        let (ended, kept, _) = held(&limits, saying(vec![told]));
        assert!(died(&ended) && kept.is_empty(), "{said}: {ended:?}");
    }
    let nonsense = |mut stream: UnixStream| {
        let _ = receive(&mut stream);
        let _ = send(&mut stream, &[99]);
    };
    assert!(died(&held(&limits, nonsense).0));
}

#[test]
fn the_agent_counts_itself_what_is_read_and_written() {
    let limits = Limits {
        write_bytes: 10,
        read_bytes: 9,
        ..Limits::STANDARD
    };
    let (ended, kept, _) = held(&limits, saying(vec![wrote(0, 10), wrote(0, 1)]));
    assert_eq!(ended, Ended::StoppedBy(Limit::Write));
    assert_eq!(kept.len(), 10);
    let (ended, ..) = held(&limits, saying(vec![reads(0), reads(0), reads(0)]));
    assert_eq!(ended, Ended::StoppedBy(Limit::Read));
}

/// Says the same to everything, and takes its time for it.
struct Parrot {
    says: Option<&'static str>,
    takes: Duration,
}

impl Mind for Parrot {
    fn answer(&mut self, _: &Question) -> Result<Option<String>, Unanswered> {
        std::thread::sleep(self.takes);
        Ok(self.says.map(str::to_owned))
    }
}

fn asks(labels: &[&str]) -> Told {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let task = Task::Classify(labels);
    Told::Ask(Question::new("Dear all".into(), task, 100).unwrap())
}

fn held_asking(
    says: Option<&'static str>,
    takes: u64,
    limits: &Limits,
    told: Vec<Told>,
) -> (Ended, Used) {
    let takes = Duration::from_millis(takes);
    let (ended, _, used) =
        held_beside(&mut Parrot { says, takes }, &|| false, limits, saying(told));
    (ended, used)
}

#[test]
fn what_is_asked_is_counted_and_only_what_can_be_an_answer_is_handed_on() {
    let all = || {
        vec![
            asks(&["a", "b"]),
            asks(&["a", "c"]),
            done(Value::Bool(true), 0),
        ]
    };
    let (ended, used) = held_asking(Some("a"), 0, &Limits::STANDARD, all());
    assert_eq!(ended, Ended::Returned(Some(Value::Bool(true))));
    assert_eq!(used.questions, 2);
    // `b` answers the first and not the second.
    for says in [Some("b"), Some("c"), None] {
        let (ended, _) = held_asking(says, 0, &Limits::STANDARD, all());
        assert!(
            matches!(ended, Ended::Trapped(Fault::Unanswered, _)),
            "{says:?}: {ended:?}"
        );
    }
    let one = Limits {
        questions: 1,
        ..Limits::STANDARD
    };
    let (ended, _) = held_asking(Some("a"), 0, &one, all());
    assert_eq!(ended, Ended::StoppedBy(Limit::Questions));
    let short = Limits {
        question_bytes: 5,
        ..Limits::STANDARD
    };
    assert!(died(&held_asking(Some("a"), 0, &short, all()).0));
}

#[test]
fn what_the_model_takes_is_not_the_calls_time() {
    let limits = Limits {
        wall: Duration::from_millis(300),
        ..Limits::STANDARD
    };
    let told = || vec![asks(&["a", "b"]), done(Value::Bool(true), 0)];
    let (ended, _) = held_asking(Some("a"), 400, &limits, told());
    assert_eq!(ended, Ended::Returned(Some(Value::Bool(true))));
    // The twin: what comes after the answer is.
    let late = |stream: UnixStream| {
        saying(vec![asks(&["a", "b"])])(stream.try_clone().unwrap());
        silent(stream);
    };
    let mut parrot = Parrot {
        says: Some("a"),
        takes: Duration::from_millis(400),
    };
    let (ended, ..) = held_beside(&mut parrot, &|| false, &limits, late);
    assert_eq!(ended, Ended::StoppedBy(Limit::Wall));
}

#[test]
fn a_question_that_is_called_off_ends_the_call_as_called_off() {
    /// Revoked while it thinks.
    struct Revoked<'a>(&'a Cell<bool>);
    impl Mind for Revoked<'_> {
        fn answer(&mut self, _: &Question) -> Result<Option<String>, Unanswered> {
            self.0.set(true);
            Err(Unanswered)
        }
    }
    let revoked = Cell::new(false);
    let stop = || revoked.get();
    let told = vec![asks(&["a", "b"])];
    let (ended, ..) = held_beside(
        &mut Revoked(&revoked),
        &stop,
        &Limits::STANDARD,
        saying(told),
    );
    assert_eq!(ended, Ended::CalledOff);
}

#[test]
fn silence_and_bytes_that_come_drop_by_drop_end_at_the_wall() {
    let limits = Limits {
        wall: Duration::from_millis(200),
        ..Limits::STANDARD
    };
    assert_eq!(held(&limits, silent).0, Ended::StoppedBy(Limit::Wall));
    assert_eq!(held(&limits, dripping).0, Ended::StoppedBy(Limit::Wall));
}

#[test]
fn whatever_it_does_a_call_that_is_called_off_ends() {
    let chatting = |mut stream: UnixStream| {
        let _ = receive(&mut stream);
        while send(&mut stream, &reads(0).encode()).is_ok() {
            let _ = receive(&mut stream);
        }
    };
    let cages: [fn(UnixStream); 3] = [silent, dripping, chatting];
    for cage in cages {
        let asked = Cell::new(0);
        let third = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let (ended, ..) = held_until(&third, &Limits::STANDARD, cage);
        assert_eq!((ended, asked.get()), (Ended::CalledOff, 3));
    }
    // An honest call that is over before anybody asks again is none the worse for it.
    let told = vec![done(Value::Bool(true), 0)];
    let (ended, ..) = held_until(&|| false, &Limits::STANDARD, saying(told));
    assert_eq!(ended, Ended::Returned(Some(Value::Bool(true))));
    // And no cage says of itself that it was called off.
    let lying = vec![Told::Done(plain(Ended::CalledOff))];
    assert!(died(&held(&Limits::STANDARD, saying(lying)).0));
}

fn silent(mut stream: UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn dripping(mut stream: UnixStream) {
    let _ = stream.write_all(&100_u32.to_le_bytes());
    while stream.write_all(&[2]).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_cage_that_goes_without_a_word_has_died() {
    let gone = |mut stream: UnixStream| drop(receive(&mut stream));
    assert!(died(&held(&Limits::STANDARD, gone).0));
}
