//! The trust roots: what was read is written the same.
#![no_main]

use cloister_attest::Roots;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(roots) = Roots::parse(bytes) {
        let text = roots.to_json().unwrap();
        assert_eq!(
            Roots::parse(text.as_bytes()).unwrap().to_json().unwrap(),
            text
        );
    }
});
