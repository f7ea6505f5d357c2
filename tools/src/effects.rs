//! What would change on disk, bound to what a person agreed to. Pure: nothing here opens a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloister_attest::Digest;
use cloister_policies::{Answer, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::ToolError;
use crate::limits::BOUNDS;
use crate::names::{Lines, escape};

/// What happens to which path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    /// A new file.
    Create {
        /// Its absolute path.
        path: PathBuf,
    },
    /// Another content for a file.
    Replace {
        /// Its absolute path.
        path: PathBuf,
        /// The content it had when the call ran. If it has another at the release, that is refused.
        before: Digest,
    },
    /// Another place or name for a file.
    Move {
        /// Where it is.
        from: PathBuf,
        /// Where it would be.
        to: PathBuf,
    },
    /// The file goes. Made only to take back a new file.
    Delete {
        /// Its absolute path.
        path: PathBuf,
    },
}

/// One effect, its bytes waiting in quarantine under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub(crate) id: String,
    pub(crate) call: String,
    pub(crate) tool: String,
    pub(crate) name: String,
    pub(crate) change: Change,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
    pub(crate) sources: BTreeSet<String>,
    /// The granted folder that the target lies below.
    pub(crate) ground: PathBuf,
    /// The granted folder that a moved file lies below now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from_ground: Option<PathBuf>,
}

impl Effect {
    /// Its id in quarantine.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The step that made it: `$1`.
    pub fn call(&self) -> &str {
        &self.call
    }

    /// The function that made it: `sheet.summarize`.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The target's name as the person knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happens.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// The path that changes; of a move, where the file would be.
    pub fn path(&self) -> &Path {
        match &self.change {
            Change::Create { path }
            | Change::Replace { path, .. }
            | Change::Move { to: path, .. }
            | Change::Delete { path } => path,
        }
    }

    /// Digest of the content to be written, or of the file that is moved or goes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes that is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Files and tools that its content came from.
    pub fn sources(&self) -> &BTreeSet<String> {
        &self.sources
    }

    /// The [`Effects::hash`] that it would have alone. The ledger keeps it with each change, so that one of several can be known again later.
    pub fn hash(&self) -> Digest {
        hash(std::slice::from_ref(self))
    }

    pub(crate) fn is_move(&self) -> bool {
        matches!(self.change, Change::Move { .. })
    }

    /// Whether the name that is shown is the path that would be written: the same where it is absolute, otherwise its end. What waits in
    /// quarantine is a text file that may have been edited.
    pub(crate) fn named_truly(&self) -> bool {
        let path = self.path().to_string_lossy();
        if self.name.starts_with('/') {
            return path == self.name.as_str();
        }
        let plain = self.name.split('/').all(|p| !matches!(p, "" | "." | ".."));
        plain
            && path
                .strip_suffix(self.name.as_str())
                .is_some_and(|before| before.ends_with('/'))
    }

    /// The folder that the name is relative to, as an absolute path; nothing where the name is absolute itself.
    pub fn folder(&self) -> Option<String> {
        let path = self.path().to_string_lossy();
        let before = path.strip_suffix(self.name.as_str())?;
        let folder = before.strip_suffix('/')?;
        Some(if folder.is_empty() { "/" } else { folder }.to_owned())
    }

    /// What is agreed to, and hashed: all of it. Taken apart field by field, so that a new field cannot be forgotten here.
    fn terms(&self) -> serde_json::Value {
        let Effect {
            id,
            call,
            tool,
            name,
            change,
            digest,
            bytes,
            sources,
            ground,
            from_ground,
        } = self;
        let change = match change {
            Change::Create { path } => json!({"op": "create", "path": path}),
            Change::Replace { path, before } => {
                json!({"op": "replace", "path": path, "before": before})
            }
            Change::Move { from, to } => json!({"op": "move", "path": to, "from": from}),
            Change::Delete { path } => json!({"op": "delete", "path": path}),
        };
        json!({
            "id": id, "call": call, "tool": tool, "name": name, "change": change, "digest": digest, "bytes": bytes,
            "sources": sources, "ground": ground, "from_ground": from_ground,
        })
    }
}

/// Everything that a task would change, each path once. Not `Clone`: what was shown is what is released.
#[derive(Debug, PartialEq, Eq)]
pub struct Effects {
    effects: Vec<Effect>,
}

