//! What a remembered answer covers, and what of a file is believed.

use std::os::unix::fs::PermissionsExt as _;

use cloister_attest::{
    AdminKey, Binding, Evidence, Files, Ledger, Memory as Storage, SessionKey, SessionStart,
    Statement, UnixMillis,
};
use serde_json::json;

use super::*;
use crate::entries;

const NOW: u64 = 1_700_000_000_000;

fn scope(folders: &[&str]) -> Scope {
    Scope {
        agent: "helper".to_owned(),
        manifest: Digest::of("manifest"),
        policy: Digest::of("policy"),
        model: Digest::of("model"),
        tools: Digest::of("tools"),
        tool: "sheet.summarize".to_owned(),
        folders: folders.iter().map(PathBuf::from).collect(),
    }
}

fn answer(folders: &[&str]) -> Remembered {
    Remembered {
        scope: scope(folders),
        given: NOW,
        days: 7,
    }
}

/// The entries of a ledger of which each session has these notes about answers.
fn ledger(sessions: &[&[String]]) -> Vec<Entry> {
    let mut storage = Storage::default();
    for (notes, seed) in sessions.iter().zip(7..) {
        storage = session(storage, seed, notes);
    }
    let Files { entries, .. } = storage.files();
    let lines = entries.split(|byte| *byte == b'\n');
    lines.filter_map(|line| Entry::parse(line).ok()).collect()
}

fn session(storage: Storage, seed: u8, notes: &[String]) -> Storage {
    let resumed = Ledger::resume(storage.clone().files(), storage).unwrap();
    let key = SessionKey::from_random([seed; 32].into());
    let at = |n| UnixMillis::new(n);
    let binding = Binding {
        admin: AdminKey::from_random([8; 32].into()).public(),
        runtime: Digest::ZERO,
        model: Digest::ZERO,
        policy: Digest::ZERO,
        manifest: Digest::ZERO,
        tools: Digest::ZERO,
        not_after: at(9),
        challenge: None,
        device: "d".to_owned(),
    };
    let start = SessionStart {
        statement: Statement::new(key.public(), resumed.head(), binding),
        evidence: Evidence::None {
            reason: "test".to_owned(),
        },
        agent: "test".to_owned(),
        agent_version: "1".to_owned(),
        model: "m".to_owned(),
        user: "u".to_owned(),
        confinement: "none".to_owned(),
        unattended: None,
    };
    let mut ledger = resumed.begin(key, start, at(0)).unwrap();
    for text in notes {
        ledger.note(entries::note(ABOUT, text), at(1)).unwrap();
    }
    ledger.end("done".to_owned(), at(2)).unwrap().into_storage()
}

struct Kept {
    _temp: tempfile::TempDir,
    memory: Memory,
}

impl Kept {
    fn new(answer: &Remembered) -> Kept {
        let temp = tempfile::tempdir().unwrap();
        let memory = Memory::of(&Home::at(temp.path().to_owned()));
        memory.keep(answer).unwrap();
        Kept {
            _temp: temp,
            memory,
        }
    }

    fn standing(&self, scope: &Scope, now: u64, days: u64, notes: &[String]) -> bool {
        self.goes_by(scope, now, days, Notes::of(ledger(&[notes]), |_| false))
    }

    fn goes_by(&self, scope: &Scope, now: u64, days: u64, notes: Notes) -> bool {
        let found = self.memory.standing(scope, now, days, || Ok(notes));
        found.unwrap().is_some()
    }
}

#[test]
fn an_answer_covers_its_scope_and_nothing_beside_it() {
    let given = answer(&["/f/a", "/f/b"]);
    let (kept, notes) = (Kept::new(&given), [given.note().unwrap()]);
    let covered = |scope: &Scope| kept.standing(scope, NOW, 7, &notes);
    assert!(covered(&scope(&["/f/a", "/f/b"])) && covered(&scope(&["/f/b"])));
    for folders in [&["/f/a/deep"][..], &["/f"], &["/f/a", "/g"]] {
        assert!(!covered(&scope(folders)), "{folders:?}");
    }
    let edits: [fn(&mut Scope); 6] = [
        |s| s.agent.push('x'),
        |s| s.manifest = Digest::of("x"),
        |s| s.policy = Digest::of("x"),
        |s| s.model = Digest::of("x"),
        |s| s.tools = Digest::of("x"),
        |s| s.tool.push('x'),
    ];
    for (at, edit) in edits.into_iter().enumerate() {
        let mut other = scope(&["/f/a"]);
        edit(&mut other);
        assert!(!covered(&other), "edit {at}");
    }
}

#[test]
fn an_answer_ends_when_it_says_or_sooner_where_less_is_let() {
    let given = answer(&["/f"]);
    let (kept, notes) = (Kept::new(&given), [given.note().unwrap()]);
    let stands = |now, days| kept.standing(&scope(&["/f"]), now, days, &notes);
    assert!(stands(NOW, 31) && stands(NOW + 7 * DAY - 1, 31));
    assert!(!stands(NOW + 7 * DAY, 31));
    assert!(stands(NOW + 2 * DAY - 1, 2) && !stands(NOW + 2 * DAY, 2));
    assert!(!stands(NOW, 0), "a policy that lets nothing be remembered");
    assert!(!stands(NOW - 1, 31), "a clock that was set back");
}

