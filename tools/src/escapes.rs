//! Ways out of a granted folder: every spelling and every hostile object, with every operation, through each layer alone and through both; and
//! folders swapped for links while files are opened. A run escapes when it reads or lists what lies outside, or changes anything there.

mod mounts;
mod spellings;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cloister_attest::Digest;
use cloister_cage::Handle;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::effects::{Change, Effect};
use crate::error::ToolError;
use crate::ground::{Ground, Missing};
use crate::quarantine::Quarantine;
use crate::release::perform;
use crate::survey::Survey;
use crate::testing::{grants, put};
use world::{SECRET, State, World, state};

impl World {
    fn survey(&self) -> Survey {
        let all = [
            ("file:read", "**/*"),
            ("file:write", "**/*"),
            ("file:move", "**/*"),
        ];
        Survey::take(
            &grants(&self.work, &all),
            &self.work,
            &[self.root.join("home")],
        )
        .unwrap()
    }
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Read,
    List,
    Create,
    Replace,
    MoveAway,
    MoveHere,
    Remove,
}

const OPERATIONS: [Operation; 7] = [
    Operation::Read,
    Operation::List,
    Operation::Create,
    Operation::Replace,
    Operation::MoveAway,
    Operation::MoveHere,
    Operation::Remove,
];

impl Operation {
    fn handle(self) -> Handle {
        match self {
            Self::Read | Self::List => Handle::Input,
            Self::Create | Self::Replace => Handle::Output,
            Self::MoveAway | Self::Remove => Handle::Movable,
            Self::MoveHere => Handle::Place,
        }
    }
}

/// What does the work once a path is let through.
trait Hands {
    /// The content and the inode of what could be read.
    fn read(&self, path: &Path) -> Option<(Vec<u8>, u64)>;
    /// Inodes of what lies in the folder.
    fn list(&self, path: &Path) -> Vec<u64>;
    fn change(&self, operation: Operation, path: &Path);
}

/// As the tools do: beneath the open folder.
struct Fenced {
    ground: Ground,
    quarantine: Quarantine,
}

impl Fenced {
    fn new(world: &World) -> Self {
        Self {
            ground: Ground::open(&world.work).unwrap(),
            quarantine: Quarantine::open(&world.root.join("quarantine")).unwrap(),
        }
    }

    /// An effect as a call leaves it, with whatever stands at the target taken for what was shown.
    fn effect(&self, change: Change, content: &[u8]) -> Option<Effect> {
        let mut draft = self.quarantine.draft().unwrap();
        draft.write(content).unwrap();
        let effect = Effect {
            id: draft.id().into(),
            call: "$1".into(),
            tool: "test".into(),
            name: String::new(),
            change,
            digest: draft.digest(),
            bytes: draft.bytes(),
            sources: BTreeSet::new(),
            ground: self.ground.path().into(),
            from_ground: None,
        };
        draft.keep(&effect).is_ok().then_some(effect)
    }

    fn remove(&self, path: &Path) -> Result<(), ToolError> {
        let (folder, name) = self.ground.parent(path, Missing::Refuse)?;
        folder.remove(name).map_err(ToolError::io("remove", path))
    }
}

impl Hands for Fenced {
    fn read(&self, path: &Path) -> Option<(Vec<u8>, u64)> {
        let (mut file, stat) = self.ground.read(path).ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        Some((content, stat.st_ino))
    }

    fn list(&self, path: &Path) -> Vec<u64> {
        let Ok((folder, _)) = self.ground.parent(&path.join("name"), Missing::Refuse) else {
            return Vec::new();
        };
        let stat = |name: &str| {
            folder
                .stat(name.as_ref())
                .ok()
                .flatten()
                .map(|stat| stat.st_ino)
        };
        ["secret.txt", "deep"]
            .into_iter()
            .filter_map(stat)
            .collect()
    }

    fn change(&self, operation: Operation, path: &Path) {
        let (here, bait) = (path.to_owned(), self.ground.path().join("bait"));
        let change = match operation {
            Operation::Create => Change::Create { path: here },
            Operation::Replace => Change::Replace {
                path: here,
                before: Digest::of(SECRET),
            },
            Operation::MoveAway => Change::Move {
                from: here,
                to: bait,
            },
            Operation::MoveHere => Change::Move {
                from: bait,
                to: here,
            },
            _ => return drop(self.remove(path)),
        };
        let content = if matches!(operation, Operation::MoveAway) {
            SECRET
        } else {
            "plain"
        };
        if let Some(effect) = self.effect(change, content.as_bytes()) {
            let _ = perform(&self.quarantine, None, &[effect], &mut |file, bytes| {
                std::io::Write::write_all(file, bytes)
            });
        }
    }
}

