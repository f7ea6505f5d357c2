//! Releases that succeed, and every way in which one must leave the disk as it was.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{folder, put};

pub(crate) struct Desk {
    _temp: tempfile::TempDir,
    pub(crate) ground: PathBuf,
    pub(crate) quarantine: Quarantine,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let (temp, dir) = folder();
        std::fs::create_dir(dir.join("ground")).unwrap();
        Desk {
            _temp: temp,
            ground: dir.join("ground"),
            quarantine: Quarantine::open(&dir.join("quarantine")).unwrap(),
        }
    }

    fn effect(&self, change: Change, content: &str) -> Effect {
        let mut draft = self.quarantine.draft().unwrap();
        draft.write(content.as_bytes()).unwrap();
        let mut effect = Effect {
            id: draft.id().into(),
            call: "$1".into(),
            tool: "desk.copy".into(),
            name: String::new(),
            change,
            digest: draft.digest(),
            bytes: draft.bytes(),
            sources: BTreeSet::new(),
            ground: self.ground.clone(),
            from_ground: None,
        };
        effect.name = effect.path().display().to_string();
        draft.keep(&effect).unwrap();
        effect
    }

    pub(crate) fn create(&self, name: &str, content: &str) -> Effect {
        self.effect(
            Change::Create {
                path: self.ground.join(name),
            },
            content,
        )
    }

    pub(crate) fn replace(&self, name: &str, before: &str, content: &str) -> Effect {
        self.effect(
            Change::Replace {
                path: self.ground.join(name),
                before: Digest::of(before),
            },
            content,
        )
    }

    pub(crate) fn moving(&self, from: &str, to: &str, content: &str) -> Effect {
        self.effect(
            Change::Move {
                from: self.ground.join(from),
                to: self.ground.join(to),
            },
            content,
        )
    }

    fn perform(&self, effects: &[Effect]) -> Result<Vec<Released>, ToolError> {
        self.perform_keeping(None, effects)
    }

    pub(crate) fn perform_keeping(
        &self,
        shelf: Option<&Shelf>,
        effects: &[Effect],
    ) -> Result<Vec<Released>, ToolError> {
        perform(&self.quarantine, shelf, effects, &mut |file, bytes| {
            file.write_all(bytes)
        })
    }

    /// The folder in which an effect waits.
    fn entry(&self, effect: &Effect) -> PathBuf {
        self.ground
            .parent()
            .unwrap()
            .join("quarantine")
            .join(effect.id())
    }

    /// Every file below the ground with its content.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut open = vec![self.ground.clone()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.symlink_metadata().unwrap().is_dir() {
                    true => open.push(path),
                    false => found.push((
                        path.strip_prefix(&self.ground)
                            .unwrap()
                            .display()
                            .to_string(),
                        std::fs::read_to_string(&path).unwrap_or_default(),
                    )),
                }
            }
        }
        found.sort();
        found
    }
}

pub(crate) fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect()
}

