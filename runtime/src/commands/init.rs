//! `cloister init`: makes a home that is complete and signed, or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloister_attest::{AdminKey, Attestation, Purpose, Roots};
use cloister_models::Lock;
use cloister_policies::{shipped, shipped_for_agents};
use serde_json::json;

use super::{Desk, device_name};
use crate::cli;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::{Home, bundle_files};
use crate::random;
use crate::trust;

pub(crate) fn run(options: &cli::Init, home: &Home, desk: &Desk) -> Result<(), Failure> {
    if home.roots_file().exists() {
        return Err(Failure::new(
            Kind::Usage,
            format!("`{}` is a home already", home.root().display()),
        )
        .hint("name another --home; a home is never made over".to_owned()));
    }
    let packages = packages(options)?;
    for folder in [
        home.root().to_owned(),
        home.root().join("keys"),
        home.root().join("admin"),
        home.models(),
        home.tools(),
        home.policies(),
        home.ledger(),
        home.quarantine(),
        home.scratch(),
    ] {
        disk::folder(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .map_err(|e| disk::failed("protect", &folder, &e))?;
    }
    let key = new_admin_key(home)?;
    policy(options, home, &key)?;
    pin_tools(&packages, home, &key)?;
    home.seal(
        "models.lock",
        &Lock::default().print()?,
        Purpose::ModelsLock,
        &key,
    )?;
    let (roots, tpm) = enrol(desk, Roots::new(key.public()))?;
    // Last: a home is one when its roots are there, so a crash before this leaves none.
    disk::replace(
        &home.roots_file(),
        roots.to_json().map_err(Failure::failed)?.as_bytes(),
    )?;
    desk.document(&json!({"home": home.root(), "admin": key.public().to_string(), "tools": packages.len(), "tpm": tpm}));
    desk.screen.say("made", home.root().display());
    desk.screen
        .say("tools", format!("{} pinned", packages.len()));
    desk.screen.say("tpm", &tpm);
    desk.screen.say("admin", format!("the admin's private key is `{}`: keep it elsewhere where others administer this machine", home.admin_key_file().display()));
    desk.screen
        .say("next", "cloister models import FILE --name NAME");
    Ok(())
}

/// The tool packages to pin: named, or those beside this binary.
fn packages(options: &cli::Init) -> Result<Vec<PathBuf>, Failure> {
    let beside = || {
        std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(|p| p.join("tools")))
    };
    let folder = options.tools.clone().or_else(beside).unwrap_or_default();
    let listed = fs::read_dir(&folder).map_err(|e| {
        disk::failed("list the tool packages in", &folder, &e).hint(
            "`make build` puts them beside the binary; --tools names another folder".to_owned(),
        )
    })?;
    let mut found: Vec<PathBuf> = listed
        .filter_map(|item| item.ok().map(|i| i.path()))
        .filter(|p| p.join("tool.toml").is_file())
        .collect();
    found.sort();
    Ok(found)
}

fn new_admin_key(home: &Home) -> Result<AdminKey, Failure> {
    let key = AdminKey::from_random(random::bytes()?);
    disk::replace(&home.admin_key_file(), key.to_text().as_bytes())?;
    fs::set_permissions(home.admin_key_file(), fs::Permissions::from_mode(0o600))
        .map_err(|e| disk::failed("protect", &home.admin_key_file(), &e))?;
    Ok(key)
}

fn policy(options: &cli::Init, home: &Home, key: &AdminKey) -> Result<(), Failure> {
    let globs: Vec<&str> = options
        .unattended_agents
        .iter()
        .map(String::as_str)
        .collect();
    let files = match &options.policy {
        Some(folder) => bundle_files(folder)?,
        None if globs.is_empty() => shipped(),
        None => shipped_for_agents(&globs),
    };
    for (name, bytes) in &files {
        disk::replace(&home.policies().join(name), bytes)?;
    }
    home.seal_bundle(key)
}

fn pin_tools(packages: &[PathBuf], home: &Home, key: &AdminKey) -> Result<(), Failure> {
    let mut pins = Vec::new();
    for package in packages {
        let name = package
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        copy_package(package, &home.tools().join(&name))?;
        pins.push(cloister_tools::pin(&home.tools().join(&name))?);
    }
    home.seal(
        "tools.lock",
        &cloister_tools::lock_text(&pins),
        Purpose::ToolsLock,
        key,
    )
}

/// A package is its component, its WIT and its description; sources beside them stay behind. What an older version left is removed, so that only pinned files lie there.
pub(crate) fn copy_package(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.is_dir() {
        fs::remove_dir_all(to).map_err(|e| disk::failed("replace", to, &e))?;
    }
    disk::folder(to)?;
    for item in fs::read_dir(from).map_err(|e| disk::failed("list", from, &e))? {
        let path = item.map_err(|e| disk::failed("list", from, &e))?.path();
        if let Some(name) = path.file_name().filter(|_| is_part(&path)) {
            disk::replace(&to.join(name), &disk::read(&path)?)?;
        }
    }
    Ok(())
}

fn is_part(path: &Path) -> bool {
    let named = |name: &str| path.file_name().is_some_and(|n| n == name);
    let wit = path.extension().is_some_and(|ending| ending == "wit");
    path.is_file() && (wit || named("tool.wasm") || named("tool.toml"))
}

/// Pin this machine's TPM, if it has one: whoever runs `init` sits in front of it.
fn enrol(desk: &Desk, roots: Roots) -> Result<(Roots, String), Failure> {
    match trust::open(desk.tcti.as_deref()) {
        Err(reason) => Ok((roots, format!("none: {reason}"))),
        Ok(tpm) => {
            let trust::Enrolment { key, uncounted, .. } =
                trust::enrolment(tpm, &device_name(), &roots, None)?;
            let kind = key.kind();
            let roots = if kind == Attestation::Tpm2Software {
                roots.accepting_software()
            } else {
                roots
            };
            Ok((
                roots.enrolling(key),
                format!("{kind}, pinned in person{}", trust::told(uncounted)),
            ))
        }
    }
}
