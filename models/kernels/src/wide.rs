//! Products of sixteen columns, for processors with matrix instructions: what a prompt is read with there.
//!
//! A slice of a tile of weights is unpacked once to signed bytes and meets many groups of sixteen columns. Sums of a block are integers, as everywhere;
//! scales are applied to them by the same operations in the same order as in `dot.rs`, so that the results are the same bits.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::dispatch::Group;
use crate::dot::{
    add_block32, add_block256, float_bytes, float_weights, part_scale, read, sixes, write,
};
use crate::format::Format;
use crate::panel::{Block32, Block256, WIDE};
use crate::simd::{LANES, Simd};

/// Sums of one block: `[column][row]`.
#[repr(C, align(64))]
pub(crate) struct Sums(pub(crate) [[i32; LANES]; WIDE]);

/// Sixteen columns of 32 inputs, side by side, and eight lines of weights.
#[derive(Clone, Copy)]
pub(crate) struct Operands {
    pub(crate) inputs: *const u8,
    pub(crate) weights: *const u8,
}

/// What weights are unpacked with.
///
/// # Safety
/// The method: the processor has the instruction set, and the pointer is writable for 64 bytes.
pub(crate) unsafe trait Unpack {
    /// What else is computed with.
    type Lanes: Simd;

    /// Writes a line of weights, less `zero` each.
    unsafe fn put(bytes: Bytes<Self>, zero: i8, to: *mut u8);
}

/// The matrix instructions of one instruction set.
///
/// # Safety
/// Every method: the processor has the instruction set, the thread is between the beginning and the end of [`crate::dispatch::Wide`], and every
/// pointer is readable (or writable) for what the method says.
pub(crate) unsafe trait Grid: Unpack {
    /// Begins a multiplication whose sums may stay in registers, of which there are those of two: this is the one of an even or an odd `turn`.
    unsafe fn begin(operands: Operands, turn: usize);
    /// Writes the sums of what began with the same operands and turn.
    unsafe fn finish(operands: Operands, turn: usize, to: *mut Sums);
    /// Sixteen sums to f32, rounded to the nearest.
    unsafe fn floats(sums: *const i32) -> Floats<Self>;
}

type Bytes<G> = <<G as Unpack>::Lanes as Simd>::Bytes;
type Floats<G> = <<G as Unpack>::Lanes as Simd>::Floats;

/// Blocks of sums on their way through three stages: begun, written, scaled. While one is scaled the next is written and the one after it
/// begun, so that none waits for a multiplication.
struct Pipeline<G, N> {
    /// Where the inputs and weights of a block are.
    operands: N,
    blocks: Range<usize>,
    grid: PhantomData<G>,
}

impl<G: Grid, N: Fn(usize) -> Operands> Pipeline<G, N> {
    /// Gives the sums of each block in turn to `scale`.
    ///
    /// # Safety
    /// As [`Grid`], for the operands of every block.
    #[inline(always)]
    unsafe fn run(self, mut scale: impl FnMut(usize, &Sums)) {
        let mut written = [const { MaybeUninit::<Sums>::uninit() }; 2];
        let (start, end) = (self.blocks.start, self.blocks.end);
        // SAFETY: as promised by the caller; what is scaled was written before.
        unsafe {
            self.begin(start);
            self.begin(start + 1);
            self.finish(start, &mut written);
            for at in start..end {
                self.begin(at + 2);
                self.finish(at + 1, &mut written);
                scale(at, written[at % 2].assume_init_ref());
            }
        }
    }

    #[inline(always)]
    unsafe fn begin(&self, at: usize) {
        if at < self.blocks.end {
            // SAFETY: as promised by the caller.
            unsafe { G::begin((self.operands)(at), at) }
        }
    }

