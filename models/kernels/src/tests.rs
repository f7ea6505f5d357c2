//! Products against a plain calculation in f64, on every instruction set, and the bits that must not depend on company.

use std::hint::black_box;

use proptest::prelude::*;

use crate::{Format, FormatError, Gate, Isa, KvCache, Linear, Matrix, Norm, Pairs, Rope, Team};

mod attention;

const FORMATS: [Format; 11] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
];

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Between -1 and 1.
    fn real(&mut self) -> f32 {
        self.next() as f32 / (1_u64 << 30) as f32 - 1.0
    }

    fn reals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.real()).collect()
    }
}

/// Blocks of a format: any bits for weights and sub-scales, and for each f16 scale what `scale` says.
fn blocks(
    format: Format,
    count: usize,
    dice: &mut Dice,
    mut scale: impl FnMut(&mut Dice) -> f32,
) -> Vec<u8> {
    let (_, size) = format.block();
    let mut out = Vec::new();
    for _ in 0..count {
        let mut block: Vec<u8> = (0..size).map(|_| dice.next() as u8).collect();
        let places: &[usize] = match format {
            Format::F32 => {
                block.copy_from_slice(&scale(dice).to_le_bytes());
                &[]
            }
            Format::BF16 => {
                block.copy_from_slice(&half::bf16::from_f32(scale(dice)).to_le_bytes());
                &[]
            }
            Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
            Format::Q6_K => &[208],
            _ => &[0],
        };
        for place in places {
            block[*place..place + 2]
                .copy_from_slice(&half::f16::from_f32(scale(dice)).to_le_bytes());
        }
        out.extend(block);
    }
    out
}

fn linear(format: Format, rows: usize, columns: usize, dice: &mut Dice) -> Linear {
    let count = rows * columns / format.block().0;
    let data = blocks(format, count, dice, |dice| dice.real() * 0.05);
    Linear {
        matrix: Matrix::pack(format, rows, columns, &data).unwrap(),
        bias: None,
    }
}

fn exact(linear: &Linear, input: &[f32]) -> Vec<f64> {
    let columns = linear.matrix.columns();
    let mut row = vec![0.0; columns];
    let mut out = Vec::new();
    for input in input.chunks(columns) {
        for index in 0..linear.matrix.rows() {
            linear.matrix.row(index, &mut row);
            let sum: f64 = row
                .iter()
                .zip(input)
                .map(|(w, x)| f64::from(*w) * f64::from(*x))
                .sum();
            out.push(
                sum + linear
                    .bias
                    .as_ref()
                    .map_or(0.0, |bias| f64::from(bias[index])),
            );
        }
    }
    out
}

/// Inputs that are rounded to themselves: whole numbers up to 127, of which there is one in each block of 32.
fn whole_inputs(columns: usize, rows: usize, dice: &mut Dice) -> Vec<f32> {
    (0..columns * rows)
        .map(|at| {
            if at % 32 == 5 {
                127.0
            } else {
                (dice.next() % 255) as f32 - 127.0
            }
        })
        .collect()
}

