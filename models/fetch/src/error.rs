//! What can go wrong, in one enum; each with its exit code and, where the person can act, a hint.

use std::path::PathBuf;

use crate::request::Sha256Hex;

/// Why the file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the hub does not have {what} (`{url}` answers {status})")]
    Missing {
        what: String,
        url: String,
        status: u16,
    },
    #[error("the hub does not let us read `{url}` (it answers {status})")]
    Denied { url: String, status: u16 },
    #[error("the hub answers `{url}` with {status}, which is of no use here")]
    Answer { url: String, status: u16 },
    #[error("the connection failed {attempts} times without a further byte, at byte {have}: {why}")]
    Cut {
        attempts: u32,
        have: u64,
        why: String,
    },
    #[error("`{}` has SHA-256 {got}, you asked for {want}", path.display())]
    WrongHash {
        path: PathBuf,
        got: Sha256Hex,
        want: Sha256Hex,
        kept: Kept,
    },
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error("another fetch is writing `{}`", path.display())]
    Busy { path: PathBuf },
    #[error("`{}`: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the hub's address cannot be used: {why}")]
    Hub { why: String },
}

/// What became of bytes with the wrong hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They were just fetched, and thrown away.
    Removed,
    /// They had the file's name before, and still have.
    InPlace,
}

impl FetchError {
    /// 4: the bytes are not those that were asked for; 1: everything else. Wrong usage (2) does not come here.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::WrongHash { .. } => 4,
            _ => 1,
        }
    }

    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { .. } => {
                "check ORG/REPO@REV and FILE against the repository's page; a branch may have been renamed"
            }
            Self::Denied { .. } => {
                "the name may be wrong, or the repository asks for a token: set HF_TOKEN"
            }
            Self::Answer { .. } => "try again later",
            Self::Cut { .. } => "run the same command again: it goes on where it stopped",
            Self::WrongHash {
                kept: Kept::Removed,
                ..
            } => {
                "the bytes were thrown away; take the hash from a place you trust, and pin REV to a commit"
            }
            Self::WrongHash {
                kept: Kept::InPlace,
                ..
            } => "the file was there before and was left alone; move it away to fetch it anew",
            Self::Busy { .. } => "wait until it is done",
            Self::Hub { .. } => "HF_ENDPOINT should be like https://huggingface.co",
            Self::TooLarge { .. } | Self::File { .. } => return None,
        })
    }
}
