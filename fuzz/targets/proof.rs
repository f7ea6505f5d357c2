//! A proof: nobody without the keys makes a sound one.
#![no_main]

use std::sync::LazyLock;

use cloister_attest::{Roots, verify_proof};

static ROOTS: LazyLock<Roots> =
    LazyLock::new(|| Roots::parse(include_bytes!("../../attest/testdata/roots.json")).unwrap());
const WRITTEN: [&[u8]; 2] = [
    include_bytes!("../../attest/testdata/ok-proof-entry.json"),
    include_bytes!("../../attest/testdata/ok-proof-extends.json"),
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(verify_proof(bytes, &ROOTS, None).exit_code() != 0 || WRITTEN.contains(&bytes));
});
