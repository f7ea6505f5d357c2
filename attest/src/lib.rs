//! What is written down, and how it is checked. Pure: bytes, storage and the time are passed in; `SPEC.md` comes before this code.
//!
//! A session is one [`Ledger`]: [`Ledger::resume`] reads what is there, [`Resumed::begin`] starts a session under a fresh key,
//! [`Ledger::record`] makes an entry durable before it hands its cargo on, [`Ledger::end`] closes with a signed checkpoint.
//! [`verify()`] is the other side: it trusts only [`Roots`].

mod anchor;
mod canon;
mod chain;
mod checkpoint;
mod compare;
mod contents;
mod digest;
mod entry;
mod error;
mod evidence;
pub mod hex;
mod keys;
mod ledger;
mod marks;
mod plain;
mod proof;
mod quote;
mod roots;
mod sealed;
mod storage;
mod tiles;
mod tree;
mod verify;
mod witness;

pub use anchor::{Anchor, CounterAnswer, counter_name};
pub use checkpoint::Checkpoint;
pub use compare::{Comparison, Kept, Parted, Side, compare};
pub use contents::{Commitment, Content, ContentHash, ContentsKey};
pub use digest::Digest;
pub use entry::Entry;
pub use entry::body::{
    Body, CallIntent, CallOutcome, Change, ChangeOp, Consent, ConsentAnswer, ConsentBy, Decision,
    DecisionKind, Discard, Effects, FileState, Interrupted, Note, Plan, Recovery, Refusal, Release,
    Released, Request, Resource, Rotate, SessionEnd, SessionStart, Shred, Step, Torn, Unended,
};
pub use error::AttestError;
pub use evidence::{
    Attestation, Binding, Challenge, Evidence, LedgerHead, SessionEvidence, SessionId, Statement,
    UnixMillis,
};
pub use keys::{AdminKey, AdminPublic, SessionKey, SessionPublic};
pub use ledger::{Closed, Ledger, Receipt, Recorded, Resumed};
pub use plain::plain;
pub use proof::{prove, prove_extends};
pub use quote::{PcrSelection, PcrValue, Quote, attestation_key_name};
pub use roots::{COUNTERS, EnrolledKey, Roots};
pub use sealed::{Purpose, seal, unseal, version_of, versioned};
pub use storage::{CHECKPOINT_FILE, ENTRIES_FILE, Files, Memory, Storage};
pub use tiles::{
    TILES_FOLDER, TILES_SCRATCH, checkpoint_key, earlier_folders, goes_on_from, tiles,
};
pub use verify::{
    Report, TileFolder, Verdict, verify, verify_answer, verify_evidence, verify_proof, verify_tiles,
};
pub use witness::{
    Cosigned, Request as WitnessRequest, UnixSeconds, Witness, WitnessKey, cosigned_name,
};

/// Bounds on what is written and read. A reader refuses what is beyond them, so a writer does too.
pub(crate) struct Limits {
    /// One entry's line, bytes. 1 MiB: a plan or an effects entry that names some five thousand files.
    pub(crate) line: usize,
    /// A checkpoint file, bytes. It is about 250; anything much longer is not ours.
    pub(crate) checkpoint: usize,
    /// An evidence file or `roots.json`, bytes. 1 MiB: about a thousand enrolled keys.
    pub(crate) document: usize,
    /// A proof, bytes. 8 MiB: three entries of the longest kind with each character escaped, or hand-overs of three weeks, and their paths.
    pub(crate) proof: usize,
    /// A witness's name, bytes. 64: a host's name or a person's.
    pub(crate) witness_name: usize,
    /// A challenge, bytes. Longer ones add nothing over a 32-byte hash; 64 is generous.
    pub(crate) challenge: usize,
    /// Entries that one key signs, its hand-over included. 256: what a stolen key can still rewrite stays small.
    pub(crate) epoch_entries: u64,
    /// Lines held until the signature of a later one is checked, bytes. 1 MiB: an epoch of usual lines, or one line of the longest kind.
    pub(crate) unvouched: usize,
    /// How long one key signs, milliseconds. Ten minutes, for sessions that write little.
    pub(crate) epoch_millis: u64,
    /// Places from one anchor to the last entry before the next. 1,024: what can be cut off unseen between them.
    pub(crate) anchor_entries: u64,
    /// The same in time, milliseconds. 15 minutes; a TPM's NV memory bears some 100,000 writes, and these are 35,000 in a year of work.
    pub(crate) anchor_millis: u64,
    /// Reasons listed in a report. More would not be read; the number of the rest is given.
    pub(crate) reasons: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    line: 1 << 20,
    checkpoint: 4096,
    document: 1 << 20,
    proof: 8 << 20,
    witness_name: 64,
    challenge: 64,
    epoch_entries: 256,
    unvouched: 1 << 20,
    epoch_millis: 600_000,
    anchor_entries: 1024,
    anchor_millis: 900_000,
    reasons: 16,
};
