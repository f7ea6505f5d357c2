//! The model that is measured: from a file that may be pinned nowhere, or the home's default; and how its kind is named.

use std::path::Path;
use std::time::{Duration, Instant};

use cloister_models::{Backend, DeviceChoice, Engine, Facts, ModelName, Pin, Sums, processors};

use super::super::Desk;
use crate::cli::{self, BenchEngine};
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::home::Home;

/// A model ready to run, and how it came to be.
pub(super) struct Model {
    pub(super) engine: Engine,
    pub(super) file: String,
    /// From the closed file to the first token's turn: read, hash, load.
    pub(super) load: Duration,
}

impl Model {
    /// What computes, as the rows name it, and on how many threads.
    pub(super) fn backend(&self) -> (String, usize) {
        match self.engine.backend() {
            Backend::Kernels { isa, threads } => (format!("kernels, {}", isa.name()), threads),
            Backend::Candle { .. } => ("candle".to_owned(), processors()),
        }
    }
}

/// candle makes its own pool, as large as the machine or `RAYON_NUM_THREADS`, so another number cannot be had.
fn device(options: &cli::Bench) -> Result<DeviceChoice, Failure> {
    match (options.engine, options.threads) {
        (BenchEngine::Kernels, None) => Ok(DeviceChoice::Cpu),
        (BenchEngine::Kernels, Some(threads)) => Ok(DeviceChoice::Threads(usize::from(threads))),
        (BenchEngine::Candle, None) => Ok(DeviceChoice::Candle),
        (BenchEngine::Candle, Some(threads)) if usize::from(threads) == processors() => {
            Ok(DeviceChoice::Candle)
        }
        (BenchEngine::Candle, Some(threads)) => Err(Failure::new(
            Kind::Usage,
            format!("candle chooses its threads itself, `{threads}` cannot be asked for"),
        )
        .hint("leave -t out".to_owned())),
    }
}

/// The named file, else the home's default model.
pub(super) fn load(options: &cli::Bench, home: &Home, desk: &Desk) -> Result<Model, Failure> {
    let device = device(options)?;
    let (pin, file) = match options.model.as_deref() {
        Some(file) => (pin_of(file, desk)?, file.to_owned()),
        None => {
            let pin = home.pin(None, home.roots()?.admin())?;
            let file = home.models().join(format!("{}.gguf", pin.name().as_str()));
            (pin, file)
        }
    };
    let started = Instant::now();
    let mut stage = desk.screen.stage("loading");
    let engine = Engine::load(&pin, &mut disk::open(&file)?, device, &mut stage)?;
    let load = started.elapsed();
    drop(stage);
    desk.screen.say(
        "model",
        format!("{}, sha256 {}", file.display(), engine.sha256()),
    );
    Ok(Model {
        engine,
        file: file.to_string_lossy().into_owned(),
        load,
    })
}

/// A pin for what the file holds now. It protects nothing; with it a file without a pin takes the same way as one that has one.
fn pin_of(file: &Path, desk: &Desk) -> Result<Pin, Failure> {
    let mut reader = disk::open(file)?;
    let total = reader.metadata().map(|m| m.len()).unwrap_or_default();
    let mut stage = desk.screen.stage("hashing");
    let sums = Sums::read(&mut reader, total, &mut stage)?;
    Ok(Pin::of(ModelName::parse("measured")?, &sums)?)
}

/// As llama.cpp describes a model: `qwen2 1.5B Q4_K - Medium`.
pub(super) fn kind(facts: &Facts) -> String {
    let size = facts.size_label.as_deref().unwrap_or("?B");
    let mix = facts.file_type.map_or("unknown", mix);
    format!("{} {size} {mix}", facts.architecture)
}

/// `general.file_type`, by llama.cpp's numbers and in its words.
fn mix(number: u32) -> &'static str {
    match number {
        0 => "all F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K - Medium",
        11 => "Q3_K - Small",
        12 => "Q3_K - Medium",
        13 => "Q3_K - Large",
        14 => "Q4_K - Small",
        15 => "Q4_K - Medium",
        16 => "Q5_K - Small",
        17 => "Q5_K - Medium",
        18 => "Q6_K",
        32 => "BF16",
        _ => "unknown",
    }
}