#[test]
fn the_ledger_has_the_last_word() {
    let given = answer(&["/f"]);
    let (kept, id) = (Kept::new(&given), given.id().unwrap());
    let (note, taken) = (given.note().unwrap(), revoking(&id));
    let other = answer(&["/g"]).note().unwrap();
    let stands = |notes: &[&String]| {
        let notes: Vec<String> = notes.iter().map(|text| (*text).clone()).collect();
        kept.standing(&scope(&["/f"]), NOW, 7, &notes)
    };
    assert!(stands(&[&note]) && stands(&[&other, &note]) && stands(&[&taken, &note]));
    assert!(!stands(&[]), "nobody ever said so");
    assert!(!stands(&[&other]));
    assert!(
        !stands(&[&note, &taken]),
        "the file of a revoked one was brought back"
    );
}

/// Whoever holds a disk that is switched off can write sessions of their own there, in full and signed, but none that the TPM vouches for.
#[test]
fn an_attested_session_goes_by_no_answer_that_was_forged_on_a_switched_off_disk() {
    let given = answer(&["/f"]);
    let (kept, id) = (Kept::new(&given), given.id().unwrap());
    let (note, taken) = ([given.note().unwrap()], [revoking(&id)]);
    // Three sessions: one that says something, one that says more, and the one that runs; `attested` says which of them are.
    let stands = |said: [&[String]; 2], attested: [bool; 3]| {
        let entries = ledger(&[said[0], said[1], &[]]);
        let begins = |entry: &&Entry| matches!(entry.body, Body::SessionStart(_));
        let firsts: Vec<u64> = entries
            .iter()
            .filter(begins)
            .map(|entry| entry.seq)
            .collect();
        let attests = |first| {
            let at = firsts.iter().position(|begins| *begins == first);
            at.is_some_and(|at| attested[at])
        };
        kept.goes_by(&scope(&["/f"]), NOW, 7, Notes::of(entries, attests))
    };
    assert!(!stands([&[], &note], [true, false, true]), "forged");
    assert!(!stands([&note, &[]], [false, true, true]), "forged before");
    assert!(stands([&note, &[]], [true, false, true]));
    assert!(
        !stands([&note, &taken], [true, false, true]),
        "taken back by whomever"
    );
    assert!(
        !stands([&taken, &note], [true, false, true]),
        "given again by whomever"
    );
    assert!(
        stands([&[], &note], [true, false, false]),
        "where nothing is attested, all counts"
    );
}

#[test]
fn an_answer_whose_file_is_gone_can_still_be_taken_back() {
    let given = answer(&["/f"]);
    let (note, id) = (given.note().unwrap(), given.id().unwrap());
    let stands = |notes: &[String]| Notes::of(ledger(&[notes]), |_| true).stands(&id).is_some();
    let other = answer(&["/g"]).note().unwrap();
    assert!(
        stands(std::slice::from_ref(&note))
            && stands(&[revoking(&id), note.clone(), other.clone()])
    );
    assert!(!stands(&[]) && !stands(&[other]) && !stands(&[note, revoking(&id)]));
}

#[test]
fn a_file_that_was_changed_or_that_others_may_touch_is_no_answer() {
    let given = answer(&["/f"]);
    let kept = Kept::new(&given);
    let file = kept.memory.file(&given.id().unwrap());
    assert_eq!(kept.memory.all().unwrap().len(), 1);
    for mode in [0o644, 0o620, 0o604] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(kept.memory.all().unwrap(), [], "{mode:o}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    for changed in [text.replace("/f", "/"), format!("{text} "), "{}".to_owned()] {
        std::fs::write(&file, changed).unwrap();
        assert_eq!(kept.memory.all().unwrap(), []);
    }
    std::fs::write(&file, &text).unwrap();
    assert_eq!(kept.memory.all().unwrap().len(), 1);
    assert!(kept.memory.forget(&given.id().unwrap()).unwrap());
    assert_eq!(kept.memory.all().unwrap(), []);
}

#[test]
fn only_new_files_are_remembered() {
    let digest = Digest::of("x");
    let effects = |changes: &[serde_json::Value]| {
        let each = changes.iter().enumerate().map(|(at, change)| {
            let effect = json!({"id": format!("q{at}"), "call": "$1", "tool": "t.f", "name": "n", "change": change, "digest": digest, "bytes": 1, "sources": [], "ground": "/f"});
            serde_json::from_value::<cloister_tools::Effect>(effect).unwrap()
        });
        Effects::gather(each).unwrap()
    };
    let create = |path: &str| json!({"op": "create", "path": path});
    let two = effects(&[create("/f/a/x"), create("/f/b/y")]);
    let folders = ["/f/a", "/f/b"].map(PathBuf::from);
    assert_eq!(Scope::folders(&two), Some(BTreeSet::from(folders)));
    for other in [
        json!({"op": "replace", "path": "/f/z", "before": digest}),
        json!({"op": "move", "from": "/f/z", "to": "/f/y"}),
        json!({"op": "delete", "path": "/f/z"}),
    ] {
        assert_eq!(Scope::folders(&effects(&[create("/f/a/x"), other])), None);
    }
}
