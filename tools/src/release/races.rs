//! Somebody changes a target, or what waits in quarantine, at a random point between the question and the end of the release. Whatever comes of
//! it, no byte that was not shown is released, nothing is replaced that was not shown, and nothing is released by half.
//!
//! `make races` tries ten times as often as `make test`. The twin checks first and copies then, as one would without thinking of this.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloister_attest::Digest;
use cloister_policies::Answer;

use super::*;
use crate::effects::{Consent, Consenter, Effects};
use crate::kept::{Kept, Shelf};

/// Longer than what is copied at once, so that a change can come in the middle of it.
const LENGTH: usize = 100 << 10;
const SHOWN: [u8; 2] = [b'A', b'B'];
const BEFORE: u8 = b'0';
/// What somebody puts into quarantine, and into the folder.
const SLIPPED_IN: u8 = b'!';
const SOMEBODYS: u8 = b'#';

/// What somebody does, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Writes other bytes over those in quarantine.
    Overwrites,
    /// Puts another file in their place.
    Swaps,
    /// Puts another description beside them.
    Describes,
    /// Writes into the file that is to be replaced.
    Edits,
    /// Puts another file in its place.
    Replaces,
    /// Puts a link in its place.
    Links,
    /// Is first where the new file is to stand.
    Takes,
}

const DEEDS: [Deed; 7] = [
    Deed::Overwrites,
    Deed::Swaps,
    Deed::Describes,
    Deed::Edits,
    Deed::Replaces,
    Deed::Links,
    Deed::Takes,
];

fn content(letter: u8) -> Vec<u8> {
    vec![letter; LENGTH]
}

/// A folder with `a.txt`, to be replaced, and a quarantine with its new content and that of `b.txt`.
struct Scene {
    root: PathBuf,
}

impl Scene {
    fn set(root: &Path) -> Scene {
        for part in ["ground", "quarantine", "kept", "outside"] {
            let _ = std::fs::remove_dir_all(root.join(part));
            std::fs::create_dir(root.join(part)).unwrap();
        }
        let scene = Scene { root: root.into() };
        std::fs::write(scene.target(0), content(BEFORE)).unwrap();
        std::fs::write(root.join("outside/secret"), content(SOMEBODYS)).unwrap();
        for effect in scene.effects() {
            let entry = scene.entry(effect.id());
            std::fs::create_dir(&entry).unwrap();
            let json = serde_json::to_vec(&effect).unwrap();
            std::fs::write(entry.join("effect.json"), json).unwrap();
            let at = usize::from(effect.id() == "q1");
            std::fs::write(entry.join("bytes"), content(SHOWN[at])).unwrap();
        }
        scene
    }

    fn target(&self, at: usize) -> PathBuf {
        self.root.join("ground").join(["a.txt", "b.txt"][at])
    }

    fn entry(&self, id: &str) -> PathBuf {
        self.root.join("quarantine").join(id)
    }

    fn effects(&self) -> [Effect; 2] {
        [0, 1].map(|at| {
            let path = self.target(at);
            let before = Digest::of(content(BEFORE));
            Effect {
                id: format!("q{at}"),
                call: "$1".into(),
                tool: "desk.copy".into(),
                name: path.display().to_string(),
                change: match at {
                    0 => Change::Replace { path, before },
                    _ => Change::Create { path },
                },
                digest: Digest::of(content(SHOWN[at])),
                bytes: LENGTH as u64,
                sources: BTreeSet::new(),
                ground: self.root.join("ground"),
                from_ground: None,
            }
        })
    }

    fn quarantine(&self) -> Quarantine {
        Quarantine::open(&self.root.join("quarantine")).unwrap()
    }

    fn shelf(&self) -> Shelf {
        Kept::at(&self.root.join("kept")).shelf("0011223344556677", 1)
    }

    /// Failures are the luck of whoever comes too late.
    fn does(&self, deed: Deed, at: usize) {
        let bytes = self.entry(["q0", "q1"][at]).join("bytes");
        let other = self.root.join("outside/other");
        let put_over = |letter: u8, target: &Path| {
            let _ = std::fs::write(&other, content(letter));
            let _ = std::fs::rename(&other, target);
        };
        match deed {
            Deed::Overwrites => drop(std::fs::write(&bytes, content(SLIPPED_IN))),
            Deed::Swaps => put_over(SLIPPED_IN, &bytes),
            Deed::Describes => {
                let mut effect = self.effects()[at].clone();
                effect.digest = Digest::of(content(SLIPPED_IN));
                let json = serde_json::to_vec(&effect).unwrap();
                drop(std::fs::write(bytes.with_file_name("effect.json"), json));
                drop(std::fs::write(&bytes, content(SLIPPED_IN)));
            }
            Deed::Edits => {
                let target = std::fs::OpenOptions::new().write(true).open(self.target(0));
                let _ = target.and_then(|mut file| file.write_all(&content(SOMEBODYS)));
            }
            Deed::Replaces => put_over(SOMEBODYS, &self.target(0)),
            Deed::Links => {
                let _ = std::os::unix::fs::symlink(self.root.join("outside/secret"), &other);
                let _ = std::fs::rename(&other, self.target(0));
            }
            Deed::Takes => {
                let target = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(self.target(1));
                let _ = target.and_then(|mut file| file.write_all(&content(SOMEBODYS)));
            }
        }
    }

