//! What the cage says on its line. Inputs and outputs are asked for and brought over it, and the model is asked.

use std::io::{self, ErrorKind, Read as _};

use cloister_process::seal;

use crate::question::{Mind, Question, Unanswered};
use crate::value::{Sink, Source};
use crate::wire::{Answer, Order, PIECE_BYTES, Remote, Told, receive, send};

/// The line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line;

impl Line {
    pub(super) fn say(self, told: &Told) -> io::Result<()> {
        send(&mut seal::Line, &told.encode())
    }

    pub(super) fn order(self) -> io::Result<Order> {
        let payload = receive(&mut seal::Line)?;
        Order::decode(&payload, &self).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// Wait until the agent has seen what it wants to see of this process, and hangs up.
    pub(super) fn dismissed(self) -> io::Result<()> {
        seal::Line.read(&mut [0]).map(drop)
    }

    fn ask(self, told: &Told) -> io::Result<Vec<u8>> {
        self.say(told)?;
        match Answer::decode(&receive(&mut seal::Line)?) {
            Ok(Answer::Bytes(bytes)) => Ok(bytes),
            Ok(Answer::TooLarge) => Err(ErrorKind::FileTooLarge.into()),
            Ok(Answer::Fault | Answer::Said(_)) | Err(_) => Err(ErrorKind::Other.into()),
        }
    }
}

/// The model is with the agent.
impl Mind for Line {
    fn answer(&mut self, question: &Question) -> Result<Option<String>, Unanswered> {
        self.say(&Told::Ask(question.clone()))
            .and_then(|()| receive(&mut seal::Line))
            .map_err(|_| Unanswered)
            .and_then(|payload| match Answer::decode(&payload) {
                Ok(Answer::Said(said)) => Ok(said),
                _ => Err(Unanswered),
            })
    }
}

impl Remote for Line {
    fn source(&self, number: u32, size: u64) -> Box<dyn Source> {
        Box::new(Far { number, size })
    }

    fn sink(&self, number: u32) -> Box<dyn Sink> {
        Box::new(Far { number, size: 0 })
    }
}

/// An input or output whose bytes are with the agent.
struct Far {
    number: u32,
    size: u64,
}

impl Source for Far {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len().min(PIECE_BYTES)).unwrap_or_default();
        let input = self.number;
        let bytes = Line.ask(&Told::Read {
            input,
            offset,
            length,
        })?;
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(bytes.len().min(buffer.len()))
    }
}

impl Sink for Far {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let output = self.number;
        bytes.chunks(PIECE_BYTES).try_for_each(|piece| {
            let bytes = piece.to_vec();
            Line.ask(&Told::Write { output, bytes }).map(drop)
        })
    }
}
