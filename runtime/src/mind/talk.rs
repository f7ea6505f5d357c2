//! One question and its answer at a time. What the mind says meanwhile, how far it is and which state it would have or keep, is dealt with here;
//! what it may not say ends it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::ops::ControlFlow;

use cloister_models::{Tally, Watch as _};
use cloister_process::Process;
use cloister_states::{Folder, Store as _};

use super::line::Waiting;
use super::wire::{Ask, StateName, Told};
use crate::failure::Failure;
use crate::interrupt::{Interrupt, interrupted};
use crate::screen::Stage;

/// Frames before an answer. 100 000: a prompt of 32 768 positions is told of some 13 000 times, in chunks of 256 after each of a hundred layers.
const FRAMES: usize = 100_000;

/// The process, the line to it, and what it may have kept.
pub(super) struct Talk {
    /// None once it has failed: it is asked nothing more.
    process: Option<Process>,
    interrupt: Interrupt,
    shelf: Shelf,
    tally: Tally,
}

/// The one state of a conversation: the first that the mind asks for, before it hears what the person wants.
#[derive(Debug, Default)]
struct Shelf {
    folder: Option<Folder>,
    only: Option<String>,
    /// What the disk said when a state was to be kept.
    fault: Option<io::Error>,
}

impl Talk {
    pub(super) fn new(process: Process, interrupt: Interrupt) -> Talk {
        Talk {
            process: Some(process),
            interrupt,
            shelf: Shelf::default(),
            tally: Tally::default(),
        }
    }

    /// From here on the mind may have its state taken from this folder and kept in it.
    pub(super) fn keep_in(&mut self, folder: Folder) {
        self.shelf.folder = Some(folder);
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether there is nobody to ask any more.
    pub(super) fn is_over(&self) -> bool {
        self.process.is_none()
    }

    /// What the disk said when the state was to be kept, if it refused.
    pub(super) fn fault(&mut self) -> io::Result<()> {
        self.shelf.fault.take().map_or(Ok(()), Err)
    }

    /// Say something that is not answered.
    pub(super) fn say(&mut self, ask: &Ask) -> Result<(), Failure> {
        let said = self.line().and_then(|mut line| ask.send(&mut line));
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
            let told = self.line().and_then(|mut line| Told::receive(&mut line));
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
                Told::Failed { message, hint } => return Err(Failure::failed(message).hint(hint)),
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
        if self.interrupt.raised() {
            return interrupted();
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

    fn line(&self) -> io::Result<Waiting<'_>> {
        let process = self.process.as_ref().ok_or(ErrorKind::BrokenPipe)?;
        Waiting::on(process.line(), &self.interrupt)
    }

    /// Whether the state is kept, of the one that may be.
    fn has(&mut self, name: StateName) -> io::Result<()> {
        let name = self.shelf.only(name)?;
        let kept = |folder: &Folder| folder.has(&name.digits, name.len);
        let answer = match self.shelf.folder.as_ref().is_some_and(kept) {
            true => Ask::Yes,
            false => Ask::No,
        };
        answer.send(&mut self.line()?)
    }

    fn get(&mut self, name: StateName) -> io::Result<()> {
        let name = self.shelf.only(name)?;
        let folder = self.shelf.folder.as_ref();
        match folder.and_then(|folder| folder.get(&name.digits, name.len)) {
            None => Ask::No.send(&mut self.line()?),
            Some(bytes) => {
                let len = bytes.len() as u64;
                let mut line = self.line()?;
                Ask::State { len }.send(&mut line)?;
                line.write_all(&bytes)
            }
        }
    }

    fn forget(&mut self, name: StateName) -> io::Result<()> {
        let name = self.shelf.only(name)?;
        if let Some(folder) = &self.shelf.folder {
            folder.remove(&name.digits);
        }
        Ok(())
    }

    fn put(&mut self, name: StateName) -> io::Result<()> {
        let name = self.shelf.only(name)?;
        let mut bytes = Vec::new(); // which grows with what really comes
        self.line()?.take(name.len).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != name.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let folder = self.shelf.folder.as_ref();
        let kept = folder.map_or(Ok(()), |folder| folder.put(&name.digits, &bytes));
        let answer = match kept {
            Ok(()) => Ask::Yes,
            Err(error) => {
                self.shelf.fault = Some(error);
                Ask::No
            }
        };
        answer.send(&mut self.line()?)
    }
}

impl Shelf {
    /// The name, if it is the one that may be asked for.
    fn only(&mut self, name: StateName) -> io::Result<StateName> {
        let only = self.only.get_or_insert_with(|| name.digits.clone());
        match *only == name.digits {
            true => Ok(name),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests;
