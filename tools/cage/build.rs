//! Builds the cage's own program, which has no compiler in it, and lays it where `src/program.rs` takes it in. A build of its own, since
//! within one build both would get wasmtime with the compiler.

#[path = "build/libc.rs"]
mod libc;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    for input in [
        "src",
        "Cargo.toml",
        "../../runtime/process/src",
        "../../runtime/process/Cargo.toml",
        "../../Cargo.toml",
        "../../Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    if env::var_os("CARGO_FEATURE_ENGINE").is_none() {
        return Ok(());
    }
    if of("CARGO_CFG_TARGET_ENV")? == "gnu" {
        let linker = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
        if let Err(why) = libc::find(&linker) {
            println!("cargo::error={why}");
            return Ok(());
        }
    }
    let out = PathBuf::from(of("OUT_DIR")?);
    // target/PROFILE/build/NAME/out; one folder for every profile, so that the program is built once.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or_else(|| io::Error::other("no target folder above OUT_DIR"))?;
    let built = program(&target.join("cage"))?;
    fs::copy(built, out.join("cloister-cage")).map(drop)
}

fn program(target: &Path) -> io::Result<PathBuf> {
    let mut cargo = Command::new(of("CARGO")?);
    cargo
        .args([
            "build",
            "--locked",
            "--profile",
            "cage",
            "--package",
            "cloister-cage",
        ])
        .args([
            "--no-default-features",
            "--features",
            "process",
            "--bin",
            "cloister-cage",
        ])
        .arg("--target-dir")
        .arg(target);
    // The features of this build would be taken for those of the other one, which then waited for itself.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_FEATURE_") {
            cargo.env_remove(name);
        }
    }
    // What `cargo clippy` puts in the compiler's place.
    cargo.env_remove("RUSTC_WORKSPACE_WRAPPER");
    // Without libraries: to find and bind them takes longer than all else of a start, of which a call has two, and none can be swapped.
    let mut flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if !flags.is_empty() {
        flags.push('\u{1f}');
    }
    flags.push_str("-Ctarget-feature=+crt-static");
    let triple = of("TARGET")?;
    cargo
        .args(["--target", &triple])
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    match cargo.status()?.success() {
        true => Ok(target.join(triple).join("cage").join("cloister-cage")),
        false => Err(io::Error::other("the cage's own program was not built")),
    }
}

fn of(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("`{name}` is not set")))
}
