//! `cloister policy`: a policy is a program; this is its compiler, its tests, and its account of itself.

mod install;

use std::path::Path;

use cloister_policies::{
    Bundle, Call, Coverage, MANIFEST_SCHEMA, Manifest, Mode, PolicyFiles, Session,
};
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::clock;
use crate::confine;
use crate::device::Device;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::{Home, bundle_files};
use crate::session::MANIFEST_BYTES;
use crate::trust::Trust;

pub(crate) fn run(command: &cli::Policy, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Policy::Check { path } => check(path, desk),
        cli::Policy::Test { dir } => test(dir, desk),
        cli::Policy::Compare { dir } => install::compare(dir, home, desk),
        cli::Policy::Install { dir } => install::install(dir, home, desk),
        cli::Policy::Schema => {
            schema(desk);
            Ok(())
        }
        cli::Policy::Explain { manifest, call } => explain(manifest, call, home, desk),
    }
}

/// A folder is checked as a bundle; one file in the company of its own cases.
fn check(path: &Path, desk: &Desk) -> Result<(), Failure> {
    let files = if path.is_dir() {
        bundle_files(path)?
    } else {
        alone(path)?
    };
    let bundle = Bundle::load(&files)?;
    desk.document(&json!({"bundle": bundle.name(), "cases": bundle.test().len()}));
    desk.answer(format!(
        "`{}` compiles, cases passed: {}",
        path.display(),
        bundle.test().len()
    ));
    Ok(())
}

fn alone(path: &Path) -> Result<PolicyFiles, Failure> {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut files = PolicyFiles::from([
        (
            "bundle.toml".to_owned(),
            b"name = \"check\"\nversion = 1\n".to_vec(),
        ),
        (name, disk::read(path)?),
    ]);
    let cases = path.with_extension("cases.toml");
    if let Some(name) = cases.file_name().filter(|_| cases.is_file()) {
        files.insert(name.to_string_lossy().into_owned(), disk::read(&cases)?);
    }
    Ok(files)
}

fn test(dir: &Path, desk: &Desk) -> Result<(), Failure> {
    let bundle = Bundle::load(&bundle_files(dir)?)?;
    let results = bundle.test();
    for case in &results {
        desk.answer(format!("ok        {} {}", case.file, case.case));
    }
    let coverage = bundle.coverage();
    desk.document(&json!({"passed": results.len(), "coverage": coverage}));
    desk.answer(format!("{} passed", results.len()));
    for file in &coverage {
        desk.answer(covered(file));
    }
    Ok(())
}

/// How many lines of a file the cases reach, and which they do not.
fn covered(file: &Coverage) -> String {
    let reached = file.lines.saturating_sub(file.missed.len());
    let missed: Vec<String> = file.missed.iter().map(u32::to_string).collect();
    let which = match missed.as_slice() {
        [] => String::new(),
        some => format!(", not {}", some.join(", ")),
    };
    format!(
        "reached   {} of {} lines of {}{which}",
        reached, file.lines, file.file
    )
}

/// The schema of a manifest, for editors and other programs.
fn schema(desk: &Desk) {
    desk.row(MANIFEST_SCHEMA.trim_end());
}

fn explain(manifest: &Path, call: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let roots = home.roots()?;
    let (bundle, _) = home.bundle(roots.admin())?;
    let folder = folder_of(manifest)?;
    let manifest = Manifest::parse(&disk::read_bounded(manifest, MANIFEST_BYTES)?, &folder)?;
    let session = Session {
        attestation: Trust::find(desk.tcti.as_deref(), &roots).kind(),
        confinement: confine::found(&confine::cage()?, Some(confine::mind()?)),
        mode: Mode::Attended,
        person: None,
        reserved: vec![home.root().to_owned()],
        device: Device::read()?.ceiling,
    };
    let negotiated = bundle.negotiate(&manifest, &session, clock::for_policy());
    let call = Call::from_json(&disk::read_bounded(call, MANIFEST_BYTES)?, &folder)?;
    let explanation = bundle.explain(&call, &negotiated.grants, &session, clock::for_policy());
    desk.document(&json!({"explanation": explanation, "refused": negotiated.refused}));
    desk.answer(format!(
        "{} by rule {}: {}",
        explanation.decision, explanation.rule, explanation.reason
    ));
    Ok(())
}

/// The absolute folder of a manifest, links resolved: what its relative paths are relative to.
pub(crate) fn folder_of(manifest: &Path) -> Result<std::path::PathBuf, Failure> {
    let absolute = manifest
        .canonicalize()
        .map_err(|e| disk::failed("read the manifest", manifest, &e))?;
    absolute.parent().map(Path::to_owned).ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            format!("`{}` is no file in a folder", manifest.display()),
        )
    })
}
