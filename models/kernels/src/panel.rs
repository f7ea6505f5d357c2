//! Activations as the kernels read them: a few columns side by side, rounded as the weights' format wants. Touches the memory given.
//!
//! The columns of a group stand beside each other, so that one load of weights meets them all. A group of M columns takes M times the bytes of
//! one, so the groups before it need not be known to find it.

use crate::format::Rounding;
use crate::simd::{LANES, Simd};

/// Columns of a group for `wide.rs`, whose matrix instructions want the inputs of each column side by side, and for `quads.rs`. No other group
/// has so many.
pub(crate) const WIDE: usize = 16;

/// 32 inputs of M columns.
#[repr(C)]
pub(crate) struct Block32<const M: usize> {
    /// `[input / 4][column][input % 4]`; in a wide group `[column][input]`.
    pub(crate) q: [[[i8; 4]; M]; 8],
    /// The value of one step of q.
    pub(crate) d: [f32; M],
    /// d times the sum of q, for formats with a minimum.
    pub(crate) s: [f32; M],
    /// Minus the sum of q times 8, 16 and 128: where the sum starts when weights are kept with that much added.
    pub(crate) starts: [[i32; M]; 3],
}

/// 256 inputs of M columns.
#[repr(C)]
pub(crate) struct Block256<const M: usize> {
    /// `[input / 4][column][input % 4]`; in a wide group `[input / 32][column][input % 32]`.
    pub(crate) q: [[[i8; 4]; M]; 64],
    /// The value of one step of q.
    pub(crate) d: [f32; M],
    /// Sums of q over 32 inputs each, two i16 in one i32.
    pub(crate) pairs: [[i32; M]; 4],
    /// Minus 32 times the sums of q over 16 inputs each.
    pub(crate) starts: [[i32; M]; 16],
}

const SIZE32: usize = size_of::<Block32<1>>();
const SIZE256: usize = size_of::<Block256<1>>();

/// Bytes of one column of `inputs` activations.
pub(crate) const fn column_bytes(rounding: Rounding, inputs: usize) -> usize {
    match rounding {
        Rounding::None => inputs.next_multiple_of(2) * 4,
        Rounding::By32 => inputs.next_multiple_of(64) / 32 * SIZE32,
        Rounding::By256 => inputs.div_ceil(256) * SIZE256,
    }
}

/// Where one column goes: a group's memory, its number of columns, and which of them.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) group: *mut u8,
    pub(crate) of: usize,
    pub(crate) index: usize,
}

impl Column {
    /// Where inputs 4 × `four` to 4 × `four` + 3 of a block lie, in fours.
    #[inline(always)]
    fn four(self, four: usize) -> usize {
        if self.of == WIDE {
            (four / 8 * WIDE + self.index) * 8 + four % 8
        } else {
            four * self.of + self.index
        }
    }
}

