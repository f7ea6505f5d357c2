//! A manifest: what is accepted stays what it is, and asks for absolute places only.
#![no_main]

use std::path::Path;

use cloister_policies::{Manifest, Scope};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes, Path::new("/home/anna/work")) else {
        return;
    };
    for capability in manifest.capabilities() {
        if let Scope::Paths(_, patterns) = capability.scope() {
            assert!(patterns.iter().all(|p| p.base().is_absolute()));
        }
    }
});
