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

fn main() {
    let threads = std::env::args()
        .nth(1)
        .and_then(|threads| threads.parse().ok())
        .unwrap_or(2);
    let mut team = Team::new(threads, Isa::detect());
    println!("{}, {} threads", team.isa().name(), team.threads());
    println!(
        "format, shape: GB/s, part of the sweep; t(2), t(4), t(8) over t(1); GMAC/s with 256 columns"
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
        let (block, size) = format.block();
        let data: Vec<u8> = (0..rows * columns / block * size)
            .map(|at| (at * 37 % 251) as u8 & 0x7B)
            .collect();
        let Ok(first) = Matrix::pack(format, rows, columns, &data) else {
            return;
        };
        let count = STREAM / first.bytes();
        let matrices: Vec<Linear> = (0..count)
            .filter_map(|_| Matrix::pack(format, rows, columns, &data).ok())
            .map(|matrix| Linear { matrix, bias: None })
            .collect();
        let bytes = count * first.bytes();
        let plain = vec![1_u8; bytes];
        let input = vec![0.5_f32; columns * 256];
        let mut out = vec![0.0_f32; rows * 256];
        let mut run = |team: &mut Team, batch: usize, linears: &[Linear]| {
            time(|| {
                for linear in linears {
                    team.project(
                        &input[..batch * columns],
                        None,
                        [(linear, &mut out[..batch * rows])],
                    );
                }
            })
        };
        let (mut ones, mut parts, mut skinny) = (Vec::new(), Vec::new(), [const { Vec::new() }; 3]);
        for _ in 0..9 {
            let one = run(&mut team, 1, &matrices);
            let sweep = time(|| {
                std::hint::black_box(team.sweep(&plain));
            });
            ones.push(one);
            parts.push(sweep / one);
            for (times, batch) in skinny.iter_mut().zip([2, 4, 8]) {
                times.push(run(&mut team, batch, &matrices) / one);
            }
        }
        let some = &matrices[..(count / 8).max(1)];
        let many = median((0..3).map(|_| run(&mut team, 256, some)).collect());
        let [two, four, eight] = skinny.map(median);
        let macs = (some.len() * rows * columns * 256) as f64;
        println!(
            "{format:?} {rows}×{columns}: {:.1} {:.2}; {two:.2} {four:.2} {eight:.2}; {:.0}",
            bytes as f64 / median(ones) / 1e9,
            median(parts),
            macs / many / 1e9
        );
    }
}
