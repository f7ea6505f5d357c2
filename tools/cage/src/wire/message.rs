//! What the cage's process says, and what it is answered.

use std::time::Duration;

use super::{Budget, Decoder, Encoder, Malformed, value};
use crate::limits::{Limit, Limits};
use crate::outcome::{Ended, Fault, Move, Run, Used};
use crate::question::Question;
use cloister_process::Layers;

/// What the cage's process says.
#[derive(Debug)]
pub enum Told {
    /// It has given everything up, and these layers hold. Said once, first.
    Sealed(Layers),
    /// It wants bytes of an input.
    Read {
        /// The input's number.
        input: u32,
        /// From where.
        offset: u64,
        /// How many at most.
        length: u32,
    },
    /// It has bytes for an output.
    Write {
        /// The output's number.
        output: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// It asks the model.
    Ask(Question),
    /// The call is over. Said last.
    Done(Run),
}

/// What it is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The bytes that it asked for; none at the end, and none for what it wrote.
    Bytes(Vec<u8>),
    /// Reading or writing failed.
    Fault,
    /// The inputs are larger together than may be read.
    TooLarge,
    /// What the model answered, if the text gives an answer.
    Said(Option<String>),
}

impl Answer {
    /// As a payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Answer::Bytes(bytes) => {
                to.u8(0);
                to.raw(bytes);
            }
            Answer::Fault => to.u8(1),
            Answer::TooLarge => to.u8(2),
            Answer::Said(said) => {
                to.u8(3);
                to.u8(said.is_some().into());
                to.text(said.as_deref().unwrap_or_default());
            }
        }
        to.into_bytes()
    }

    /// The answer in a payload.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Answer, Malformed> {
        let mut from = Decoder::new(payload);
        let answer = match from.u8()? {
            0 => Answer::Bytes(from.raw()?.to_vec()),
            1 => Answer::Fault,
            2 => Answer::TooLarge,
            3 => {
                let (there, said) = (from.bool()?, from.text()?);
                Answer::Said(there.then_some(said))
            }
            _ => return Err(Malformed),
        };
        from.end().map(|()| answer)
    }
}

impl Told {
    /// As a payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        match self {
            Told::Sealed(layers) => {
                to.u8(0);
                to.u16(layers.bits());
            }
            Told::Read {
                input,
                offset,
                length,
            } => {
                to.u8(1);
                to.u32(*input);
                to.u64(*offset);
                to.u32(*length);
            }
            Told::Write { output, bytes } => {
                to.u8(2);
                to.u32(*output);
                to.raw(bytes);
            }
            Told::Done(run) => {
                to.u8(3);
                put_run(&mut to, run);
            }
            Told::Ask(question) => {
                to.u8(4);
                to.raw(&question.encode());
            }
        }
        to.into_bytes()
    }

    /// What a payload says, if it keeps to the limits of the call.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(payload: &[u8], limits: &Limits) -> Result<Told, Malformed> {
        let mut from = Decoder::new(payload);
        let told = match from.u8()? {
            0 => Told::Sealed(Layers::from_bits(from.u16()?).ok_or(Malformed)?),
            1 => Told::Read {
                input: from.u32()?,
                offset: from.u64()?,
                length: from.u32()?,
            },
            2 => Told::Write {
                output: from.u32()?,
                bytes: from.raw()?.to_vec(),
            },
            3 => Told::Done(take_run(&mut from, limits)?),
            4 => Told::Ask(Question::decode(from.raw()?, limits.question_bytes)?),
            _ => return Err(Malformed),
        };
        from.end().map(|()| told)
    }
}

fn put_run(to: &mut Encoder, run: &Run) {
    match &run.ended {
        Ended::Returned(value) => {
            to.u8(0);
            value::put_boxed(to, value.as_ref());
        }
        Ended::Trapped(fault, text) => {
            to.u8(1);
            to.text(fault.code());
            to.text(text);
        }
        Ended::StoppedBy(limit) => {
            to.u8(2);
            to.text(limit.code());
        }
        Ended::NotStarted(reason) => {
            to.u8(3);
            to.text(reason);
        }
        Ended::CalledOff => to.u8(4), // not for the process to say, nor understood from it
    }
    to.count(run.moves.len());
    for Move { file, place } in &run.moves {
        to.u32(*file);
        to.u32(*place);
    }
    let Used {
        wall,
        fuel,
        memory_bytes,
        read_bytes,
        written_bytes,
        questions: _, // neither this nor that is for the process to say
        process_bytes: _,
    } = run.used;
    to.u64(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX));
    for number in [fuel, memory_bytes, read_bytes, written_bytes] {
        to.u64(number);
    }
    to.raw(&run.diagnostics);
}

fn take_run(from: &mut Decoder<'_>, limits: &Limits) -> Result<Run, Malformed> {
    let ended = take_ended(from, limits)?;
    let mut moves = Vec::new();
    for _ in 0..at_most(from.count()?, limits.moves)? {
        let (file, place) = (from.u32()?, from.u32()?);
        moves.push(Move { file, place });
    }
    let used = Used {
        wall: Duration::from_nanos(from.u64()?),
        fuel: from.u64()?,
        memory_bytes: from.u64()?,
        read_bytes: from.u64()?,
        written_bytes: from.u64()?,
        questions: 0,
        process_bytes: None,
    };
    let diagnostics = from.raw()?;
    at_most(diagnostics.len(), limits.diagnostics_bytes)?;
    Ok(Run {
        ended,
        moves,
        used,
        diagnostics: diagnostics.to_vec(),
    })
}

fn take_ended(from: &mut Decoder<'_>, limits: &Limits) -> Result<Ended, Malformed> {
    Ok(match from.u8()? {
        0 => {
            let mut budget = Budget {
                bytes: limits.result_bytes,
                nesting: limits.nesting,
            };
            Ended::Returned(value::take_boxed(from, &mut budget)?.map(|v| *v))
        }
        1 => {
            let fault = Fault::of_code(&from.text()?).ok_or(Malformed)?;
            let text = from.text()?;
            at_most(text.len(), limits.diagnostics_bytes)?;
            Ended::Trapped(fault, text)
        }
        2 => Ended::StoppedBy(Limit::of_code(&from.text()?).ok_or(Malformed)?),
        3 => {
            let reason = from.text()?;
            at_most(reason.len(), limits.diagnostics_bytes)?;
            Ended::NotStarted(reason)
        }
        _ => return Err(Malformed),
    })
}

fn at_most(count: usize, limit: usize) -> Result<usize, Malformed> {
    if count > limit {
        return Err(Malformed);
    }
    Ok(count)
}
