//! One tile of sixteen rows times M columns, for each format. Reads weights and activations, writes M × 16 sums.
//!
//! A block's products are summed in integers; its scales are then applied in f32, block after block. That order is the same for every M, so a
//! column's result does not depend on its neighbours.

use std::array::from_fn;

use crate::format::Format;
use crate::panel::{Block32, Block256};
use crate::simd::{LANES, Simd};

/// How far ahead weights are asked for, in bytes: a page. `examples/gemv.rs` measures it; between 1.5 and 8 KiB no other was better for every format.
const AHEAD: usize = 4096;
/// From this many columns on arithmetic is the bottleneck, and asking ahead only takes slots.
const FEW: usize = 8;

/// The product of one tile and one group of columns, of one format.
pub(crate) trait Product {
    /// Writes `[M][16]` sums to `into`.
    ///
    /// # Safety
    /// `tile` holds `units` units of the format; `group` holds as many inputs of M columns, rounded as the format wants; `into` is writable for
    /// M × 16 f32; the instruction set is there.
    unsafe fn tile<S: Simd, const M: usize>(
        tile: *const u8,
        units: usize,
        group: *const u8,
        into: *mut f32,
    );
}

/// Reads M × 16 sums.
#[inline(always)]
pub(crate) unsafe fn read<S: Simd, const M: usize>(from: *const f32) -> [S::Floats; M] {
    // SAFETY: `from` has M × 16 elements.
    from_fn(|column| unsafe { S::floats(from.add(column * LANES)) })
}

/// Writes M × 16 sums.
#[inline(always)]
pub(crate) unsafe fn write<S: Simd, const M: usize>(sums: [S::Floats; M], into: *mut f32) {
    for (column, sum) in sums.into_iter().enumerate() {
        // SAFETY: `into` has M × 16 elements.
        unsafe { S::store(into.add(column * LANES), sum) }
    }
}

/// Adds the sums of a block of 32, `found` column by column, times its scales, and its minimums where `MINS` is 1. `head` is where the block's
/// scales begin in the head of its unit; `d` and `s` are those of [`Block32`].
#[inline(always)]
pub(crate) unsafe fn add_block32<S: Simd, const M: usize, const MINS: usize>(
    head: *const u8,
    (d, s): (&[f32; M], &[f32; M]),
    found: impl Fn(usize) -> S::Floats,
    sums: &mut [S::Floats; M],
) {
    // SAFETY: the head of a unit, as promised to the callers.
    unsafe {
        let scale = S::halves(head.cast());
        for m in 0..M {
            sums[m] = S::fma(found(m), S::mul(scale, S::splat(d[m])), sums[m]);
        }
        if MINS == 1 {
            let min = S::halves(head.add(64).cast());
            for m in 0..M {
                sums[m] = S::fma(min, S::splat(s[m]), sums[m]);
            }
        }
    }
}

/// The scale of sub-block `part` in the head of a unit of 256: of eight, without a sign, or of sixteen, with one.
#[inline(always)]
pub(crate) unsafe fn part_scale<S: Simd, const PARTS: usize>(
    head: *const u8,
    part: usize,
) -> S::Floats {
    // SAFETY: the head of a unit, as promised to the callers.
    unsafe {
        let scale = head.add(64 + part * 16);
        if PARTS == 8 {
            S::unsigned(scale)
        } else {
            S::signed(scale)
        }
    }
}

/// Adds the total of a unit of 256 times its scale, and takes its minimums away where it has eight sub-blocks. `pairs` and `d` are those of
/// [`Block256`].
#[inline(always)]
pub(crate) unsafe fn add_block256<S: Simd, const M: usize, const PARTS: usize>(
    head: *const u8,
    d: &[f32; M],
    pairs: impl Fn(usize, usize) -> i32,
    total: [S::Floats; M],
    sums: &mut [S::Floats; M],
) {
    // SAFETY: the head of a unit, as promised to the callers.
    unsafe {
        let scale = if PARTS == 8 {
            S::halves(head.cast())
        } else {
            S::floats(head.cast())
        };
        for m in 0..M {
            sums[m] = S::fma(total[m], S::mul(scale, S::splat(d[m])), sums[m]);
        }
        if PARTS == 8 {
            mins::<S, M>(head, d, pairs, sums);
        }
    }
}

