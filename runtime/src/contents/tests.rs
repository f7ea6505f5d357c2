//! What is kept is opened, what is changed is refused by name, what is shredded is gone. That shredding is recorded first: `examples/tests/test_contents.py`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use cloister_attest::{Attestation, CallOutcome, SessionKey, Shred, Step, UnixMillis};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// A home's contents and a session.
struct Desk {
    folder: tempfile::TempDir,
    session: SessionId,
}

impl Desk {
    fn new() -> Desk {
        let key = SessionKey::from_random(Zeroizing::new([1; 32]));
        Desk {
            folder: tempfile::tempdir().unwrap(),
            session: SessionId::of(&key.public()),
        }
    }

    fn contents(&self) -> Contents {
        Contents::at(self.folder.path().join("contents"))
    }

    fn file(&self, end: &str) -> PathBuf {
        let name = format!("contents/{}.{end}", self.session);
        self.folder.path().join(name)
    }

    fn keep(&self, texts: &[&str]) -> Vec<Commitment> {
        let bytes = texts.iter().map(|text| text.as_bytes().to_vec());
        let mut keeping = self.contents().keeping(self.session);
        keeping.keep(bytes.collect()).unwrap()
    }

    fn entry(&self, seq: u64, body: Body) -> Entry {
        Entry {
            att: Attestation::None,
            body,
            prev: Digest::ZERO,
            seq,
            session: self.session,
            ts: UnixMillis::new(0),
            v: 3,
        }
    }

    fn outcome(&self, output: impl Into<ContentHash>) -> Entry {
        let body = CallOutcome {
            step: "$1".to_owned(),
            outcome: "returned".to_owned(),
            output: Some(output.into()),
            read: Some(Vec::new()),
        };
        self.entry(7, Body::CallOutcome(body))
    }

    /// What is opened of an entry that commits to `output`.
    fn open(&self, output: Commitment) -> Result<String, Failure> {
        let opened = self.contents().of(&[self.outcome(output)], &[])?;
        let [(what, commitment, content)] = opened.as_slice() else {
            panic!("{opened:?}");
        };
        assert_eq!((what.as_str(), *commitment), ("output of $1", output));
        Ok(String::from_utf8(content.bytes().to_vec()).unwrap())
    }

    /// The refusal, which names what it is about and says what can be done.
    fn refused(&self, output: Commitment, named: &str) -> String {
        let refused = self.open(output).unwrap_err();
        assert_eq!(refused.kind(), Kind::Integrity, "{refused}");
        assert!(refused.message().contains(named), "{refused}");
        assert!(refused.advice().is_some());
        refused.message().to_owned()
    }
}

#[test]
fn what_is_kept_is_opened_and_is_nobody_elses() {
    let desk = Desk::new();
    let kept = desk.keep(&["one", "other", "one"]);
    assert_eq!(desk.open(kept[0]).unwrap(), "one");
    assert_eq!(desk.open(kept[1]).unwrap(), "other");
    assert_ne!(kept[0], kept[2]);
    for end in ["key", "sealed"] {
        let mode = desk.file(end).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let folder = desk.file("key").parent().unwrap().metadata().unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_plan_gives_the_arguments_of_each_step() {
    let desk = Desk::new();
    let kept = desk.keep(&["{\"a\":1}", "{}"]);
    let step = |(id, args): (&str, &Commitment)| Step {
        id: id.to_owned(),
        tool: "a.b".to_owned(),
        args: (*args).into(),
        open: Vec::new(),
    };
    let steps = ["$1", "$2"].into_iter().zip(&kept).map(step).collect();
    let plan = cloister_attest::Plan::of(steps).unwrap();
    let opened = desk.contents().of(&[desk.entry(2, Body::Plan(plan))], &[]);
    let opened: Vec<_> = opened
        .unwrap()
        .into_iter()
        .map(|(what, _, content)| (what, content.bytes().to_vec()))
        .collect();
    let said = |what: &str, bytes: &str| (what.to_owned(), bytes.as_bytes().to_vec());
    assert_eq!(
        opened,
        [said("args of $1", "{\"a\":1}"), said("args of $2", "{}")]
    );
}

#[test]
fn nothing_is_made_before_there_is_something_to_keep() {
    let desk = Desk::new();
    drop(desk.contents().keeping(desk.session));
    assert!(!desk.folder.path().join("contents").exists());
    assert!(!desk.contents().kept(desk.session).exists());
}

#[test]
fn what_was_changed_is_refused_by_name() {
    let desk = Desk::new();
    let kept = desk.keep(&["one", "other"]);
    let (whole, name) = (fs::read(desk.file("sealed")).unwrap(), kept[0].to_string());
    let line = whole.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    for at in 0..line.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(desk.file("sealed"), &flipped).unwrap();
        let said = desk.refused(kept[0], &name);
        assert!(said.starts_with("of entry 7 the content"), "{said}");
        fs::write(desk.file("sealed"), &whole[..at]).unwrap();
        desk.refused(kept[0], &name);
    }
    let swapped = String::from_utf8(whole.clone()).unwrap();
    let swapped = swapped
        .replace(&name, "")
        .replace(&kept[1].to_string(), &name);
    fs::write(desk.file("sealed"), swapped).unwrap();
    desk.refused(kept[0], &name);
    fs::write(desk.file("sealed"), whole).unwrap();
    assert_eq!(desk.open(kept[0]).unwrap(), "one");
}

#[test]
fn what_is_missing_and_nobody_shredded_is_said_to_be_missing() {
    for end in ["key", "sealed"] {
        let desk = Desk::new();
        let kept = desk.keep(&["one"]);
        fs::remove_file(desk.file(end)).unwrap();
        let said = desk.refused(kept[0], &desk.file(end).display().to_string());
        assert!(!said.contains("shredded"), "{said}");
    }
    let (desk, other) = (Desk::new(), Desk::new());
    let kept = desk.keep(&["one"]);
    other.keep(&["one"]);
    fs::copy(other.file("key"), desk.file("key")).unwrap();
    desk.refused(kept[0], &kept[0].to_string());
    fs::write(desk.file("key"), "no key").unwrap();
    desk.refused(kept[0], "holds no key");
}

#[test]
fn what_the_ledger_says_was_shredded_is_not_opened() {
    let desk = Desk::new();
    let kept = desk.keep(&["one"]);
    let outcome = desk.outcome(kept[0]);
    let session = desk.session;
    let said = desk.entry(9, Body::Shred(Shred { session }));
    let refused = desk
        .contents()
        .of(std::slice::from_ref(&outcome), &[outcome.clone(), said]);
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.message(),
        format!("the contents of session {session} were shredded, as entry 9 says")
    );
}