/// As one would without it: the path as it is, and the system follows.
struct Bare;

impl Hands for Bare {
    fn read(&self, path: &Path) -> Option<(Vec<u8>, u64)> {
        let at = path.metadata().ok()?;
        at.is_file()
            .then(|| (fs::read(path).unwrap_or_default(), at.ino()))
    }

    fn list(&self, path: &Path) -> Vec<u64> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some(entry.metadata().ok()?.ino()))
            .collect()
    }

    fn change(&self, operation: Operation, path: &Path) {
        let bait = path
            .ancestors()
            .find(|at| at.ends_with("work"))
            .unwrap_or(path)
            .join("bait");
        let _ = match operation {
            Operation::Create if path.exists() => Ok(()),
            // A pipe would wait for a reader.
            Operation::Replace if path.metadata().is_ok_and(|at| !at.is_file()) => Ok(()),
            Operation::Create | Operation::Replace => fs::write(path, "plain"),
            Operation::MoveAway => fs::rename(path, bait),
            Operation::MoveHere => fs::rename(bait, path),
            _ => fs::remove_file(path),
        };
    }
}

/// How many runs there are of all operations on all spellings, and which of them escaped.
fn runs(
    hands: impl Fn(&World) -> Box<dyn Hands>,
    guard: Guard,
    operations: &[Operation],
) -> (usize, Vec<String>) {
    let (mut count, mut escaped, mut stage) = (0, Vec::new(), Stage::new(&hands));
    for operation in operations.iter().copied() {
        for index in 0..spellings::all(&stage.world).len() {
            let spelling = spellings::all(&stage.world).swap_remove(index);
            count += 1;
            if stage.escapes(guard, operation, &spelling) {
                let (spelling, root) = (spelling.to_string_lossy(), stage.world.root.to_str());
                let spelling = spelling.replace(root.unwrap(), "ROOT");
                escaped.push(format!("{operation:?} {spelling}"));
            }
            if stage.is_changed() {
                stage = Stage::new(&hands);
            }
        }
    }
    println!("{} of {count} runs escaped", escaped.len());
    (count, escaped)
}

#[derive(Clone, Copy)]
enum Guard {
    Survey,
    Nobody,
}

/// A world with its survey and who acts in it, and what it was like at first.
struct Stage {
    world: World,
    survey: Survey,
    hands: Box<dyn Hands>,
    inside: State,
    outside: State,
}

impl Stage {
    fn new(hands: &impl Fn(&World) -> Box<dyn Hands>) -> Self {
        Self::of(World::new(), hands)
    }

    fn of(world: World, hands: &impl Fn(&World) -> Box<dyn Hands>) -> Self {
        put(&world.work.join("bait"), "plain");
        Self {
            survey: world.survey(),
            hands: hands(&world),
            inside: state(&world.work),
            outside: state(&world.outside),
            world,
        }
    }

    fn is_changed(&self) -> bool {
        state(&self.world.work) != self.inside || state(&self.world.outside) != self.outside
    }

    fn escapes(&self, guard: Guard, operation: Operation, spelling: &Path) -> bool {
        let resolved = |name| self.survey.resolve(operation.handle(), name).ok();
        let passed = match guard {
            Guard::Nobody => Some(self.world.work.join(spelling)),
            Guard::Survey => spelling.to_str().and_then(resolved),
        };
        let Some(path) = passed else {
            return false;
        };
        let is_outside = |inode: &u64| self.outside.values().any(|(at, ..)| at == inode);
        let seen = match operation {
            Operation::Read => {
                let read = self.hands.read(&path);
                read.is_some_and(|(content, inode)| {
                    content == SECRET.as_bytes() || is_outside(&inode)
                })
            }
            Operation::List => self.hands.list(&path).iter().any(is_outside),
            other => {
                self.hands.change(other, &path);
                false
            }
        };
        seen || state(&self.world.outside) != self.outside
    }
}

