//! Perplexity by llama-perplexity's method: the text in windows that do not overlap, each read from an empty cache and begun with the model's
//! first token; its second half is scored. Reads the text; writes the logits where they were asked for.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cloister_models::{Engine, ModelError, Session};

use super::super::Desk;
use super::Stoppable;
use crate::cli;
use crate::disk;
use crate::failure::Failure;

/// What begins a file of logits; `benches/README.md` has the format.
const MAGIC: &[u8; 8] = b"_logf32_";

/// What was found.
pub(super) struct Perplexity {
    pub(super) ppl: f64,
    /// Standard error of `ppl`.
    pub(super) error: f64,
    pub(super) windows: usize,
    pub(super) positions: usize,
}

/// Score the text.
pub(super) fn measure(
    engine: &Engine,
    text: &Path,
    options: &cli::Bench,
    desk: &Desk,
) -> Result<Perplexity, Failure> {
    let size = usize::try_from(options.ctx_size).unwrap_or(usize::MAX);
    if size > engine.context() {
        return Err(ModelError::ContextFull {
            tokens: size,
            context: engine.context(),
        }
        .into());
    }
    let windows = windows(engine, &disk::text(text)?, size, options.chunks)?;
    let mut scoring = Scoring {
        session: engine.session()?,
        watch: Stoppable(desk.screen.interrupt()),
        step: usize::try_from(options.step).unwrap_or(usize::MAX),
        dump: None,
        losses: Vec::new(),
    };
    if let Some(path) = &options.dump_logits {
        scoring.dump = Some(Dump::begin(path, &windows, engine.tokenizer().size())?);
    }
    let mut stage = desk.screen.stage("scoring");
    for (done, window) in windows.iter().enumerate() {
        stage.at(done as u64, windows.len() as u64, "windows");
        scoring.window(window)?;
    }
    if let Some(dump) = scoring.dump {
        dump.end()?;
    }
    Ok(Perplexity::of(&scoring.losses, windows.len()))
}

/// The text's whole windows, the first token of each replaced by the one that the model wants there.
fn windows(
    engine: &Engine,
    text: &str,
    size: usize,
    most: Option<usize>,
) -> Result<Vec<Vec<u32>>, Failure> {
    let tokenizer = engine.tokenizer();
    let text = text.strip_suffix('\n').unwrap_or(text); // as llama.cpp reads its prompts
    let tokens: Vec<u32> = tokenizer
        .bos()
        .into_iter()
        .chain(tokenizer.encode(text))
        .collect();
    if tokens.len() < size.saturating_mul(2) {
        return Err(Failure::failed(format!(
            "the text has {} tokens, which is less than two windows of `{size}`",
            tokens.len()
        ))
        .hint("take a longer text, or a smaller -c".to_owned()));
    }
    let mut windows: Vec<Vec<u32>> = tokens.chunks_exact(size).map(<[u32]>::to_vec).collect();
    windows.truncate(most.unwrap_or(usize::MAX).max(1));
    for window in &mut windows {
        if let (Some(first), Some(bos)) = (window.first_mut(), tokenizer.bos()) {
            *first = bos;
        }
    }
    Ok(windows)
}

struct Scoring<'e> {
    session: Session<'e>,
    watch: Stoppable<'e>,
    step: usize,
    dump: Option<Dump>,
    /// Minus the log-probability of each token scored.
    losses: Vec<f64>,
}

impl Scoring<'_> {
    fn window(&mut self, window: &[u32]) -> Result<(), Failure> {
        let first = window.len() / 2;
        let (context, scored) = window.split_at(first);
        let mut answers = scored.iter().skip(1);
        self.session.rewind(0);
        self.session.extend(context, &mut self.watch)?;
        // The last token is only an answer: what follows it is in no window.
        let read = scored.split_last().map_or(scored, |(_, rest)| rest);
        for step in read.chunks(self.step) {
            let (losses, dump) = (&mut self.losses, &mut self.dump);
            let show = |row: &[f32]| {
                losses.extend(answers.next().map(|answer| loss(row, *answer)));
                if let Some(dump) = dump {
                    dump.row(row);
                }
            };
            self.session.extend_shown(step, &mut self.watch, show)?;
        }
        Ok(())
    }
}

/// Minus the logarithm of the softmax at `answer`; infinite for a token that is not there.
fn loss(row: &[f32], answer: u32) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|l| f64::from(l - most).exp()).sum();
    let logit = usize::try_from(answer).ok().and_then(|i| row.get(i));
    logit.map_or(f64::INFINITY, |l| f64::from(most - l) + sum.ln())
}

impl Perplexity {
    fn of(losses: &[f64], windows: usize) -> Perplexity {
        let count = losses.len().max(1) as f64;
        let mean = losses.iter().sum::<f64>() / count;
        let square = losses.iter().map(|l| l * l).sum::<f64>() / count;
        let spread = (square - mean * mean).max(0.0) / (count - 1.0).max(1.0);
        Perplexity {
            ppl: mean.exp(),
            error: mean.exp() * spread.sqrt(),
            windows,
            positions: losses.len(),
        }
    }
}

/// The file of logits being written. A fault is kept until the end, since rows are shown in the midst of computing.
struct Dump {
    out: BufWriter<File>,
    path: PathBuf,
    width: usize,
    fault: Option<io::Error>,
}

impl Dump {
    fn begin(path: &Path, windows: &[Vec<u32>], width: usize) -> Result<Dump, Failure> {
        let file = File::create(path).map_err(|e| disk::failed("write", path, &e))?;
        let mut dump = Dump {
            out: BufWriter::new(file),
            path: path.to_owned(),
            width,
            fault: None,
        };
        let size = windows.first().map_or(0, Vec::len);
        let numbers = [size, width, windows.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        dump.write(MAGIC);
        for number in numbers.iter().chain(windows.iter().flatten()) {
            dump.write(&number.to_le_bytes());
        }
        Ok(dump)
    }

    /// Rows that a file pads beyond its vocabulary are cut to it.
    fn row(&mut self, row: &[f32]) {
        let row = row.get(..self.width).unwrap_or(row);
        let bytes: Vec<u8> = row.iter().flat_map(|logit| logit.to_le_bytes()).collect();
        self.write(&bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.fault = self.out.write_all(bytes).err();
        }
    }

    fn end(mut self) -> Result<(), Failure> {
        let fault = self.fault.or_else(|| self.out.flush().err());
        fault.map_or(Ok(()), |e| Err(disk::failed("write", &self.path, &e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_are_as_surprising_as_they_are_many() {
        let losses: Vec<f64> = (0..4).map(|t| loss(&[2.5; 8], t)).collect();
        let found = Perplexity::of(&losses, 1);
        assert!((found.ppl - 8.0).abs() < 1e-9);
        assert!(found.error < 1e-6);
    }

    #[test]
    fn a_likely_answer_costs_little_and_a_missing_one_everything() {
        assert!(loss(&[0.0, 30.0], 1) < 1e-9);
        assert!((loss(&[0.0, 30.0], 0) - 30.0).abs() < 1e-9);
        assert_eq!(loss(&[0.0], 1), f64::INFINITY);
    }

    #[test]
    fn the_error_is_that_of_the_mean() {
        // Losses 0 and 2: mean 1, variance 1, one degree of freedom: the error is e.
        let found = Perplexity::of(&[0.0, 2.0], 1);
        assert!((found.error - std::f64::consts::E).abs() < 1e-12);
    }
}
