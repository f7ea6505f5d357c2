//! A tool's WIT: what is accepted has a schema.
#![no_main]

use cloister_tools::Signature;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for signature in Signature::parse("sheet", text).unwrap_or_default() {
        let _ = signature.json_schema();
    }
});
