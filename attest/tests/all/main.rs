//! The evidence room's tests from outside: what a writer writes, a reader reads, and a forger cannot.

mod corpora;
mod hostile;
mod kit;
mod quotes;
mod tamper;
mod vectors;
mod writer;
