//! Whether the linker finds a `libc.a`, with which the cage's program is linked: without it all that one sees is a page of the linker's.

use std::process::Command;

/// Asks the linker. Where it cannot be asked the build goes on, and says itself what is wrong.
pub(crate) fn find(linker: &str) -> Result<(), String> {
    const NAME: &str = "libc.a";
    let asked = Command::new(linker)
        .arg(format!("-print-file-name={NAME}"))
        .output();
    match asked {
        // What it does not find it gives back as it was named.
        Ok(told) if told.stdout.trim_ascii() == NAME.as_bytes() => Err(format!(
            "the linker `{linker}` finds no `{NAME}`, with which the cage's program is linked; hint: on Debian and Ubuntu it is in `libc6-dev` \
             (`libc6-dev-arm64-cross` for ARM), on Fedora in `glibc-static`"
        )),
        _ => Ok(()),
    }
}
