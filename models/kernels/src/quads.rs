//! Products of sixteen columns, four at a time, for processors without matrix instructions and with few registers: what a prompt is read with there.
//!
//! A slice of a tile of weights is unpacked once to a byte each, and meets many groups of sixteen columns. Sums of a block are
//! integers, as everywhere; scales are applied to them by the same operations in the same order as in `dot.rs`, so that the results are the same
//! bits. Touches what its callers give.

use std::array::from_fn;
use std::ops::Range;

use crate::dispatch::{Group, UnpackFn, Wide, WideFn};
use crate::dot::{mins, sixes};
use crate::format::Format;
use crate::panel::{Block32, Block256, WIDE};
use crate::simd::{Avx2, AvxVnni, LANES, Madd, Simd};
use crate::wide::Unpack;

/// Columns that share one pass over the weights: their sums take half of sixteen registers.
const FOUR: usize = 4;
/// Bytes of the 32 inputs of one column, which stand side by side in a wide group.
const COLUMN: usize = 32;

/// Sums of products that are not yet as wide as [`Simd::Ints`].
///
/// # Safety
/// Every method: the processor has the instruction set, and the pointer is readable for four bytes.
pub(crate) unsafe trait Partial: Simd + Unpack<Lanes = Self> {
    /// Sums in the making.
    type Partial: Copy;

    /// Nothing yet.
    unsafe fn none() -> Self::Partial;
    /// Adds as [`Simd::dot`] does. The largest weight times the number of lines that are added up is at most [`MOST`].
    unsafe fn gather(sum: Self::Partial, weights: Self::Bytes, inputs: *const i8) -> Self::Partial;
    /// Adds what was gathered.
    unsafe fn join(sum: Self::Ints, gathered: Self::Partial) -> Self::Ints;
}

/// Twice this much times 127 is still within 16 bits.
const MOST: usize = 129;

/// How the unpacked weights of a format are gathered: lines that one partial sum takes, or none for weights with a sign.
const fn run(largest: usize) -> usize {
    let lines = MOST / largest;
    // Blocks are four or eight lines.
    if lines >= 8 { 8 } else { lines / 2 * 2 }
}
const FOUR_BITS: usize = run(15);
const FIVE_BITS: usize = run(31);
const SIX_BITS: usize = run(63);
/// Weights with a sign.
const SIGNED: usize = 0;

/// Adds the products of `LINES` lines of weights with four columns of inputs.
///
/// # Safety
/// As promised to the callers: so many lines are readable, and four inputs for each in four columns.
#[inline(always)]
unsafe fn products<S: Partial, const RUN: usize, const LINES: usize>(
    weights: *const u8,
    inputs: *const i8,
    mut sums: [S::Ints; FOUR],
) -> [S::Ints; FOUR] {
    const {
        assert!(
            RUN == SIGNED || LINES.is_multiple_of(RUN),
            "all lines are taken"
        )
    };
    // SAFETY: as promised by the caller.
    unsafe {
        let four = |m: usize, line: usize| inputs.add(m * COLUMN + line * 4);
        if RUN == SIGNED {
            for line in 0..LINES {
                let bytes = S::bytes(weights.add(line * 64));
                for m in 0..FOUR {
                    sums[m] = S::dot_signed(sums[m], bytes, four(m, line));
                }
            }
            return sums;
        }
        for run in 0..LINES / RUN {
            let mut gathered = [S::none(); FOUR];
            for line in run * RUN..(run + 1) * RUN {
                let bytes = S::bytes(weights.add(line * 64));
                for m in 0..FOUR {
                    gathered[m] = S::gather(gathered[m], bytes, four(m, line));
                }
            }
            for m in 0..FOUR {
                sums[m] = S::join(sums[m], gathered[m]);
            }
        }
        sums
    }
}

/// Those of the columns of one quad.
#[inline(always)]
fn of<T: Copy>(all: &[T; WIDE], quad: usize) -> [T; FOUR] {
    from_fn(|m| all[quad * FOUR + m])
}

/// The quads that have columns to compute.
#[inline(always)]
fn quads(group: Group) -> Range<usize> {
    0..group.columns.div_ceil(FOUR).min(WIDE / FOUR)
}

/// # Safety
/// `sums` is readable for 4 × 16 f32; the instruction set is there.
#[inline(always)]
unsafe fn read<S: Simd>(sums: *const f32) -> [S::Floats; FOUR] {
    // SAFETY: as promised by the caller.
    from_fn(|m| unsafe { S::floats(sums.add(m * LANES)) })
}

