//! `cloister models`: the local registry. A model enters with its hash; every change of the lock is signed again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use cloister_attest::Purpose;
use cloister_models::{Gguf, Lock, ModelName, Pin, Sums};
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

/// Read and copied at a time, bytes: large enough that progress costs nothing, small enough that ^C is prompt.
const CHUNK: usize = 4 << 20;

pub(crate) fn run(command: &cli::Models, home: &Home, desk: &Desk) -> Result<(), Failure> {
    match command {
        cli::Models::List => list(home, desk),
        cli::Models::Import { file, name } => import(file, name, home, desk),
        cli::Models::Pin { name } => pin_in_place(name, home, desk),
        cli::Models::Default { name } => {
            change(
                home,
                |lock| Ok(lock.with_default(&ModelName::parse(name)?)?),
            )
        }
        cli::Models::Verify { name } => verify(name.as_deref(), home, desk),
        cli::Models::Remove { name } => remove(name, home),
    }
}

fn list(home: &Home, desk: &Desk) -> Result<(), Failure> {
    let lock = home.model_lock(home.roots()?.admin())?;
    let default = lock.default_pin().map(|p| p.name().clone());
    let rows: Vec<_> = lock.pins().map(|p| json!({"name": p.name().as_str(), "sha256": p.sha256().to_string(), "bytes": p.bytes(), "default": Some(p.name()) == default.as_ref()})).collect();
    desk.document(&json!(rows));
    if rows.is_empty() {
        desk.answer("no model is pinned; `cloister models import FILE --name NAME` brings one in");
    }
    for pin in lock.pins() {
        let mark = if Some(pin.name()) == default.as_ref() {
            "  default"
        } else {
            ""
        };
        desk.answer(format!(
            "{:<24} {:>12} bytes  sha256 {}{mark}",
            pin.name().as_str(),
            pin.bytes(),
            pin.sha256()
        ));
    }
    Ok(())
}

/// Copy the file beside its place, hashing what is copied; check that it is a model; then give it its name and pin it.
fn import(file: &Path, name: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let name = ModelName::parse(name)?;
    let lock = home.model_lock(home.roots()?.admin())?;
    if lock.get(&name).is_ok() {
        return Err(
            Failure::failed(format!("a model is pinned as `{}` already", name.as_str())).hint(
                format!(
                    "`cloister models remove {}` first, or choose another name",
                    name.as_str()
                ),
            ),
        );
    }
    let bytes = read(file, desk)?;
    Gguf::parse(&bytes)?;
    let pin = Pin::of(name.clone(), &Sums::of(&bytes))?;
    let place = home.models().join(format!("{}.gguf", name.as_str()));
    write(&place, &bytes, desk)?;
    let sha256 = pin.sha256().to_string();
    store(home, &lock.pin(pin))?;
    desk.document(&json!({"name": name.as_str(), "sha256": sha256}));
    desk.screen
        .say("pinned", format!("{} sha256 {sha256}", name.as_str()));
    Ok(())
}

fn read(file: &Path, desk: &Desk) -> Result<Vec<u8>, Failure> {
    let mut source = disk::open(file)?;
    let total = source.metadata().map(|m| m.len()).unwrap_or_default();
    let mut stage = desk.screen.stage("reading");
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(total).unwrap_or(usize::MAX))
        .map_err(|_| too_large(file, total))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        desk.screen.interrupt().check()?;
        let n = source
            .read(&mut chunk)
            .map_err(|e| disk::failed("read", file, &e))?;
        if n == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(chunk.get(..n).unwrap_or_default());
        stage.at(
            u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            total,
            "bytes",
        );
    }
}

fn too_large(file: &Path, bytes: u64) -> Failure {
    let file = file.display();
    Failure::failed(format!(
        "there is no memory for the {bytes} bytes of `{file}`"
    ))
    .hint("end other programs, or choose a smaller model".to_owned())
}

fn write(place: &Path, bytes: &[u8], desk: &Desk) -> Result<(), Failure> {
    let part = place.with_extension("part");
    let mut stage = desk.screen.stage("copying");
    let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut copy = || -> Result<(), Failure> {
        let failed = |e: std::io::Error| disk::failed("write", &part, &e);
        let mut target = File::create(&part).map_err(failed)?;
        let mut done = 0_u64;
        for chunk in bytes.chunks(CHUNK) {
            desk.screen.interrupt().check()?;
            target.write_all(chunk).map_err(failed)?;
            done = done.saturating_add(u64::try_from(chunk.len()).unwrap_or_default());
            stage.at(done, total, "bytes");
        }
        target.sync_all().map_err(failed)?;
        fs::rename(&part, place).map_err(|e| disk::failed("name", place, &e))
    };
    copy().inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Pin anew what lies under a name: for an admin who put another file there on purpose.
fn pin_in_place(name: &str, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let name = ModelName::parse(name)?;
    let bytes = read(&home.models().join(format!("{}.gguf", name.as_str())), desk)?;
    Gguf::parse(&bytes)?;
    let pin = Pin::of(name, &Sums::of(&bytes))?;
    desk.screen.say(
        "pinned",
        format!("{} sha256 {}", pin.name().as_str(), pin.sha256()),
    );
    change(home, |lock| Ok(lock.pin(pin)))
}

fn verify(name: Option<&str>, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let lock = home.model_lock(home.roots()?.admin())?;
    let wanted = name.map(ModelName::parse).transpose()?;
    if let Some(name) = &wanted {
        lock.get(name)?;
    }
    for pin in lock
        .pins()
        .filter(|p| wanted.as_ref().is_none_or(|w| w == p.name()))
    {
        home.verify(pin, &mut desk.screen.stage("hashing"))?;
        desk.answer(format!(
            "{} is the pinned file, sha256 {}",
            pin.name().as_str(),
            pin.sha256()
        ));
    }
    desk.document(&json!({"verified": true}));
    Ok(())
}

fn remove(name: &str, home: &Home) -> Result<(), Failure> {
    let name = ModelName::parse(name)?;
    change(home, |lock| Ok(lock.remove(&name)?))?;
    let place = home.models().join(format!("{}.gguf", name.as_str()));
    fs::remove_file(&place).map_err(|e| disk::failed("remove", &place, &e))
}

fn change(home: &Home, with: impl FnOnce(Lock) -> Result<Lock, Failure>) -> Result<(), Failure> {
    let lock = home.model_lock(home.roots()?.admin())?;
    store(home, &with(lock)?)
}

fn store(home: &Home, lock: &Lock) -> Result<(), Failure> {
    home.seal(
        "models.lock",
        &lock.print()?,
        Purpose::ModelsLock,
        &home.admin_key()?,
    )
}
