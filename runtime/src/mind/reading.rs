//! The model once it is asked about documents, from the agent's side: it answers about texts and plans nothing more. What it says is held against
//! the question here, whatever its process says of itself.

use cloister_attest::Digest;
use cloister_models::Tally;
use cloister_tools::{Mind as Answers, Question, Unanswered};

use super::Mind;
use super::line::Bounds;
use super::talk::Talk;
use super::wire::{Ask, Told};
use crate::counted::counted;
use crate::failure::Failure;
use crate::screen::Stage;

/// A model that reads. There is no way back to one that plans.
pub(crate) struct Reader {
    talk: Talk,
    stage: Stage,
    asked: Asked,
    failure: Option<Failure>,
}

/// What was asked and answered, for the ledger: how much, and a digest of all of it in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    questions: u64,
    read: u64,
    written: u64,
    transcript: Digest,
}

impl Mind {
    /// From here on it answers about texts, and other things end the wait.
    pub(crate) fn reading(self, stage: Stage, bounds: Bounds) -> Reader {
        let mut talk = self.talk;
        talk.bind(bounds);
        Reader {
            talk,
            stage,
            asked: Asked::NOTHING,
            failure: None,
        }
    }
}

impl Reader {
    /// What was asked, if anything was.
    pub(crate) fn asked(&self) -> Option<Asked> {
        (self.asked != Asked::NOTHING).then_some(self.asked)
    }

    /// Why there was no answer, where there was none.
    pub(crate) fn failure(self) -> Option<Failure> {
        self.failure
    }

    fn ask(&mut self, question: &Question) -> Result<Option<String>, Failure> {
        let before = self.asked;
        let told = self
            .talk
            .ask(&Ask::About(question.clone()), &mut self.stage)?;
        let said = match told {
            Told::Said(said, _) => Some(said),
            Told::Done(_) => None,
            _ => {
                return Err(self
                    .talk
                    .lied("it was asked about a text and said something else"));
            }
        };
        if !question.admits(said.as_deref()) {
            return Err(self
                .talk
                .lied("what it said of a text is no answer to what was asked"));
        }
        self.asked = before.and(question, said.as_deref(), self.talk.tally());
        Ok(said)
    }
}

impl Answers for Reader {
    fn answer(&mut self, question: &Question) -> Result<Option<String>, Unanswered> {
        self.ask(question).map_err(|failure| {
            self.failure = Some(failure);
            Unanswered
        })
    }
}

impl Asked {
    /// The digest of all of it. It goes among what the ledger commits to: an answer can be a word, and its digest by itself be guessed.
    pub(crate) fn transcript(&self) -> Digest {
        self.transcript
    }

    const NOTHING: Asked = Asked {
        questions: 0,
        read: 0,
        written: 0,
        transcript: Digest::ZERO,
    };

    /// With one more question. `tally` counts from the first one on.
    fn and(self, question: &Question, said: Option<&str>, tally: Tally) -> Asked {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let (question, answer) = (question.encode(), said.unwrap_or_default());
        let transcript = Digest::of_parts(&[
            self.transcript.as_bytes(),
            Digest::of(question).as_bytes(),
            &[u8::from(said.is_some())],
            Digest::of(answer).as_bytes(),
        ]);
        Asked {
            questions: self.questions.saturating_add(1),
            read: wide(tally.prompt.saturating_add(tally.reused)),
            written: wide(tally.sampled.saturating_add(tally.forced)),
            transcript,
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, {} read and {} written",
            counted(self.questions, "question"),
            counted(self.read, "token"),
            self.written
        )
    }
}
