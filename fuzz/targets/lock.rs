//! `models.lock`.
#![no_main]

use cloister_models::Lock;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Lock::parse(text);
});
