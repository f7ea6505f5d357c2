//! An evidence file: nobody without the keys makes a sound one.
#![no_main]

use std::sync::LazyLock;

use cloister_attest::{Roots, verify_evidence};

static ROOTS: LazyLock<Roots> =
    LazyLock::new(|| Roots::parse(include_bytes!("../../attest/testdata/roots.json")).unwrap());
const WRITTEN: &[u8] = include_bytes!("../seeds/evidence/written");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(verify_evidence(bytes, &ROOTS, None).exit_code() != 0 || bytes == WRITTEN);
});
