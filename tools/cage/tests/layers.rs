//! What each layer of the cage's process and of the model's stops by itself, all of them together, and none: a native program stands where
//! the component or the model would run and tries what they must not (`src/standin`). With no layer every attempt succeeds, so that it is the layers that stop it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, where a failure is the test's"
)]

#[path = "layers/matrix.rs"]
mod matrix;

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use cloister_cage::{Layer, Program};

/// A process of a kind, as the stand-in is told: the cage's with so many bytes of memory, or the model's.
const CAGE: &str = "67108864";
const MIND: &str = "mind";

static STANDIN: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let target = target.join("cage");
    let built = Command::new(env!("CARGO"))
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
            "standin",
            "--bin",
            "cage-standin",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    target.join("cage/cage-standin")
});

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// The kernel did it.
    Done,
    /// The kernel refused it, or ended the process.
    Stopped,
}

/// What the stand-in said after it was sealed; nothing if it was ended.
fn said(kind: &str, layers: &[Layer], attempt: &str, target: &str) -> (Option<String>, bool) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let names: Vec<_> = layers.iter().map(|layer| layer.name()).collect();
    let mut child = Command::new(&*STANDIN)
        .args([kind, &names.join(","), attempt, target])
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = String::new();
    ours.read_to_string(&mut told).unwrap();
    let code = child.wait().unwrap();
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("sealed"), "{layers:?} were not put on");
    (lines.next().map(str::to_owned), code.success())
}

fn came(kind: &str, layers: &[Layer], attempt: &str, target: &str) -> Came {
    match said(kind, layers, attempt, target) {
        (Some(gave), _) if !gave.starts_with('-') => Came::Done,
        // A program that was started in the stand-in's place says nothing and ends well.
        (None, true) => Came::Done,
        _ => Came::Stopped,
    }
}

/// An attempt, on what, and the layers that stop it by themselves.
struct Attempt<'a>(&'a str, String, &'a [Layer]);

fn attempts<'a>(kind: &str, folder: &Path, inherited: &File) -> Vec<Attempt<'a>> {
    use Layer::{Descriptors, EmptyRoot, Landlock, Namespaces, Rlimits, Seccomp};
    let file = folder.join("file");
    fs::write(&file, "x").unwrap();
    let at = |path: &Path| path.to_string_lossy().into_owned();
    let me = std::process::id().to_string();
    let mut attempts = vec![
        Attempt("open", at(&file), &[EmptyRoot, Landlock, Seccomp, Rlimits]),
        Attempt(
            "create",
            at(&folder.join("new")),
            &[EmptyRoot, Landlock, Seccomp, Rlimits],
        ),
        Attempt("chmod", at(&file), &[EmptyRoot, Seccomp]),
        Attempt(
            "execve",
            "/bin/true".into(),
            &[EmptyRoot, Landlock, Seccomp, Rlimits],
        ),
        Attempt("socket", String::new(), &[Seccomp, Rlimits]),
        Attempt("kill", me, &[Namespaces, EmptyRoot, Landlock, Seccomp]),
        Attempt(
            "descriptor",
            inherited.as_raw_fd().to_string(),
            &[Descriptors, Seccomp, Rlimits],
        ),
    ];
    attempts.extend(match kind {
        MIND => vec![
            Attempt("code", "4096".into(), &[Seccomp]),
            Attempt("fork", String::new(), &[Seccomp]),
            Attempt("newer fork", String::new(), &[Seccomp]),
        ],
        _ => vec![
            Attempt("memory", (1_u64 << 30).to_string(), &[Rlimits]),
            Attempt("shared memory", (1_u64 << 30).to_string(), &[Seccomp]),
            Attempt("growing memory", (1_u64 << 30).to_string(), &[Seccomp]),
            Attempt("addresses", (1_u64 << 40).to_string(), &[Rlimits]),
        ],
    });
    attempts
}

/// The layers that this system has.
fn here() -> Vec<Layer> {
    let here = Program::load().unwrap().layers();
    let all = Layer::ALL.into_iter();
    all.filter(|layer| here.has(*layer)).collect()
}

/// The empty root stands in namespaces.
fn alone(layer: Layer) -> Vec<Layer> {
    match layer {
        Layer::EmptyRoot => vec![Layer::Namespaces, Layer::EmptyRoot],
        layer => vec![layer],
    }
}

#[test]
fn each_layer_stops_by_itself_what_the_table_says_and_no_layer_stops_nothing() {
    layers_of(CAGE);
}

#[test]
fn each_layer_of_a_mind_stops_by_itself_what_the_table_says() {
    layers_of(MIND);
}

fn layers_of(kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let inherited = File::create(folder.path().join("inherited")).unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    for Attempt(attempt, target, stopping) in attempts(kind, folder.path(), &inherited) {
        assert_eq!(
            came(kind, &[], attempt, &target),
            Came::Done,
            "{attempt}, no layer"
        );
        for layer in here() {
            let expected = match stopping.contains(&layer) {
                true => Came::Stopped,
                false => Came::Done,
            };
            let _ = fs::remove_file(folder.path().join("new"));
            assert_eq!(
                came(kind, &alone(layer), attempt, &target),
                expected,
                "{attempt}, {layer} alone"
            );
        }
        assert_eq!(
            came(kind, &here(), attempt, &target),
            Came::Stopped,
            "{attempt}, every layer"
        );
    }
}

#[test]
fn of_all_system_calls_only_those_on_the_list_come_back() {
    only_the_list_of(CAGE);
}

#[test]
fn of_all_system_calls_only_those_on_a_minds_list_come_back() {
    only_the_list_of(MIND);
}

fn only_the_list_of(kind: &str) {
    let all = here();
    let listed = said(kind, &all, "list", "").0.unwrap();
    let listed: Vec<i64> = listed.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!(listed.len() <= 50 && listed.contains(&0));
    // Beyond the last of Linux 6.18, and the numbers of the 32-bit pointers' interface.
    let beyond = [
        471,
        500,
        1023,
        1024,
        i64::from(i32::MAX),
        0x4000_0000,
        0x4000_0000 + 59,
    ];
    // uretprobe and uprobe: the kernel's own entries from a traced instruction, which no filter sees, and which refuse everybody else.
    let kernels_own = [335, 336];
    let came_back = (0..=470)
        .chain(beyond)
        .filter(|number| said(kind, &all, "number", &number.to_string()).0.is_some());
    let strangers: Vec<_> = came_back
        .filter(|number| !listed.contains(number) && !kernels_own.contains(number))
        .collect();
    assert_eq!(strangers, Vec::<i64>::new());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn without_seccomp_calls_that_are_not_listed_come_back() {
    let mut but = here();
    but.retain(|layer| *layer != Layer::Seccomp);
    // getpid, socket, uname, ptrace, getuid
    for number in ["39", "41", "63", "101", "102"] {
        for kind in [CAGE, MIND] {
            let came_back = said(kind, &but, "number", number).0;
            assert!(came_back.is_some(), "{kind}: {number}");
        }
    }
}
