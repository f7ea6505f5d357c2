//! Products of sixteen columns, four at a time, for processors without matrix instructions and with few registers: what a prompt is read with there.
//!
//! A slice of a tile of weights is unpacked once to a byte each, and meets many groups of sixteen columns. Sums of a block are
//! integers, as everywhere; scales are applied to them by the same operations in the same order as in `dot.rs`, so that the results are the same
//! bits. Touches what its callers give.

use std::array::from_fn;
use std::ops::Range;

use crate::dispatch::{Group, UnpackFn, Wide, WideFn};
use crate::dot::{add_block32, add_block256, part_scale, read, starts, write};
use crate::format::Format;
use crate::panel::{Block32, Block256, WIDE};
use crate::simd::{Avx2, AvxVnni, LANES, Madd, Simd};
use crate::wide::{Unpack, nothing, put_sixes};

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
            let mut totals = read::<S, FOUR>(sums);
            for at in 0..units * 2 {
                let (block, head) = (&*blocks.add(at), tile.add(at / 2 * BYTES + at % 2 * 32));
                let found = starts::<S, FOUR, START>(|start| of(&block.starts[start], quad));
                let inputs = block.q.as_ptr().cast::<i8>().add(quad * FOUR * COLUMN);
                let found = products::<S, RUN, 8>(unpacked.add(at * 512), inputs, found);
                add_block32::<S, FOUR, MINS>(
                    head,
                    (&of(&block.d, quad), &of(&block.s, quad)),
                    |m| S::to_floats(found[m]),
                    &mut totals,
                );
            }
            write::<S, FOUR>(totals, sums);
        }
    }
}

/// Formats with 256 inputs in a block: eight sub-blocks of eight lines (Q4_K, Q5_K) or sixteen of four (Q6_K), each with a scale of its own.
#[inline(always)]
unsafe fn by256<
    S: Partial,
    const RUN: usize,
    const PARTS: usize,
    const LINES: usize,
    const BYTES: usize,
>(
    tile: *const u8,
    unpacked: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    const { assert!(PARTS * LINES == 64, "a block is 64 lines") };
    // SAFETY: as promised to `WideFn`: a unit is a block, and so are its inputs and 4096 unpacked bytes.
    unsafe {
        for unit in 0..units {
            let block = &*group.at.cast::<Block256<WIDE>>().add(unit);
            let (head, weights) = (tile.add(unit * BYTES), unpacked.add(unit * 4096));
            for quad in quads(group) {
                let mut total = [S::splat(0.0); FOUR];
                for part in 0..PARTS {
                    let (run, input) = (part * LINES / 8, part * LINES % 8 * 4);
                    let inputs = (run * WIDE + quad * FOUR) * COLUMN + input;
                    let mut found = [S::ints(0); FOUR];
                    if PARTS == 16 {
                        found = of(&block.starts[part], quad).map(|start| S::ints(start));
                    }
                    let found = products::<S, RUN, LINES>(
                        weights.add(part * LINES * 64),
                        block.q.as_ptr().cast::<i8>().add(inputs),
                        found,
                    );
                    let scale = part_scale::<S, PARTS>(head, part);
                    for m in 0..FOUR {
                        total[m] = S::fma(S::to_floats(found[m]), scale, total[m]);
                    }
                }
                let sums = sums.add(quad * FOUR * LANES);
                let mut all = read::<S, FOUR>(sums);
                let pairs = |pair: usize, m: usize| of(&block.pairs[pair], quad)[m];
                add_block256::<S, FOUR, PARTS>(head, &of(&block.d, quad), pairs, total, &mut all);
                write::<S, FOUR>(all, sums);
            }
        }
    }
}

#[inline(always)]
unsafe fn unpack_sixes<S: Partial>(tile: *const u8, units: usize, to: *mut u8) {
    for at in 0..units * 16 {
        // SAFETY: as promised to `UnpackFn`.
        unsafe { put_sixes::<S>(tile, at, 0, to.add(at * 256)) }
    }
}

/// What jobs with groups of sixteen columns run on: `$name`, a [`crate::dispatch::Wide`] of the instruction set `$simd`.
macro_rules! wide_of {
    ($name:ident, $simd:ty, $features:literal) => {
        pub(crate) static $name: Wide = Wide {
            begin: nothing,
            end: nothing,
            bite: 8,
            of: |format| {
                use crate::wide::{
                    compiled, floats, unpack_eights, unpack_nibbles, unpack_nothing,
                };
                match format {
                    Format::F32 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::F32 as usize }, FOUR>
                    ),
                    Format::F16 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::F16 as usize }, FOUR>
                    ),
                    Format::BF16 => compiled!(
                        $features,
                        unpack_nothing,
                        floats::<$simd, { Format::BF16 as usize }, FOUR>
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
                        by256::<$simd, FOUR_BITS, 8, 8, { Format::Q4_K.unit().1 }>
                    ),
                    Format::Q5_K => compiled!(
                        $features,
                        unpack_nibbles::<$simd, 1, 8, 320, 0>,
                        by256::<$simd, FIVE_BITS, 8, 8, { Format::Q5_K.unit().1 }>
                    ),
                    Format::Q6_K => compiled!(
                        $features,
                        unpack_sixes::<$simd>,
                        by256::<$simd, SIX_BITS, 16, 4, { Format::Q6_K.unit().1 }>
                    ),
                }
            },
        };
    };
}

wide_of!(AVX2, Avx2<Madd>, "avx2,fma,f16c");
wide_of!(AVX_VNNI, Avx2<AvxVnni>, "avx2,fma,f16c,avxvnni");
