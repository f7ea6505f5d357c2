//! Products of sixteen columns, for processors with matrix instructions: what a prompt is read with there.
//!
//! A slice of a tile of weights is unpacked once to signed bytes and meets many groups of sixteen columns. Sums of a block are integers, as everywhere;
//! scales are applied to them by the same operations in the same order as in `dot.rs`, so that the results are the same bits.

use std::array::from_fn;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::dispatch::Group;
use crate::dot::{mins, sixes};
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

#[inline(always)]
unsafe fn read<G: Grid>(sums: *const f32) -> [Floats<G>; WIDE] {
    // SAFETY: `sums` has 16 × 16 elements.
    from_fn(|column| unsafe { G::Lanes::floats(sums.add(column * LANES)) })
}

#[inline(always)]
unsafe fn write<G: Grid>(totals: &[Floats<G>; WIDE], sums: *mut f32) {
    for (column, total) in totals.iter().enumerate() {
        // SAFETY: `sums` has 16 × 16 elements.
        unsafe { G::Lanes::store(sums.add(column * LANES), *total) }
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
        let mut totals = read::<G>(sums);
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
            let d = G::Lanes::halves(head.cast());
            for m in 0..WIDE {
                let scale = G::Lanes::mul(d, G::Lanes::splat(block.d[m]));
                totals[m] = G::Lanes::fma(G::floats(found.0[m].as_ptr()), scale, totals[m]);
            }
            if MINS == 1 {
                let min = G::Lanes::halves(head.add(64).cast());
                for m in 0..WIDE {
                    totals[m] = G::Lanes::fma(min, G::Lanes::splat(block.s[m]), totals[m]);
                }
            }
        });
        write::<G>(&totals, sums);
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
            let scale = head.add(64 + part * 16);
            let scale = if PARTS == 8 {
                G::Lanes::unsigned(scale)
            } else {
                G::Lanes::signed(scale)
            };
            for m in 0..WIDE {
                totals[m] = G::Lanes::fma(G::floats(found.0[m].as_ptr()), scale, totals[m]);
            }
            if part + 1 == PARTS {
                let d = if PARTS == 8 {
                    G::Lanes::halves(head.cast())
                } else {
                    G::Lanes::floats(head.cast())
                };
                let mut all = read::<G>(sums);
                for m in 0..WIDE {
                    let scale = G::Lanes::mul(d, G::Lanes::splat(block.d[m]));
                    all[m] = G::Lanes::fma(totals[m], scale, all[m]);
                }
                if PARTS == 8 {
                    mins::<G::Lanes, WIDE>(head, |pair| block.pairs[pair], block.d, &mut all);
                }
                write::<G>(&all, sums);
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

#[inline(always)]
pub(crate) unsafe fn unpack_sixes<G: Grid>(tile: *const u8, units: usize, to: *mut u8) {
    const BYTES: usize = Format::Q6_K.unit().1;
    for at in 0..units * 16 {
        // SAFETY: as promised to `UnpackFn`: 320 bytes of scales, then sixteen times three lines.
        unsafe {
            let lines = tile.add(at / 16 * BYTES + 320 + at % 16 * 192);
            // The first of a pair stands before the zeros, the second behind them.
            let weights = to.add(sixteen(at) + at % 2 * 256);
            if at.is_multiple_of(2) {
                weights.add(256).write_bytes(0, 256);
            }
            for (group, bytes) in sixes::<G::Lanes, WIDE>(lines).into_iter().enumerate() {
                G::put(bytes, 32, weights.add(group * 64));
            }
        }
    }
}

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
        Some((unpack as UnpackFn, wide as WideFn))
    }};
}
pub(crate) use compiled;

/// The function `by_format` of a [`Grid`]: see [`crate::dispatch::Wide::of`].
macro_rules! formats {
    ($grid:ty, $features:literal) => {
        fn by_format(format: Format) -> Option<(UnpackFn, WideFn)> {
            match format {
                Format::F32 | Format::F16 | Format::BF16 => None,
                Format::Q4_0 => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 0, 2, 64, 8>,
                    $crate::wide::by32::<$grid, 0, { Format::Q4_0.unit().1 }>
                ),
                Format::Q4_1 => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 0, 2, 128, 0>,
                    $crate::wide::by32::<$grid, 1, { Format::Q4_1.unit().1 }>
                ),
                Format::Q5_0 => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 1, 2, 64, 16>,
                    $crate::wide::by32::<$grid, 0, { Format::Q5_0.unit().1 }>
                ),
                Format::Q5_1 => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 1, 2, 128, 0>,
                    $crate::wide::by32::<$grid, 1, { Format::Q5_1.unit().1 }>
                ),
                Format::Q8_0 => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_eights,
                    $crate::wide::by32::<$grid, 0, { Format::Q8_0.unit().1 }>
                ),
                Format::Q4_K => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 0, 8, 320, 0>,
                    $crate::wide::by256::<$grid, 8, { Format::Q4_K.unit().1 }>
                ),
                Format::Q5_K => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_nibbles::<$grid, 1, 8, 320, 0>,
                    $crate::wide::by256::<$grid, 8, { Format::Q5_K.unit().1 }>
                ),
                Format::Q6_K => $crate::wide::compiled!(
                    $features,
                    $crate::wide::unpack_sixes::<$grid>,
                    $crate::wide::by256::<$grid, 16, { Format::Q6_K.unit().1 }>
                ),
            }
        }
    };
}
pub(crate) use formats;
