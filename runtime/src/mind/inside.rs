//! The mind's process: it gives everything up, says so, makes a model of the bytes that it is handed, and answers. It opens nothing and starts
//! nothing but threads, and it holds no file, no key and no terminal.

mod reading;
mod thought;

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use cloister_models::{Engine, ModelError, Progress, Watch};
use cloister_process::seal::{self, Handed, Line, Profile};
use cloister_process::{Layer, Layers};
use cloister_states::{States, Store};
use cloister_tools::Question;

use super::wire::{Ask, Order, StateName, Told};
use super::{CARD, PROCESSOR};
use reading::Reading;
use thought::{Beginning, Thought};

/// Bytes read at once of what nothing is made of.
const DRAIN_BYTES: usize = 256 << 10;

/// Be the mind's process.
pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = match args.first().map(String::as_str) {
        Some(PROCESSOR) => Layers::from_iter(Layer::ALL),
        // A card's driver opens devices, maps them and starts threads of its own.
        Some(CARD) => Layers::from_iter([
            Layer::NoNewPrivileges,
            Layer::Undumpable,
            Layer::Descriptors,
            Layer::DiesWithParent,
        ]),
        _ => return ExitCode::from(seal::UNSEALED), // started by somebody else than the agent
    };
    seal::start(&Profile::Mind, &args, wanted, |layers| {
        match serve(layers) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE, // of the line, so there is nobody to tell
        }
    })
}

/// Say what holds, load the model, answer until the agent hangs up.
fn serve(layers: Layers) -> io::Result<()> {
    Told::Sealed(layers).send(&mut Line)?;
    match hear()? {
        Some(Ask::Load(order)) => load(&order),
        // The agent only wanted to see what holds.
        _ => Ok(()),
    }
}

/// What the agent says next; nothing when it has hung up.
fn hear() -> io::Result<Option<Ask>> {
    match Ask::receive(&mut Line) {
        Ok(ask) => Ok(Some(ask)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn load(order: &Order) -> io::Result<()> {
    let mut told = Telling {
        available: order.available,
    };
    let engine = Engine::load_passed(&order.pin, &mut Handed, order.device, &mut told);
    drain()?; // all of it is hashed by the agent, whatever became of it here
    match engine {
        Ok(engine) => {
            Told::Loaded.send(&mut Line)?;
            answer(&engine)
        }
        Err(error) => failed(&error),
    }
}

fn drain() -> io::Result<()> {
    let mut piece = vec![0; DRAIN_BYTES];
    while Handed.read(&mut piece)? > 0 {}
    Ok(())
}

fn failed(error: &ModelError) -> io::Result<()> {
    let hint = error.hint();
    Told::failed(&error.to_string(), hint.as_deref()).send(&mut Line)
}

/// Read what is fixed, then what is asked, then one question after the other. There is one conversation in a process.
fn answer(engine: &Engine) -> io::Result<()> {
    let Some(ask) = hear()? else { return Ok(()) };
    let Ask::Open { system, examples } = ask else {
        return Err(ErrorKind::InvalidData.into());
    };
    let mut watch = Telling { available: None };
    let states = States::within(Shelf);
    let beginning = match Beginning::read(engine, &system, &examples, &states, &mut watch) {
        Ok(beginning) => beginning,
        Err(error) => return failed(&error),
    };
    Told::Done(beginning.tally()).send(&mut Line)?;
    let Some(ask) = hear()? else { return Ok(()) };
    let Ask::Request(user) = ask else {
        return Err(ErrorKind::InvalidData.into());
    };
    let mut thought = beginning.requested(&user);
    Told::Done(thought.tally()).send(&mut Line)?;
    while let Some(ask) = hear()? {
        match ask {
            Ask::Settled { slot, shown } => thought.settled(&slot, &shown),
            Ask::About(question) => {
                drop(thought); // what was planned and what documents say are never in one context
                return read(engine, question);
            }
            ask => match asked(&mut thought, ask)? {
                Ok(told) => told.send(&mut Line)?,
                Err(error) => failed(&error)?,
            },
        }
    }
    Ok(())
}

/// Answer about one text after the other. Nothing else is heard any more.
fn read(engine: &Engine, first: Question) -> io::Result<()> {
    let mut reading = match Reading::new(engine) {
        Ok(reading) => reading,
        Err(error) => return failed(&error),
    };
    let mut watch = Telling { available: None };
    let mut next = Some(Ask::About(first));
    while let Some(ask) = next {
        let Ask::About(question) = ask else {
            return Err(ErrorKind::InvalidData.into());
        };
        match reading.answer(&question, &mut watch) {
            Ok(Some(said)) => Told::Said(said, reading.tally()).send(&mut Line)?,
            Ok(None) => Told::Done(reading.tally()).send(&mut Line)?,
            Err(error) => failed(&error)?,
        }
        next = hear()?;
    }
    Ok(())
}

/// What comes of a question in an open conversation; an error of the line is the outer one.
fn asked(thought: &mut Thought<'_>, ask: Ask) -> io::Result<Result<Told, ModelError>> {
    let mut watch = Telling { available: None };
    Ok(match ask {
        Ask::Go(turn) => thought.go(&turn).map(|()| Told::Done(thought.tally())),
        Ask::Choose { slot, shown } => {
            thought
                .choose(&slot, &shown, &mut watch)
                .map(|chosen| match chosen {
                    Ok(index) => Told::Chosen(index, thought.tally()),
                    Err(text) => Told::failed(
                        &format!("the model chose `{text}`, which was not offered"),
                        None,
                    ),
                })
        }
        Ask::Answer { system, request } => thought
            .answer(&system, &request, &mut watch)
            .map(|said| Told::Said(said, thought.tally())),
        _ => return Err(ErrorKind::InvalidData.into()),
    })
}

/// Tells the agent how far it is. While the model's bytes come in, the agent knows that itself.
struct Telling {
    available: Option<u64>,
}

impl Watch for Telling {
    fn on(&mut self, progress: Progress) -> ControlFlow<()> {
        if let Progress::Load { .. } = progress {
            return ControlFlow::Continue(());
        }
        match Told::Progress(progress).send(&mut Line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()), // the agent has gone
        }
    }

    fn available(&self) -> Option<u64> {
        self.available
    }
}

/// The store at the other end of the line.
#[derive(Debug, Clone, Copy)]
struct Shelf;

fn name(digits: &str, len: u64) -> StateName {
    StateName {
        digits: digits.to_owned(),
        len,
    }
}

fn asking(told: &Told) -> io::Result<Ask> {
    told.send(&mut Line)?;
    hear()?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

impl Store for Shelf {
    fn has(&self, digits: &str, len: u64) -> bool {
        matches!(asking(&Told::Has(name(digits, len))), Ok(Ask::Yes))
    }

    fn get(&self, digits: &str, len: u64) -> Option<Vec<u8>> {
        match asking(&Told::Get(name(digits, len))) {
            Ok(Ask::State { len: found }) if found == len => {
                let mut bytes = vec![0; usize::try_from(len).ok()?];
                Line.read_exact(&mut bytes).ok()?;
                Some(bytes)
            }
            _ => None,
        }
    }

    fn put(&self, digits: &str, bytes: &[u8]) -> io::Result<()> {
        Told::Put(name(digits, bytes.len() as u64)).send(&mut Line)?;
        Line.write_all(bytes)?;
        // Whether the disk took it is the agent's to tell.
        hear().map(drop)
    }

    fn remove(&self, digits: &str) {
        let _ = Told::Forget(name(digits, 0)).send(&mut Line); // what is not removed is no more use than before
    }
}
