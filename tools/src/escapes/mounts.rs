//! What is mounted inside a granted folder is not part of it: a folder and a file of what lies outside, and a device. To mount, the tests below
//! `within` run in namespaces of their own, which the first one makes where the system lets it.

use std::process::Command;

use super::*;

/// Ways into what is mounted.
const AIMS: [&str; 9] = [
    "bound",
    "bound/",
    "bound/secret.txt",
    "bound/deep",
    "bound/deep/secret.txt",
    "bound/new.txt",
    "bound/../bound/secret.txt",
    "bound.txt",
    "device",
];

fn mounted() -> World {
    let world = World::new();
    fs::create_dir(world.work.join("bound")).unwrap();
    put(&world.work.join("bound.txt"), "plain");
    put(&world.work.join("device"), "plain");
    let secret = world.outside.join("secret.txt");
    for (what, at) in [
        (world.outside.as_path(), "bound"),
        (secret.as_path(), "bound.txt"),
        (Path::new("/dev/zero"), "device"),
    ] {
        let done = Command::new("mount")
            .arg("--bind")
            .args([what, &world.work.join(at)])
            .status();
        assert!(done.unwrap().success(), "{at} was not mounted");
    }
    world
}

/// The runs that escaped.
fn escaped(hands: impl Fn(&World) -> Box<dyn Hands>, guard: Guard) -> Vec<String> {
    let mut escaped = Vec::new();
    let mut stage = Stage::of(mounted(), &hands);
    for operation in OPERATIONS {
        for aim in AIMS {
            for before in ["", "./", "sub/../"] {
                let spelling = format!("{before}{aim}");
                if stage.escapes(guard, operation, Path::new(&spelling)) {
                    escaped.push(format!("{operation:?} {spelling}"));
                }
                if stage.is_changed() {
                    stage = Stage::of(mounted(), &hands);
                }
            }
        }
    }
    escaped
}

fn within() {
    assert_eq!(escaped(fenced, Guard::Survey), Vec::<String>::new());
    assert_eq!(escaped(fenced, Guard::Nobody), Vec::<String>::new());
    let world = mounted();
    let device = world.work.join("device");
    assert!(fenced(&world).read(&device).is_none());
    // The twin: without `openat2` what is mounted is read, listed and written to.
    let bare = escaped(bare, Guard::Nobody);
    for run in ["Read bound.txt", "List bound", "Create bound/new.txt"] {
        assert!(bare.iter().any(|done| done == run), "{run}: {bare:#?}");
    }
    println!("{} runs escaped without `openat2`", bare.len());
}

/// Started again where it may mount, with this set.
const WITHIN: &str = "CLOISTER_WITHIN";

#[test]
fn nothing_that_is_mounted_is_reached() {
    if std::env::var_os(WITHIN).is_some() {
        return within();
    }
    let alone = ["--user", "--map-root-user", "--mount"];
    let may = Command::new("unshare").args(alone).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system lets nobody mount in namespaces of their own");
        return;
    }
    // On a file system of its own, which goes with the namespace and takes along what cannot be removed while it is mounted.
    let room = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs none "$1" && TMPDIR="$1" exec "$2" --exact "$3::nothing_that_is_mounted_is_reached""#;
    let (_, here) = module_path!().split_once("::").unwrap();
    let done = Command::new("unshare")
        .args(alone)
        .args(["sh", "-c", script, "sh"])
        .args([room.path(), &std::env::current_exe().unwrap()])
        .arg(here)
        .env(WITHIN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
