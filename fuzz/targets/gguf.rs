//! A model file: parsed, and every tensor's bytes asked for.
#![no_main]

use cloister_models::Gguf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = Gguf::parse(bytes) {
        for tensor in file.tensors() {
            assert_eq!(file.data(tensor).len(), tensor.range().len());
        }
        let _ = file.str("general.architecture");
        let _ = file.strings("tokenizer.ggml.tokens").map(Iterator::count);
    }
});
