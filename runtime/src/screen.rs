//! What the person sees while something runs: standard error only, so that standard output stays clean. Progress is a bar on a terminal,
//! a line now and then elsewhere, nothing with `--quiet`.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use cloister_models::{Progress, Watch};
use cloister_tools::names::{Lines, escape};
use indicatif::{ProgressBar, ProgressStyle};

use crate::disk;
use crate::interrupt::Interrupt;

/// Where no bar can be drawn, a line is written at most this often: enough to see that it lives, little enough to read.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bars that repaint: a terminal that can.
    Bars,
    /// Finished lines only: pipes, `ACCESSIBLE=1`, `TERM=dumb`.
    Lines,
    /// Nothing but errors.
    Quiet,
}

impl Style {
    /// What this process should use.
    pub(crate) fn of(quiet: Option<()>) -> Style {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        match quiet {
            Some(()) => Style::Quiet,
            None if std::io::stderr().is_terminal() && !dumb && !set("ACCESSIBLE") => Style::Bars,
            None => Style::Lines,
        }
    }
}

/// The person's side of a run.
#[derive(Debug)]
pub(crate) struct Screen {
    style: Style,
    detail: Detail,
    interrupt: Interrupt,
}

/// Whether reasons and amounts are told too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Usual,
    More,
}

impl Screen {
    pub(crate) fn new(style: Style, detail: Detail, interrupt: Interrupt) -> Screen {
        Screen {
            style,
            detail,
            interrupt,
        }
    }

    /// A line for those who asked for more with `-v`.
    pub(crate) fn detail(&self, word: &str, about: impl std::fmt::Display) {
        if self.detail == Detail::More {
            self.say(word, about);
        }
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// One finished line: a word first, then what about it.
    pub(crate) fn say(&self, word: &str, about: impl std::fmt::Display) {
        if self.style != Style::Quiet {
            let about = escape(&about.to_string(), Lines::Keep);
            let _ = writeln!(std::io::stderr(), "{word:<9}{about}"); // a closed standard error must not end the work
        }
    }

    /// Begin something that takes a while.
    pub(crate) fn stage(&self, word: &'static str) -> Stage {
        let bar = match self.style {
            Style::Bars => ProgressBar::new(0),
            Style::Lines | Style::Quiet => ProgressBar::hidden(),
        };
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:<9}{wide_bar} {percent:>3} % {msg}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(word);
        Stage {
            word,
            style: self.style,
            bar,
            interrupt: self.interrupt.clone(),
            told: Instant::now(),
        }
    }
}

/// Something that takes a while, with a known end.
#[derive(Debug)]
pub(crate) struct Stage {
    word: &'static str,
    style: Style,
    bar: ProgressBar,
    interrupt: Interrupt,
    told: Instant,
}

impl Stage {
    /// Show how far it is.
    pub(crate) fn at(&mut self, done: u64, total: u64, unit: &str) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.style == Style::Lines && self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            let _ = writeln!(
                std::io::stderr(),
                "{:<9}{done} of {total} {unit}",
                self.word
            ); // see `Screen::say`
        }
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.interrupt.raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Watch for Stage {
    fn on(&mut self, progress: Progress) -> ControlFlow<()> {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match progress {
            Progress::Load { done, total } => self.at(done, total, "bytes"),
            Progress::Prefill { done, total } => self.at(wide(done), wide(total), "tokens read"),
            Progress::Decode { tokens } => self.bar.set_message(format!("{tokens} tokens written")),
        }
        self.go_on()
    }

    fn available(&self) -> Option<u64> {
        disk::available_memory()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
