//! Spellings of ways out of a granted folder, and names that are odd in themselves.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::world::World;

/// Places inside from which each aim is tried.
const WITHIN: [&str; 9] = [
    "",
    "./",
    "sub/",
    "sub/deep/",
    "sub/../",
    "sub/./",
    "sub//",
    ".//",
    "sub/deep/../../",
];

/// Up and out, and into every trap of the world.
#[rustfmt::skip]
const AIMS: [&str; 34] = [
    "", ".", "..", "../..", "../outside", "../outside/secret.txt", "../../outside/secret.txt", "../../../outside/secret.txt", "../outside/new.txt",
    "file", "file/", "climbing", "folder", "folder/", "folder/secret.txt", "folder/new.txt", "folder/../outside/secret.txt", "folder/deep/secret.txt",
    "sub/out/secret.txt", "sub/up/plain.txt", "sub/up/../outside/secret.txt", "dangling", "chain10/secret.txt", "chain44/secret.txt", "loop",
    "loop/secret.txt", "one", "null", "pipe", "socket", "second", "sub/second", "plain.txt/..", "plain.txt/../../outside/secret.txt",
];

/// What an absolute path may begin with.
const ROOTS: [&str; 7] = [
    "",
    "/",
    "//",
    "/./",
    "/proc/self/root",
    "/proc/thread-self/root",
    "/../..",
];

/// Names that mislead eyes, terminals, shells or other systems.
#[rustfmt::skip]
const ODD: [&str; 13] = [
    "a\nb", "a\x1b[2Jb", "a\u{202e}txt", "e\u{301}", "é", "PLAIN.TXT", "CON", "COM¹", "nul.txt", "..\\outside", "~", "$HOME", "%2e%2e",
];

pub(super) fn all(world: &World) -> Vec<PathBuf> {
    let outside = world.outside.to_str().unwrap();
    let mut all: Vec<PathBuf> = Vec::new();
    for before in WITHIN {
        all.extend(
            AIMS.iter()
                .map(|aim| PathBuf::from(format!("{before}{aim}"))),
        );
        all.push(format!("{before}system{outside}/secret.txt").into());
    }
    for root in ROOTS {
        all.extend(
            ["secret", "new"].map(|name| PathBuf::from(format!("{root}{outside}/{name}.txt"))),
        );
    }
    all.extend(ODD.map(PathBuf::from));
    // The longest name and one more, the longest path and more.
    all.extend(
        [("n", 255), ("n", 256), ("n/", 2047), ("n/", 2049)]
            .map(|(part, times)| PathBuf::from(part.repeat(times))),
    );
    // Zero, no UTF-8, and an overlong `..`.
    let bytes: [&[u8]; 3] = [b"a\0b", b"\xff\xfe", b"\xc0\xae\xc0\xae/outside/secret.txt"];
    all.extend(bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes.to_vec()))));
    all
}
