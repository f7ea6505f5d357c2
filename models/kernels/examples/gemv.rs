//! One column times a stream of weights larger than any cache, for each format, beside a plain read of the same bytes in turn; then
//! many columns. `cargo run --release -p cloister-kernels --example gemv [THREADS]`. Median of nine.

use std::time::Instant;

use cloister_kernels::{Format, Isa, Linear, Matrix, Team};

/// Weights of one stream, in bytes: ten times a large last-level cache.
const STREAM: usize = 300 << 20;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The same matrix many times over, so that no cache holds them all.
struct Stream {
    linears: Vec<Linear>,
    rows: usize,
    columns: usize,
    input: Vec<f32>,
    out: Vec<f32>,
}

/// Columns of the many-column figure.
const MANY: usize = 256;

impl Stream {
    fn new(format: Format, rows: usize, columns: usize) -> Self {
        let (block, size) = format.block();
        let data: Vec<u8> = (0..rows * columns / block * size)
            .map(|at| (at * 37 % 251) as u8 & 0x7B)
            .collect();
        let pack = || Matrix::pack(format, rows, columns, &data).ok();
        let count = pack().map_or(0, |matrix| STREAM / matrix.bytes());
        let linears = (0..count).filter_map(|_| pack());
        Self {
            linears: linears
                .map(|matrix| Linear { matrix, bias: None })
                .collect(),
            rows,
            columns,
            input: vec![0.5; columns * MANY],
            out: vec![0.0; rows * MANY],
        }
    }

    fn bytes(&self) -> usize {
        self.linears
            .iter()
            .map(|linear| linear.matrix.bytes())
            .sum()
    }

    /// Seconds that the first `count` matrices take with `batch` columns.
    fn run(&mut self, team: &mut Team, batch: usize, count: usize) -> f64 {
        let input = &self.input[..batch * self.columns];
        let out = &mut self.out[..batch * self.rows];
        time(|| {
            for linear in &self.linears[..count] {
                team.project(input, None, [(linear, &mut *out)]);
            }
        })
    }
}

fn measure(team: &mut Team, format: Format, rows: usize, columns: usize) {
    let mut stream = Stream::new(format, rows, columns);
    let (count, bytes) = (stream.linears.len(), stream.bytes());
    let plain = vec![1_u8; bytes];
    let (mut ones, mut parts, mut skinny) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
    for _ in 0..9 {
        let one = stream.run(team, 1, count);
        let sweep = time(|| {
            std::hint::black_box(team.sweep(&plain));
        });
        ones.push(one);
        parts.push(sweep / one);
        for (times, batch) in skinny.iter_mut().zip([2, 4, 8]) {
            times.push(stream.run(team, batch, count) / one);
        }
    }
    let some = (count / 8).max(1);
    let many = median((0..3).map(|_| stream.run(team, MANY, some)).collect());
    let [two, four, eight] = skinny.map(median);
    println!(
        "{format:?} {rows}×{columns}: {:.1} {:.2}; {two:.2} {four:.2} {eight:.2}; {:.0}",
        bytes as f64 / median(ones) / 1e9,
        median(parts),
        (some * rows * columns * MANY) as f64 / many / 1e9
    );
}

fn main() {
    let threads = std::env::args()
        .nth(1)
        .and_then(|threads| threads.parse().ok());
    let mut team = Team::new(threads.unwrap_or(2), Isa::detect());
    println!("{}, {} threads", team.isa().name(), team.threads());
    println!(
        "format, shape: GB/s, part of the sweep; t(2), t(4), t(8) over t(1); GMAC/s with {MANY} columns"
    );
    let shapes = [
        (Format::Q5_0, 4864, 896),
        (Format::Q8_0, 4864, 896),
        (Format::Q4_1, 1536, 576),
        (Format::Q4_K, 8960, 1536),
        (Format::Q4_K, 1536, 8960),
        (Format::Q6_K, 1536, 8960),
        (Format::F16, 1536, 1536),
    ];
    for (format, rows, columns) in shapes {
        measure(&mut team, format, rows, columns);
    }
}
