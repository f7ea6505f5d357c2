//! How far a transfer is: a bar on a terminal, a line every tenth elsewhere. On standard error, so that the output stays clean.

use std::io::{IsTerminal, stderr};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { tenth: u64 },
}

impl Progress {
    pub(crate) fn new() -> Self {
        if stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template(
                "{bytes} of {total_bytes}  {wide_bar}  {bytes_per_sec}  {eta}",
            ) {
                bar.set_style(style);
            }
            Self::Bar(bar)
        } else {
            Self::Lines { tenth: 0 }
        }
    }

    /// So many bytes are here, of so many in all if that is known.
    pub(crate) fn at(&mut self, done: u64, total: Option<u64>) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(total.unwrap_or(done));
                bar.set_position(done);
            }
            Self::Lines { tenth } => {
                let Some(total) = total.filter(|total| *total > 0) else {
                    return;
                };
                let now = done.saturating_mul(10) / total;
                if now > *tenth {
                    *tenth = now;
                    eprintln!(
                        "{}% {} of {}",
                        now.saturating_mul(10),
                        HumanBytes(done),
                        HumanBytes(total)
                    );
                }
            }
        }
    }

    /// Something that the person should know meanwhile.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.println(line),
            Self::Lines { .. } => eprintln!("{line}"),
        }
    }

    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
