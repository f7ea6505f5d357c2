//! The evidence room's tests from outside: what a writer writes, a reader reads, and a forger cannot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test's helpers fail as tests do"
)]

mod anchors;
mod compare;
mod corpora;
mod epochs;
mod forge;
mod forgeries;
mod hostile;
mod kit;
mod matrix;
mod proofs;
mod quotes;
mod said;
mod tamper;
mod tiles;
mod vectors;
mod vouching;
mod witness;
mod writer;