/// Rounds one column into its place.
///
/// # Safety
/// `from` is readable for `inputs` f32, a multiple of 16 (of 32, 256 where blocks are so long); the group is writable for `of` times
/// [`column_bytes`], aligned to 4; the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn fill<S: Simd>(
    rounding: Rounding,
    from: *const f32,
    inputs: usize,
    to: Column,
) {
    // SAFETY: as promised by the caller; each block stays inside the group's memory by `column_bytes`.
    unsafe {
        match rounding {
            Rounding::None => copy(from, inputs, to),
            Rounding::By32 => {
                for block in 0..inputs / 32 {
                    fill32::<S>(from.add(block * 32), to, block);
                }
                if !inputs.is_multiple_of(64) {
                    nothing32(to, inputs / 32);
                }
            }
            Rounding::By256 => {
                for block in 0..inputs / 256 {
                    fill256::<S>(from.add(block * 256), to, block);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn copy(from: *const f32, inputs: usize, to: Column) {
    // SAFETY: as promised to `fill`.
    unsafe {
        let group = to.group.cast::<f32>();
        for input in 0..inputs {
            *group.add(input * to.of + to.index) = *from.add(input);
        }
        if !inputs.is_multiple_of(2) {
            *group.add(inputs * to.of + to.index) = 0.0;
        }
    }
}

/// The largest magnitude of `N` × 16 values.
#[inline(always)]
unsafe fn peak<S: Simd, const N: usize>(from: *const f32) -> f32 {
    // SAFETY: as promised to `fill`.
    unsafe {
        let mut most = S::abs(S::floats(from));
        for part in 1..N {
            most = S::max(most, S::abs(S::floats(from.add(part * LANES))));
        }
        S::largest(most)
    }
}

/// Rounds 16 values, the `part`th of a block, and puts them into the column, four by four. Gives the rounded values:
/// whole numbers, whose sums are exact in f32.
#[inline(always)]
unsafe fn sixteen<S: Simd>(
    from: *const f32,
    inverse: S::Floats,
    block: *mut [i8; 4],
    to: Column,
    part: usize,
) -> S::Floats {
    // SAFETY: as promised to `fill`.
    unsafe {
        let values = S::mul(S::floats(from), inverse);
        let first = block.add(to.four(part * 4));
        if to.of == WIDE {
            S::store_signed(first.cast(), values);
        } else {
            let mut q = [[0_i8; 4]; 4];
            S::store_signed(q.as_mut_ptr().cast(), values);
            for (four, values) in q.iter().enumerate() {
                *first.add(four * to.of) = *values;
            }
        }
        S::round(values)
    }
}

/// Steps to one: 127 over the largest magnitude. None where that is so small that this is no number: what it scales is nothing.
#[inline(always)]
fn steps(most: f32) -> f32 {
    let steps = 127.0 / most;
    if steps.is_finite() { steps } else { 0.0 }
}

/// A block of zeros, in this column's places only: other threads may be filling the others.
#[inline(always)]
unsafe fn nothing32(to: Column, block: usize) {
    // SAFETY: as promised to `fill`.
    unsafe {
        let base = to.group.add(block * SIZE32 * to.of);
        let q = base.cast::<[i8; 4]>();
        for four in 0..8 {
            *q.add(to.four(four)) = [0; 4];
        }
        let rest = base.add(32 * to.of).cast::<[u8; 4]>(); // d, s and three starts
        for place in 0..5 {
            *rest.add(place * to.of + to.index) = [0; 4];
        }
    }
}

/// `quantize_row_q8_0` of ggml: the scale is the largest magnitude over 127, kept in f16.
#[inline(always)]
unsafe fn fill32<S: Simd>(from: *const f32, to: Column, block: usize) {
    // SAFETY: as promised to `fill`.
    unsafe {
        let most = peak::<S, 2>(from);
        let inverse = S::splat(steps(most));
        let base = to.group.add(block * SIZE32 * to.of);
        let q = base.cast::<[i8; 4]>();
        let first = sixteen::<S>(from, inverse, q, to, 0);
        let sum = S::sum(S::add(first, sixteen::<S>(from.add(16), inverse, q, to, 1))) as i32;
        let rest = base.add(32 * to.of);
        let d = most / 127.0;
        let scales = rest.cast::<f32>();
        *scales.add(to.index) = rounded::<S>(d);
        *scales.add(to.of + to.index) = rounded::<S>(d * sum as f32);
        let starts = rest.add(8 * to.of).cast::<i32>();
        for (place, times) in [8, 16, 128].into_iter().enumerate() {
            *starts.add(place * to.of + to.index) = -times * sum;
        }
    }
}

/// `quantize_row_q8_K` of ggml: the scale is kept in f32.
#[inline(always)]
unsafe fn fill256<S: Simd>(from: *const f32, to: Column, block: usize) {
    // SAFETY: as promised to `fill`.
    unsafe {
        let most = peak::<S, 16>(from);
        let steps = steps(most);
        let base = to.group.add(block * SIZE256 * to.of);
        let q = base.cast::<[i8; 4]>();
        let rest = base.add(256 * to.of);
        *rest.cast::<f32>().add(to.index) = if steps > 0.0 {
            1.0 / steps
        } else {
            most / 127.0
        };
        let pairs = rest.add(4 * to.of).cast::<i32>();
        let starts = rest.add(20 * to.of).cast::<i32>();
        let mut sums = [0_i32; 16];
        for (part, sum) in sums.iter_mut().enumerate() {
            let rounded = sixteen::<S>(from.add(part * 16), S::splat(steps), q, to, part);
            *sum = S::sum(rounded) as i32;
            *starts.add(part * to.of + to.index) = -32 * *sum;
        }
        for (pair, [a, b, c, d]) in sums.as_chunks::<4>().0.iter().enumerate() {
            *pairs.add(pair * to.of + to.index) = ((a + b) & 0xFFFF) | (c + d) << 16;
        }
    }
}

/// The nearest f16, as f32.
#[inline(always)]
unsafe fn rounded<S: Simd>(value: f32) -> f32 {
    let mut halves = [0_u16; LANES];
    let mut floats = [0.0; LANES];
    // SAFETY: both arrays have sixteen elements.
    unsafe {
        S::store_halves(halves.as_mut_ptr(), S::splat(value));
        S::store(floats.as_mut_ptr(), S::halves(halves.as_ptr()));
    }
    floats[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Scalar;

    /// A group of memory of this background after one column was filled.
    fn filled(
        background: u8,
        rounding: Rounding,
        inputs: usize,
        of: usize,
        index: usize,
    ) -> Vec<u8> {
        let from: Vec<f32> = (1_u8..=255).cycle().take(inputs).map(f32::from).collect();
        let mut memory =
            vec![u32::from_ne_bytes([background; 4]); column_bytes(rounding, inputs) * of / 4];
        let group = memory.as_mut_ptr().cast();
        // SAFETY: the memory is as large as the group; plain Rust needs no instruction set.
        unsafe { fill::<Scalar>(rounding, from.as_ptr(), inputs, Column { group, of, index }) };
        memory.into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    /// Threads share out the columns of a group: two that wrote the same place would race.
    #[test]
    fn each_column_writes_its_own_places_and_all_write_all() {
        let kinds = [
            (Rounding::None, 33),
            (Rounding::By32, 96),
            (Rounding::By256, 512),
        ];
        for (rounding, inputs) in kinds {
            for of in [1, 3, WIDE] {
                let mut writers = vec![0; column_bytes(rounding, inputs) * of];
                for index in 0..of {
                    let [one, other] =
                        [0xAA, 0x55].map(|kept| filled(kept, rounding, inputs, of, index));
                    let kept = one.iter().zip(&other).map(|pair| pair == (&0xAA, &0x55));
                    for (writers, kept) in writers.iter_mut().zip(kept) {
                        *writers += usize::from(!kept);
                    }
                }
                assert!(
                    writers.iter().all(|writers| *writers == 1),
                    "{rounding:?} of {of}"
                );
            }
        }
    }
}
