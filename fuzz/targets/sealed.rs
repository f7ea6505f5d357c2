//! A sealed document: nobody without the admin's key makes one.
#![no_main]

use std::sync::LazyLock;

use cloister_attest::{Purpose, Roots, unseal};

static ROOTS: LazyLock<Roots> =
    LazyLock::new(|| Roots::parse(include_bytes!("../../attest/testdata/roots.json")).unwrap());
const WRITTEN: &str = include_str!("../seeds/sealed/written");

libfuzzer_sys::fuzz_target!(|text: &str| {
    assert!(unseal(text, Purpose::ModelsLock, ROOTS.admin()).is_err() || text == WRITTEN);
});
