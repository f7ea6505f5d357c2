//! `cage-standin`: stands where the component or the model would run, with the layers that it is told, and tries what it is told. For
//! `tests/layers.rs`; never shipped. Says `sealed`, then what the kernel gave; a process that was stopped says no more.

mod matrix;
mod raw;

use std::ffi::CString;
use std::process::ExitCode;

use cloister_cage::{Layer, Layers, inside};
use cloister_process::seal::{self, Profile};
use nix::libc;
use raw::{Arguments, call};

/// An empty list of arguments.
static NOTHING: [i64; 1] = [0];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, layers, attempt, target, ..] = args.as_slice() else {
        return ExitCode::FAILURE;
    };
    let profile = match kind.as_str() {
        "mind" => Some(Profile::Mind),
        _ => inside::profile(&args),
    };
    let Some(profile) = profile else {
        return ExitCode::FAILURE;
    };
    let wanted: Layers = Layer::ALL
        .into_iter()
        .filter(|layer| layers.split(',').any(|name| name == layer.name()))
        .collect();
    seal::start(&profile, &args, wanted, |held| {
        if held != wanted {
            return ExitCode::FAILURE; // this system cannot show it
        }
        say("sealed");
        let came = match attempt.as_str() {
            "list" => list(&profile),
            "matrix" => matrix::reached(target),
            attempt => attempted(attempt, target).to_string(),
        };
        say(&came);
        ExitCode::SUCCESS
    })
}

/// On the one line that there is.
fn say(what: &str) {
    let _ = nix::unistd::write(std::io::stdin(), format!("{what}\n").as_bytes());
}

/// The numbers of the calls that come back.
fn list(profile: &Profile) -> String {
    let come_back = profile.calls().iter().chain(profile.refused());
    let numbers = come_back.map(|(call, _)| call.to_string());
    numbers.collect::<Vec<_>>().join(" ")
}

fn attempted(attempt: &str, target: &str) -> i64 {
    let path = CString::new(target).unwrap_or_default();
    let text = path.as_ptr() as i64;
    let number = target.parse().unwrap_or_default();
    let here = i64::from(libc::AT_FDCWD);
    let (number, arguments): (i64, Arguments) = match attempt {
        "number" => (number, [0; 6]),
        "open" => (
            libc::SYS_openat,
            [here, text, i64::from(libc::O_RDONLY), 0, 0, 0],
        ),
        "create" => (
            libc::SYS_openat,
            [
                here,
                text,
                i64::from(libc::O_CREAT | libc::O_WRONLY),
                0o600,
                0,
                0,
            ],
        ),
        "chmod" => (libc::SYS_fchmodat, [here, text, 0o700, 0, 0, 0]),
        "socket" => (
            libc::SYS_socket,
            [
                i64::from(libc::AF_INET),
                i64::from(libc::SOCK_STREAM),
                0,
                0,
                0,
                0,
            ],
        ),
        "execve" => {
            let none = NOTHING.as_ptr() as i64;
            (libc::SYS_execve, [text, none, none, 0, 0, 0])
        }
        "kill" => (libc::SYS_kill, [number, 0, 0, 0, 0, 0]),
        "ptrace" => (
            libc::SYS_ptrace,
            [i64::from(libc::PTRACE_SEIZE as i32), number, 0, 0, 0, 0],
        ),
        "io_uring" => {
            let parameters = vec![0_u64; 32].leak(); // the kernel writes there
            (
                libc::SYS_io_uring_setup,
                [1, parameters.as_ptr() as i64, 0, 0, 0, 0],
            )
        }
        "memory" => mapped(number, WRITABLE, libc::MAP_PRIVATE),
        "shared memory" => mapped(number, WRITABLE, libc::MAP_SHARED),
        "growing memory" => mapped(number, WRITABLE, libc::MAP_PRIVATE | libc::MAP_GROWSDOWN),
        "addresses" => mapped(number, libc::PROT_READ, libc::MAP_PRIVATE),
        "code" => mapped(number, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE),
        "descriptor" => (libc::SYS_write, [number, c"x".as_ptr() as i64, 1, 0, 0, 0]),
        "fork" => (libc::SYS_clone, [i64::from(libc::SIGCHLD), 0, 0, 0, 0, 0]),
        "newer fork" => {
            let arguments = vec![0_u64; 8].leak(); // no flag: a process
            (
                libc::SYS_clone3,
                [arguments.as_ptr() as i64, 64, 0, 0, 0, 0],
            )
        }
        _ => return i64::MIN,
    };
    call(number, arguments)
}

const WRITABLE: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;

/// `mmap` of so many bytes of no file.
fn mapped(bytes: i64, protection: libc::c_int, flags: libc::c_int) -> (i64, Arguments) {
    let flags = i64::from(flags | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let arguments = [0, bytes, i64::from(protection), flags, -1, 0];
    (libc::SYS_mmap, arguments)
}
