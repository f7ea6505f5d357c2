//! What the person's words can point at under the grants: files to read, places to write, files to move. Looks nothing up on the disk.

use std::path::{Path, PathBuf};

use cloister_policies::{Grants, Op, normalise};

use crate::words::Words;

/// A granted file as the planner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) readable: bool,
    pub(crate) movable: bool,
}

/// The grants and the files they hold now, seen from the manifest's folder.
#[derive(Debug)]
pub(crate) struct Reach<'a> {
    folder: &'a Path,
    grants: &'a Grants,
    files: Vec<Known>,
    /// Where each of them lies. Every word of a request is held against all of them, for every tool.
    paths: Vec<Option<PathBuf>>,
}

impl<'a> Reach<'a> {
    pub(crate) fn new(folder: &'a Path, grants: &'a Grants, files: Vec<Known>) -> Reach<'a> {
        let paths = files.iter().map(|f| below(folder, &f.name)).collect();
        Reach {
            folder,
            grants,
            files,
            paths,
        }
    }

    pub(crate) fn grants(&self) -> &Grants {
        self.grants
    }

    pub(crate) fn readable(&self) -> impl Iterator<Item = &Known> {
        self.files.iter().filter(|f| f.readable)
    }

    /// The granted file that a word names: by its name, or by its last part where only one file has it.
    pub(crate) fn file(&self, typed: &str) -> Option<&Known> {
        let typed = typed.strip_prefix("./").unwrap_or(typed);
        let path = self.path(typed);
        let exact = self
            .files
            .iter()
            .zip(&self.paths)
            .find(|(f, lies)| f.name == typed || path.is_some() && **lies == path);
        exact.map(|(f, _)| f).or_else(|| {
            let last = |f: &&Known| {
                f.name
                    .rsplit('/')
                    .next()
                    .is_some_and(|n| n.eq_ignore_ascii_case(typed))
            };
            let mut same = self.files.iter().filter(last);
            same.next().filter(|_| same.next().is_none())
        })
    }

    /// The readable files that the request names, each once.
    pub(crate) fn named(&self, words: &Words) -> Vec<&Known> {
        let mut named = Vec::new();
        let files = words.paths().filter_map(|p| self.file(p));
        for file in files.filter(|f| f.readable) {
            if !named.contains(&file) {
                named.push(file);
            }
        }
        named
    }

    /// The name of a place to write that a word could name; a bare file name goes into the one writable folder. Whether the request wants
    /// anything written there is for [`places`](super::places) to say.
    pub(crate) fn place(&self, typed: &str) -> Option<String> {
        if self.covers(Op::Write, typed) {
            return Some(typed.strip_prefix("./").unwrap_or(typed).to_owned());
        }
        let folder = self
            .only_writable_folder()
            .filter(|_| !typed.contains('/'))?;
        Some(format!("{folder}/{typed}")).filter(|p| self.covers(Op::Write, p))
    }

    /// The one folder below which files may be created, as named from the manifest's folder.
    pub(crate) fn only_writable_folder(&self) -> Option<String> {
        let mut folders = self.grants.patterns(Op::Write).map(|p| p.base());
        let folder = folders.next().filter(|_| folders.next().is_none())?;
        let name = folder.strip_prefix(self.folder).unwrap_or(folder);
        Some(name.to_str()?.trim_end_matches('/').to_owned()).filter(|n| !n.is_empty())
    }

    /// Where a file would be moved to by a word: a new name beside it or elsewhere, or a folder that takes it in.
    pub(crate) fn target(&self, source: &Known, typed: &str) -> Option<String> {
        let bare = typed.trim_end_matches('/');
        let inside = format!("{bare}/{}", source.name.rsplit('/').next()?);
        let has_ending = Path::new(bare).extension().is_some();
        let candidates = if has_ending {
            [bare.to_owned(), inside]
        } else {
            [inside, bare.to_owned()]
        };
        candidates.into_iter().find(|c| {
            *c != source.name && (has_ending || c.contains('/')) && self.covers(Op::Move, c)
        })
    }

    /// Whether a missing file would have been readable here.
    pub(crate) fn would_read(&self, typed: &str) -> bool {
        self.covers(Op::Read, typed) || self.covers(Op::Move, typed)
    }

    /// Whether a file may be written or moved here, so that only reading it is missing.
    pub(crate) fn would_change(&self, typed: &str) -> bool {
        self.covers(Op::Write, typed) || self.file(typed).is_some()
    }

    fn covers(&self, op: Op, typed: &str) -> bool {
        self.path(typed).is_some_and(|p| self.grants.covers(op, &p))
    }

    fn path(&self, typed: &str) -> Option<PathBuf> {
        below(self.folder, typed)
    }
}

fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    normalise(&folder.join(name))
}