#[test]
fn an_older_entry_has_a_digest_and_nothing_is_kept() {
    let desk = Desk::new();
    let older = desk.outcome(ContentHash::Plain(Digest::of("one")));
    let refused = desk.contents().of(&[older], &[]).unwrap_err();
    // It says so although the session has no files at all.
    assert!(
        refused
            .message()
            .starts_with("entry 7 has the digest sha256:")
    );
    assert!(refused.message().contains("nothing is kept"), "{refused}");
}

#[test]
fn after_a_failed_write_nothing_more_is_kept() {
    let desk = Desk::new();
    fs::create_dir_all(desk.file("sealed")).unwrap(); // stands in the file's place
    let mut keeping = desk.contents().keeping(desk.session);
    keeping.keep(vec![b"one".to_vec()]).unwrap_err();
    let refused = keeping.keep(vec![b"one".to_vec()]).unwrap_err();
    assert!(refused.message().contains("an earlier write failed"));
    assert!(keeping.plain().is_empty());
}

#[test]
fn wiping_leaves_zeros_and_follows_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let (key, link) = (folder.path().join("key"), folder.path().join("link"));
    fs::write(&key, "contents-key:00112233\n").unwrap();
    symlink(&key, &link).unwrap();
    assert!(wipe(&link).is_err());
    assert_ne!(fs::read(&key).unwrap(), vec![0; 22]);
    wipe(&key).unwrap();
    assert_eq!(fs::read(&key).unwrap(), vec![0; 22]);
}

/// Somebody else may have made the home that is looked at: a copy out of an archive.
#[test]
fn neither_opening_nor_wiping_waits_at_a_pipe_or_reads_a_device_to_its_end() {
    for end in ["key", "sealed"] {
        let desk = Desk::new();
        let kept = desk.keep(&["one"]);
        fs::remove_file(desk.file(end)).unwrap();
        mknodat(CWD, desk.file(end), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let said = desk.refused(kept[0], &desk.file(end).display().to_string());
        assert!(said.contains("is no plain file"), "{said}");
        assert!(wipe(&desk.file(end)).is_err());
        fs::remove_file(desk.file(end)).unwrap();
        symlink("/dev/zero", desk.file(end)).unwrap();
        let said = desk.refused(kept[0], &desk.file(end).display().to_string());
        assert!(said.contains("is no plain file"), "{said}");
    }
}

#[test]
fn of_what_is_longer_than_a_key_no_more_is_read() {
    let desk = Desk::new();
    let kept = desk.keep(&["one"]);
    let long = OpenOptions::new().write(true).open(desk.file("key"));
    long.unwrap().set_len(1 << 40).unwrap(); // of holes
    desk.refused(kept[0], "holds no key");
}
