//! The TPM's counter that was made for a home before it was enrolled: written down, so that asking again makes no second one. A TPM has room for few.
//!
//! The file says for which home and attestation key that was, since it travels with a copy of the home: two ledgers on one counter would each look put back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cloister_attest::{COUNTERS, Roots, hex};
use cloister_attest_tpm::{Made, Tpm};
use serde::{Deserialize, Serialize};

use super::{Desk, device_name};
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;
use crate::trust;

/// What is read of the file, bytes: a path has at most 4,096, each six in JSON.
const READ: u64 = 1 << 15;

/// The file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    index: u32,
    value: u64,
    made_for: Owner,
}

/// Whose counter it is. Of copies of a home at most one stands at its path and is its folder; a home that was moved is taken for a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    /// Name of the attestation key.
    key: String,
    /// The home's folder: for eyes, so what is no UTF-8 in it is lost.
    home: String,
    inode: u64,
}

impl Owner {
    fn of(home: &Home, key: &[u8]) -> Result<Owner, Failure> {
        let root = home.root();
        let failed = |e| disk::failed("look at", root, &e);
        let path = root.canonicalize().map_err(failed)?;
        Ok(Owner {
            key: hex::encode(key),
            home: path.to_string_lossy().into_owned(),
            inode: path.metadata().map_err(failed)?.ino(),
        })
    }
}

/// The key as it would be enrolled, with the counter that was made for this home and that nobody has used, or a new one, which is written down.
pub(super) fn enrolment(
    mut tpm: Tpm,
    home: &Home,
    roots: &Roots,
    desk: &Desk,
) -> Result<trust::Enrolment, Failure> {
    let key = tpm
        .attestation_key()
        .map_err(|e| Failure::failed(&e).hint(e.hint()))?;
    let owner = Owner::of(home, key.name())?;
    let file = home.counter_file();
    let before = made_before(&file, &owner);
    let unused = before.as_ref().ok().copied().flatten();
    let enrolment = trust::enrolment(tpm, &device_name(), roots, unused)?;
    if let Some(made) = enrolment.made {
        write(&file, made, owner)?;
        if let Err(why) = before {
            let said = format!("{why}; this home gets one of its own");
            desk.screen.say("counter", said);
        }
    }
    Ok(enrolment)
}

fn write(file: &Path, Made { index, value }: Made, made_for: Owner) -> Result<(), Failure> {
    let record = Record {
        index,
        value,
        made_for,
    };
    disk::folder(file.parent().unwrap_or(file))?;
    disk::replace(file, &serde_json::to_vec(&record).map_err(Failure::failed)?)
}

/// The counter that was made for `owner`, if one was; or, in words, whose else the file's is. Whether it is there, and unused, is the TPM's to say.
fn made_before(file: &Path, owner: &Owner) -> Result<Option<Made>, String> {
    if !file.exists() {
        return Ok(None);
    }
    let shown = file.display();
    let read = disk::read_bounded(file, READ).map_err(|e| e.to_string())?;
    let Ok(Record {
        index,
        value,
        made_for,
    }) = serde_json::from_slice(&read)
    else {
        return Err(format!(
            "`{shown}` does not say for which home its counter was made"
        ));
    };
    if made_for.key != owner.key {
        return Err(format!(
            "the counter in `{shown}` was made for another TPM or attestation key"
        ));
    }
    if made_for != *owner {
        return Err(format!(
            "the counter in `{shown}` was made for the home at `{}`, of which this is a copy, or which was moved",
            made_for.home
        ));
    }
    Ok(COUNTERS.contains(&index).then_some(Made { index, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Made = Made {
        index: 0x0180_c100,
        value: 7,
    };

    fn home(folder: &Path) -> Home {
        std::fs::create_dir_all(folder.join("attest")).unwrap();
        Home::at(folder.to_owned())
    }

    fn asked(home: &Home, key: &[u8]) -> Result<Option<Made>, String> {
        made_before(&home.counter_file(), &Owner::of(home, key).unwrap())
    }

    fn kept(home: &Home) -> String {
        std::fs::read_to_string(home.counter_file()).unwrap()
    }

    #[test]
    fn a_counter_is_given_again_only_to_the_home_and_key_that_it_was_made_for() {
        let folder = tempfile::tempdir().unwrap();
        let first = home(&folder.path().join("first"));
        assert_eq!(asked(&first, b"key"), Ok(None));
        write(
            &first.counter_file(),
            MADE,
            Owner::of(&first, b"key").unwrap(),
        )
        .unwrap();
        assert_eq!(asked(&first, b"key"), Ok(Some(MADE)));
        let other = asked(&first, b"other").unwrap_err();
        assert!(other.contains("another TPM or attestation key"), "{other}");

        let copy = home(&folder.path().join("copy"));
        std::fs::write(copy.counter_file(), kept(&first)).unwrap();
        let said = asked(&copy, b"key").unwrap_err();
        assert!(said.contains("/first`"), "{said}");
        // A copy that was put in its place has its path, and is another folder.
        std::fs::rename(first.root(), folder.path().join("away")).unwrap();
        std::fs::rename(copy.root(), first.root()).unwrap();
        asked(&first, b"key").unwrap_err();
    }

    #[test]
    fn a_file_that_does_not_say_for_whom_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(folder.path());
        std::fs::write(home.counter_file(), r#"{"index":25215232,"value":7}"#).unwrap();
        let said = asked(&home, b"key").unwrap_err();
        assert!(said.contains("does not say for which home"), "{said}");
    }
}
