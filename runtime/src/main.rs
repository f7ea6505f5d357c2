//! `cloister`: reads the command line and the settings, opens the home, hands over. `anyhow` lives here and nowhere else.

mod anchoring;
mod answer;
mod cli;
mod clock;
mod commands;
mod confine;
mod consent;
mod contents;
mod counted;
mod device;
mod disk;
mod entries;
mod export;
mod failure;
mod fold;
mod home;
mod interrupt;
mod look;
mod mind;
mod plan;
mod qr;
mod random;
mod remembered;
mod report;
mod screen;
mod seen;
mod session;
mod slots;
#[cfg(test)]
mod testing;
mod trust;
mod verified;
mod words;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use serde::Deserialize;

use crate::cli::{Cli, Command};
use crate::commands::{Desk, Output};
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::interrupt::Interrupt;
use crate::screen::{Detail, Screen, Style};

/// Settings of a person: preferences only. What is permitted stands in the policy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    home: Option<PathBuf>,
    tcti: Option<String>,
}

fn main() -> ExitCode {
    if std::env::args_os()
        .next()
        .is_some_and(|name| name == mind::NAME)
    {
        return mind::inside::main();
    }
    let cli = Cli::parse();
    let shown =
        start(&cli).unwrap_or_else(|error| Err(Failure::new(Kind::Usage, format!("{error:#}"))));
    match shown {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.kind().exit_code())
        }
    }
}

/// Settings that cannot be read are the person's to mend (outer error); what a command says is its own (inner).
fn start(cli: &Cli) -> anyhow::Result<Result<u8, Failure>> {
    let settings = settings(cli)?;
    let home = home(cli, &settings)?;
    let interrupt = Interrupt::listen()?;
    let detail = if cli.v { Detail::More } else { Detail::Usual };
    let screen = Screen::new(Style::of(cli.quiet.then_some(())), detail, interrupt);
    let output = if cli.json { Output::Json } else { Output::Text };
    let desk = Desk {
        screen,
        output,
        tcti: cli.tcti.clone().or(settings.tcti),
    };
    Ok(dispatch(&cli.command, &home, &desk))
}

fn dispatch(command: &Command, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    match command {
        Command::Init(options) => commands::init::run(options, home, desk)?,
        Command::Run(options) => return commands::run::run(options, home, desk),
        Command::Plan(options) => return commands::run::plan(options, home, desk),
        Command::Quarantine(command) => commands::quarantine::run(command, home, desk)?,
        Command::Consent(command) => commands::consent::run(command, home, desk)?,
        Command::Undo { session } => commands::quarantine::undo(session, home, desk)?,
        Command::Models(command) => commands::models::run(command, home, desk)?,
        Command::Tools(command) => commands::tools::run(command, home, desk)?,
        Command::Policy(command) => commands::policy::run(command, home, desk)?,
        Command::Audit(command) => return commands::audit::run(command, home, desk),
        Command::Attest(command) => commands::attest::run(command, home, desk)?,
        Command::Bench(options) => commands::bench::run(options, home, desk)?,
        Command::Doctor => return commands::doctor::run(home, desk),
    }
    Ok(0)
}

fn settings(cli: &Cli) -> anyhow::Result<Settings> {
    let usual = || {
        etcetera::home_dir().ok().map(|h| {
            std::env::var_os("XDG_CONFIG_HOME")
                .map_or(h.join(".config"), PathBuf::from)
                .join("cloister/config.toml")
        })
    };
    let path = match &cli.config {
        Some(path) => Some(path.clone()),
        None => usual().filter(|p| p.is_file()),
    };
    let Some(path) = path else {
        return Ok(Settings::default());
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the settings `{}`", path.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("the settings `{}` are not understood", path.display()))
}

fn home(cli: &Cli, settings: &Settings) -> anyhow::Result<Home> {
    let usual = || -> anyhow::Result<PathBuf> {
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let data = data
            .map_or_else(|| etcetera::home_dir().map(|h| h.join(".local/share")), Ok)
            .context("no home folder is known: name one with --home")?;
        Ok(data.join("cloister"))
    };
    let root = match cli.home.clone().or_else(|| settings.home.clone()) {
        Some(root) => root,
        None => usual()?,
    };
    let absolute =
        std::path::absolute(&root).with_context(|| format!("`{}` is no path", root.display()))?;
    // Links are resolved where the folder exists, so that the grants' reserved folders compare as the disk has them.
    Ok(Home::at(absolute.canonicalize().unwrap_or(absolute)))
}

/// One sentence, and a second line where the person can act.
fn complain(failure: &Failure) {
    let mut text = format!("error: {failure}\n");
    if let Some(hint) = failure.advice() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    let shown = cloister_tools::names::escape(&text, cloister_tools::names::Lines::Keep);
    let _ = std::io::stderr().write_all(shown.as_bytes()); // nobody left to tell
}
