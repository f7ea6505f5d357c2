//! Answers of a person that are remembered: `consent/ID.json` in the home. What one covers is said in full and compared in full, so that none widens by
//! itself: of another manifest, policy, model, set of tools, tool or folder it says nothing. The ledger, which is verified first, has to have the same words
//! and nothing since that takes them back; whoever edits or brings back a file has no answer.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cloister_attest::{Body, Digest, Entry};
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Change, Effects};
use serde::{Deserialize, Serialize};

use crate::counted::counted;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;

/// A remembered answer, bytes: some digests and the folders of one task.
const BYTES: u64 = 64 << 10;
/// A day, milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
/// How a note about an answer that was given begins; the answer follows.
const GIVEN: &str = "remember ";
/// What notes of the ledger about answers are about.
pub(crate) const ABOUT: &str = "consent";

/// New files of this agent, made by this tool, in these folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    pub(crate) agent: String,
    pub(crate) manifest: Digest,
    pub(crate) policy: Digest,
    /// The one that planned, so that another is asked about anew.
    pub(crate) model: Digest,
    /// All that are pinned, so that a tool that was changed is asked about anew.
    pub(crate) tools: Digest,
    pub(crate) tool: String,
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// An answer that holds for a scope from when it was given, for so many days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remembered {
    pub(crate) scope: Scope,
    /// Milliseconds since 1970.
    pub(crate) given: u64,
    pub(crate) days: u64,
}

impl Scope {
    /// The folders of these effects, if each of them makes a new file. Nothing else is ever remembered.
    pub(crate) fn folders(effects: &Effects) -> Option<BTreeSet<PathBuf>> {
        let folder = |effect: &cloister_tools::Effect| match effect.change() {
            Change::Create { path } => path.parent().map(Path::to_owned),
            Change::Replace { .. } | Change::Move { .. } | Change::Delete { .. } => None,
        };
        effects.list().iter().map(folder).collect()
    }

    /// Whether it holds for all that `other` is about.
    fn covers(&self, other: &Scope) -> bool {
        let Scope {
            agent,
            manifest,
            policy,
            model,
            tools,
            tool,
            folders,
        } = other;
        (agent, manifest, policy, model, tools, tool)
            == (
                &self.agent,
                &self.manifest,
                &self.policy,
                &self.model,
                &self.tools,
                &self.tool,
            )
            && folders.is_subset(&self.folders)
    }

    /// In a sentence, for the person.
    pub(crate) fn sentence(&self) -> String {
        let folders: Vec<String> = self
            .folders
            .iter()
            .map(|folder| format!("`{}`", escape(&folder.to_string_lossy(), Lines::Escape)))
            .collect();
        format!(
            "`{}` may make new files in {} with `{}`",
            escape(&self.agent, Lines::Escape),
            folders.join(", "),
            escape(&self.tool, Lines::Escape)
        )
    }
}

impl Remembered {
    /// The document, in one line.
    fn text(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(Failure::failed)
    }

    /// What it is called: a name made of its words.
    pub(crate) fn id(&self) -> Result<String, Failure> {
        Ok(name_of(&self.text()?))
    }

    /// The note by which the ledger remembers it.
    pub(crate) fn note(&self) -> Result<String, Failure> {
        Ok(format!("{GIVEN}{}", self.text()?))
    }

    /// The end, where no answer holds longer than `days`.
    pub(crate) fn until(&self, days: u64) -> u64 {
        let lasts = self.days.min(days).saturating_mul(DAY);
        self.given.saturating_add(lasts)
    }

    fn stands(&self, now: u64, days: u64) -> bool {
        self.given <= now && now < self.until(days)
    }

    /// What becomes of it, for the person who is about to give it.
    pub(crate) fn offer(&self) -> String {
        format!(
            "For {} {} without this question, while manifest, policy, model and tools stay as they are. Nothing is replaced, moved or deleted so, and what is \
             unusual is asked about all the same.\nAnswer `remember` to release this and have it so; `cloister consent list` and `revoke` name it and end it.",
            counted(self.days, "day"),
            self.scope.sentence()
        )
    }
}

/// The note by which the ledger forgets one.
pub(crate) fn revoking(id: &str) -> String {
    format!("revoke {id}")
}

fn name_of(text: &str) -> String {
    let hex = Digest::of(text).hex();
    format!("c{}", hex.get(..10).unwrap_or_default())
}