/// Takes the minimums of one unit away: each times the sum of its 32 inputs.
#[inline(always)]
unsafe fn mins<S: Simd, const M: usize>(
    head: *const u8,
    d: &[f32; M],
    pairs: impl Fn(usize, usize) -> i32,
    sums: &mut [S::Floats; M],
) {
    // SAFETY: the head of a unit, as promised to the callers.
    unsafe {
        let mut products = [S::ints(0); M];
        for pair in 0..4 {
            for m in 0..M {
                products[m] = S::dot_pairs(products[m], head.add(192 + pair * 32), pairs(pair, m));
            }
        }
        let min = S::halves(head.add(32).cast());
        for m in 0..M {
            let scale = S::mul(min, S::splat(-d[m]));
            sums[m] = S::fma(S::to_floats(products[m]), scale, sums[m]);
        }
    }
}

/// The weights of one input of F32, F16 or BF16.
#[inline(always)]
pub(crate) unsafe fn float_weights<S: Simd, const FORMAT: usize>(at: *const u8) -> S::Floats {
    // SAFETY: sixteen weights, as promised to the callers.
    unsafe {
        if FORMAT == Format::F32 as usize {
            S::floats(at.cast())
        } else if FORMAT == Format::F16 as usize {
            S::halves(at.cast())
        } else {
            S::brains(at.cast())
        }
    }
}

/// Bytes of the weights of one input of F32, F16 or BF16.
pub(crate) const fn float_bytes(format: usize) -> usize {
    if format == Format::F32 as usize {
        64
    } else {
        32
    }
}

/// Reads a line of weights and asks for the one that comes [`AHEAD`] of it: one at a time, since a burst would fill the processor's queue of misses.
#[inline(always)]
unsafe fn line<S: Simd, const M: usize>(at: *const u8) -> S::Bytes {
    if M <= FEW {
        S::prefetch(at.wrapping_add(AHEAD));
    }
    // SAFETY: a line of weights, as the callers promise.
    unsafe { S::bytes(at) }
}

/// Asks for the head of the unit [`AHEAD`] of this one.
#[inline(always)]
fn ask_ahead<S: Simd, const M: usize>(head: *const u8, bytes: usize) {
    if M <= FEW {
        for line in 0..bytes / 64 {
            S::prefetch(head.wrapping_add(AHEAD + line * 64));
        }
    }
}

/// How 32 weights of each row lie in memory.
pub(crate) trait Weights {
    /// Bytes of the 32 × 16 weights.
    const BYTES: usize;
    /// Adds the products with 32 inputs of M columns to `sums`.
    unsafe fn dot<S: Simd, const M: usize>(
        lines: *const u8,
        q: *const [[i8; 4]; M],
        sums: &mut [S::Ints; M],
    );
}

/// Four bits; where `FIFTH` is 1, masks with a fifth follow.
pub(crate) struct Nibbles<const FIFTH: usize>;
/// Eight bits with a sign.
pub(crate) struct Eights;

/// With one or two columns the products go into two chains of sums, so that none waits for the one before it; this joins them.
#[inline(always)]
unsafe fn join<S: Simd, const M: usize>(sums: &mut [S::Ints; M], others: [S::Ints; M]) {
    if M <= 2 {
        for m in 0..M {
            // SAFETY: lane-wise operations only.
            sums[m] = unsafe { S::add_ints(sums[m], others[m]) };
        }
    }
}

