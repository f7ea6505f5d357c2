//! One call, from the agent's side: starts a process, gives it the order once it is sealed, answers what it asks, and believes nothing of
//! what it says. What is counted here stands, whatever happens in there.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::time::Instant;

use cloister_process::{CALLED_OFF, Process, Until};

use crate::component::Component;
use crate::error::CageError;
use crate::limits::{Limit, Limits};
use crate::outcome::{Ended, Fault, Run, Terms, Used};
use crate::program::{Program, peak, sealed_as};
use crate::question::{Mind, Question};
use crate::shape::{Shape, both};
use crate::value::Arg;
use crate::wire::{Answer, Handles, Order, PIECE_BYTES, Told, receive, send};

/// Run `function` of `interface` once, in a process of its own. Never panics and never fails: how it ended is a value.
pub fn run(
    program: &Program,
    component: &Component,
    interface: &str,
    function: &str,
    args: Vec<Arg>,
    terms: Terms<'_>,
) -> Run {
    let Terms {
        limits,
        moment,
        stop,
        mind,
    } = terms;
    let begun = Instant::now();
    let found = component
        .functions()
        .iter()
        .find(|f| f.interface == interface && f.name == function);
    let Some(found) = found else {
        return plain(Ended::NotStarted("there is no such function".into()));
    };
    let mut process = match sealed(program, component, limits) {
        Ok(process) => process,
        Err(error) => return plain(Ended::NotStarted(error.to_string())),
    };
    let order = Order {
        interface: interface.into(),
        function: function.into(),
        component_bytes: component.bytes(),
        args,
        limits: limits.clone(),
        moment,
    };
    let (order, handles) = order.encode();
    let mut talk = Talk {
        handles,
        limits,
        deadline: begun + limits.wall,
        stop,
        mind,
        used: Used::default(),
    };
    let held = talk.hold(&process, &order, found.result.as_ref());
    let process_bytes = peak(&process, program.layers());
    let mut run = held.unwrap_or_else(|end| plain(end.of(&mut process)));
    drop(process); // its end belongs to the call
    run.used = Used {
        wall: begun.elapsed(),
        process_bytes,
        fuel: run.used.fuel,
        memory_bytes: run.used.memory_bytes,
        ..talk.used
    };
    run
}

fn plain(ended: Ended) -> Run {
    Run {
        ended,
        moves: Vec::new(),
        used: Used::default(),
        diagnostics: Vec::new(),
    }
}

/// A process that has put on what this system lets it put on, or none.
fn sealed(program: &Program, component: &Component, limits: &Limits) -> Result<Process, CageError> {
    // Opened anew: a place to read from of its own, and no right to write.
    let path = format!("/proc/self/fd/{}", component.file().as_raw_fd());
    let code = File::open(path).map_err(|e| CageError::Process(e.to_string()))?;
    let mut process = program.start(Stdio::from(code), limits)?;
    let layers = sealed_as(&mut process)?;
    if layers.cover(program.layers()) {
        return Ok(process);
    }
    let gone: Vec<_> = layers.missing().map(|layer| layer.name()).collect();
    Err(CageError::Process(format!("without {}", gone.join(", "))))
}

/// Why the agent ends a call.
enum End {
    /// At a limit that it counts itself.
    Limit(Limit),
    /// Because it was told to.
    CalledOff,
    /// The process is gone, or does not take what it is told.
    Gone,
    /// It said what no call says.
    Lied(&'static str),
    /// It asked the model, which does not answer.
    Unanswered,
}

impl End {
    fn of(self, process: &mut Process) -> Ended {
        match self {
            End::Limit(limit) => Ended::StoppedBy(limit),
            End::CalledOff => Ended::CalledOff,
            End::Gone => Ended::Trapped(Fault::Died, process.end()),
            End::Lied(what) => Ended::Trapped(Fault::Died, what.into()),
            End::Unanswered => Ended::Trapped(Fault::Unanswered, String::new()),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Limit(Limit::Wall),
            CALLED_OFF => End::CalledOff,
            ErrorKind::InvalidData => End::Lied("it said more than a call may say"),
            _ => End::Gone,
        }
    }
}

/// What the agent holds while a call goes on.
struct Talk<'a> {
    handles: Handles,
    limits: &'a Limits,
    deadline: Instant,
    stop: &'a dyn Fn() -> bool,
    mind: &'a mut dyn Mind,
    used: Used,
}