/// # Safety
/// `sums` is writable for 4 × 16 f32; the instruction set is there.
#[inline(always)]
unsafe fn write<S: Simd>(totals: [S::Floats; FOUR], sums: *mut f32) {
    for (m, total) in totals.into_iter().enumerate() {
        // SAFETY: as promised by the caller.
        unsafe { S::store(sums.add(m * LANES), total) }
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0; constants as those of [`crate::dot::By32`]. `BYTES` are those of a unit, two blocks.
#[inline(always)]
unsafe fn by32<
    S: Partial,
    const RUN: usize,
    const START: usize,
    const MINS: usize,
    const BYTES: usize,
>(
    tile: *const u8,
    unpacked: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    // SAFETY: as promised to `WideFn`: a unit is two blocks, and so are its inputs and 1024 unpacked bytes.
    unsafe {
        let blocks = group.at.cast::<Block32<WIDE>>();
        for quad in quads(group) {
            let sums = sums.add(quad * FOUR * LANES);
            let mut totals = read::<S>(sums);
            for at in 0..units * 2 {
                let (block, head) = (&*blocks.add(at), tile.add(at / 2 * BYTES + at % 2 * 32));
                let mut found = [S::ints(0); FOUR];
                if START < 2 || (START == 2 && S::SIGNED_BIAS != 0) {
                    found = of(&block.starts[START], quad).map(|start| S::ints(start));
                }
                let inputs = block.q.as_ptr().cast::<i8>().add(quad * FOUR * COLUMN);
                let found = products::<S, RUN, 8>(unpacked.add(at * 512), inputs, found);
                let (d, scales) = (S::halves(head.cast()), of(&block.d, quad));
                for m in 0..FOUR {
                    let scale = S::mul(d, S::splat(scales[m]));
                    totals[m] = S::fma(S::to_floats(found[m]), scale, totals[m]);
                }
                if MINS == 1 {
                    let (min, inputs) = (S::halves(head.add(64).cast()), of(&block.s, quad));
                    for m in 0..FOUR {
                        totals[m] = S::fma(min, S::splat(inputs[m]), totals[m]);
                    }
                }
            }
            write::<S>(totals, sums);
        }
    }
}

/// Formats with 256 inputs in a block: eight sub-blocks of eight lines (Q4_K, Q5_K) or sixteen of four (Q6_K), each with a scale of its own.
#[inline(always)]
unsafe fn by256<S: Partial, const RUN: usize, const LINES: usize, const BYTES: usize>(
    tile: *const u8,
    unpacked: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    let parts = 64 / LINES;
    // SAFETY: as promised to `WideFn`: a unit is a block, and so are its inputs and 4096 unpacked bytes.
    unsafe {
        for unit in 0..units {
            let block = &*group.at.cast::<Block256<WIDE>>().add(unit);
            let (head, weights) = (tile.add(unit * BYTES), unpacked.add(unit * 4096));
            for quad in quads(group) {
                let mut total = [S::splat(0.0); FOUR];
                for part in 0..parts {
                    let (run, input) = (part * LINES / 8, part * LINES % 8 * 4);
                    let inputs = (run * WIDE + quad * FOUR) * COLUMN + input;
                    let mut found = [S::ints(0); FOUR];
                    if LINES == 4 {
                        found = of(&block.starts[part], quad).map(|start| S::ints(start));
                    }
                    let found = products::<S, RUN, LINES>(
                        weights.add(part * LINES * 64),
                        block.q.as_ptr().cast::<i8>().add(inputs),
                        found,
                    );
                    let scale = head.add(64 + part * 16);
                    let scale = if LINES == 8 {
                        S::unsigned(scale)
                    } else {
                        S::signed(scale)
                    };
                    for m in 0..FOUR {
                        total[m] = S::fma(S::to_floats(found[m]), scale, total[m]);
                    }
                }
                let d = if LINES == 8 {
                    S::halves(head.cast())
                } else {
                    S::floats(head.cast())
                };
                let sums = sums.add(quad * FOUR * LANES);
                let (mut all, scales) = (read::<S>(sums), of(&block.d, quad));
                for m in 0..FOUR {
                    all[m] = S::fma(total[m], S::mul(d, S::splat(scales[m])), all[m]);
                }
                if LINES == 8 {
                    mins::<S, FOUR>(head, |pair| of(&block.pairs[pair], quad), scales, &mut all);
                }
                write::<S>(all, sums);
            }
        }
    }
}

#[inline(always)]
unsafe fn unpack_sixes<S: Partial>(tile: *const u8, units: usize, to: *mut u8) {
    const BYTES: usize = Format::Q6_K.unit().1;
    for at in 0..units * 16 {
        // SAFETY: as promised to `UnpackFn`: 320 bytes of scales, then sixteen times three lines.
        unsafe {
            let lines = tile.add(at / 16 * BYTES + 320 + at % 16 * 192);
            for (line, bytes) in sixes::<S, WIDE>(lines).into_iter().enumerate() {
                S::put(bytes, 0, to.add(at * 256 + line * 64));
            }
        }
    }
}

/// F32, F16, BF16, which stay as they are.
#[inline(always)]
unsafe fn floats<S: Simd, const FORMAT: usize>(
    tile: *const u8,
    _: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    for quad in quads(group) {
        // SAFETY: as promised to `WideFn`: a unit is two inputs.
        unsafe {
            let sums = sums.add(quad * FOUR * LANES);
            let mut totals = read::<S>(sums);
            for input in 0..units * 2 {
                let weights = if FORMAT == Format::F32 as usize {
                    S::floats(tile.cast::<f32>().add(input * LANES))
                } else if FORMAT == Format::F16 as usize {
                    S::halves(tile.cast::<u16>().add(input * LANES))
                } else {
                    S::brains(tile.cast::<u16>().add(input * LANES))
                };
                let values = &*group.at.cast::<[f32; WIDE]>().add(input);
                let values = of(values, quad);
                for m in 0..FOUR {
                    totals[m] = S::fma(weights, S::splat(values[m]), totals[m]);
                }
            }
            write::<S>(totals, sums);
        }
    }
}

unsafe fn unpack_nothing(_: *const u8, _: usize, _: *mut u8) {}

/// What jobs with groups of sixteen columns run on: `$name`, a [`crate::dispatch::Wide`] of the instruction set `$simd`.
macro_rules! wide_of {
    ($name:ident, $simd:ty, $features:literal) => {
        pub(crate) static $name: Wide = Wide {
            begin: nothing,
            end: nothing,
            bite: 8,
            of: |format| {
                use crate::wide::{compiled, unpack_eights, unpack_nibbles};
                match format {
                    Format::F32 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::F32 as usize }>
                    ),
                    Format::F16 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::F16 as usize }>
                    ),
                    Format::BF16 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::BF16 as usize }>
                    ),
                    Format::Q4_0 => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 0, 2, 64, 0>,
                        by32::<$simd, FOUR_BITS, 0, 0, { Format::Q4_0.unit().1 }>
                    ),
                    Format::Q4_1 => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 0, 2, 128, 0>,
                        by32::<$simd, FOUR_BITS, 3, 1, { Format::Q4_1.unit().1 }>
                    ),
                    Format::Q5_0 => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 1, 2, 64, 0>,
                        by32::<$simd, FIVE_BITS, 1, 0, { Format::Q5_0.unit().1 }>
                    ),
                    Format::Q5_1 => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 1, 2, 128, 0>,
                        by32::<$simd, FIVE_BITS, 3, 1, { Format::Q5_1.unit().1 }>
                    ),
                    Format::Q8_0 => compiled!(
                        $features,
                        unpack_eights,
                        by32::<$simd, SIGNED, 2, 0, { Format::Q8_0.unit().1 }>
                    ),
                    Format::Q4_K => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 0, 8, 320, 0>,
                        by256::<$simd, FOUR_BITS, 8, { Format::Q4_K.unit().1 }>
                    ),
                    Format::Q5_K => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 1, 8, 320, 0>,
                        by256::<$simd, FIVE_BITS, 8, { Format::Q5_K.unit().1 }>
                    ),
                    Format::Q6_K => compiled!(
                        $features,
                        unpack_sixes::<$simd>,
                        by256::<$simd, SIX_BITS, 4, { Format::Q6_K.unit().1 }>
                    ),
                }
            },
        };
    };
}

unsafe fn nothing() {}

wide_of!(AVX2, Avx2<Madd>, "avx2,fma,f16c");
wide_of!(AVX_VNNI, Avx2<AvxVnni>, "avx2,fma,f16c,avxvnni");
