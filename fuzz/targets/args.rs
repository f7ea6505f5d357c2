//! Arguments of a plan: which files they want, and the sentence a person reads, are answered for any JSON.
#![no_main]

use std::sync::LazyLock;

use cloister_tools::Signature;

const WIT: &str = include_str!("../../tools/guests/sheet/wit/sheet.wit");
static SHEET: LazyLock<Vec<Signature>> = LazyLock::new(|| Signature::parse("sheet", WIT).unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(args) = serde_json::from_slice(bytes) else {
        return;
    };
    for signature in SHEET.iter() {
        let _ = signature.requests(&args);
        let deceives = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!signature.sentence(&args).contains(deceives));
    }
});
