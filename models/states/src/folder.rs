//! A folder of files that only this user writes and reads, each whole or not there, no more than so many bytes together. Touches that folder only.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::{STATE_BYTES, Store};

/// What kept files are called. Files with other names are let alone.
const ENDING: &str = "cloister-kv";
/// What they are called while they are written.
const BEGUN: &str = "cloister-kv-new";
/// How long a file may be written. What a crash left is older than that: writing takes well below a second.
const WRITING: Duration = Duration::from_secs(600);

/// A folder of states.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    most: u64,
}

/// A file of ours.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Folder {
    /// This one, which is made when something is kept.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self::new(path, STATE_BYTES)
    }

    fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most }
    }

    /// Whether a file of so many bytes may be kept.
    fn fits(&self, len: u64) -> bool {
        len <= self.most
    }
}

impl Store for Folder {
    fn has(&self, name: &str, len: u64) -> bool {
        self.open(name, len).is_ok()
    }

    /// Only a plain file is read.
    fn get(&self, name: &str, len: u64) -> Option<Vec<u8>> {
        let opened = self.open(name, len);
        let file = opened.inspect_err(|_| self.remove(name)).ok()?;
        let _ = file.set_modified(SystemTime::now()); // it is only forgotten sooner then
        let mut bytes = Vec::with_capacity(usize::try_from(len).ok()?);
        file.take(len).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Written beside its name and renamed. It is not synced, since what a crash tears is noticed.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put_by(name, |file| file.write_all(bytes))?;
        self.make_room(name)
    }

    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.file(name)); // what cannot be removed is no more use than before
    }
}

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{ENDING}"))
    }

    fn open(&self, name: &str, len: u64) -> io::Result<File> {
        self.check()?;
        // Neither through a link, nor waiting for whoever writes into a pipe.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(self.file(name))?;
        let about = file.metadata()?;
        match about.is_file() && about.len() == len && self.fits(len) && private(&about) {
            true => Ok(file),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// That nobody else can put files here.
    fn check(&self) -> io::Result<()> {
        match private(&fs::metadata(&self.path)?) {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::PermissionDenied,
                format!("others can write in `{}`", self.path.display()),
            )),
        }
    }

    fn put_by(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)?;
        self.check()?;
        // Another process may be writing the same.
        let begun = format!("{name}.{}.{BEGUN}", std::process::id());
        let beside = self.path.join(begun);
        gone(&beside)?; // of an earlier process with this number
        create(&beside)
            .and_then(|mut file| write(&mut file))
            .and_then(|()| fs::rename(&beside, self.file(name)))
            .inspect_err(|_| drop(gone(&beside)))
    }

    /// Removes what a crash left half written, and the longest unused until the rest is no more than may be kept.
    fn make_room(&self, but: &str) -> io::Result<()> {
        let mut kept = Vec::new();
        for item in fs::read_dir(&self.path)? {
            let path = item?.path();
            let Ok(about) = fs::symlink_metadata(&path) else {
                continue; // another process has removed it meanwhile
            };
            let (bytes, used) = (about.len(), about.modified()?);
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(ENDING) if about.is_file() => kept.push(Entry { path, bytes, used }),
                Some(BEGUN) if used.elapsed().is_ok_and(|age| age > WRITING) => gone(&path)?,
                _ => {}
            }
        }
        let own = self.file(but);
        kept.sort_by_key(|entry| (entry.path != own, std::cmp::Reverse(entry.used)));
        let mut sum = 0_u64;
        for entry in kept {
            sum = sum.saturating_add(entry.bytes);
            if sum > self.most {
                gone(&entry.path)?;
            }
        }
        Ok(())
    }
}

/// Whether only this user can write it.
fn private(about: &Metadata) -> bool {
    about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o022 == 0
}

