//! One question and its answer at a time. What the mind says meanwhile, how far it is and which state it would have or keep, is dealt with here;
//! what it may not say ends it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::ops::ControlFlow;

use cloister_attest::Digest;
use cloister_models::{ModelDigest, Tally, Watch as _};
use cloister_process::{Process, Until};
use cloister_states::{Folder, Store as _};
use cloister_tools::names::{Lines, escape};

use super::line::Bounds;
use super::wire::{Ask, StateName, Told};
use crate::failure::Failure;
use crate::screen::Stage;

/// Frames before an answer. 100 000: a prompt of 32 768 positions is told of some 13 000 times, in chunks of 256 after each of a hundred layers.
const FRAMES: usize = 100_000;

/// The process, the line to it, and what it may have kept.
pub(super) struct Talk {
    /// None once it has failed: it is asked nothing more.
    process: Option<Process>,
    bounds: Bounds,
    /// Open while the mind reads what is fixed, and knows nothing yet of what the person wants.
    shelf: Option<Shelf>,
    tally: Tally,
}

/// The one state of a conversation: the first that the mind asks for. It is named by the mind and kept for its model, so that no model has or
/// replaces what another one made.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Folder,
    model: ModelDigest,
    only: Option<String>,
    /// What the disk said when the state was to be kept; once it is, there is nothing more to keep.
    kept: Option<io::Result<()>>,
}

/// What a state's name in the folder is made of, beside the model's digest and the mind's name for it.
const STATE_OF: &[u8] = b"cloister-state-of/v1\0";

