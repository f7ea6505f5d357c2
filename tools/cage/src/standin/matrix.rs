//! Every operation on every path of a list, one after the other.

use std::ffi::CString;

use nix::libc;

use crate::raw::{Arguments, call};

/// What is tried, in this order: nothing is taken away before the others had their turn.
const OPERATIONS: [&str; 10] = [
    "read", "list", "link", "create", "truncate", "chmod", "replace", "away", "here", "remove",
];
/// Bytes that an empty folder's list has: the entries of itself and of the one above.
const NOTHING: i64 = 48;

/// The operations that reached something, each with how many paths; after how many tries. `list` is a path that everything may be moved to
/// and from, one where nothing is, and then the paths, in hexadecimal digits, with commas between.
pub(crate) fn reached(list: &str) -> String {
    let mut paths = list.split(',').map(path);
    let bait = paths.next().unwrap_or_default();
    let free = paths.next().unwrap_or_default();
    let paths: Vec<_> = paths.collect();
    let mut told = format!("{} tries", paths.len().saturating_mul(OPERATIONS.len()));
    for operation in OPERATIONS {
        let done = |path: &&CString| tried(operation, path, &bait, &free) >= 0;
        let count = paths.iter().filter(done).count();
        if count > 0 {
            told.push_str(&format!(" {operation}:{count}"));
        }
    }
    told
}

/// What the kernel would be given: nothing after a zero.
fn path(digits: &str) -> CString {
    let digit = |at| digits.get(at..at + 2);
    let bytes = (0..digits.len()).step_by(2);
    let bytes = bytes.filter_map(|at| u8::from_str_radix(digit(at)?, 16).ok());
    CString::new(bytes.take_while(|byte| *byte != 0).collect::<Vec<_>>()).unwrap_or_default()
}

fn tried(operation: &str, path: &CString, bait: &CString, free: &CString) -> i64 {
    let here = i64::from(libc::AT_FDCWD);
    let (at, bait) = (path.as_ptr() as i64, bait.as_ptr() as i64);
    match operation {
        "read" => with(at, libc::O_RDONLY, libc::SYS_read),
        "list" => match with(at, libc::O_RDONLY | libc::O_DIRECTORY, libc::SYS_getdents64) {
            got if got <= NOTHING => -1,
            got => got,
        },
        "create" => with(at, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, NEITHER),
        "replace" => with(at, libc::O_WRONLY | libc::O_TRUNC, NEITHER),
        "truncate" => call(libc::SYS_truncate, [at, 1, 0, 0, 0, 0]),
        "chmod" => call(libc::SYS_fchmodat, [here, at, 0o600, 0, 0, 0]),
        "link" => {
            let free = free.as_ptr() as i64;
            let linked = call(libc::SYS_linkat, [here, at, here, free, 0, 0]);
            call(libc::SYS_unlinkat, [here, free, 0, 0, 0, 0]);
            linked
        }
        "away" => call(libc::SYS_renameat2, [here, at, here, bait, 0, 0]),
        "here" => call(libc::SYS_renameat2, [here, bait, here, at, 0, 0]),
        _ => call(libc::SYS_unlinkat, [here, at, 0, 0, 0, 0]),
    }
}

/// In the place of a call that is done with what was opened.
const NEITHER: i64 = libc::SYS_close;

/// Open it without waiting, and do this with it; what came of the latter.
fn with(path: i64, flags: i32, then: i64) -> i64 {
    let flags = i64::from(flags | libc::O_NONBLOCK);
    let arguments = [i64::from(libc::AT_FDCWD), path, flags, 0o600, 0, 0];
    let opened = call(libc::SYS_openat, arguments);
    if opened < 0 {
        return opened;
    }
    let mut room = vec![0_u8; 4096];
    let arguments: Arguments = [opened, room.as_mut_ptr() as i64, 4096, 0, 0, 0];
    let came = call(then, arguments);
    if then != NEITHER {
        call(libc::SYS_close, [opened, 0, 0, 0, 0, 0]);
    }
    came
}
