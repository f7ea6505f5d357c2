//! A granted folder full of traps, beside one that is not granted. Taken in by tools/cage/tests/layers/matrix.rs as well.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

pub(super) const SECRET: &str = "what lies outside";

/// Both folders, and the one that they lie in.
pub(super) struct World {
    _temp: tempfile::TempDir,
    pub(super) root: PathBuf,
    pub(super) work: PathBuf,
    pub(super) outside: PathBuf,
}

impl World {
    pub(super) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let (work, outside) = (root.join("work"), root.join("outside"));
        put(&outside.join("secret.txt"), SECRET);
        put(&outside.join("deep/secret.txt"), SECRET);
        put(&work.join("plain.txt"), "plain");
        put(&work.join("sub/deep/plain.txt"), "plain");
        let world = Self {
            _temp: temp,
            root,
            work,
            outside,
        };
        world.trap();
        world
    }

    /// Links of every kind, pipes, sockets and second names.
    fn trap(&self) {
        let (work, outside) = (&self.work, &self.outside);
        let links: &[(&str, &Path)] = &[
            ("file", &outside.join("secret.txt")),
            ("climbing", Path::new("../outside/secret.txt")),
            ("folder", outside),
            ("sub/up", Path::new("..")),
            ("sub/out", Path::new("../../outside")),
            ("loop", Path::new("loop")),
            ("one", Path::new("other")),
            ("other", Path::new("one")),
            ("dangling", &outside.join("new.txt")),
            ("system", Path::new("/proc/self/root")),
            ("null", Path::new("/dev/null")),
            ("chain0", outside),
        ];
        for (name, to) in links {
            symlink(to, work.join(name)).unwrap();
        }
        for step in 1..45 {
            let to = format!("chain{}", step - 1);
            symlink(to, work.join(format!("chain{step}"))).unwrap();
        }
        mknodat(CWD, work.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        drop(std::os::unix::net::UnixListener::bind(work.join("socket")).unwrap());
        fs::hard_link(outside.join("secret.txt"), work.join("second")).unwrap();
        fs::hard_link(outside.join("deep/secret.txt"), work.join("sub/second")).unwrap();
    }
}

fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// What would show that something was touched: inode, mode, time and content of everything in a folder. Not how many names a file has, which
/// changes with a name inside.
pub(super) type State = BTreeMap<PathBuf, (u64, u32, i64, i64, Vec<u8>)>;

pub(super) fn state(folder: &Path) -> State {
    let (mut found, mut open) = (State::new(), vec![folder.to_owned()]);
    while let Some(path) = open.pop() {
        let Ok(at) = path.symlink_metadata() else {
            continue; // moved away: its name is missing in what is found
        };
        let mut content = Vec::new();
        if at.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if at.is_file() {
            content = fs::read(&path).unwrap_or_default();
        }
        found.insert(
            path,
            (at.ino(), at.mode(), at.mtime(), at.mtime_nsec(), content),
        );
    }
    found
}
