//! What a build says where the C library has no static half. Starts scripts that stand in a linker's place.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as tests do")]

#[path = "../build/libc.rs"]
mod libc;

use std::os::unix::fs::PermissionsExt;

/// What comes of a linker that is this script.
fn asked(script: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let linker = folder.path().join("cc");
    std::fs::write(&linker, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&linker, PermissionsExt::from_mode(0o700)).unwrap();
    libc::find(linker.to_str().unwrap())
}

#[test]
fn a_missing_static_libc_is_named_with_the_package_that_has_it() {
    let said = asked("echo ${1#-print-file-name=}").unwrap_err();
    assert!(
        said.contains("`libc.a`") && said.contains("`libc6-dev`"),
        "{said}"
    );
    asked("echo /usr/lib/${1#-print-file-name=}").unwrap();
    asked("exit 1").unwrap(); // no such option: the build itself tells
    libc::find("/nowhere/cc").unwrap();
}