/// A new file, not one that somebody put there before.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Sees to it that there is no such file.
fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::thread;

    fn folder(most: u64) -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().join("run/kv"), most);
        (temporary, folder)
    }

    fn names(folder: &Folder) -> Vec<String> {
        let items = fs::read_dir(&folder.path).unwrap();
        let mut names: Vec<String> = items
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .map(|name| name.replace("cloister-", ""))
            .collect();
        names.sort();
        names
    }

    fn age(path: PathBuf, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(then).unwrap();
    }

    fn open_to_others(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_put_is_got_and_only_its_owner_reads_it() {
        let (_temporary, folder) = folder(100);
        assert_eq!(folder.get("a", 3), None, "no folder yet");
        folder.put("a", b"abc").unwrap();
        assert_eq!(folder.get("a", 3).unwrap(), b"abc");
        assert!(folder.has("a", 3) && !folder.has("a", 4) && !folder.has("b", 3));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.file("a")), 0o600);
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(names(&folder), ["a.kv"]);
        assert!(folder.fits(100) && !folder.fits(101));
    }

    #[test]
    fn what_is_no_plain_file_of_its_length_is_a_miss_and_forgotten() {
        let (temporary, folder) = folder(100);
        folder.put("torn", b"ab").unwrap();
        folder.put("other", b"abc").unwrap();
        let outside = temporary.path().join("outside");
        fs::write(&outside, b"abc").unwrap();
        symlink(&outside, folder.file("link")).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, folder.file("pipe"), kind, mode, 0).unwrap();
        fs::create_dir(folder.file("folder")).unwrap();
        for name in ["torn", "link", "pipe", "folder"] {
            assert_eq!(folder.get(name, 3), None, "{name}");
        }
        assert_eq!(names(&folder), ["folder.kv", "other.kv"]);
        assert_eq!(fs::read(outside).unwrap(), b"abc");
        let huge = File::create(folder.file("huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        open_to_others(&folder.file("huge"), 0o600);
        assert_eq!(folder.get("huge", 1 << 40), None, "it takes no memory");
    }

    #[test]
    fn what_others_can_write_is_a_miss() {
        let (_temporary, folder) = folder(100);
        for mode in [0o620, 0o602] {
            folder.put("a", b"abc").unwrap();
            open_to_others(&folder.file("a"), mode);
            assert_eq!(folder.get("a", 3), None);
            assert_eq!(names(&folder).len(), 0);
        }
        folder.put("a", b"abc").unwrap();
        open_to_others(&folder.path, 0o770);
        assert_eq!(folder.get("a", 3), None);
        let refused = folder.put("a", b"abc").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (temporary, folder) = folder(100);
        folder.put("other", b"abc").unwrap();
        let outside = temporary.path().join("outside");
        fs::write(&outside, b"abc").unwrap();
        let begun = format!("a.{}.{BEGUN}", std::process::id());
        symlink(&outside, folder.path.join(begun)).unwrap();
        symlink(&outside, folder.file("a")).unwrap();
        folder.put("a", b"new").unwrap();
        assert_eq!(fs::read(outside).unwrap(), b"abc");
        assert_eq!(folder.get("a", 3).unwrap(), b"new");
        assert_eq!(names(&folder), ["a.kv", "other.kv"]);
    }

    #[test]
    fn a_full_disk_leaves_nothing_and_spoils_nothing() {
        let (_temporary, folder) = folder(100);
        folder.put("a", b"abc").unwrap();
        let full = folder.put_by("a", |file| {
            file.write_all(b"a")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(full.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(names(&folder), ["a.kv"]);
        assert_eq!(folder.get("a", 3).unwrap(), b"abc");
    }

    #[test]
    fn whoever_reads_while_others_write_gets_a_whole_file() {
        let (_temporary, folder) = folder(1 << 20);
        let contents = [[1; 9999], [2; 9999]];
        folder.put("a", &contents[0]).unwrap();
        thread::scope(|scope| {
            for content in &contents {
                // Of one process only one writes, so here each has a name of its own to write under.
                let (folder, name) = (&folder, format!("own-{}", content[0]));
                scope.spawn(move || {
                    for _ in 0..200 {
                        folder.put(&name, content).unwrap();
                        fs::rename(folder.file(&name), folder.file("a")).unwrap();
                    }
                });
            }
            for _ in 0..400 {
                let got = folder.get("a", 9999).unwrap();
                assert!(contents.iter().any(|content| content[..] == got));
            }
        });
    }

    #[test]
    fn the_longest_unused_make_room_and_what_is_not_ours_stays() {
        let (_temporary, folder) = folder(10);
        for (name, seconds) in [("old", 30), ("older", 40), ("oldest", 50)] {
            folder.put(name, &[1; 3]).unwrap();
            age(folder.file(name), seconds);
        }
        let stray = folder.path.join("stray.kv");
        fs::write(&stray, [0; 50]).unwrap();
        assert!(folder.get("oldest", 3).is_some(), "used now");
        folder.put("new", &[1; 4]).unwrap();
        assert_eq!(
            names(&folder),
            ["new.kv", "old.kv", "oldest.kv", "stray.kv"]
        );
    }

    #[test]
    fn what_a_crash_left_half_written_goes_with_the_next_file() {
        let (_temporary, folder) = folder(10);
        folder.put("a", b"abc").unwrap();
        let begun = |name| folder.path.join(format!("{name}.{BEGUN}"));
        for name in ["b.1", "c.2"] {
            fs::write(begun(name), b"ab").unwrap();
        }
        age(begun("b.1"), 601);
        folder.put("d", b"abc").unwrap();
        assert_eq!(names(&folder), ["a.kv", "c.2.kv-new", "d.kv"]);
    }
}
