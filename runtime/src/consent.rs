//! The one question: about real effects, at a terminal, answered with a letter. The only file that says yes.
//!
//! What was typed before the question does not answer it, Enter alone asks again, and the end of input is no.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use cloister_policies::{Answer, Replacing, Rule};
use cloister_tools::{Change, Consent, Consenter, Effect, Effects};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{QueueSelector, isatty, tcflush};

use crate::failure::{Failure, Kind};
use crate::fold::{Size, to_screen};
use crate::interrupt::GoOn;

/// How often a waiting question looks whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Who can be asked in this session.
#[derive(Debug)]
pub(crate) enum Asking {
    /// A person at this terminal.
    Person(Terminal),
    /// Nobody, but a rule of the policy lets this manifest run so, and the policy says whether that goes for replacing files.
    Policy(Rule, Replacing),
    /// Nobody: every question is answered with silence, which refuses.
    Nobody,
}

/// What the question shows: the effects in short, in full, and why they are asked for.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) summary: String,
    pub(crate) diff: String,
    pub(crate) why: String,
    /// What stands first in the summary because it is unusual.
    pub(crate) unusual: Vec<String>,
}

/// Whether an answer goes for what is like it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// For these effects alone.
    Once,
    /// For what was offered as well.
    Remembered,
}

/// The page that says what would be remembered, and the word that answers so once the page was shown; before, and by its first letter, it shows it.
const REMEMBER: &str = "remember";

/// A terminal that a person sits at.
#[derive(Debug)]
pub(crate) struct Terminal(File);

impl Terminal {
    /// The controlling terminal, if standard input and standard error are one.
    pub(crate) fn find() -> Option<Terminal> {
        let at_both = isatty(std::io::stdin()) && isatty(std::io::stderr());
        let tty = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        at_both.then_some(Terminal(tty))
    }

    /// Put one question, until a letter answers it. Other letters show pages.
    fn ask(
        &self,
        first: &str,
        question: &str,
        pages: &[(&str, &str)],
        halt: &dyn GoOn,
    ) -> Result<(Answer, Lasting), Failure> {
        let mut out = &self.0;
        let mut lines = BufReader::new(&self.0);
        let io = |e: std::io::Error| Failure::failed(format!("the terminal cannot be used: {e}"));
        let more = pages.first().map_or("", |(name, _)| name);
        write!(out, "{}", opening(first, more, Size::of(&self.0))).map_err(io)?;
        tcflush(&self.0, QueueSelector::IFlush).map_err(|e| io(e.into()))?;
        let mut seen = BTreeSet::new();
        loop {
            write!(out, "{question}")
                .and_then(|()| out.flush())
                .map_err(io)?;
            self.wait(halt)?;
            let mut line = String::new();
            if lines.read_line(&mut line).map_err(io)? == 0 {
                return Ok((Answer::Decline, Lasting::Once));
            }
            match heard(&line.trim().to_lowercase(), &seen) {
                Heard::Answered(answer, lasting) => return Ok((answer, lasting)),
                Heard::Page(word) => {
                    for (name, page) in pages.iter().filter(|(name, _)| names_page(name, word)) {
                        write!(out, "\n{}\n", shown(page)).map_err(io)?;
                        seen.insert(*name);
                    }
                }
            }
        }
    }

    fn wait(&self, halt: &dyn GoOn) -> Result<(), Failure> {
        let timeout = Timespec::try_from(LOOK).map_err(Failure::failed)?;
        loop {
            halt.check()?;
            let mut waiting = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut waiting, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    return Err(Failure::failed(format!(
                        "the terminal cannot be used: {error}"
                    )));
                }
            }
        }
    }
}

/// What a line that was typed means.
#[derive(Debug, PartialEq, Eq)]
enum Heard<'a> {
    Answered(Answer, Lasting),
    /// It may name a page.
    Page(&'a str),
}

/// What `word` means to somebody who has `seen` these pages: nobody says yes for days to what was not shown.
fn heard<'a>(word: &'a str, seen: &BTreeSet<&str>) -> Heard<'a> {
    match word {
        "y" | "yes" => Heard::Answered(Answer::Allow, Lasting::Once),
        "n" | "no" => Heard::Answered(Answer::Decline, Lasting::Once),
        REMEMBER if seen.contains(REMEMBER) => Heard::Answered(Answer::Allow, Lasting::Remembered),
        word => Heard::Page(word),
    }
}

/// What stands before the question: the first page, cut to the screen. All of it is on the page `more`.
fn opening(first: &str, more: &str, size: Size) -> String {
    let cut = to_screen(&shown(first), size, &bracketed(more));
    format!("\n{cut}\n")
}

/// A page's name as the question has it: `[d]iff`.
fn bracketed(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    format!("[{first}]{}", letters.as_str())
}

