//! Path patterns: a literal folder and, below it, globs matched one component at a time. Pure text; the disk is never asked.
//!
//! A pattern without wildcards covers the path itself and everything below it. Wildcards and folders do not reach hidden
//! names (`.ssh`, `.~lock.x#`) unless the pattern itself names a hidden component, as in a shell.
//! Every component is matched on its own: in globset a class such as `[!a]` matches `/` even with `literal_separator`.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{PolicyError, is_deceptive, shown};
use crate::limits::LIMITS;

/// `path` without `.` and doubled `/`; nothing where it is relative, has `..`, or a NUL in it.
///
/// `..` is refused, not resolved: what it means depends on links that only the disk knows.
#[must_use]
pub fn normalise(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    path.components()
        .map(|component| match component {
            Component::ParentDir | Component::Prefix(_) => None,
            other => Some(other),
        })
        .collect()
}

/// One path pattern of a manifest, absolute.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    base: PathBuf,
    rest: Vec<Part>,
    hidden: bool,
}

#[derive(Clone, Debug)]
enum Part {
    /// `**`: any number of components.
    Any,
    One(GlobMatcher),
}

impl Pattern {
    /// Reads a pattern; a relative one is relative to `folder`, which is taken literally.
    ///
    /// # Errors
    /// Where it is empty, has `..`, `~`, `\`, deceptive characters, braces around a `/`, or a glob that cannot be read;
    /// where `folder` is not absolute.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, PolicyError> {
        check(text)?;
        let mut base = if text.starts_with('/') {
            PathBuf::from("/")
        } else {
            normalise(folder).ok_or_else(|| PolicyError::BadPath {
                path: shown(&folder.to_string_lossy()),
            })?
        };
        let mut parts = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .peekable();
        while let Some(literal) = parts.next_if(|part| !is_glob(part)) {
            base.push(literal);
        }
        let written: Vec<&str> = parts.collect();
        let rest = written
            .iter()
            .map(|part| compile(part, text))
            .collect::<Result<Vec<_>, _>>()?;
        let hidden = written.iter().any(|part| part.starts_with('.'));
        let mut text = base.to_string_lossy().into_owned();
        for part in written {
            if !text.ends_with('/') {
                text.push('/');
            }
            text.push_str(part);
        }
        Ok(Self {
            text,
            base,
            rest,
            hidden,
        })
    }

    /// Whether this pattern covers `path`. Never a path with `..`, a relative one, or one outside [`base`](Self::base).
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let Some(path) = normalise(path) else {
            return false;
        };
        let Ok(below) = path.strip_prefix(&self.base) else {
            return false;
        };
        let names: Vec<&OsStr> = below.iter().collect();
        if !self.hidden
            && names
                .iter()
                .any(|name| name.as_encoded_bytes().starts_with(b"."))
        {
            return false;
        }
        self.rest.is_empty() || matches(&self.rest, &names)
    }

    /// The pattern, absolute, as shown to people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The longest folder (or the file) before the first wildcard: where a survey of the disk starts.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Whether the pattern is that one path and what lies below it, without wildcards.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.rest.is_empty()
    }
}

fn check(text: &str) -> Result<(), PolicyError> {
    let bad = |fault: &str, hint| {
        Err(PolicyError::BadPattern {
            pattern: shown(text),
            fault: fault.into(),
            hint,
        })
    };
    if text.is_empty() {
        return bad(
            "is empty",
            "write a folder, a file or a glob; `**/*` is everything below the manifest's folder",
        );
    }
    if text.len() > LIMITS.text {
        return bad(
            "is longer than a path can be",
            "no path has more than 4096 bytes",
        );
    }
    if text.chars().any(is_deceptive) {
        return bad(
            "has control or invisible characters",
            "write only characters that can be seen",
        );
    }
    if text.split('/').any(|part| part == "..") {
        return bad(
            "has a `..` component",
            "write the folder that you mean, absolute or below the manifest's folder",
        );
    }
    if text.starts_with('~') {
        return bad(
            "starts with `~`",
            "write the home folder out, for instance `/home/alice/Documents`",
        );
    }
    if text.contains('\\') {
        return bad(
            "has a `\\`",
            "write `/` between folders; a special character is taken literally in brackets, `[*]`",
        );
    }
    Ok(())
}

fn is_glob(part: &str) -> bool {
    part.contains(['*', '?', '[', ']', '{', '}'])
}

fn compile(part: &str, whole: &str) -> Result<Part, PolicyError> {
    if part == "**" {
        return Ok(Part::Any);
    }
    GlobBuilder::new(part)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map(|glob| Part::One(glob.compile_matcher()))
        .map_err(|error| PolicyError::BadPattern {
            pattern: shown(whole),
            fault: format!("cannot be read as a glob: {}", shown(&error.kind().to_string())),
            hint: "`*` is any name, `**` any folders, `?` one character, `{a,b}` one of two; braces do not reach across `/`",
        })
}

/// Glob matching over components: on a mismatch, the latest `**` takes one name more. Quadratic at worst.
fn matches(parts: &[Part], names: &[&OsStr]) -> bool {
    let (mut part, mut name) = (0_usize, 0_usize);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (parts.get(part), names.get(name)) {
            (Some(Part::Any), _) => {
                retry = Some((part, name));
                part = part.saturating_add(1);
                // A trailing `**` means what lies below, not the folder itself.
                if part == parts.len() {
                    return name < names.len();
                }
                continue;
            }
            (Some(Part::One(glob)), Some(text)) if glob.is_match(text) => {
                (part, name) = (part.saturating_add(1), name.saturating_add(1));
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match retry {
            Some((any, taken)) if taken < names.len() => {
                retry = Some((any, taken.saturating_add(1)));
                (part, name) = (any.saturating_add(1), taken.saturating_add(1));
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
