//! A test's figures as a row: llama-bench's Markdown columns and JSON field names, then our own. Pure but for the clock's date.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::machine;
use super::measure::{Samples, Test};
use super::model::{Model, kind};
use super::sweep::Sweep;
use crate::clock;
use crate::failure::Failure;

/// One row. Of llama-bench's fields those are left out that name an option which does not exist here (`n_batch`, `type_k`, `poll`, …).
#[derive(Debug, Serialize)]
pub(super) struct Row {
    build_commit: &'static str,
    build_number: u32,
    cpu_info: String,
    gpu_info: &'static str,
    backends: &'static str,
    model_filename: String,
    model_type: String,
    model_size: u64,
    model_n_params: u64,
    n_threads: usize,
    n_gpu_layers: u32,
    n_prompt: usize,
    n_gen: usize,
    n_depth: usize,
    test_time: String,
    avg_ns: u64,
    stddev_ns: u64,
    avg_ts: f64,
    stddev_ts: f64,
    samples_ns: Vec<u64>,
    samples_ts: Vec<f64>,
    // Ours from here on.
    /// As the table names it: `tg128 @ d4096`.
    test: String,
    engine: String,
    model_sha256: String,
    /// Read, hash, load: until a session can begin, milliseconds.
    load_ms: f64,
    /// The most this process has held so far, with the sweep's buffer where there is one.
    peak_rss_bytes: u64,
    /// What one token reads of the weights.
    token_bytes: u64,
    /// The median sweep of this test; null without `--sweep`.
    sweep_bytes_per_second: Option<f64>,
    /// Weights read a second, by the median, in per cent of the sweep; null but for generation with `--sweep`.
    bandwidth_percent: Option<f64>,
}

impl Row {
    pub(super) fn new(model: &Model, test: Test, samples: &Samples) -> Row {
        let (engine, n_threads) = model.backend();
        let facts = model.engine.facts();
        let nanoseconds: Vec<f64> = samples.times.iter().map(|t| t.as_nanos() as f64).collect();
        let rate = |ns: &f64| 1e9 * test.tokens() as f64 / ns;
        let rates: Vec<f64> = nanoseconds.iter().map(rate).collect();
        let (n_prompt, n_gen) = match test {
            Test::Prompt { tokens, .. } => (tokens, 0),
            Test::Generation { tokens, .. } => (0, tokens),
        };
        let sweep = median(&samples.bandwidths);
        let read = median(&rates).map(|rate| rate * facts.token_bytes as f64);
        let part = sweep.zip(read).map(|(sweep, read)| 100.0 * read / sweep);
        Row {
            build_commit: env!("CARGO_PKG_VERSION"),
            build_number: 0,
            cpu_info: machine::cpu(),
            gpu_info: "",
            backends: "CPU",
            model_filename: model.file.clone(),
            model_type: kind(facts),
            model_size: facts.bytes,
            model_n_params: facts.elements,
            n_threads,
            n_gpu_layers: 0,
            n_prompt,
            n_gen,
            n_depth: test.depth(),
            test_time: date(clock::millis()),
            avg_ns: mean(&nanoseconds) as u64,
            stddev_ns: deviation(&nanoseconds) as u64,
            avg_ts: mean(&rates),
            stddev_ts: deviation(&rates),
            samples_ns: nanoseconds.iter().map(|ns| *ns as u64).collect(),
            samples_ts: rates,
            test: test.to_string(),
            engine,
            model_sha256: model.engine.sha256().to_string(),
            load_ms: model.load.as_secs_f64() * 1e3,
            peak_rss_bytes: machine::peak_memory(),
            token_bytes: facts.token_bytes,
            sweep_bytes_per_second: sweep,
            bandwidth_percent: part.filter(|_| n_gen > 0),
        }
    }

    /// As an element of the JSON list.
    pub(super) fn fields(&self) -> Result<Value, Failure> {
        serde_json::to_value(self).map_err(Failure::failed)
    }

    /// As a line of the table.
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "| {:<30} | {:>10} | {:>10} | {:<10} | {:>7} | {:>15} | {:>20} |",
            self.model_type,
            binary(self.model_size),
            decimal(self.model_n_params),
            self.backends,
            self.n_threads,
            self.test,
            format!("{:.2} ± {:.2}", self.avg_ts, self.stddev_ts)
        );
        if self.sweep_bytes_per_second.is_some() {
            let part = self.bandwidth_percent.map(|part| format!("{part:.1}"));
            line.push_str(&format!(" {:>5} |", part.unwrap_or_default()));
        }
        line
    }
}

/// The table's two first lines.
pub(super) fn header(sweep: Option<&Sweep>) -> String {
    let mut names = format!(
        "| {:<30} | {:>10} | {:>10} | {:<10} | {:>7} | {:>15} | {:>20} |",
        "model", "size", "params", "backend", "threads", "test", "t/s"
    );
    let mut rule = format!(
        "| {}- | {}: | {}: | {}- | {}: | {}: | {}: |",
        "-".repeat(29),
        "-".repeat(9),
        "-".repeat(9),
        "-".repeat(9),
        "-".repeat(6),
        "-".repeat(14),
        "-".repeat(19)
    );
    if sweep.is_some() {
        names.push_str(&format!(" {:>5} |", "% bw"));
        rule.push_str(" ----: |");
    }
    format!("{names}\n{rule}")
}

/// The table's last line.
pub(super) fn footer(engine: &str) -> String {
    format!("\nbuild: {} ({engine})", env!("CARGO_PKG_VERSION"))
}

fn binary(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.2} MiB")
    } else {
        format!("{:.2} GiB", mib / 1024.0)
    }
}

fn decimal(count: u64) -> String {
    let millions = count as f64 / 1e6;
    if millions < 1000.0 {
        format!("{millions:.2} M")
    } else {
        format!("{:.2} B", millions / 1000.0)
    }
}

/// RFC 3339, to the second.
fn date(millis: u64) -> String {
    let second = i64::try_from(millis / 1000).unwrap_or_default();
    Timestamp::from_second(second).map_or_else(|_| String::new(), |time| time.to_string())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The deviation of a sample; 0 for a single one, as llama-bench has it.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_is_that_of_a_sample() {
        assert!((deviation(&[1.0, 2.0, 3.0, 4.0]) - 1.290_994_448_735_805_6).abs() < 1e-12);
        assert_eq!(deviation(&[7.0]), 0.0);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn sizes_are_written_as_llama_bench_writes_them() {
        assert_eq!(binary(96_600_000), "92.12 MiB");
        assert_eq!(binary(1 << 30), "1.00 GiB");
        assert_eq!(decimal(494_030_000), "494.03 M");
        assert_eq!(decimal(1_540_000_000), "1.54 B");
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn header_and_rule_have_the_same_columns() {
        for sweep in [None, Some(Sweep::new(8, 1))] {
            let header = header(sweep.as_ref());
            let widths: Vec<usize> = header.lines().map(|line| line.chars().count()).collect();
            assert_eq!(widths.first(), widths.last());
            assert_eq!(widths.len(), 2);
        }
    }
}
