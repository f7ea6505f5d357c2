//! Brings a model file onto a connected staging machine: resumes, shows progress, and gives the file its name only once its SHA-256 is right.
//! The only program here that reaches a network; nothing links it.

mod error;
mod fetch;
mod hub;
mod part;
mod progress;
mod request;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use request::{FilePath, Repository, Sha256Hex};

/// Brings models onto a staging machine.
#[derive(Parser)]
#[command(name = "cloister-fetch", version, about)]
struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    /// Fetch one file of a repository on the Hugging Face hub, or on the hub that `HF_ENDPOINT` names.
    Hf {
        /// Repository and revision (a branch, a tag, or better a commit).
        #[arg(value_name = "ORG/REPO@REV")]
        repository: Repository,
        /// The file in the repository.
        #[arg(value_name = "FILE")]
        file: FilePath,
        /// The SHA-256 that the file must have, 64 hex digits.
        #[arg(long, value_name = "HEX")]
        sha256: Sha256Hex,
        /// The folder that the file is put into, under its name in the repository.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let Arguments {
        from:
            From::Hf {
                repository,
                file,
                sha256,
                out,
            },
    } = Arguments::parse();
    match fetch::run(&repository, &file, sha256, &out) {
        Ok(done) => {
            println!("{} sha256:{sha256}", done.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(error.exit())
        }
    }
}