    #[inline(always)]
    unsafe fn finish(&self, at: usize, written: &mut [MaybeUninit<Sums>; 2]) {
        if at < self.blocks.end {
            // SAFETY: as promised by the caller.
            unsafe { G::finish((self.operands)(at), at, written[at % 2].as_mut_ptr()) }
        }
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0; `MINS` is 1 where a minimum follows the scale. `BYTES` are those of a unit, two blocks.
#[inline(always)]
pub(crate) unsafe fn by32<G: Grid, const MINS: usize, const BYTES: usize>(
    tile: *const u8,
    unpacked: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    // SAFETY: as promised to `WideFn`: a unit is two blocks, and so are its inputs and 1024 unpacked bytes.
    unsafe {
        let blocks = group.at.cast::<Block32<WIDE>>();
        let mut totals = read::<G::Lanes, WIDE>(sums);
        let pipeline = Pipeline::<G, _> {
            operands: |at| Operands {
                inputs: (*blocks.add(at)).q.as_ptr().cast(),
                weights: unpacked.add(at * 512),
            },
            blocks: 0..units * 2,
            grid: PhantomData,
        };
        pipeline.run(|at, found| {
            let (block, head) = (&*blocks.add(at), tile.add(at / 2 * BYTES + at % 2 * 32));
            add_block32::<G::Lanes, WIDE, MINS>(
                head,
                (&block.d, &block.s),
                |m| G::floats(found.0[m].as_ptr()),
                &mut totals,
            );
        });
        write::<G::Lanes, WIDE>(totals, sums);
    }
}

/// Where the weights that meet sub-block `at` of Q6_K begin. A grid multiplies 32 inputs whether they are wanted or not, so of each pair of
/// sub-blocks the first is followed by four lines of zeros, which the second follows: `[0] [zeros] [1]`, each line 64 bytes.
fn sixteen(at: usize) -> usize {
    (at / 2 * 3 + at % 2) * 256
}

/// Formats with 256 inputs in a block: `PARTS` sub-blocks, each with a scale of its own.
#[inline(always)]
pub(crate) unsafe fn by256<G: Grid, const PARTS: usize, const BYTES: usize>(
    tile: *const u8,
    unpacked: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    // SAFETY: as promised to `WideFn`: a unit is a block, and so are its inputs and unpacked bytes.
    unsafe {
        let blocks = group.at.cast::<Block256<WIDE>>();
        let pipeline = Pipeline::<G, _> {
            operands: |at| {
                let (unit, part) = (at / PARTS, at % PARTS);
                let inputs: *const u8 = (*blocks.add(unit)).q.as_ptr().cast();
                let (run, weights) = if PARTS == 8 {
                    (part, at * 512)
                } else {
                    (part / 2, sixteen(at))
                };
                Operands {
                    inputs: inputs.add(run * 512),
                    weights: unpacked.add(weights),
                }
            },
            blocks: 0..units * PARTS,
            grid: PhantomData,
        };
        let mut totals = [G::Lanes::splat(0.0); WIDE];
        pipeline.run(|at, found| {
            let (unit, part) = (at / PARTS, at % PARTS);
            let (block, head) = (&*blocks.add(unit), tile.add(unit * BYTES));
            let scale = part_scale::<G::Lanes, PARTS>(head, part);
            for m in 0..WIDE {
                totals[m] = G::Lanes::fma(G::floats(found.0[m].as_ptr()), scale, totals[m]);
            }
            if part + 1 == PARTS {
                let mut all = read::<G::Lanes, WIDE>(sums);
                let pairs = |pair: usize, m: usize| block.pairs[pair][m];
                add_block256::<G::Lanes, WIDE, PARTS>(head, &block.d, pairs, totals, &mut all);
                write::<G::Lanes, WIDE>(all, sums);
                totals = [G::Lanes::splat(0.0); WIDE];
            }
        });
    }
}

/// 32 inputs of sixteen rows in nibbles, with their fifth bits where `FIFTH` is 1; `zero` is taken from each.
#[inline(always)]
unsafe fn nibbles<G: Unpack, const FIFTH: usize>(lines: *const u8, zero: i8, to: *mut u8) {
    for line in 0..4 {
        // SAFETY: four lines and eight masks in, eight lines out, as the callers promise.
        unsafe {
            let bytes = G::Lanes::bytes(lines.add(line * 64));
            let (mut low, mut high) = (G::Lanes::low(bytes), G::Lanes::high(bytes));
            if FIFTH == 1 {
                low = G::Lanes::with_one(low, lines.add(256 + line * 8));
                high = G::Lanes::with_one(high, lines.add(288 + line * 8));
            }
            G::put(low, zero, to.add(line * 64));
            G::put(high, zero, to.add(256 + line * 64));
        }
    }
}

/// `COUNT` runs of 32 inputs follow a head of `HEAD` bytes in each unit.
#[inline(always)]
pub(crate) unsafe fn unpack_nibbles<
    G: Unpack,
    const FIFTH: usize,
    const COUNT: usize,
    const HEAD: usize,
    const ZERO: i8,
>(
    tile: *const u8,
    units: usize,
    to: *mut u8,
) {
    let run = 256 + 64 * FIFTH;
    for at in 0..units * COUNT {
        let unit = at / COUNT * (HEAD + COUNT * run);
        // SAFETY: as promised to `UnpackFn`.
        unsafe {
            nibbles::<G, FIFTH>(
                tile.add(unit + HEAD + at % COUNT * run),
                ZERO,
                to.add(at * 512),
            )
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn unpack_eights(tile: *const u8, units: usize, to: *mut u8) {
    const BYTES: usize = Format::Q8_0.unit().1;
    for unit in 0..units {
        // SAFETY: as promised to `UnpackFn`: 64 bytes of scales, then 1024 weights.
        unsafe {
            to.add(unit * 1024)
                .copy_from_nonoverlapping(tile.add(unit * BYTES + 64), 1024)
        }
    }
}

/// The weights of sub-block `at` of Q6_K, less `zero` each.
#[inline(always)]
pub(crate) unsafe fn put_sixes<G: Unpack>(tile: *const u8, at: usize, zero: i8, to: *mut u8) {
    const BYTES: usize = Format::Q6_K.unit().1;
    // SAFETY: as promised to `UnpackFn`: 320 bytes of scales, then sixteen times three lines.
    unsafe {
        let lines = tile.add(at / 16 * BYTES + 320 + at % 16 * 192);
        for (line, bytes) in sixes::<G::Lanes, WIDE>(lines).into_iter().enumerate() {
            G::put(bytes, zero, to.add(line * 64));
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn unpack_sixes<G: Grid>(tile: *const u8, units: usize, to: *mut u8) {
    for at in 0..units * 16 {
        // SAFETY: as promised to `UnpackFn`.
        unsafe {
            // The first of a pair stands before the zeros, the second behind them.
            let weights = to.add(sixteen(at) + at % 2 * 256);
            if at.is_multiple_of(2) {
                weights.add(256).write_bytes(0, 256);
            }
            put_sixes::<G>(tile, at, 32, weights);
        }
    }
}

/// F32, F16, BF16, which stay as they are: as many columns in one pass as there are registers for.
#[inline(always)]
pub(crate) unsafe fn floats<S: Simd, const FORMAT: usize, const COLUMNS: usize>(
    tile: *const u8,
    _: *const u8,
    units: usize,
    group: Group,
    sums: *mut f32,
) {
    const { assert!(WIDE.is_multiple_of(COLUMNS), "passes are whole") };
    for first in (0..group.columns).step_by(COLUMNS) {
        // SAFETY: as promised to `WideFn`: a unit is two inputs.
        unsafe {
            let sums = sums.add(first * LANES);
            let mut totals = read::<S, COLUMNS>(sums);
            for input in 0..units * 2 {
                let weights = float_weights::<S, FORMAT>(tile.add(input * float_bytes(FORMAT)));
                let values = group.at.cast::<f32>().add(input * WIDE + first);
                let values = &*values.cast::<[f32; COLUMNS]>();
                for m in 0..COLUMNS {
                    totals[m] = S::fma(weights, S::splat(values[m]), totals[m]);
                }
            }
            write::<S, COLUMNS>(totals, sums);
        }
    }
}

pub(crate) unsafe fn unpack_nothing(_: *const u8, _: usize, _: *mut u8) {}

/// What [`crate::dispatch::Wide`] begins and ends with where there is nothing to be set up.
pub(crate) unsafe fn nothing() {}

/// Gives generic functions the instruction set that they are compiled for.
macro_rules! compiled {
    ($features:literal, $unpack:expr, $wide:expr) => {{
        #[target_feature(enable = $features)]
        unsafe fn unpack(tile: *const u8, units: usize, to: *mut u8) {
            // SAFETY: the caller's promises are the same.
            unsafe { $unpack(tile, units, to) }
        }
        #[target_feature(enable = $features)]
        unsafe fn wide(
            tile: *const u8,
            unpacked: *const u8,
            units: usize,
            group: $crate::dispatch::Group,
            sums: *mut f32,
        ) {
            // SAFETY: the caller's promises are the same.
            unsafe { $wide(tile, unpacked, units, group, sums) }
        }
        (unpack as UnpackFn, wide as WideFn)
    }};
}
pub(crate) use compiled;

/// The function `by_format` of a [`Grid`], with floats in `$columns` columns: see [`crate::dispatch::Wide::of`].
macro_rules! formats {
    ($grid:ty, $columns:literal, $features:literal) => {
        fn by_format(format: Format) -> (UnpackFn, WideFn) {
            use $crate::wide::{
                by32, by256, compiled, floats, unpack_eights, unpack_nibbles, unpack_nothing,
                unpack_sixes,
            };
            type Lanes = <$grid as Unpack>::Lanes;
            match format {
                Format::F32 => compiled!(
                    $features,
                    unpack_nothing,
                    floats::<Lanes, { Format::F32 as usize }, $columns>
                ),
                Format::F16 => compiled!(
                    $features,
                    unpack_nothing,
                    floats::<Lanes, { Format::F16 as usize }, $columns>
                ),
                Format::BF16 => compiled!(
                    $features,
                    unpack_nothing,
                    floats::<Lanes, { Format::BF16 as usize }, $columns>
                ),
                Format::Q4_0 => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 0, 2, 64, 8>,
                    by32::<$grid, 0, { Format::Q4_0.unit().1 }>
                ),
                Format::Q4_1 => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 0, 2, 128, 0>,
                    by32::<$grid, 1, { Format::Q4_1.unit().1 }>
                ),
                Format::Q5_0 => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 1, 2, 64, 16>,
                    by32::<$grid, 0, { Format::Q5_0.unit().1 }>
                ),
                Format::Q5_1 => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 1, 2, 128, 0>,
                    by32::<$grid, 1, { Format::Q5_1.unit().1 }>
                ),
                Format::Q8_0 => compiled!(
                    $features,
                    unpack_eights,
                    by32::<$grid, 0, { Format::Q8_0.unit().1 }>
                ),
                Format::Q4_K => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 0, 8, 320, 0>,
                    by256::<$grid, 8, { Format::Q4_K.unit().1 }>
                ),
                Format::Q5_K => compiled!(
                    $features,
                    unpack_nibbles::<$grid, 1, 8, 320, 0>,
                    by256::<$grid, 8, { Format::Q5_K.unit().1 }>
                ),
                Format::Q6_K => compiled!(
                    $features,
                    unpack_sixes::<$grid>,
                    by256::<$grid, 16, { Format::Q6_K.unit().1 }>
                ),
            }
        }
    };
}
pub(crate) use formats;
