//! The one error of this crate. Lower case, culprit in backticks; `hint` says what a person can do. Pure.

use crate::contents::Commitment;
use crate::digest::Digest;

/// What can go wrong when evidence is written, read or sealed.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// A text is not in its one notation.
    #[error("`{text}` is not a {what}")]
    Notation {
        /// What was expected, such as `digest`.
        what: &'static str,
        /// What was found.
        text: String,
    },
    /// A document is not canonical JSON with integers only (RFC 8785), or lacks or adds a field.
    #[error("{what} is not as written by us: {why}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// The first thing wrong with it.
        why: String,
    },
    /// A sealed document's last line is not a signature, or not the right one.
    #[error("the seal of the {purpose} does not hold: {why}")]
    Seal {
        /// The purpose under which it was to be opened.
        purpose: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The ledger on disk does not hold together.
    #[error("ledger file `{file}` was changed at byte {byte}: {what}")]
    Tampered {
        /// Which file of the ledger folder.
        file: String,
        /// Offset of the first bad entry or field, bytes.
        byte: u64,
        /// What is wrong there.
        what: String,
    },
    /// The TPM has counted anchors that the ledger does not have, or the ledger some that the TPM has not.
    #[error(
        "the ledger is not the newest: the TPM's counter stands at {counter}, the ledger's last anchor at {anchor}"
    )]
    RolledBack {
        /// What the TPM says now.
        counter: u64,
        /// What the last anchor says.
        anchor: u64,
    },
    /// The storage failed to append, sync, cut or replace. Nothing was recorded, so nothing may happen.
    #[error("the ledger could not be written: {0}")]
    Storage(#[source] std::io::Error),
    /// An earlier write failed; what is on disk is unknown until the ledger is resumed.
    #[error("the ledger takes no more entries: an earlier write failed")]
    Poisoned,
    /// An entry is longer than any reader accepts.
    #[error("an entry of {bytes} bytes is longer than the {limit} a ledger takes")]
    EntryTooLong {
        /// Its length, bytes.
        bytes: usize,
        /// The most there may be, bytes.
        limit: usize,
    },
    /// The session's time is over: nothing new may be started under it.
    #[error("the session ended at {not_after} (unix ms); `{kind}` at {now} is too late")]
    Expired {
        /// End of the session, unix milliseconds.
        not_after: u64,
        /// When it was tried, unix milliseconds.
        now: u64,
        /// Which entry was tried.
        kind: &'static str,
    },
    /// A statement, a quote and a key were given that do not belong together.
    #[error("the session's evidence does not fit: {0}")]
    Evidence(String),
    /// An entry of this kind is written by the ledger itself.
    #[error("`{kind}` entries are written by the ledger alone")]
    NotYours {
        /// The kind that was tried.
        kind: &'static str,
    },
    /// What a witness is asked to cosign does not go on from what it cosigned last.
    #[error("{size} entries of this ledger were cosigned last, {why}")]
    Parted {
        /// How many entries that note counts.
        size: u64,
        /// How they part.
        why: &'static str,
    },
    /// There is nothing to prove it with.
    #[error("{what} cannot be proven: {why}")]
    NotProven {
        /// What was to be proven.
        what: String,
        /// What is missing.
        why: String,
    },
    /// A content cannot be shown to be the one that an entry commits to.
    #[error("the content `{commitment}` {why}")]
    Content {
        /// What the entry has.
        commitment: Commitment,
        /// What is wrong with what is kept of it.
        why: &'static str,
    },
    /// Two digests should have been the same.
    #[error("{what} has digest `{got}`, expected `{want}`")]
    Mismatch {
        /// Of what.
        what: &'static str,
        /// What was pinned.
        want: Digest,
        /// What was found.
        got: Digest,
    },
}

impl AttestError {
    /// What the person can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Tampered { .. } => {
                "keep the folder as it is for the auditor, run `cloister-verify` on a copy, and start a new ledger folder"
            }
            Self::RolledBack { .. } => {
                "an older copy of the disk or another TPM is in use; keep the folder as it is for the auditor, and start a new ledger folder"
            }
            Self::Storage(_) | Self::Poisoned => "check free space and the disk, then start again",
            Self::Expired { .. } => {
                "start a new session, or ask for a longer `ttl_seconds` in the manifest"
            }
            Self::Seal { .. } => {
                "the file was edited after it was signed, or signed by another admin key; sign it again"
            }
            Self::Parted { .. } => {
                "bring a proof that goes on from the note that was cosigned last: `cloister audit proof NOTE`"
            }
            Self::Content { .. } => {
                "what the ledger says holds without it; bring the file back from a copy of the home's `contents`"
            }
            Self::EntryTooLong { .. } => "ask for less at once, fewer files for instance",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