    /// What is wrong about how things stand now.
    fn wrong(&self, released: bool) -> Option<String> {
        for item in std::fs::read_dir(self.root.join("ground")).unwrap() {
            let path = item.unwrap().path();
            if path.is_symlink() {
                continue;
            }
            let found = std::fs::read(&path).unwrap();
            let whole = |letter: &u8| found == content(*letter);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if ![SHOWN[0], SHOWN[1], BEFORE, SOMEBODYS].iter().any(whole) {
                return Some(format!("{name} holds what nobody was shown"));
            }
            if !released && SHOWN.iter().any(whole) {
                return Some(format!("{name} was released although the rest was not"));
            }
        }
        let secret = std::fs::read(self.root.join("outside/secret")).unwrap();
        (secret != content(SOMEBODYS)).then(|| "something was written outside".to_owned())
    }
}

/// How something releases what was agreed to: whether it says that it did.
type Releasing = fn(&Scene, &Effects) -> bool;

fn ours(scene: &Scene, effects: &Effects) -> bool {
    let mut write = |file: &mut File, bytes: &[u8]| file.write_all(bytes);
    let (quarantine, shelf) = (scene.quarantine(), scene.shelf());
    let done = perform(&quarantine, Some(&shelf), effects.list(), &mut write).is_ok();
    if done {
        let kept = std::fs::read(shelf_bytes(scene)).unwrap();
        assert!(kept == content(BEFORE), "something else was replaced");
    }
    done
}

fn shelf_bytes(scene: &Scene) -> PathBuf {
    scene.root.join("kept/1-0011223344556677/q0/bytes")
}

/// Everything is looked at, then everything is copied.
fn checked_then_copied(scene: &Scene, effects: &Effects) -> bool {
    let is =
        |path: &Path, digest: Digest| std::fs::read(path).is_ok_and(|b| Digest::of(b) == digest);
    let bytes = |effect: &Effect| scene.entry(effect.id()).join("bytes");
    let sound = effects.list().iter().all(|effect| {
        let standing = match effect.change() {
            Change::Replace { path, before } => is(path, *before),
            _ => !effect.path().exists(),
        };
        standing && is(&bytes(effect), effect.digest())
    });
    sound
        && effects
            .list()
            .iter()
            .all(|effect| std::fs::copy(bytes(effect), effect.path()).is_ok())
}

/// A number that looks random, the same each time (splitmix64).
fn lot(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What went wrong in so many tries, and how many were released and refused.
struct Tally {
    wrong: Vec<String>,
    released: u64,
    refused: u64,
}

fn race(releasing: Releasing, tries: u64) -> Tally {
    // Not on a disk, where each sync takes as long as a hundred tries; nothing here is about what a crash leaves.
    let shm = Path::new("/dev/shm");
    let temp = match shm.is_dir() {
        true => tempfile::tempdir_in(shm),
        false => tempfile::tempdir(),
    };
    let root = temp.as_ref().unwrap().path().canonicalize().unwrap();
    let mut tally = Tally {
        wrong: Vec::new(),
        released: 0,
        refused: 0,
    };
    let mut usual = Duration::ZERO;
    for n in 0..tries {
        let scene = Scene::set(&root);
        let effects = Effects::gather(scene.effects()).unwrap();
        let hash = effects.hash(); // as the question shows it
        let undisturbed = n < 10;
        let deed = DEEDS[usize::try_from(lot(n) % 7).unwrap()];
        let at = usize::try_from(lot(n + tries) % 2).unwrap();
        let wait = Duration::from_nanos(lot(n + 2 * tries) % (usual.as_nanos() as u64).max(1));
        let told = std::thread::scope(|scope| {
            let begun = Instant::now();
            if !undisturbed {
                let scene = &scene;
                scope.spawn(move || {
                    while begun.elapsed() < wait {
                        std::hint::spin_loop();
                    }
                    scene.does(deed, at);
                });
            }
            let consent = Consent {
                effects_hash: hash,
                by: Consenter::Person,
                answer: Answer::Allow,
            };
            let granted = effects.consent(consent).unwrap();
            let done = releasing(&scene, granted.effects());
            usual = usual.max(begun.elapsed()).min(match undisturbed {
                true => Duration::MAX,
                false => usual,
            });
            done
        });
        match told {
            true => tally.released += 1,
            false => tally.refused += 1,
        }
        let wrong = scene
            .wrong(told)
            .map(|wrong| format!("{deed:?} at {wait:?}: {wrong}"));
        tally.wrong.extend(wrong);
    }
    tally
}

/// 10^3, or as many as `CLOISTER_RACES` says (`make races`: 10^4).
fn tries() -> u64 {
    std::env::var("CLOISTER_RACES").map_or(1000, |text| text.parse().unwrap())
}

#[test]
fn no_byte_that_was_not_shown_is_released() {
    let Tally {
        wrong,
        released,
        refused,
    } = race(ours, tries());
    println!("{} tries: {released} released, {refused} refused", tries());
    assert_eq!(wrong, [""; 0]);
    assert!(
        released > 0 && refused > 0,
        "{released} released, {refused} refused: somebody always came too early or too late"
    );
}

#[test]
fn what_is_checked_first_and_copied_then_lets_other_bytes_out() {
    let wrong = race(checked_then_copied, 1000).wrong;
    assert!(
        wrong
            .iter()
            .any(|w| w.ends_with("holds what nobody was shown")),
        "{wrong:?}"
    );
}
