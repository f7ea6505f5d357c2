//! Hundreds of files, each a sound one but for one lie: every one is refused, by the name of its fault, through the door that every model
//! takes. Made by a script, the same on every machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test"
)]

mod draft;
mod header;
mod shapes;
mod sound;
mod tensors;
mod tokens;
mod values;

use std::collections::HashSet;

use cloister_models::{
    DeviceChoice, Engine, Gguf, ModelDigest, ModelError, ModelName, Pin, Sampling, Unwatched,
};
use draft::Draft;

/// A file that must be refused, and what must be said of it, word for word.
pub(crate) struct Case {
    name: String,
    bytes: Vec<u8>,
    says: String,
}

pub(crate) fn case(name: impl Into<String>, bytes: Vec<u8>, says: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        bytes,
        says: says.into(),
    }
}

/// As `cloister models import` and then any command: read, pinned, loaded.
fn load(bytes: &[u8], device: DeviceChoice) -> Result<Engine, ModelError> {
    Gguf::parse(bytes)?;
    let name = ModelName::parse("malformed")?;
    let pin = Pin::new(name, ModelDigest::of(bytes), bytes.len() as u64, None)?;
    Engine::load(&pin, &mut &bytes[..], device, &mut Unwatched)
}

fn cases() -> Vec<Case> {
    let kinds = [
        header::cases(),
        values::cases(),
        tensors::cases(),
        shapes::cases(),
        tokens::cases(),
    ];
    kinds.into_iter().flatten().collect()
}

/// What is wrong with the answer to this case, if anything.
fn judge(case: &Case, device: DeviceChoice) -> Option<String> {
    let said = match load(&case.bytes, device) {
        Ok(_) => "nothing: it was loaded".to_owned(),
        Err(error) => error.to_string(),
    };
    let wrong = said != case.says;
    wrong.then(|| {
        format!(
            "{}\n    should say: {}\n    says: {said}",
            case.name, case.says
        )
    })
}

#[test]
fn every_malformed_file_is_refused_by_the_name_of_its_fault() {
    let cases = cases();
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let files: HashSet<&[u8]> = cases.iter().map(|case| case.bytes.as_slice()).collect();
    assert_eq!((names.len(), files.len()), (cases.len(), cases.len()));
    assert!(cases.len() >= 200, "only {} files", cases.len());
    for device in [DeviceChoice::Threads(1), DeviceChoice::Candle] {
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| judge(case, device))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {} on {device:?}:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
    }
}

fn sound() -> Vec<Draft> {
    let mut all = sound::ARCHITECTURES.map(sound::draft).to_vec();
    all.push(sound::sentencepiece());
    all
}

#[test]
fn the_files_they_are_made_from_load_and_write() {
    for draft in sound() {
        for device in [DeviceChoice::Threads(1), DeviceChoice::Candle] {
            let engine = load(&draft.bytes(), device).unwrap();
            engine.vocabulary().prepare().unwrap();
            let mut session = engine.session().unwrap();
            session.extend(&[1, 2, 3], &mut Unwatched).unwrap();
            let written = session
                .answer(4, Sampling::default(), &mut Unwatched)
                .unwrap();
            assert!(!written.tokens.is_empty());
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = sound::draft("gemma3").bytes();
    for len in 0..whole.len() {
        let said = Gguf::parse(&whole[..len]).unwrap_err().to_string();
        let named = said.contains(&format!("the file has {len}"))
            || said.contains(&format!("has {len} bytes and ends inside"));
        assert!(named, "{len}: {said}");
    }
}

/// What a number that is none does is not seen when a matrix is packed; it must be said when it is used.
#[test]
fn weights_that_are_no_numbers_choose_nothing() {
    let mut draft = sound::draft("llama");
    let data = &mut draft.tensor("blk.0.attn_v.weight").data;
    data.chunks_exact_mut(4)
        .for_each(|value| value.copy_from_slice(&f32::NAN.to_le_bytes()));
    let engine = load(&draft.bytes(), DeviceChoice::Threads(1)).unwrap();
    let mut session = engine.session().unwrap();
    session.extend(&[1, 2, 3], &mut Unwatched).unwrap();
    let said = session
        .answer(4, Sampling::default(), &mut Unwatched)
        .unwrap_err();
    assert!(matches!(said, ModelError::NoChoice { .. }), "{said}");
}

/// Refusing takes no more memory than the file: what a header claims is not believed before it is seen.
#[cfg(target_os = "linux")]
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test asks the system what it held"
)]
fn what_a_header_claims_takes_no_memory() {
    let peak = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmPeak:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let before = peak();
    for case in cases() {
        assert!(load(&case.bytes, DeviceChoice::Threads(1)).is_err());
    }
    // Address space: the cases themselves, threads' stacks and arenas. A single claim believed would be gigabytes.
    assert!(peak() - before < 1 << 20, "{} KiB more", peak() - before);
}
