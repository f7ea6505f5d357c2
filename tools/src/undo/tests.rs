//! Releases taken back, and every way in which that must leave the disk as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::kept::Kept;
use crate::release::Released;
use crate::release::tests::{Desk, pairs};
use crate::testing::put;

/// A desk whose releases keep what they replace.
struct Archive {
    desk: Desk,
    kept: Kept,
}

impl Archive {
    fn new() -> Archive {
        let desk = Desk::new();
        let kept = Kept::at(&desk.ground.with_file_name("kept"));
        Archive { desk, kept }
    }

    /// Release in the session of this name.
    fn release(&self, session: &str, effects: &[Effect]) -> Result<Vec<Released>, ToolError> {
        let shelf = self.kept.shelf(session, 7);
        self.desk.perform_keeping(Some(&shelf), effects)
    }

    fn shelf(&self, session: &str) -> Option<Shelf> {
        let mut shelves = self.kept.shelves().unwrap().into_iter();
        shelves.find(|shelf| shelf.session() == session)
    }

    fn released(&self, session: &str) -> Vec<Effect> {
        let shelf = self.shelf(session).unwrap();
        shelf.store().unwrap().list().unwrap()
    }

    /// Take a session's release back, in a session of its own.
    fn undo(&self, session: &str, own: &str) -> Result<Vec<Released>, ToolError> {
        let shelf = self.shelf(session).unwrap();
        let undoing: Vec<Effect> = self
            .released(session)
            .iter()
            .map(|effect| shelf.undoing(effect).unwrap())
            .collect();
        let (store, own) = (shelf.store()?, self.kept.shelf(own, 8));
        crate::release::perform(&store, Some(&own), &undoing, &mut |file, bytes| {
            std::io::Write::write_all(file, bytes)
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.ground.join(name)
    }
}

/// A new file, a replaced one and a moved one, as they were and as they are once released.
fn three(archive: &Archive) -> (Vec<Effect>, Vec<(String, String)>) {
    put(&archive.path("old.txt"), "old");
    put(&archive.path("from.txt"), "moved");
    let before = archive.desk.files();
    let desk = &archive.desk;
    let effects = vec![
        desk.create("deep/a.txt", "new"),
        desk.replace("old.txt", "old", "better"),
        desk.moving("from.txt", "to.txt", "moved"),
    ];
    (effects, before)
}

#[test]
fn an_undo_gives_back_every_byte_and_can_be_undone() {
    let archive = Archive::new();
    let (effects, before) = three(&archive);
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(archive.path("old.txt"), mode).unwrap();
    archive.release("one", &effects).unwrap();
    let after = archive.desk.files();
    let released = archive.undo("one", "two").unwrap();
    assert_eq!(archive.desk.files(), before);
    let mode = archive.path("old.txt").metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    let names: Vec<&str> = released.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names.len(), 2, "a file that went stands nowhere: {names:?}");
    archive.undo("two", "three").unwrap();
    assert_eq!(archive.desk.files(), after);
    archive.undo("three", "four").unwrap();
    assert_eq!(archive.desk.files(), before);
}

#[test]
fn what_was_changed_since_the_release_is_not_undone_and_nothing_else_is() {
    type Edit = fn(&Archive);
    let edits: [(&str, Edit); 4] = [
        ("old.txt", |a| _ = put(&a.path("old.txt"), "mine")),
        ("deep/a.txt", |a| _ = put(&a.path("deep/a.txt"), "mine")),
        ("to.txt", |a| _ = put(&a.path("to.txt"), "mine")),
        ("to.txt", |a| _ = put(&a.path("from.txt"), "another")),
    ];
    for (name, edit) in edits {
        let archive = Archive::new();
        let (effects, _) = three(&archive);
        archive.release("one", &effects).unwrap();
        edit(&archive);
        let edited = archive.desk.files();
        let others: Vec<String> = archive
            .released("one")
            .iter()
            .filter(|effect| Standing::of(effect) == Standing::Other)
            .map(|effect| effect.name().to_owned())
            .collect();
        assert_eq!(others, [archive.path(name).display().to_string()]);
        // Also where nobody looked: the release itself refuses.
        assert!(archive.undo("one", "two").is_err(), "{name}");
        assert_eq!(archive.desk.files(), edited);
        assert!(archive.shelf("two").is_none(), "nothing was replaced");
        assert_eq!(archive.released("one").len(), 3, "it is kept still");
    }
}

#[test]
fn what_a_cut_off_release_never_came_to_stands_as_before() {
    let archive = Archive::new();
    let (effects, _) = three(&archive);
    let standing = || -> Vec<Standing> { effects.iter().map(Standing::of).collect() };
    assert_eq!(standing(), [Standing::Before; 3]);
    archive.release("one", &effects).unwrap();
    assert_eq!(standing(), [Standing::Released; 3]);
    archive.undo("one", "two").unwrap();
    assert_eq!(standing(), [Standing::Before; 3]);
}

#[test]
fn a_release_that_fails_keeps_nothing() {
    let archive = Archive::new();
    let (mut effects, before) = three(&archive);
    effects.push(archive.desk.replace("gone.txt", "was here", "x"));
    assert!(archive.release("one", &effects).is_err());
    put(&archive.path("gone.txt"), "somebody's");
    assert!(archive.release("one", &effects).is_err());
    std::fs::remove_file(archive.path("gone.txt")).unwrap();
    assert_eq!(archive.desk.files(), before);
    assert!(archive.kept.shelves().unwrap().is_empty());
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let archive = Archive::new();
    let (effects, _) = three(&archive);
    archive.release("one", &effects).unwrap();
    let mut open = vec![archive.path("../kept")];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let about = path.metadata().unwrap();
        let expected = if about.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(about.permissions().mode() & 0o777, expected, "{path:?}");
        files += usize::from(about.is_file());
        if about.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    assert_eq!(files, 6);
}

#[test]
fn kept_bytes_that_were_changed_are_not_put_back() {
    let archive = Archive::new();
    put(&archive.path("old.txt"), "old");
    let effects = [archive.desk.replace("old.txt", "old", "better")];
    archive.release("one", &effects).unwrap();
    let bytes = format!("../kept/7-one/{}/bytes", effects[0].id());
    put(&archive.path(&bytes), "bad");
    let error = archive.undo("one", "two").unwrap_err();
    assert!(error.is_integrity(), "{error}");
    assert_eq!(archive.desk.files(), pairs(&[("old.txt", "better")]));
}

#[test]
fn a_moved_file_goes_back_to_the_folder_that_it_came_from() {
    let archive = Archive::new();
    let other = archive.path("../other");
    put(&other.join("it.txt"), "moved");
    let mut effect = archive.desk.moving("unused", "it.txt", "moved");
    effect.change = Change::Move {
        from: other.canonicalize().unwrap().join("it.txt"),
        to: archive.path("it.txt"),
    };
    effect.from_ground = Some(other.canonicalize().unwrap());
    archive.release("one", &[effect]).unwrap();
    assert_eq!(archive.desk.files(), pairs(&[("it.txt", "moved")]));
    archive.undo("one", "two").unwrap();
    assert!(other.join("it.txt").is_file());
    archive.undo("two", "three").unwrap();
    assert_eq!(archive.desk.files(), pairs(&[("it.txt", "moved")]));
}

#[test]
fn only_shelves_are_shelves() {
    let archive = Archive::new();
    for name in ["7-abc", "seven-abc", "7-", "-abc", "7-a.b", "abc", "9-def"] {
        std::fs::create_dir_all(archive.path("../kept").join(name)).unwrap();
    }
    let shelves = archive.kept.shelves().unwrap();
    let named: Vec<(u64, &str)> = shelves.iter().map(|s| (s.since(), s.session())).collect();
    assert_eq!(named, [(7, "abc"), (9, "def")]);
}
