//! A call as `cloister policy test` reads it: its resources are absolute and normal.
#![no_main]

use std::path::Path;

use cloister_policies::{Call, normalise};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(call) = Call::from_json(bytes, Path::new("/home/anna/work")) else {
        return;
    };
    for resource in call.resources() {
        assert_eq!(
            normalise(&resource.path).as_deref(),
            Some(resource.path.as_path())
        );
    }
});
