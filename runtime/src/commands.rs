//! The commands: each takes its parsed options, the home and the desk it reports to.

pub(crate) mod attest;
pub(crate) mod audit;
pub(crate) mod bench;
mod compare;
pub(crate) mod consent;
mod contents;
mod cosigned;
mod counter;
pub(crate) mod doctor;
mod enrol;
pub(crate) mod init;
pub(crate) mod models;
pub(crate) mod policy;
pub(crate) mod quarantine;
pub(crate) mod run;
pub(crate) mod scaffold;
mod tiles;
pub(crate) mod tools;

use std::io::Write;

use cloister_tools::names::{Lines, escape};
use serde_json::Value;

use crate::screen::Screen;

/// Where a command reports: lines for a person on standard error, answers on standard output, one document with `--json`.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) screen: Screen,
    pub(crate) output: Output,
    pub(crate) tcti: Option<String>,
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

impl Desk {
    /// The one document of `--json`.
    pub(crate) fn document(&self, value: &Value) {
        if self.output == Output::Json {
            print(&format!("{value:#}"));
        }
    }

    /// An answer for a person on standard output.
    pub(crate) fn answer(&self, text: impl std::fmt::Display) {
        if self.output == Output::Text {
            print(&escape(&text.to_string(), Lines::Keep));
        }
    }

    /// One of many rows for another program, whatever standard output carries.
    pub(crate) fn row(&self, row: &str) {
        print(row);
    }
}

/// Whoever reads standard output may be gone; that is no reason to fail after the work is done.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The name of this device in statements and enrolments.
pub(crate) fn device_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