impl<const FIFTH: usize> Weights for Nibbles<FIFTH> {
    const BYTES: usize = 256 + 64 * FIFTH;
    #[inline(always)]
    unsafe fn dot<S: Simd, const M: usize>(
        lines: *const u8,
        q: *const [[i8; 4]; M],
        sums: &mut [S::Ints; M],
    ) {
        // SAFETY: four lines, eight groups of inputs and, where there are any, eight masks, as the caller promises.
        unsafe {
            let mut others = [S::ints(0); M];
            for line in 0..4 {
                let bytes = self::line::<S, M>(lines.add(line * 64));
                let (mut low, mut high) = (S::low(bytes), S::high(bytes));
                if FIFTH == 1 {
                    low = S::with_one(low, lines.add(256 + line * 8));
                    high = S::with_one(high, lines.add(288 + line * 8));
                }
                let (first, second) = (&*q.add(line), &*q.add(line + 4));
                for m in 0..M {
                    sums[m] = S::dot(sums[m], low, first[m].as_ptr());
                }
                for m in 0..M {
                    let chain = if M <= 2 { &mut others } else { &mut *sums };
                    chain[m] = S::dot(chain[m], high, second[m].as_ptr());
                }
            }
            join::<S, M>(sums, others);
        }
    }
}

impl Weights for Eights {
    const BYTES: usize = 512;
    #[inline(always)]
    unsafe fn dot<S: Simd, const M: usize>(
        lines: *const u8,
        q: *const [[i8; 4]; M],
        sums: &mut [S::Ints; M],
    ) {
        // SAFETY: eight lines and eight groups of inputs, as the caller promises.
        unsafe {
            let mut others = [S::ints(0); M];
            for line in 0..8 {
                let bytes = self::line::<S, M>(lines.add(line * 64));
                let group = &*q.add(line);
                for m in 0..M {
                    let odd = M <= 2 && line % 2 == 1;
                    let chain = if odd { &mut others } else { &mut *sums };
                    chain[m] = S::dot_signed(chain[m], bytes, group[m].as_ptr());
                }
            }
            join::<S, M>(sums, others);
        }
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: `START` is the place in [`Block32::starts`], 3 for none; `MINS` is 1 where a minimum follows the scale.
pub(crate) struct By32<W, const START: usize, const MINS: usize>(W);

impl<W: Weights, const START: usize, const MINS: usize> Product for By32<W, START, MINS> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(
        tile: *const u8,
        units: usize,
        group: *const u8,
        into: *mut f32,
    ) {
        let head = 64 + MINS * 64;
        let bytes = head + 2 * W::BYTES;
        // SAFETY: as promised by the caller: a unit is two blocks, and so are its activations.
        unsafe {
            let mut sums = [S::splat(0.0); M];
            let mut blocks = group.cast::<Block32<M>>();
            for unit in 0..units {
                let unit = tile.add(unit * bytes);
                ask_ahead::<S, M>(unit, head);
                for half in 0..2 {
                    let block = &*blocks;
                    let mut products = starts::<S, M, START>(|start| block.starts[start]);
                    W::dot::<S, M>(
                        unit.add(head + half * W::BYTES),
                        block.q.as_ptr(),
                        &mut products,
                    );
                    add_block32::<S, M, MINS>(
                        unit.add(half * 32),
                        (&block.d, &block.s),
                        |m| S::to_floats(products[m]),
                        &mut sums,
                    );
                    blocks = blocks.add(1);
                }
            }
            write::<S, M>(sums, into);
        }
    }
}

/// Where the sums of a block of 32 start, of those in [`Block32::starts`].
#[inline(always)]
pub(crate) unsafe fn starts<S: Simd, const M: usize, const START: usize>(
    starts: impl Fn(usize) -> [i32; M],
) -> [S::Ints; M] {
    let wanted = START < 2 || (START == 2 && S::SIGNED_BIAS != 0);
    let start = if wanted { starts(START) } else { [0; M] };
    // SAFETY: lane-wise operations only.
    start.map(|start| unsafe { S::ints(start) })
}

/// Q4_K and Q5_K.
pub(crate) struct K45<W>(W);

impl<W: Weights> Product for K45<W> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(
        tile: *const u8,
        units: usize,
        group: *const u8,
        into: *mut f32,
    ) {
        const HEAD: usize = 320;
        let bytes = HEAD + 8 * W::BYTES;
        // SAFETY: as promised by the caller.
        unsafe {
            let mut sums = [S::splat(0.0); M];
            for index in 0..units {
                let unit = tile.add(index * bytes);
                ask_ahead::<S, M>(unit, HEAD);
                let block = &*group.cast::<Block256<M>>().add(index);
                let mut total = [S::splat(0.0); M];
                for sub in 0..8 {
                    let mut products = [S::ints(0); M];
                    W::dot::<S, M>(
                        unit.add(HEAD + sub * W::BYTES),
                        block.q.as_ptr().add(sub * 8),
                        &mut products,
                    );
                    let scale = part_scale::<S, 8>(unit, sub);
                    for m in 0..M {
                        total[m] = S::fma(S::to_floats(products[m]), scale, total[m]);
                    }
                }
                let pairs = |pair: usize, m: usize| block.pairs[pair][m];
                add_block256::<S, M, 8>(unit, &block.d, pairs, total, &mut sums);
            }
            write::<S, M>(sums, into);
        }
    }
}

