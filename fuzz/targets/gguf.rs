//! A model file: parsed, every tensor lies in it, and loaded as any model is. What loads makes what grammars need, and reads a few tokens.
#![no_main]

use cloister_models::{
    DeviceChoice, Engine, Gguf, ModelDigest, ModelError, ModelName, Pin, Session, Unwatched,
};

/// Bytes of weights and a session: more would measure the machine's memory.
const MOST: u64 = 1 << 28;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Gguf::parse(bytes) else {
        return;
    };
    for tensor in file.tensors() {
        assert!(tensor.range().end <= bytes.len());
    }
    let _ = file.str("general.architecture");
    let _ = file.strings("tokenizer.ggml.tokens").map(Iterator::count);
    let small = matches!(Engine::needs(&file, DeviceChoice::Threads(1)), Ok(Some(needs)) if needs.weights + needs.session < MOST);
    if small && let Ok(engine) = load(bytes) {
        let _ = engine.vocabulary().prepare();
        let tokens = engine.tokenizer().encode("a b");
        let _ = engine.session().and_then(|mut session: Session<'_>| {
            session.extend(&tokens, &mut Unwatched)?;
            session.logits().map(drop)
        });
    }
});

fn load(bytes: &[u8]) -> Result<Engine, ModelError> {
    let name = ModelName::parse("fuzzed")?;
    let pin = Pin::new(name, ModelDigest::of(bytes), bytes.len() as u64, None)?;
    Engine::load(&pin, &mut &bytes[..], DeviceChoice::Threads(1), &mut Unwatched)
}
