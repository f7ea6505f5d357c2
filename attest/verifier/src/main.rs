//! `cloister-verify`: checks a ledger folder, a folder of tiles, a proof or an evidence file on a machine with no TPM and no network. Reads files, writes nothing but its verdict;
//! as a witness it keeps the last note that it cosigned of each ledger.

mod content;
mod folder;
mod witness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use cloister_attest::{
    Challenge, Files, Report, Roots, Witness, plain, verify, verify_answer, verify_evidence,
    verify_proof, verify_tiles,
};
use content::{Held, Picked, Shown};

/// A content that is not what its entry commits to, as any other tampering.
const TAMPERED: u8 = 1;
/// No trust roots, or none that can be read.
const NO_ROOTS: u8 = 3;
/// Wrong usage; `EX_USAGE` of sysexits.h, since 2 has a meaning here.
const USAGE: u8 = 64;
/// What was to be checked cannot be read; `EX_NOINPUT` of sysexits.h.
const NO_INPUT: u8 = 66;
/// What was to be kept cannot be written; `EX_IOERR` of sysexits.h.
const NO_OUTPUT: u8 = 74;

/// Checks a Cloister ledger or its tiles, the evidence of one session, or the proof of one entry, offline.
///
/// Exit codes: 0 sound; 1 tampered; 2 sound but not anchored or not attested; 3 no trust roots; 64 wrong usage; 66 nothing to read.
#[derive(Parser)]
#[command(
    name = "cloister-verify",
    version,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(flatten)]
    check: Option<Check>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Subcommand)]
enum Other {
    /// Be a witness: cosign a ledger's checkpoint, if it goes on from the last one that was cosigned
    #[command(subcommand)]
    Witness(witness::Command),
}

#[derive(clap::Args)]
struct Check {
    /// The ledger folder, a folder of tiles, a file of entries, a proof, or an evidence file
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// What you trust: `roots.json`, from a place that the machine under audit cannot write to
    #[arg(long, value_name = "ROOTS.json")]
    roots: PathBuf,
    /// What the device answered to the challenge: `cloister attest evidence`
    #[arg(long, value_name = "FILE", requires = "challenge")]
    evidence: Option<PathBuf>,
    /// The device must have answered this challenge of yours, by --evidence or in its last session
    #[arg(long, value_name = "HEX")]
    challenge: Option<Challenge>,
    /// This witness must have cosigned the ledger; several times for several, beside those of the roots
    #[arg(long, value_name = "NAME+KEY")]
    witness: Vec<Witness>,
    /// A note that a witness still has, to be read as if it lay in the ledger folder
    #[arg(long, value_name = "FILE")]
    cosigned: Vec<PathBuf>,
    /// What `cloister --json audit content` printed of an entry: it must be what the ledger's entry commits to
    #[arg(long, value_name = "FILE", conflicts_with = "evidence")]
    content: Vec<PathBuf>,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // When even the message cannot be printed, the exit code still says it.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match (arguments.check, arguments.other) {
        (_, Some(Other::Witness(command))) => witness::run(&command),
        (Some(check), None) => judge(&check),
        (None, None) => fail(
            &anyhow::anyhow!("nothing was named that could be checked"),
            "name a ledger folder, and --roots; `--help` says more",
            USAGE,
        ),
    }
}

fn judge(arguments: &Check) -> ExitCode {
    let roots = match read_roots(&arguments.roots) {
        Ok(roots) => arguments
            .witness
            .iter()
            .cloned()
            .fold(roots, Roots::witnessed_by),
        Err(error) => {
            return fail(
                &error,
                "take `keys/roots.json` from the admin, not from the machine under audit",
                NO_ROOTS,
            );
        }
    };
    let judged = match arguments.content.as_slice() {
        [] => check(arguments, &roots).map(|report| (report, Vec::new())),
        shown => check_contents(arguments, &roots, shown),
    };
    match judged.and_then(|(report, held)| {
        print(&report, &held, arguments.json).map(|()| code_of(&report, &held))
    }) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(
            &error,
            "name a ledger folder or an evidence file that you may read",
            NO_INPUT,
        ),
    }
}