fn products(isa: Isa, linear: &Linear, input: &[f32]) -> Vec<f32> {
    let batch = input.len() / linear.matrix.columns();
    let mut out = vec![0.0; batch * linear.matrix.rows()];
    Team::new(2, isa).project(input, None, [(linear, &mut out)]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_integer_part_is_exact_on_every_instruction_set(
        format in prop::sample::select(FORMATS.into_iter().filter(|format| format.block().0 > 1).collect::<Vec<_>>()),
        rows in 1_usize..=40,
        columns in (1_usize..=3).prop_map(|blocks| blocks * 256),
        batch in 1_usize..=30,
        seed in any::<u64>(),
    ) {
        // Scales of 2^-8 and 0 leave whole sums below 2^24 on a grid of 2^-8: every order of adding gives the same f32.
        let mut dice = Dice(seed);
        let data = blocks(format, rows * columns / format.block().0, &mut dice, |dice| {
            [0.0, 1.0 / 256.0][dice.next() as usize % 2]
        });
        let linear = Linear { matrix: Matrix::pack(format, rows, columns, &data).unwrap(), bias: None };
        let input = whole_inputs(columns, batch, &mut dice);
        let wanted = exact(&linear, &input);
        // Q8_1 keeps its d·Σq in f16 as llama.cpp does, and a K-format's sum over 256 with six-bit scales may pass 2^24.
        let slack = match format {
            Format::Q4_1 | Format::Q5_1 => 1e-3 * 127.0 * 32.0,
            Format::Q4_K | Format::Q5_K | Format::Q6_K => 1.0,
            _ => 0.0,
        };
        for isa in Isa::all() {
            let out = products(isa, &linear, &input);
            let worst = out.iter().zip(&wanted).map(|(a, b)| (a - *b as f32).abs()).fold(0.0, f32::max);
            prop_assert!(worst <= slack, "{format:?} {rows}×{columns} batch {batch} {}: {worst}", isa.name());
        }
    }

    #[test]
    fn every_instruction_set_gives_the_scalar_twins_bits(
        format in prop::sample::select(FORMATS.to_vec()),
        rows in 1_usize..=40,
        columns in (1_usize..=3).prop_map(|blocks| blocks * 256),
        batch in 1_usize..=30,
        seed in any::<u64>(),
    ) {
        let mut dice = Dice(seed);
        let linear = linear(format, rows, columns, &mut dice);
        let input = dice.reals(columns * batch);
        let twin = products(Isa::Scalar, &linear, &input);
        for isa in Isa::all() {
            let out = products(isa, &linear, &input);
            let same = out.iter().zip(&twin).all(|(a, b)| a.to_bits() == b.to_bits());
            prop_assert!(same, "{format:?} {rows}×{columns} batch {batch} {}", isa.name());
        }
    }
}

/// Enough tiles for large bites, a last slice of less than the longest block, a group of few columns, and two matrices in a set.
#[test]
fn many_tiles_and_odd_lengths_give_the_scalar_twins_bits() {
    // Only AVX2 has bites of more than two tiles; under an emulator so many take a minute.
    let rows = if cfg!(target_arch = "x86_64") {
        784
    } else {
        80
    };
    let batch = 21;
    for format in FORMATS {
        let columns = if format.block().0 == 256 { 768 } else { 544 };
        let mut dice = Dice(17);
        let [gate, up] = [(); 2].map(|()| linear(format, rows, columns, &mut dice));
        let input = dice.reals(columns * batch);
        let norm = Norm::new(dice.reals(columns), 1e-6);
        let gated = |isa| {
            let mut out = vec![0.0; rows * batch];
            Team::new(2, isa).gate(&input, &norm, [&gate, &up], Gate::Silu, &mut out);
            out
        };
        let bits = |of: Vec<f32>| of.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let twin = bits(products(Isa::Scalar, &gate, &input));
        let twin_gated = bits(gated(Isa::Scalar));
        for isa in Isa::all() {
            let same = bits(products(isa, &gate, &input)) == twin;
            assert!(same, "{format:?} {}", isa.name());
            assert!(
                bits(gated(isa)) == twin_gated,
                "gate {format:?} {}",
                isa.name()
            );
        }
    }
}

/// Sums of 16 bits are what AVX2 has between its products and its sums of 32.
#[test]
fn the_largest_weights_and_inputs_overflow_no_sum() {
    let (rows, columns, batch) = (16, 512, 16);
    for format in FORMATS.into_iter().filter(|f| f.block().0 > 1) {
        for byte in [0xFF, 0x80, 0x7F] {
            let count = rows * columns / format.block().0;
            let mut data = blocks(format, count, &mut Dice(3), |_| 1.0 / 256.0);
            for block in data.chunks_mut(format.block().1) {
                let kept = heads(format);
                block[..kept.start].fill(byte);
                block[kept.end..].fill(byte);
            }
            let matrix = Matrix::pack(format, rows, columns, &data).unwrap();
            let linear = Linear { matrix, bias: None };
            for input in [127.0, -127.0] {
                let input = vec![input; columns * batch];
                let twin = products(Isa::Scalar, &linear, &input);
                for isa in Isa::all() {
                    let same = products(isa, &linear, &input) == twin;
                    assert!(same, "{format:?} of {byte:#x} {}", isa.name());
                }
            }
        }
    }
}

/// Where a block's scales stand.
fn heads(format: Format) -> std::ops::Range<usize> {
    match format {
        Format::Q4_1 | Format::Q5_1 => 0..4,
        Format::Q4_K | Format::Q5_K => 0..16,
        Format::Q6_K => 192..210,
        _ => 0..2,
    }
}

#[test]
fn products_agree_with_plain_arithmetic_within_eight_bits() {
    for format in FORMATS {
        let mut dice = Dice(11);
        let (rows, columns) = (1512, 1280); // large enough to be packed on several threads
        let mut linear = linear(format, rows, columns, &mut dice);
        linear.bias = Some(dice.reals(rows));
        let input = dice.reals(columns * 5);
        let wanted = exact(&linear, &input);
        let size =
            (wanted.iter().map(|value| value * value).sum::<f64>() / wanted.len() as f64).sqrt();
        for isa in Isa::all() {
            let mut out = vec![0.0; wanted.len()];
            Team::new(2, isa).project(&input, None, [(&linear, &mut out)]);
            let error = (out
                .iter()
                .zip(&wanted)
                .map(|(a, b)| (f64::from(*a) - b).powi(2))
                .sum::<f64>()
                / wanted.len() as f64)
                .sqrt();
            assert!(
                error / size < 0.01,
                "{format:?} {}: {error} of {size}",
                isa.name()
            );
        }
    }
}

#[test]
fn a_row_alone_and_among_others_gives_the_same_bits() {
    for format in FORMATS {
        let mut dice = Dice(13);
        let (rows, columns) = (48, 512);
        let linear = linear(format, rows, columns, &mut dice);
        let input = dice.reals(columns * 29);
        for isa in Isa::all() {
            let mut together = vec![0.0; 29 * rows];
            Team::new(2, isa).project(&input, None, [(&linear, &mut together)]);
            let mut team = Team::new(1, isa);
            for (row, wanted) in input.chunks(columns).zip(together.chunks(rows)) {
                let mut alone = vec![0.0; rows];
                team.project(row, None, [(&linear, &mut alone)]);
                assert_eq!(alone, wanted, "{format:?} {}", isa.name());
            }
        }
    }
}

#[test]
fn several_matrices_in_one_step_are_as_each_alone() {
    let mut dice = Dice(17);
    let (a, b) = (
        linear(Format::Q5_0, 64, 256, &mut dice),
        linear(Format::Q4_K, 32, 256, &mut dice),
    );
    let norm = Norm::new(dice.reals(256), 1e-6);
    for (isa, rows) in Isa::all().flat_map(|isa| [1, 9, 25].map(|rows| (isa, rows))) {
        let input = dice.reals(256 * rows);
        let mut team = Team::new(2, isa);
        let (mut both, mut alone) = (
            [vec![0.0; 64 * rows], vec![0.0; 32 * rows]],
            [vec![0.0; 64 * rows], vec![0.0; 32 * rows]],
        );
        let [first, second] = &mut both;
        team.project(&input, Some(&norm), [(&a, first), (&b, second)]);
        team.project(&input, Some(&norm), [(&a, &mut alone[0])]);
        team.project(&input, Some(&norm), [(&b, &mut alone[1])]);
        assert_eq!(both, alone);
        let mut stream = both[0].clone();
        team.project_onto(&input, &a, &mut stream);
        let mut plain = vec![0.0; 64 * rows];
        team.project(&input, None, [(&a, &mut plain)]);
        assert!(
            stream
                .iter()
                .zip(&both[0])
                .zip(&plain)
                .all(|((sum, old), new)| *sum == old + new)
        );
    }
}

#[test]
fn a_tile_alone_is_as_among_all() {
    let mut dice = Dice(19);
    let (rows, columns) = (3 * 16 + 5, 256);
    let mut linear = linear(Format::Q6_K, rows, columns, &mut dice);
    linear.bias = Some(dice.reals(rows));
    let norm = Norm::new(dice.reals(columns), 1e-6);
    for (isa, inputs) in Isa::all().flat_map(|isa| [1, 7, 30].map(|inputs| (isa, inputs))) {
        let input = dice.reals(columns * inputs);
        let mut team = Team::new(2, isa);
        let mut all = vec![0.0; inputs * rows];
        team.project(&input, Some(&norm), [(&linear, &mut all)]);
        let tiles = [1, 3];
        let mut some = vec![0.0; inputs * tiles.len() * 16];
        team.project_tiles(&input, Some(&norm), &linear, &tiles, &mut some);
        for (all, some) in all.chunks(rows).zip(some.chunks(32)) {
            assert_eq!(some[..16], all[16..32], "{}", isa.name());
            assert_eq!(some[16..21], all[48..], "{}", isa.name());
        }
    }
}

#[test]
fn the_gate_is_silu_or_gelu_of_one_times_the_other() {
    let mut dice = Dice(19);
    let (gate, up) = (
        linear(Format::F32, 48, 64, &mut dice),
        linear(Format::F32, 48, 64, &mut dice),
    );
    let norm = Norm::new(vec![1.0; 64], 0.0);
    let input = dice.reals(64 * 3);
    let mut normed = input.clone();
    for row in normed.chunks_mut(64) {
        let scale = (row.iter().map(|x| x * x).sum::<f32>() / 64.0).sqrt();
        row.iter_mut().for_each(|x| *x /= scale);
    }
    let (g, u) = (exact(&gate, &normed), exact(&up, &normed));
    for (isa, kind) in Isa::all().flat_map(|isa| [(isa, Gate::Silu), (isa, Gate::GeluTanh)]) {
        let mut out = vec![0.0; 48 * 3];
        Team::new(2, isa).gate(&input, &norm, [&gate, &up], kind, &mut out);
        for ((out, g), u) in out.iter().zip(&g).zip(&u) {
            let active = match kind {
                Gate::Silu => g / (1.0 + (-g).exp()),
                Gate::GeluTanh => {
                    0.5 * g * (1.0 + (0.797_884_560_8 * (g + 0.044_715 * g.powi(3))).tanh())
                }
            };
            assert!(
                (f64::from(*out) - active * u).abs() < 1e-4,
                "{kind:?} {}",
                isa.name()
            );
        }
    }
}

proptest! {
    #[test]
    fn bytes_that_are_no_matrix_are_refused(rows in 0_usize..40, columns in 0_usize..600, len in 0_usize..4000) {
        for format in FORMATS {
            let (block, size) = format.block();
            let fits = rows > 0 && columns > 0 && columns % block == 0 && len == rows * (columns / block) * size;
            prop_assert_eq!(Matrix::pack(format, rows, columns, &vec![0; len]).is_ok(), fits);
        }
    }
}

/// Each is looked at, lest the compiler see that nobody uses it and take none.
#[test]
fn what_no_memory_holds_is_an_error() {
    let all = 1 << 50; // bytes: more than any address space
    let matrix = black_box(Matrix::empty(Format::F32, 1 << 20, all >> 22));
    assert_eq!(matrix.err(), Some(FormatError::Memory { bytes: all }));
    let cache = black_box(KvCache::new(1 << 9, 1 << 10, 1 << 7, 1 << 23));
    assert!(cache.is_none());
    let rope = black_box(Rope::new(vec![0.1; 1 << 10], Pairs::Halves, 1 << 38));
    assert!(rope.is_none());
}

/// 127 over these is no number.
#[test]
fn activations_too_small_to_scale_are_nothing() {
    for format in FORMATS {
        let linear = linear(format, 16, 512, &mut Dice(3));
        for least in [f32::MIN_POSITIVE, 1e-45] {
            let input = vec![least; 512 * 17];
            for isa in Isa::all() {
                let out = products(isa, &linear, &input);
                let worst = out
                    .iter()
                    .fold(0.0, |worst: f32, value| worst.max(value.abs()));
                assert!(worst < 1e-30, "{format:?} {}: {worst}", isa.name());
            }
        }
    }
}