#[test]
fn new_changed_and_moved_files_arrive_and_quarantine_is_empty() {
    let desk = Desk::new();
    let old = put(&desk.ground.join("old.txt"), "old");
    std::fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
    put(&desk.ground.join("from.txt"), "moved");
    let effects = [
        desk.create("new/deep/a.txt", "new"),
        desk.replace("old.txt", "old", "better"),
        desk.moving("from.txt", "to/it.txt", "moved"),
    ];
    let released = desk.perform(&effects).unwrap();
    assert_eq!(
        released.iter().map(|r| r.bytes).collect::<Vec<_>>(),
        [3, 6, 5]
    );
    assert_eq!(released[0].sha256, Digest::of("new"));
    assert_eq!(
        desk.files(),
        pairs(&[
            ("new/deep/a.txt", "new"),
            ("old.txt", "better"),
            ("to/it.txt", "moved")
        ])
    );
    assert_eq!(old.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(desk.quarantine.list().unwrap().is_empty());
}

#[test]
fn a_target_that_changed_since_it_was_shown_undoes_the_whole_release() {
    let desk = Desk::new();
    put(&desk.ground.join("a.txt"), "old a");
    put(&desk.ground.join("b.txt"), "somebody's newer b");
    put(&desk.ground.join("from.txt"), "moved");
    let before = desk.files();
    let effects = [
        desk.replace("a.txt", "old a", "new a"),
        desk.create("c.txt", "new c"),
        desk.moving("from.txt", "to.txt", "moved"),
        desk.replace("b.txt", "old b", "new b"),
    ];
    assert!(
        matches!(desk.perform(&effects), Err(ToolError::Changed { path }) if path.ends_with("b.txt"))
    );
    assert_eq!(desk.files(), before);
    assert_eq!(desk.quarantine.list().unwrap().len(), 4);
    // The twin: had b stayed as it was shown, the very same effects pass.
    put(&desk.ground.join("b.txt"), "old b");
    assert_eq!(desk.perform(&effects).unwrap().len(), 4);
}

#[test]
fn nothing_that_exists_is_replaced_by_a_new_file_or_a_move() {
    let desk = Desk::new();
    put(&desk.ground.join("a.txt"), "there");
    put(&desk.ground.join("from.txt"), "moved");
    let before = desk.files();
    assert!(matches!(
        desk.perform(&[desk.create("a.txt", "new")]),
        Err(ToolError::Changed { .. })
    ));
    assert!(matches!(
        desk.perform(&[desk.moving("from.txt", "a.txt", "moved")]),
        Err(ToolError::Changed { .. })
    ));
    assert!(matches!(
        desk.perform(&[desk.moving("from.txt", "b.txt", "another content")]),
        Err(ToolError::Changed { .. })
    ));
    assert_eq!(desk.files(), before);
}

#[test]
fn links_on_the_way_and_second_names_are_refused() {
    let desk = Desk::new();
    let (_other, outside) = folder();
    let secret = put(&outside.join("secret.txt"), "secret");
    symlink(&outside, desk.ground.join("linked")).unwrap();
    symlink(&secret, desk.ground.join("link.txt")).unwrap();
    std::fs::hard_link(&secret, desk.ground.join("twin.txt")).unwrap();
    for effect in [
        desk.create("linked/new.txt", "x"),
        desk.create("link.txt", "x"),
        desk.replace("link.txt", "secret", "x"),
        desk.replace("linked/secret.txt", "secret", "x"),
        desk.replace("twin.txt", "secret", "x"),
        desk.moving("twin.txt", "away.txt", "secret"),
        desk.create("../new.txt", "x"),
    ] {
        assert!(
            desk.perform(std::slice::from_ref(&effect)).is_err(),
            "{effect:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    // What `std` would have done through the same link.
    std::fs::write(desk.ground.join("linked/new.txt"), "x").unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
}

#[test]
fn bytes_changed_in_quarantine_are_not_released() {
    let desk = Desk::new();
    let effect = desk.create("a.txt", "agreed");
    std::fs::write(desk.entry(&effect).join("bytes"), "other!").unwrap();
    let error = desk.perform(&[effect]).unwrap_err();
    assert!(matches!(error, ToolError::QuarantineTampered { .. }) && error.is_integrity());
    assert_eq!(desk.files(), []);
}

#[test]
fn nobody_else_reads_a_private_file_while_its_new_content_is_written() {
    let desk = Desk::new();
    let target = put(&desk.ground.join("a.txt"), "old");
    std::fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
    let effects = [desk.replace("a.txt", "old", "new")];
    let mut modes = Vec::new();
    perform(&desk.quarantine, None, &effects, &mut |file, bytes| {
        modes.push(file.metadata()?.permissions().mode() & 0o777);
        file.write_all(bytes)
    })
    .unwrap();
    assert_eq!(modes, [0o600]);
}

#[test]
fn a_full_disk_leaves_everything_as_it_was_and_quarantined() {
    let desk = Desk::new();
    put(&desk.ground.join("b.txt"), "old b");
    let effects = [
        desk.create("a.txt", "small"),
        desk.replace("b.txt", "old b", "large"),
    ];
    let mut room = 7_usize;
    let full = perform(&desk.quarantine, None, &effects, &mut |file, bytes| {
        let fits = bytes.len().min(room);
        file.write_all(&bytes[..fits])?;
        room -= fits;
        if fits < bytes.len() {
            Err(ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    });
    assert!(
        matches!(full, Err(ToolError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull)
    );
    assert_eq!(desk.files(), pairs(&[("b.txt", "old b")]));
    assert_eq!(desk.quarantine.list().unwrap().len(), 2);
    assert_eq!(
        desk.perform(&effects).unwrap().len(),
        2,
        "with room again it passes"
    );
}

#[test]
fn what_a_crash_left_is_named_and_kept() {
    let desk = Desk::new();
    put(&desk.ground.join("a.txt"), "new already");
    let left = put(
        &desk.ground.join(".a.txt.cloister-tmp"),
        "the person's original",
    );
    let before = desk.files();
    let effects = [
        desk.create("b.txt", "b"),
        desk.replace("a.txt", "new already", "newer"),
    ];
    let error = desk.perform(&effects).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is left over from a release that was cut off",
            left.display()
        )
    );
    assert!(error.hint().is_some());
    assert_eq!(desk.files(), before);
    assert_eq!(desk.quarantine.list().unwrap().len(), 2);
    // The twin: with it moved away, the very same effects pass.
    std::fs::rename(&left, desk.ground.join("kept.txt")).unwrap();
    assert_eq!(desk.perform(&effects).unwrap().len(), 2);
}

#[test]
fn a_release_that_cannot_be_cleaned_up_after_is_still_a_release() {
    let desk = Desk::new();
    put(&desk.ground.join("a.txt"), "old");
    let effects = [
        desk.replace("a.txt", "old", "new"),
        desk.create("b.txt", "b"),
    ];
    let (stuck, aside) = (desk.entry(&effects[0]), desk.ground.join("../aside"));
    // While the second file is staged, the first one's entry turns into something that is no folder: discarding it fails.
    let mut calls = 0;
    let released = perform(&desk.quarantine, None, &effects, &mut |file, bytes| {
        calls += 1;
        if calls == 2 {
            std::fs::rename(&stuck, &aside)?;
            std::fs::write(&stuck, "")?;
        }
        file.write_all(bytes)
    });
    assert!(
        desk.quarantine.forget(effects[0].id()).is_err(),
        "the twin: on its own it is an error"
    );
    assert_eq!(released.unwrap().len(), 2);
    assert_eq!(desk.files(), pairs(&[("a.txt", "new"), ("b.txt", "b")]));
    // The entry that stayed cannot be released a second time.
    std::fs::remove_file(&stuck).unwrap();
    std::fs::rename(&aside, &stuck).unwrap();
    assert_eq!(
        desk.quarantine.list().unwrap(),
        std::slice::from_ref(&effects[0])
    );
    assert!(matches!(
        desk.perform(&effects[..1]),
        Err(ToolError::Changed { .. })
    ));
}

#[test]
fn ids_that_are_paths_find_nothing() {
    let desk = Desk::new();
    let kept = desk.create("a.txt", "x");
    for id in ["", "..", "../ground", "/etc", "q\u{1b}"] {
        assert!(
            matches!(
                desk.quarantine.get(id),
                Err(ToolError::NotQuarantined { .. })
            ),
            "{id:?}"
        );
        assert!(desk.quarantine.waiting(id).is_err());
    }
    assert_eq!(desk.quarantine.get(kept.id()).unwrap(), kept);
    let waiting = desk.quarantine.waiting(kept.id()).unwrap();
    assert_eq!((waiting.id(), waiting.effect()), (kept.id(), Some(&kept)));
    desk.quarantine.forget(kept.id()).unwrap();
    assert!(desk.quarantine.waiting(kept.id()).is_err());
    assert!(desk.quarantine.get(kept.id()).is_err());
}

#[test]
fn an_entry_edited_to_show_another_name_is_an_integrity_error() {
    let desk = Desk::new();
    let effect = desk.create("notes/harmless.txt", "x");
    let json = desk.entry(&effect).join("effect.json");
    let honest = std::fs::read_to_string(&json).unwrap();
    let shown = honest.replace(
        &format!("\"name\": \"{}\"", effect.name()),
        "\"name\": \"notes/harmless.txt\"",
    );
    std::fs::write(&json, &shown).unwrap();
    let got = desk.quarantine.get(effect.id()).unwrap();
    assert_eq!(
        got.name(),
        "notes/harmless.txt",
        "a relative name that is the path's end is fine"
    );
    // The attack: the name stays, the path is another.
    let secret = desk.ground.join(".profile").display().to_string();
    std::fs::write(&json, shown.replace(effect.name(), &secret)).unwrap();
    let error = desk.quarantine.get(effect.id()).unwrap_err();
    assert!(
        matches!(&error, ToolError::QuarantineTampered { what: "name", expected, .. } if *expected == secret)
    );
    assert!(error.is_integrity() && error.hint().unwrap().contains(effect.id()));
    assert!(desk.quarantine.list().unwrap_err().is_integrity());
    let waiting = desk.quarantine.waiting(effect.id()).unwrap();
    assert!(waiting.effect().is_none(), "what it claims is not taken");
    desk.quarantine.forget(effect.id()).unwrap();
    assert!(desk.quarantine.list().unwrap().is_empty());
}