fn fenced(world: &World) -> Box<dyn Hands> {
    Box::new(Fenced::new(world))
}

fn bare(_: &World) -> Box<dyn Hands> {
    Box::new(Bare)
}

#[test]
fn no_spelling_and_no_trap_leads_out_of_a_granted_folder() {
    let (count, escaped) = runs(fenced, Guard::Survey, &OPERATIONS);
    assert!(
        spellings::all(&World::new()).len() >= 300 && count >= 2000,
        "{count} runs"
    );
    assert!(escaped.is_empty(), "{escaped:#?}");
}

#[test]
fn without_the_survey_only_second_names_lead_out() {
    // The others sync what they write, which takes a minute.
    let operations = [Operation::Read, Operation::List, Operation::Remove];
    let (_, escaped) = runs(fenced, Guard::Nobody, &operations);
    assert!(!escaped.is_empty());
    assert!(
        escaped.iter().all(|run| run.ends_with("second")),
        "{escaped:#?}"
    );
}

#[test]
fn without_openat2_links_lead_out() {
    let (_, escaped) = runs(bare, Guard::Survey, &OPERATIONS);
    assert!(
        escaped.iter().any(|run| run == "Create folder/new.txt"),
        "{escaped:#?}"
    );
}

#[test]
fn without_either_most_ways_lead_out() {
    let (_, escaped) = runs(bare, Guard::Nobody, &OPERATIONS);
    assert!(escaped.len() > 300, "{escaped:#?}");
}

/// Swaps of a file and of a folder for links, while `hands` open and replace what they think is inside. Gives how often they saw what lies
/// inside, and what lies outside.
fn race(hands: impl Fn(&World) -> Box<dyn Hands>, swaps: u64) -> (u64, u64) {
    let world = World::new();
    put(&world.outside.join("deep/plain.txt"), SECRET);
    symlink(&world.outside, world.work.join("sub-link")).unwrap();
    symlink(
        world.outside.join("secret.txt"),
        world.work.join("plain-link"),
    )
    .unwrap();
    let hands = hands(&world);
    let survey = world.survey();
    let resolve = |name: &str| survey.resolve(Handle::Input, name).unwrap();
    let paths = [resolve("plain.txt"), resolve("sub/deep/plain.txt")];
    let (before, done) = (state(&world.outside), AtomicBool::new(false));
    let (inside, outside) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..swaps / 2 {
                swap(&world.work, "plain.txt", "plain-link");
                swap(&world.work, "sub", "sub-link");
            }
            done.store(true, Ordering::Relaxed);
        });
        for turn in 0_u64.. {
            if done.load(Ordering::Relaxed) {
                return;
            }
            for path in &paths {
                match hands.read(path) {
                    Some((content, _)) if content == SECRET.as_bytes() => &outside,
                    Some(_) => &inside,
                    None => continue,
                }
                .fetch_add(1, Ordering::Relaxed);
            }
            // Writing is synced, so that it takes far longer than reading.
            if turn % 100 == 0 {
                hands.change(Operation::Create, &world.work.join("sub/deep/new.txt"));
                hands.change(Operation::Remove, &world.work.join("sub/deep/new.txt"));
            }
        }
    });
    let touched = u64::from(state(&world.outside) != before);
    (inside.into_inner(), outside.into_inner() + touched)
}

fn swap(folder: &Path, one: &str, other: &str) {
    renameat_with(
        CWD,
        folder.join(one),
        CWD,
        folder.join(other),
        RenameFlags::EXCHANGE,
    )
    .unwrap();
}

/// 10^5, or as many as `CLOISTER_SWAPS` says (`make escapes`: 10^6).
fn swaps() -> u64 {
    std::env::var("CLOISTER_SWAPS").map_or(100_000, |text| text.parse().unwrap())
}

#[test]
fn no_link_that_is_swapped_in_meanwhile_leads_out() {
    let (inside, outside) = race(fenced, swaps());
    println!(
        "{} swaps: {inside} times inside, {outside} times outside",
        swaps()
    );
    assert!(
        inside > 0 && outside == 0,
        "{inside} inside, {outside} outside"
    );
}

#[test]
fn without_openat2_a_link_that_is_swapped_in_leads_out() {
    let (_, outside) = race(bare, 10_000);
    assert!(outside > 0);
}