impl Talk<'_> {
    fn hold(
        &mut self,
        process: &Process,
        order: &[u8],
        result: Option<&Shape>,
    ) -> Result<Run, End> {
        send(&mut self.line(process), order)?;
        loop {
            let payload = receive(&mut self.line(process))?;
            let told = Told::decode(&payload, self.limits);
            let answer = match told.map_err(|_| End::Lied("it said what no call says"))? {
                Told::Sealed(_) => return Err(End::Lied("it was sealed twice")),
                Told::Read {
                    input,
                    offset,
                    length,
                } => self.read(input, offset, length)?,
                Told::Write { output, bytes } => self.write(output, &bytes)?,
                Told::Ask(question) => self.ask(&question)?,
                Told::Done(run) => return fits(run, result),
            };
            send(&mut self.line(process), &answer.encode())?;
        }
    }

    fn line<'l>(&'l self, process: &'l Process) -> Until<'l> {
        process.until(self.deadline, self.stop)
    }

    /// The cage counts too, and stops by itself at the limit; here it is stopped if it does not.
    fn read(&mut self, input: u32, offset: u64, length: u32) -> Result<Answer, End> {
        if self.used.read_bytes > self.limits.read_bytes {
            return Err(End::Limit(Limit::Read));
        }
        let source = usize::try_from(input)
            .ok()
            .and_then(|at| self.handles.inputs.get_mut(at))
            .ok_or(End::Lied("it asked for an input that it was not given"))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut buffer = vec![0; length.min(PIECE_BYTES)];
        match source.read_at(offset, &mut buffer) {
            Ok(got) => {
                buffer.truncate(got);
                self.used.read_bytes = self.used.read_bytes.saturating_add(got.max(1) as u64);
                Ok(Answer::Bytes(buffer))
            }
            Err(error) if error.kind() == ErrorKind::FileTooLarge => Ok(Answer::TooLarge),
            Err(_) => Ok(Answer::Fault),
        }
    }

    fn write(&mut self, output: u32, bytes: &[u8]) -> Result<Answer, End> {
        let after = self.used.written_bytes.saturating_add(bytes.len() as u64);
        if after > self.limits.write_bytes {
            return Err(End::Limit(Limit::Write));
        }
        self.used.written_bytes = after;
        let sink = usize::try_from(output)
            .ok()
            .and_then(|at| self.handles.outputs.get_mut(at))
            .ok_or(End::Lied("it wrote to an output that it was not given"))?;
        Ok(match sink.write(bytes) {
            Ok(()) => Answer::Bytes(Vec::new()),
            Err(_) => Answer::Fault,
        })
    }

    /// What the model takes is not the call's time. Nor is its answer believed to be one.
    fn ask(&mut self, question: &Question) -> Result<Answer, End> {
        if self.used.questions >= self.limits.questions {
            return Err(End::Limit(Limit::Questions));
        }
        self.used.questions = self.used.questions.saturating_add(1);
        let asked = Instant::now();
        let answer = self.mind.answer(question);
        self.deadline += asked.elapsed();
        match answer {
            Ok(said) if question.admits(said.as_deref()) => Ok(Answer::Said(said)),
            _ if (self.stop)() => Err(End::CalledOff),
            _ => Err(End::Unanswered),
        }
    }
}

/// What came back is of the function's type, or the call has no end of its own.
fn fits(run: Run, result: Option<&Shape>) -> Result<Run, End> {
    match &run.ended {
        Ended::Returned(value) if !both(result, value.as_ref()) => {
            Err(End::Lied("its result is of another type"))
        }
        _ => Ok(run),
    }
}

#[cfg(test)]
mod tests;