impl Effects {
    /// Gather the effects of a task's calls, in their order. Where two calls write one path, the later one counts, as it would have
    /// without quarantine; the earlier one stays behind in quarantine.
    ///
    /// # Errors
    /// [`ToolError::TooMany`]: a person could not read them.
    pub fn gather(effects: impl IntoIterator<Item = Effect>) -> Result<Effects, ToolError> {
        let by_path: BTreeMap<PathBuf, Effect> = effects
            .into_iter()
            .map(|e| (e.path().to_path_buf(), e))
            .collect();
        if by_path.len() > BOUNDS.effects {
            return Err(ToolError::TooMany {
                path: PathBuf::from("/"),
                what: "effects",
                limit: BOUNDS.effects,
            });
        }
        Ok(Effects {
            effects: by_path.into_values().collect(),
        })
    }

    /// Them, by path.
    pub fn list(&self) -> &[Effect] {
        &self.effects
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of what would change: every field of every [`Effect`], names and granted
    /// folders too.
    pub fn hash(&self) -> Digest {
        hash(&self.effects)
    }

    /// Let them go, if `consent` is a yes to exactly these by somebody. Otherwise they come back with the reason.
    ///
    /// There is no other way to a release:
    /// ```compile_fail,E0451
    /// fn without_consent(effects: cloister_tools::Effects) -> cloister_tools::Release {
    ///     cloister_tools::Release { effects, by: cloister_tools::Consenter::Person }
    /// }
    /// ```
    ///
    /// # Errors
    /// The effects and a [`Refusal`]: another hash, a no, silence, or a yes by nobody.
    pub fn consent(self, consent: Consent) -> Result<Release, (Effects, Refusal)> {
        let reason = match (consent.answer, &consent.by) {
            _ if consent.effects_hash != self.hash() => "the answer was given to other effects",
            (Answer::Decline, _) => "the person declined",
            (Answer::Unasked, _) | (Answer::Allow, Consenter::Nobody) => "there was nobody to ask",
            (
                Answer::Allow,
                Consenter::Person | Consenter::Policy { .. } | Consenter::Remembered { .. },
            ) => {
                return Ok(Release {
                    effects: self,
                    by: consent.by,
                });
            }
        };
        let what = match self.effects.as_slice() {
            [one] => format!("release of {}", escape(&one.name, Lines::Escape)),
            several => format!("release of {} files", several.len()),
        };
        Err((
            self,
            Refusal {
                what,
                rule: "builtin.consent".into(),
                reason: reason.into(),
            },
        ))
    }
}

fn hash(effects: &[Effect]) -> Digest {
    let terms: Vec<_> = effects.iter().map(Effect::terms).collect();
    // Canonical JSON fails on non-finite numbers only; there are none. The fallback is still a function of the same terms.
    let bytes = serde_json_canonicalizer::to_vec(&terms)
        .unwrap_or_else(|_| format!("{terms:?}").into_bytes());
    Digest::of(bytes)
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consenter {
    /// The person at the terminal.
    Person,
    /// A rule of the policy, unattended.
    Policy {
        /// Its name.
        rule: String,
    },
    /// The person, in an earlier session, for what is like this too.
    Remembered {
        /// What that answer is called.
        id: String,
    },
    /// Nobody was there.
    Nobody,
}

/// An answer, bound to what was shown by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// [`Effects::hash`] of what was shown.
    pub effects_hash: Digest,
    /// Who answered.
    pub by: Consenter,
    /// What they said.
    pub answer: Answer,
}

/// Leave to make effects real. Made only by [`Effects::consent`]; not `Clone`.
#[must_use]
#[derive(Debug)]
pub struct Release {
    effects: Effects,
    by: Consenter,
}

impl Release {
    /// What is let go.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Who said yes.
    pub fn by(&self) -> &Consenter {
        &self.by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(path: &str, content: &str) -> Effect {
        Effect {
            id: "q1".into(),
            call: "$1".into(),
            tool: "sheet.summarize".into(),
            name: path.into(),
            change: Change::Create { path: path.into() },
            digest: Digest::of(content),
            bytes: content.len() as u64,
            sources: BTreeSet::from(["a.xlsx".into()]),
            ground: "/g".into(),
            from_ground: None,
        }
    }

    fn answer(effects: &Effects, by: Consenter, answer: Answer) -> Consent {
        Consent {
            effects_hash: effects.hash(),
            by,
            answer,
        }
    }

    #[test]
    fn only_a_yes_by_somebody_to_these_very_effects_releases() {
        let make = || Effects::gather([effect("/g/a", "one")]).unwrap();
        let other = Effects::gather([effect("/g/a", "two")]).unwrap();
        let rule = || Consenter::Policy { rule: "r".into() };
        let earlier = || Consenter::Remembered { id: "c1".into() };
        for (by, said, passes) in [
            (Consenter::Person, Answer::Allow, true),
            (rule(), Answer::Allow, true),
            (earlier(), Answer::Allow, true),
            (earlier(), Answer::Decline, false),
            (Consenter::Nobody, Answer::Allow, false),
            (Consenter::Person, Answer::Decline, false),
            (Consenter::Person, Answer::Unasked, false),
        ] {
            let consent = answer(&make(), by.clone(), said);
            assert_eq!(make().consent(consent).is_ok(), passes, "{by:?} {said:?}");
            let elsewhere = answer(&other, by, said);
            let (back, refusal) = make().consent(elsewhere).unwrap_err();
            assert_eq!(back, make());
            assert_eq!(refusal.reason, "the answer was given to other effects");
        }
    }

    #[test]
    fn the_hash_covers_every_field() {
        let hash = |effect: Effect| {
            let alone = effect.hash();
            assert_eq!(Effects::gather([effect]).unwrap().hash(), alone);
            alone
        };
        let edits: [fn(&mut Effect); 12] = [
            |e| e.id = "q2".into(),
            |e| e.call = "$2".into(),
            |e| e.tool = "text.write".into(),
            |e| e.name = "harmless.txt".into(),
            |e| {
                e.change = Change::Create {
                    path: "/g/b".into(),
                };
            },
            |e| {
                e.change = Change::Replace {
                    path: "/g/a".into(),
                    before: Digest::of("old"),
                };
            },
            |e| {
                e.change = Change::Delete {
                    path: "/g/a".into(),
                };
            },
            |e| e.digest = Digest::of("two"),
            |e| e.bytes += 1,
            |e| _ = e.sources.insert("b.xlsx".into()),
            |e| e.ground = "/".into(),
            |e| e.from_ground = Some("/g".into()),
        ];
        let mut hashes = BTreeSet::from([hash(effect("/g/a", "one")).hex()]);
        for (at, edit) in edits.into_iter().enumerate() {
            let mut edited = effect("/g/a", "one");
            edit(&mut edited);
            assert!(hashes.insert(hash(edited).hex()), "edit {at}");
        }
    }

    #[test]
    fn a_name_is_the_path_or_its_end() {
        for (name, path, truly) in [
            ("/g/a/b.txt", "/g/a/b.txt", true),
            ("a/b.txt", "/g/a/b.txt", true),
            ("b.txt", "/g/a/b.txt", true),
            ("/a/b.txt", "/g/a/b.txt", false),
            (".txt", "/g/a/b.txt", false),
            ("c.txt", "/g/a/b.txt", false),
            ("", "/g/a/b.txt", false),
            ("../b.txt", "/g/../b.txt", false),
            ("/g/c.txt", "/g/a/../c.txt", false),
        ] {
            let mut named = effect(path, "x");
            named.name = name.into();
            assert_eq!(named.named_truly(), truly, "{name} {path}");
        }
    }

    #[test]
    fn a_refusal_names_the_one_file_or_counts_them() {
        let refused = |paths: &[&str]| {
            let effects = Effects::gather(paths.iter().map(|p| effect(p, "x"))).unwrap();
            let silence = answer(&effects, Consenter::Nobody, Answer::Unasked);
            effects.consent(silence).unwrap_err().1.to_string()
        };
        assert_eq!(
            refused(&["/g/a"]),
            "`release of /g/a` is refused: there was nobody to ask (builtin.consent)"
        );
        assert!(refused(&["/g/a", "/g/b"]).starts_with("`release of 2 files` is refused"));
        assert!(refused(&["/g/\u{1b}[2J"]).starts_with("`release of /g/\\u{1b}[2J` is"));
    }

    #[test]
    fn the_folder_and_the_name_are_the_path() {
        for (name, path, folder) in [
            ("a/b.txt", "/g/a/b.txt", Some("/g")),
            ("b.txt", "/g/a/b.txt", Some("/g/a")),
            ("b.txt", "/b.txt", Some("/")),
            ("/g/b.txt", "/g/b.txt", None),
        ] {
            let mut named = effect(path, "x");
            named.name = name.into();
            assert_eq!(named.folder().as_deref(), folder, "{name} {path}");
        }
    }

    #[test]
    fn a_later_write_to_the_same_path_counts() {
        let effects = Effects::gather([
            effect("/g/a", "one"),
            effect("/g/b", "x"),
            effect("/g/a", "two"),
        ])
        .unwrap();
        assert_eq!(
            effects
                .list()
                .iter()
                .map(|e| e.digest())
                .collect::<Vec<_>>(),
            [Digest::of("two"), Digest::of("x")]
        );
    }
}