/// Whether `word` is the name of a page, or its first letter.
fn names_page(page: &str, word: &str) -> bool {
    word == page || page.chars().next().map(String::from).as_deref() == Some(word)
}

/// Ask once whether a new policy, shown as what it decides otherwise, is to be put in force.
///
/// # Errors
/// A refusal, where the answer is another than yes, or nobody is there.
pub(crate) fn to_policy(shown: &str, halt: &dyn GoOn) -> Result<(), Failure> {
    let question = "Put it in force? [y]es, [n]o, [l]ist: ";
    assent(shown, question, halt)?.map_err(|reason| {
        let said = format!("the new policy is not put in force: {reason}");
        Failure::new(Kind::Refused, said).hint("the one in force is unchanged".to_owned())
    })
}

/// Ask once whether contents, shown as whose they are, are to be destroyed.
///
/// # Errors
/// A refusal, where the answer is another than yes, or nobody is there.
pub(crate) fn to_shred(shown: &str, halt: &dyn GoOn) -> Result<(), Failure> {
    let question = "Destroy them for good? [y]es, [n]o, [l]ist: ";
    assent(shown, question, halt)?.map_err(|reason| {
        let said = format!("nothing was shredded: {reason}");
        Failure::new(Kind::Refused, said).hint("with `--yes` nobody is asked".to_owned())
    })
}

/// A yes, or why there was none.
fn assent(
    shown: &str,
    question: &str,
    halt: &dyn GoOn,
) -> Result<Result<(), &'static str>, Failure> {
    let answer = match Terminal::find() {
        None => Answer::Unasked,
        Some(terminal) => terminal.ask(shown, question, &[("list", shown)], halt)?.0,
    };
    Ok(match answer {
        Answer::Allow => Ok(()),
        Answer::Decline => Err("the person declined"),
        Answer::Unasked => Err("there was nobody to ask"),
    })
}

/// Ask once, about these effects; the answer names their hash.
pub(crate) fn about(
    effects: &Effects,
    pages: &Pages,
    asking: &Asking,
    halt: &dyn GoOn,
) -> Result<Consent, Failure> {
    let (consent, _) = offering(None, effects, pages, asking, halt)?;
    Ok(consent)
}

/// The same; where something is offered, the person may have it remembered with their yes.
pub(crate) fn offering(
    offer: Option<&str>,
    effects: &Effects,
    pages: &Pages,
    asking: &Asking,
    halt: &dyn GoOn,
) -> Result<(Consent, Lasting), Failure> {
    let mut lasting = Lasting::Once;
    let (by, answer) = match asking {
        Asking::Person(terminal) => {
            let mut more = vec![
                ("diff", pages.diff.as_str()),
                ("explain", pages.why.as_str()),
            ];
            more.extend(offer.map(|offer| (REMEMBER, offer)));
            let names: Vec<String> = more.iter().map(|(name, _)| bracketed(name)).collect();
            let question = format!("Release? [y]es, [n]o, {}: ", names.join(", "));
            let answer;
            (answer, lasting) = terminal.ask(&pages.summary, &question, &more, halt)?;
            (Consenter::Person, answer)
        }
        Asking::Policy(_, replacing) if held(effects, *replacing) => {
            (Consenter::Nobody, Answer::Unasked)
        }
        Asking::Policy(rule, _) => (
            Consenter::Policy {
                rule: rule.rule.clone(),
            },
            Answer::Allow,
        ),
        Asking::Nobody => (Consenter::Nobody, Answer::Unasked),
    };
    let consent = Consent {
        effects_hash: effects.hash(),
        by,
        answer,
    };
    Ok((consent, lasting))
}

/// The person answered in an earlier session, for what is like these too.
pub(crate) fn remembered(effects: &Effects, id: String) -> Consent {
    Consent {
        effects_hash: effects.hash(),
        by: Consenter::Remembered { id },
        answer: Answer::Allow,
    }
}

/// Whether the policy's word is not enough for these: they replace files, and its settings do not say that they may.
pub(crate) fn held(effects: &Effects, replacing: Replacing) -> bool {
    let replaces = |e: &Effect| matches!(e.change(), Change::Replace { .. });
    replacing == Replacing::Waits && effects.list().iter().any(replaces)
}

/// Whatever was made of a document's text, the terminal gets nothing but visible characters.
fn shown(page: &str) -> String {
    cloister_tools::names::escape(page, cloister_tools::names::Lines::Keep)
}

/// The policy let every effect go without a question.
pub(crate) fn free(effects: &Effects, rule: &str) -> Consent {
    Consent {
        effects_hash: effects.hash(),
        by: Consenter::Policy {
            rule: rule.to_owned(),
        },
        answer: Answer::Allow,
    }
}

/// The answer in a word, for the ledger and the report. Whoever adds an answer has to name it here.
pub(crate) fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Allow => "allow",
        Answer::Decline => "decline",
        Answer::Unasked => "unasked",
    }
}

#[cfg(test)]
mod tests;