impl Talk {
    pub(super) fn new(process: Process, bounds: Bounds) -> Talk {
        Talk {
            process: Some(process),
            bounds,
            shelf: None,
            tally: Tally::default(),
        }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// From here on other things end the wait.
    pub(super) fn bind(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// From here on the mind may have its state taken from the shelf and kept there.
    pub(super) fn open_shelf(&mut self, shelf: Shelf) {
        self.shelf = Some(shelf);
    }

    /// From here on it may not. What the disk said, if a state was to be kept.
    pub(super) fn close_shelf(&mut self) -> io::Result<()> {
        let kept = self.shelf.take().and_then(|shelf| shelf.kept);
        kept.unwrap_or(Ok(()))
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Say something that is not answered.
    pub(super) fn say(&mut self, ask: &Ask) -> Result<(), Failure> {
        let said = self.on_line(|line| ask.send(line));
        said.map_err(|e| self.failed(&e))
    }

    /// Ask, and hear the answer.
    pub(super) fn ask(&mut self, ask: &Ask, stage: &mut Stage) -> Result<Told, Failure> {
        self.say(ask)?;
        self.hear(stage)
    }

    /// Hear an answer to what was asked.
    pub(super) fn hear(&mut self, stage: &mut Stage) -> Result<Told, Failure> {
        for _ in 0..FRAMES {
            let told = self.on_line(|line| Told::receive(line));
            let told = told.map_err(|e| self.failed(&e))?;
            let done = match told {
                Told::Progress(progress) => match stage.on(progress) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(ErrorKind::ConnectionAborted.into()),
                },
                Told::Has(name) => self.has(name),
                Told::Get(name) => self.get(name),
                Told::Forget(name) => self.forget(name),
                Told::Put(name) => self.put(name),
                Told::Failed { message, hint } => return Err(reported(&message, hint.as_deref())),
                Told::Done(tally) | Told::Chosen(_, tally) | Told::Said(_, tally) => {
                    self.tally = tally;
                    return Ok(told);
                }
                Told::Loaded | Told::Sealed(_) => return Ok(told),
            };
            done.map_err(|e| self.failed(&e))?;
        }
        Err(self.lied("it went on without an answer"))
    }

    /// The mind is not to be trusted with anything more: it said what none says.
    pub(super) fn lied(&mut self, what: &str) -> Failure {
        self.process = None; // which kills it
        Failure::failed(format!("the model's process was ended: {what}"))
            .hint("nothing was released; with another model file it may go well".to_owned())
    }

    /// Why there is no answer.
    pub(super) fn failed(&mut self, error: &io::Error) -> Failure {
        let Some(mut process) = self.process.take() else {
            return Failure::failed("the model's process has ended");
        };
        if let Some(failure) = self.bounds.passed() {
            return failure;
        }
        match error.kind() {
            ErrorKind::InvalidData => self.lied("it said what no model says"),
            ErrorKind::TimedOut => self.lied("it did nothing for ten minutes"),
            _ => {
                let how = process.end();
                Failure::failed(format!("the model's process is gone: {how}"))
                    .hint("nothing was released; signal 9 without anybody who sent it means that the system had no memory left".to_owned())
            }
        }
    }

    /// Something with the line that takes no longer than one frame may, however slowly the mind speaks or listens.
    fn on_line<T>(&self, act: impl FnOnce(&mut Until<'_>) -> io::Result<T>) -> io::Result<T> {
        let process = self.process.as_ref().ok_or(ErrorKind::BrokenPipe)?;
        act(&mut process.until(self.bounds.frame(), &|| self.bounds.stopped()))
    }

    fn answer(&self, answer: &Ask) -> io::Result<()> {
        self.on_line(|line| answer.send(line))
    }

    /// Whether the state is kept, of the one that may be.
    fn has(&mut self, name: StateName) -> io::Result<()> {
        let shelf = open(&mut self.shelf)?;
        let digits = shelf.only(&name)?;
        let answer = match shelf.folder.has(&digits, name.len) {
            true => Ask::Yes,
            false => Ask::No,
        };
        self.answer(&answer)
    }

    fn get(&mut self, name: StateName) -> io::Result<()> {
        let shelf = open(&mut self.shelf)?;
        let digits = shelf.only(&name)?;
        match shelf.folder.get(&digits, name.len) {
            None => self.answer(&Ask::No),
            Some(bytes) => self.on_line(|line| {
                let len = bytes.len() as u64;
                Ask::State { len }.send(line)?;
                line.write_all(&bytes)
            }),
        }
    }

    fn forget(&mut self, name: StateName) -> io::Result<()> {
        let shelf = open(&mut self.shelf)?;
        let digits = shelf.only(&name)?;
        shelf.folder.remove(&digits);
        Ok(())
    }

    fn put(&mut self, name: StateName) -> io::Result<()> {
        let digits = open(&mut self.shelf)?.only(&name)?;
        let mut bytes = Vec::new(); // which grows with what really comes
        self.on_line(|line| line.take(name.len).read_to_end(&mut bytes))?;
        if bytes.len() as u64 != name.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let shelf = open(&mut self.shelf)?;
        let kept = shelf.folder.put(&digits, &bytes);
        let answer = match &kept {
            Ok(()) => Ask::Yes,
            Err(_) => Ask::No,
        };
        shelf.kept = Some(kept);
        self.answer(&answer)
    }
}

/// What the mind says went wrong, as what it is: the word of a process that nobody vouches for, in one line.
fn reported(message: &str, hint: Option<&str>) -> Failure {
    let said = |text: &str| escape(text, Lines::Escape);
    Failure::failed(format!("the model's process says: {}", said(message)))
        .hint(hint.map(|hint| format!("it says: {}", said(hint))))
}

fn open(shelf: &mut Option<Shelf>) -> io::Result<&mut Shelf> {
    shelf.as_mut().ok_or(ErrorKind::InvalidData.into())
}

impl Shelf {
    pub(super) fn of(model: ModelDigest, folder: Folder) -> Shelf {
        Shelf {
            folder,
            model,
            only: None,
            kept: None,
        }
    }

    /// What the state is called in the folder, if it is the one that may be asked for, and was not kept yet.
    fn only(&mut self, name: &StateName) -> io::Result<String> {
        let only = self.only.get_or_insert_with(|| name.digits.clone());
        if *only != name.digits || self.kept.is_some() {
            return Err(ErrorKind::InvalidData.into());
        }
        let of = [STATE_OF, self.model.bytes(), name.digits.as_bytes()].concat();
        Ok(Digest::of(of).hex())
    }
}

#[cfg(test)]
mod tests;
