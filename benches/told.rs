//! How the benchmarks in Rust tell what they measured in turn with something else. Included by path: attest and tools share no crate.

use std::time::Duration;

/// Ascending.
pub(crate) fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The number that this part of the others lies below.
pub(crate) fn at_part(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * part) as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle one, in seconds.
pub(crate) fn median(times: &[Duration]) -> f64 {
    at_part(&sorted(times.iter().map(Duration::as_secs_f64)), 0.5)
}

/// How often the other's time ours was, pair by pair.
pub(crate) fn ratio(ours: &[Duration], others: &[Duration]) -> String {
    let pairs = ours.iter().zip(others);
    let ratios = sorted(pairs.map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()));
    let [quarter, median, rest] = [0.25, 0.5, 0.75].map(|part| at_part(&ratios, part));
    format!("ratio of pairs: median {median:.2}, middle half {quarter:.2} to {rest:.2}")
}