fn read_roots(path: &Path) -> Result<Roots> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("the trust roots `{}` cannot be read", path.display()))?;
    Ok(Roots::parse(&bytes)?)
}

fn check(arguments: &Check, roots: &Roots) -> Result<Report> {
    let (path, challenge) = (arguments.path.as_path(), arguments.challenge.as_ref());
    let unreadable = || format!("`{}` cannot be read", path.display());
    if folder::has_tiles(path) {
        if arguments.evidence.is_some() {
            bail!(
                "an answer is held against the ledger, and `{}` holds tiles",
                path.display()
            );
        }
        let tiles = folder::tiles(path, &arguments.cosigned)?;
        return verify_tiles(tiles, roots, challenge).with_context(unreadable);
    }
    if let (Some(answer), Some(challenge)) = (&arguments.evidence, challenge) {
        let answer = folder::small(answer)?;
        let files = folder::with(folder::open(path)?, &arguments.cosigned)?;
        return verify_answer(files, roots, challenge, &answer).with_context(unreadable);
    }
    if path.is_dir() {
        let files = folder::with(folder::open(path)?, &arguments.cosigned)?;
        return verify(files, roots, challenge).with_context(unreadable);
    }
    match folder::sniff(path).with_context(unreadable)? {
        folder::Kind::Evidence(bytes) => Ok(verify_evidence(&bytes, roots, challenge)),
        folder::Kind::Proof(bytes) => Ok(verify_proof(&bytes, roots, challenge)),
        folder::Kind::Entries(files) => {
            let files = folder::with(files, &arguments.cosigned)?;
            verify(files, roots, challenge).with_context(unreadable)
        }
    }
}

/// A ledger's entries and what was opened of them.
fn check_contents(
    arguments: &Check,
    roots: &Roots,
    shown: &[PathBuf],
) -> Result<(Report, Vec<Held>)> {
    let path = arguments.path.as_path();
    let files = match path.is_dir() {
        true if !folder::has_tiles(path) => folder::open(path)?,
        true => bail!(
            "contents are held against a ledger, and `{}` holds tiles",
            path.display()
        ),
        false => match folder::sniff(path)? {
            folder::Kind::Entries(files) => files,
            _ => bail!(
                "contents are held against a ledger, which `{}` is not",
                path.display()
            ),
        },
    };
    let Files {
        entries,
        checkpoint,
        others,
    } = folder::with(files, &arguments.cosigned)?;
    let shown: Result<Vec<_>> = shown.iter().map(|file| Shown::read(file)).collect();
    let shown = shown?;
    let mut entries = Picked::of(entries, &shown);
    let files = Files {
        entries: &mut entries,
        checkpoint,
        others,
    };
    let report = verify(files, roots, arguments.challenge.as_ref())?;
    let held = shown.into_iter();
    let held = held
        .flat_map(|shown| shown.held(&entries, &report))
        .collect();
    Ok((report, held))
}

/// The verdict's, but for a content that an entry does not commit to.
fn code_of(report: &Report, held: &[Held]) -> u8 {
    match held.iter().all(|held| held.holds) {
        true => report.exit_code(),
        false => TAMPERED,
    }
}

fn print(report: &Report, held: &[Held], json: bool) -> Result<()> {
    use std::io::Write;
    let text = if json {
        let mut document = serde_json::to_value(report)?;
        if let (Some(fields), false) = (document.as_object_mut(), held.is_empty()) {
            fields.insert("contents".to_owned(), serde_json::to_value(held)?);
        }
        format!("{document}\n")
    } else {
        let held: String = held.iter().map(Held::to_string).collect();
        format!("{report}{held}")
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the verdict cannot be printed")
}

fn fail(error: &anyhow::Error, hint: &str, code: u8) -> ExitCode {
    // The error may name a file of the folder under audit.
    eprintln!("{}\nhint: {hint}", plain(&format!("{error:#}")));
    ExitCode::from(code)
}