/// Q6_K.
pub(crate) struct K6;

impl Product for K6 {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(
        tile: *const u8,
        units: usize,
        group: *const u8,
        into: *mut f32,
    ) {
        const BYTES: usize = Format::Q6_K.unit().1;
        // SAFETY: as promised by the caller.
        unsafe {
            let mut sums = [S::splat(0.0); M];
            for index in 0..units {
                let unit = tile.add(index * BYTES);
                ask_ahead::<S, M>(unit, 320);
                let block = &*group.cast::<Block256<M>>().add(index);
                let mut total = [S::splat(0.0); M];
                for sub in 0..16 {
                    let products = six::<S, M>(unit.add(320 + sub * 192), block, sub);
                    let scale = part_scale::<S, 16>(unit, sub);
                    for m in 0..M {
                        total[m] = S::fma(S::to_floats(products[m]), scale, total[m]);
                    }
                }
                add_block256::<S, M, 16>(unit, &block.d, |_, _| 0, total, &mut sums);
            }
            write::<S, M>(sums, into);
        }
    }
}

/// 16 weights of six bits for each row, from three lines.
#[inline(always)]
pub(crate) unsafe fn sixes<S: Simd, const M: usize>(lines: *const u8) -> [S::Bytes; 4] {
    // SAFETY: three lines, as the callers promise.
    unsafe {
        let [first, second, high] = [0, 64, 128].map(|at| line::<S, M>(lines.add(at)));
        [
            S::with_two::<0>(S::low(first), high),
            S::with_two::<2>(S::high(first), high),
            S::with_two::<4>(S::low(second), high),
            S::with_two::<6>(S::high(second), high),
        ]
    }
}

/// The products of 16 inputs with their weights.
#[inline(always)]
unsafe fn six<S: Simd, const M: usize>(
    lines: *const u8,
    block: &Block256<M>,
    sub: usize,
) -> [S::Ints; M] {
    // SAFETY: three lines, as promised to `K6::tile`.
    unsafe {
        let weights = sixes::<S, M>(lines);
        let mut sums = [S::ints(0); M];
        for m in 0..M {
            sums[m] = S::ints(block.starts[sub][m]);
        }
        for (part, weights) in weights.into_iter().enumerate() {
            for m in 0..M {
                sums[m] = S::dot(sums[m], weights, block.q[sub * 4 + part][m].as_ptr());
            }
        }
        sums
    }
}

/// F32, F16, BF16: one line of sixteen weights for each input.
pub(crate) struct Floats<const FORMAT: usize>;

impl<const FORMAT: usize> Product for Floats<FORMAT> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize>(
        tile: *const u8,
        units: usize,
        group: *const u8,
        into: *mut f32,
    ) {
        let bytes = float_bytes(FORMAT);
        // SAFETY: as promised by the caller: a unit is two inputs.
        unsafe {
            let mut sums = [S::splat(0.0); M];
            for input in 0..units * 2 {
                let at = tile.add(input * bytes);
                ask_ahead::<S, M>(at, bytes);
                let weights = float_weights::<S, FORMAT>(at);
                let values = &*group.cast::<[f32; M]>().add(input);
                for m in 0..M {
                    sums[m] = S::fma(weights, S::splat(values[m]), sums[m]);
                }
            }
            write::<S, M>(sums, into);
        }
    }
}
