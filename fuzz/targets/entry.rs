//! One line of the ledger: there is one way to write what was read.
#![no_main]

use cloister_attest::Entry;

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    let _ = Entry::parse(line);
});