/// The folder of a home in which answers lie.
#[derive(Debug)]
pub(crate) struct Memory {
    dir: PathBuf,
}

impl Memory {
    pub(crate) fn of(home: &Home) -> Memory {
        Memory {
            dir: home.consent(),
        }
    }

    /// Put an answer there, once the ledger has it.
    pub(crate) fn keep(&self, answer: &Remembered) -> Result<(), Failure> {
        disk::folder(&self.dir)?;
        disk::replace(&self.file(&answer.id()?), answer.text()?.as_bytes())
    }

    /// Every answer that lies there and has its own name; the ledger has the last word on each.
    pub(crate) fn all(&self) -> Result<Vec<(String, Remembered)>, Failure> {
        let listed = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| disk::failed("list", &self.dir, &e))?,
        };
        let mut all: Vec<(String, Remembered)> = listed
            .filter_map(Result::ok)
            .filter_map(|item| read(&item.path()))
            .collect();
        all.sort_by(|one, next| (one.1.given, &one.0).cmp(&(next.1.given, &next.0)));
        Ok(all)
    }

    /// The name of an answer that covers `scope` now, if `recorded`, what the ledger says of answers, has it too.
    pub(crate) fn standing(
        &self,
        scope: &Scope,
        now: u64,
        days: u64,
        recorded: impl FnOnce() -> Result<Notes, Failure>,
    ) -> Result<Option<String>, Failure> {
        let mut all = self.all()?;
        all.retain(|(_, answer)| answer.scope.covers(scope) && answer.stands(now, days));
        if all.is_empty() {
            return Ok(None);
        }
        let said = recorded()?;
        for (id, answer) in all {
            if said.stands(&id) == Some(answer.text()?) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Take it away; whether it was there.
    pub(crate) fn forget(&self, id: &str) -> Result<bool, Failure> {
        let file = self.file(id);
        match std::fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(disk::failed("remove", &file, &error)),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

/// Whether a text could be what an answer is called.
pub(crate) fn is_name(id: &str) -> bool {
    let hex = id.strip_prefix('c').unwrap_or_default();
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    hex.len() == 10 && hex.bytes().all(digit)
}

/// What a ledger says of answers, oldest first, as far as its last session goes by it.
#[derive(Debug)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    /// What stands in `entries`. Where the last session is attested, an answer counts only if the session in which it was given is as well:
    /// whoever holds the disk can write sessions of their own there, but none that a TPM vouches for. What takes an answer back always counts.
    /// `attests` says it of a session, by the number of its first entry.
    pub(crate) fn of(entries: Vec<Entry>, attests: impl Fn(u64) -> bool) -> Notes {
        let begins = |entry: &Entry| matches!(entry.body, Body::SessionStart(_));
        let last = entries.iter().rfind(|entry| begins(entry));
        let wanted = last.is_some_and(|first| attests(first.seq));
        let mut attested = false;
        let mut notes = Vec::new();
        for entry in entries {
            if begins(&entry) {
                attested = attests(entry.seq);
            }
            let Body::Note(note) = entry.body else {
                continue;
            };
            let counts = attested || !wanted || !note.text.starts_with(GIVEN);
            if note.about == ABOUT && counts {
                notes.push(note.text);
            }
        }
        Notes(notes)
    }

    /// The document of the answer of this name, if it was given and nothing after it takes it back.
    pub(crate) fn stands(&self, id: &str) -> Option<String> {
        let taken = revoking(id);
        let about = |text: &&String| {
            **text == taken
                || text
                    .strip_prefix(GIVEN)
                    .is_some_and(|document| name_of(document) == id)
        };
        let last = self.0.iter().rfind(about)?;
        last.strip_prefix(GIVEN).map(str::to_owned)
    }
}

/// An answer by its own name, in a plain file that nobody else may write or read.
fn read(path: &Path) -> Option<(String, Remembered)> {
    let id = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).ok()?)
        .open(path)
        .ok()?;
    let about = file.metadata().ok()?;
    let own = about.uid() == rustix::process::getuid().as_raw() && about.mode() & 0o077 == 0;
    if !is_name(id) || !about.is_file() || !own {
        return None;
    }
    let mut text = String::new();
    file.take(BYTES).read_to_string(&mut text).ok()?;
    let answer: Remembered = serde_json::from_str(&text).ok()?;
    (name_of(&text) == id && answer.text().ok()? == text).then(|| (id.to_owned(), answer))
}

#[cfg(test)]
mod tests;
