//! What whoever manages this device lets no agent on it do: the files of `/etc/cloister/policy.d`, each of which can only narrow. They are root's
//! and nobody else writes them, or no session begins; the folder's name is a constant, so that no option, variable or setting leads past it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use cloister_attest::Digest;
use cloister_policies::Ceiling;

use crate::disk;
use crate::failure::{Failure, Kind};

/// Where the files lie.
const FOLDER: &str = "/etc/cloister/policy.d";
/// Whose they are: root's.
const OWNER: u32 = 0;
/// A file of it, bytes: as a manifest, for a person must be able to read it.
const FILE_BYTES: u64 = 64 << 10;
/// Files in it. More than anybody keeps an overview of.
const FILES: usize = 64;

/// The management of this device: what it lets happen, and the files that say so, for the ledger.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) ceiling: Ceiling,
    /// Each file's name and digest; empty on a device that nobody manages.
    pub(crate) files: Vec<(String, Digest)>,
}

impl Device {
    /// Read it.
    pub(crate) fn read() -> Result<Device, Failure> {
        read(Path::new(FOLDER), OWNER)
    }

    /// Its files with their digests; nothing where nobody manages the device.
    pub(crate) fn told(&self) -> Option<String> {
        let each = |(name, digest): &(String, Digest)| format!("{name} {digest}");
        let all: Vec<String> = self.files.iter().map(each).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

fn read(folder: &Path, owner: u32) -> Result<Device, Failure> {
    let mut device = Device {
        ceiling: Ceiling::NONE,
        files: Vec::new(),
    };
    let about = match folder.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(device),
        other => other.map_err(|e| disk::failed("look at", folder, &e))?,
    };
    guarded(folder, &about, owner)?;
    if let Some(parent) = folder.parent() {
        let about = parent.symlink_metadata();
        guarded(
            parent,
            &about.map_err(|e| disk::failed("look at", parent, &e))?,
            owner,
        )?;
    }
    for name in names(folder)? {
        let text = text(&folder.join(&name), owner)?;
        device.ceiling = device.ceiling.meet(Ceiling::parse(&name, &text)?);
        device.files.push((name, Digest::of(text.as_bytes())));
    }
    Ok(device)
}

/// The names of its files, in order; one that is not `NAME.toml` would silently not count, and is refused.
fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let list = |e| disk::failed("list", folder, &e);
    let mut names = Vec::new();
    for item in std::fs::read_dir(folder).map_err(list)? {
        let name = item.map_err(list)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !name.ends_with(".toml") || names.len() == FILES {
            return Err(unsound(
                &folder.join(name),
                &format!("it is not one of at most {FILES} files `NAME.toml`"),
            ));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

fn text(path: &Path, owner: u32) -> Result<String, Failure> {
    let read = |e| disk::failed("read", path, &e);
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path);
    let file: File = file.map_err(read)?;
    let about = file.metadata().map_err(read)?;
    if !about.is_file() || about.len() > FILE_BYTES {
        let most = format!("it is no plain file of at most {FILE_BYTES} bytes");
        return Err(unsound(path, &most));
    }
    guarded(path, &about, owner)?;
    let mut text = String::new();
    file.take(FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(read)?;
    Ok(text)
}

/// Whoever may write it could lift what it says.
fn guarded(path: &Path, about: &Metadata, owner: u32) -> Result<(), Failure> {
    if about.is_symlink() {
        return Err(unsound(path, "it is a link"));
    }
    if about.uid() != owner {
        let whose = format!("it belongs to user {}, not to {owner}", about.uid());
        return Err(unsound(path, &whose));
    }
    if about.mode() & 0o022 != 0 {
        return Err(unsound(path, "others than its owner may write it"));
    }
    Ok(())
}

fn unsound(path: &Path, why: &str) -> Failure {
    let said = format!("`{}` does not count as policy: {why}", path.display());
    Failure::new(Kind::Integrity, said)
        .hint("whoever manages this device must mend or remove it".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use cloister_policies::Op;

    use super::*;

    struct Managed {
        _temp: tempfile::TempDir,
        folder: PathBuf,
        owner: u32,
    }

    impl Managed {
        fn new() -> Managed {
            let temp = tempfile::tempdir().unwrap();
            let folder = temp.path().join("policy.d");
            fs::create_dir(&folder).unwrap();
            let managed = Managed {
                owner: temp.path().metadata().unwrap().uid(),
                _temp: temp,
                folder,
            };
            managed.mode("", 0o755);
            managed
        }

        fn put(&self, name: &str, text: &str) {
            fs::write(self.folder.join(name), text).unwrap();
            self.mode(name, 0o644);
        }

        fn mode(&self, name: &str, mode: u32) {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.folder.join(name), mode).unwrap();
        }

        fn read(&self) -> Result<Device, Failure> {
            read(&self.folder, self.owner)
        }

        fn refused(&self) -> bool {
            self.read()
                .is_err_and(|failure| failure.kind() == Kind::Integrity)
        }
    }

    #[test]
    fn files_meet_whatever_their_names() {
        let managed = Managed::new();
        managed.put("10-a.toml", "[files]\nonly = [\"/f\", \"/g\"]\n");
        managed.put("20-b.toml", "[files]\nonly = [\"/g\", \"/h\"]\n");
        let device = managed.read().unwrap();
        let lets = |path: &str| device.ceiling.lets(Op::Read, Path::new(path));
        assert_eq!(
            [lets("/f/x"), lets("/g/x"), lets("/h/x")],
            [false, true, false]
        );
        let names: Vec<&str> = device.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["10-a.toml", "20-b.toml"]);
    }

    #[test]
    fn nobody_manages_a_device_without_the_folder() {
        let managed = Managed::new();
        fs::remove_dir(&managed.folder).unwrap();
        assert_eq!(managed.read().unwrap().ceiling, Ceiling::NONE);
    }

    #[test]
    fn what_others_may_write_or_swap_ends_it() {
        let managed = Managed::new();
        managed.put("a.toml", "");
        assert!(managed.read().is_ok());
        assert!(read(&managed.folder, managed.owner + 1).is_err());
        for (name, loose) in [
            ("a.toml", 0o664),
            ("a.toml", 0o646),
            ("", 0o775),
            ("", 0o757),
        ] {
            managed.mode(name, loose);
            assert!(managed.refused(), "{name} {loose:o}");
            managed.mode(name, if name.is_empty() { 0o755 } else { 0o644 });
        }
        managed.mode("..", 0o777);
        assert!(managed.refused());
        managed.mode("..", 0o755);
        assert!(managed.read().is_ok());
        symlink("a.toml", managed.folder.join("b.toml")).unwrap();
        assert!(managed.read().is_err());
        fs::remove_file(managed.folder.join("b.toml")).unwrap();
        fs::rename(&managed.folder, managed.folder.with_file_name("real")).unwrap();
        symlink("real", &managed.folder).unwrap();
        assert!(managed.refused());
    }

    #[test]
    fn what_is_not_understood_ends_it() {
        for (name, text) in [
            ("a.toml", "[files]\nneve = []"),
            ("a.tml", ""),
            (".a.toml.swp", ""),
        ] {
            let managed = Managed::new();
            managed.put(name, text);
            assert!(managed.read().is_err(), "{name}");
        }
        let managed = Managed::new();
        fs::create_dir(managed.folder.join("d.toml")).unwrap();
        assert!(managed.read().is_err());
        let managed = Managed::new();
        managed.put("a.toml", &" ".repeat((64 << 10) + 1));
        assert!(managed.refused());
    }
}
