//! `cloister tools`: the catalogue and its pins.

use std::fs;
use std::path::{Path, PathBuf};

use cloister_attest::Purpose;
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Package, Pin, Signature, lock_text, pin};
use serde_json::json;

use super::Desk;
use super::init::copy_package;
use super::scaffold;
use crate::cli;
use crate::counted::counted_in;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

pub(crate) fn run(command: &cli::Tools, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Tools::List => list(home, desk),
        cli::Tools::New { name } => scaffold::new(name, desk),
        cli::Tools::Inspect { file } => inspect(file, desk),
        cli::Tools::Add { dir } => add(dir, home, desk),
        cli::Tools::Verify => verify(home, desk),
    }
}

fn list(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let (catalog, _) = home.catalog(home.roots()?.admin())?;
    let document: Vec<_> = catalog.packages().map(|p| json!({"name": p.name(), "version": p.pin().version, "description": p.description(), "accepts": p.accepts(), "writes": p.writes(),
        "functions": p.signatures().iter().map(|s| json!({"name": s.name(), "doc": s.doc(), "schema": s.json_schema()})).collect::<Vec<_>>()})).collect();
    desk.document(&json!(document));
    for package in catalog.packages() {
        desk.answer(described(package));
    }
    Ok(())
}

fn described(package: &Package) -> String {
    let functions: Vec<String> = package
        .signatures()
        .iter()
        .map(|s| format!("  {:<18} {}", s.name(), escape(s.doc(), Lines::Escape)))
        .collect();
    let asks = match package.signatures().iter().any(Signature::asks_model) {
        true => ", and asks the model about it",
        false => "",
    };
    format!(
        "{} {}  reads {}{asks}\n  {}\n{}",
        package.name(),
        escape(&package.pin().version, Lines::Escape),
        escape(&package.accepts().join(", "), Lines::Escape),
        escape(package.description(), Lines::Escape),
        functions.join("\n")
    )
}

/// What a component can reach follows from its signatures alone: the handles they take.
fn inspect(file: &Path, desk: &Desk) -> Result<(), Failure> {
    let folder = file
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let package = Package::read(&named(folder)?)?;
    // What is said below of its reach is true of a component that was checked, and of no other.
    package.check()?;
    desk.document(&json!({"name": package.name(), "wasm": package.pin().wasm, "functions": package.signatures().iter().map(Signature::json_schema).collect::<Vec<_>>()}));
    desk.answer(described(&package));
    desk.answer("  can      touch the files a call hands it, for as long as the call runs");
    desk.answer("  cannot   name, list or open files, use the network, start programs; its clock and random numbers are the session's");
    Ok(())
}

fn add(dir: &Path, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let key = home.admin_key()?;
    let dir = &named(dir)?;
    let lock = home.tools_lock(home.roots()?.admin())?;
    let added = install(dir, &home.tools())?;
    let mut pins = cloister_tools::pins(&lock)?;
    pins.retain(|pin| pin.name != added.name);
    desk.screen.say(
        "pinned",
        format!("{} {}, component {}", added.name, added.version, added.wasm),
    );
    pins.push(added);
    home.seal("tools.lock", &lock_text(&pins), Purpose::ToolsLock, &key)
}

/// Put the package into `tools`, and say what was put there. What is looked at is the copy, which nobody changes meanwhile; it takes the old one's
/// place only when it was found sound. A crash from then until the lock is signed leaves a package that its pin does not fit, which another `add` mends:
/// it needs no more than the lock.
fn install(dir: &Path, tools: &Path) -> Result<Pin, Failure> {
    if named(tools).is_ok_and(|tools| dir.starts_with(tools)) {
        let said = format!("`{}` is where installed tools lie", dir.display());
        return Err(Failure::failed(said).hint("name the folder that you build in".to_owned()));
    }
    let name = dir.file_name().unwrap_or_default();
    let (new, old) = (tools.join(".new").join(name), tools.join(name));
    copy_package(dir, &new)?;
    let added = pin(&new)?;
    if old.is_dir() {
        fs::remove_dir_all(&old).map_err(|e| disk::failed("replace", &old, &e))?;
    }
    fs::rename(&new, &old).map_err(|e| disk::failed("replace", &old, &e))?;
    Ok(added)
}

/// A package is called what its folder is called, and `.` has no name.
fn named(folder: &Path) -> Result<PathBuf, Failure> {
    folder
        .canonicalize()
        .map_err(|e| disk::failed("find", folder, &e))
}

fn verify(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let (catalog, digest) = home.catalog(home.roots()?.admin())?;
    catalog.packages().try_for_each(Package::check)?;
    desk.document(&json!({"verified": true, "lock": digest.to_string()}));
    desk.answer(format!(
        "{} as pinned, matching the WIT",
        counted_in(&catalog.packages().collect::<Vec<_>>(), "tool")
    ));
    Ok(())
}
