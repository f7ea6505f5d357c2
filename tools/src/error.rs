//! Everything that can go wrong in this crate, in one enum, and what the person can do about it.

use std::path::PathBuf;

/// Why a catalogue, a survey, a call or a release did not work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A file could not be read, written or listed.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// The verb: read, write, list, …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel has no `openat2`, so nothing can be opened beneath a folder safely.
    #[error("this kernel cannot open `{}` beneath a folder (openat2)", path.display())]
    NoOpenat2 {
        /// What was to be opened.
        path: PathBuf,
    },
    /// A tool package's own files do not fit together.
    #[error("tool package `{tool}` is not sound: {reason}")]
    Package {
        /// The package's folder name.
        tool: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are not the pinned ones.
    #[error("`{tool}/{file}` is `{found}`, but tools.lock pins `{pinned}`")]
    PinMismatch {
        /// The tool.
        tool: String,
        /// Which file of its package.
        file: String,
        /// The pinned digest.
        pinned: String,
        /// The digest of the bytes found.
        found: String,
    },
    /// A package without a pin, or a pin without a package.
    #[error("tool `{tool}` {reason}")]
    Unpinned {
        /// The tool.
        tool: String,
        /// Which of the two.
        reason: &'static str,
    },
    /// `tools.lock` is not what it should be.
    #[error("tools.lock is not readable: {reason}")]
    Lock {
        /// What is wrong.
        reason: String,
    },
    /// The component and its WIT disagree, or it imports what no tool may have.
    #[error("tool `{tool}` was refused: {reason}")]
    Component {
        /// The tool.
        tool: String,
        /// What is wrong.
        reason: String,
    },
    /// No tool has this function.
    #[error("there is no tool function `{name}`")]
    NoFunction {
        /// The name that was asked for, escaped.
        name: String,
    },
    /// The arguments do not fit the function's type.
    #[error("argument `{at}` of `{function}`: {reason}")]
    Argument {
        /// The function.
        function: String,
        /// Where, for example `measures[0].operation`.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// A file name that the grants do not hold. Says nothing about whether it exists.
    #[error("`{name}` is not among the granted files")]
    NotGranted {
        /// The name, escaped.
        name: String,
    },
    /// A grant reaches into a folder that is never granted.
    #[error("`{}` is never granted: it holds cloister's own files", path.display())]
    Forbidden {
        /// The granted folder.
        path: PathBuf,
    },
    /// More files than a survey lists.
    #[error("the grants hold more than {limit} {what} below `{}`", path.display())]
    TooMany {
        /// The folder being listed.
        path: PathBuf,
        /// Files or levels.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// The target is not as it was when the person looked.
    #[error("`{}` changed since it was shown", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file of an earlier release stands where a new content would be staged.
    #[error("`{}` is left over from a release that was cut off", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
    },
    /// A link, device, or file with several names where a plain file is needed.
    #[error("`{}` is not a plain file: {reason}", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// What waits in quarantine does not agree with itself: other bytes than its digest says, or a name that is not its path.
    #[error("quarantined `{id}` was changed: its {what} `{found}` does not fit `{expected}`")]
    QuarantineTampered {
        /// The id.
        id: String,
        /// What disagrees: content or name.
        what: &'static str,
        /// The digest in the effect, or its path, escaped.
        expected: String,
        /// The digest of the bytes now, or the name shown, escaped.
        found: String,
    },
    /// Nothing waits under this id.
    #[error("nothing waits in quarantine under `{id}`")]
    NotQuarantined {
        /// The id, escaped.
        id: String,
    },
}

impl ToolError {
    /// Whether this is a broken pin or a changed byte: exit code 4.
    pub fn is_integrity(&self) -> bool {
        matches!(
            self,
            ToolError::PinMismatch { .. }
                | ToolError::Unpinned { .. }
                | ToolError::QuarantineTampered { .. }
                | ToolError::Component { .. }
        )
    }

    /// What the person can do, where they can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            ToolError::PinMismatch { tool, .. } => Some(format!(
                "reinstall `{tool}` from a trusted copy, or pin it anew with `cloister tools add`"
            )),
            ToolError::Unpinned { .. } => {
                Some("run `cloister tools verify` to see every package and its pin".into())
            }
            ToolError::NotGranted { .. } => Some(
                "name it in the manifest's `file:read`, `file:write` or `file:move` paths".into(),
            ),
            ToolError::Changed { .. } => {
                Some("run the request again to see the change against the file as it is now".into())
            }
            ToolError::Leftover { .. } => Some(
                "it may hold your file as it was before: look at it, move it away, and release again"
                    .into(),
            ),
            ToolError::Forbidden { .. } => {
                Some("narrow the manifest's paths so that they leave this folder out".into())
            }
            ToolError::QuarantineTampered { id, .. } => Some(format!(
                "throw it away with `cloister quarantine discard {id}`, and run the request again"
            )),
            ToolError::TooMany { .. } => Some("narrow the manifest's paths".into()),
            ToolError::NoOpenat2 { .. } => Some("linux 5.6 or newer is needed".into()),
            _ => None,
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> ToolError {
        let path = path.to_path_buf();
        move |source| ToolError::Io {
            doing,
            path,
            source,
        }
    }
}
