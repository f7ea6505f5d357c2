//! The matrix instruction of ARM's i8mm: two rows by two columns of eight inputs. Touches what its callers give.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array::from_fn;

use crate::dispatch::{UnpackFn, Wide, WideFn};
use crate::format::Format;
use crate::simd::{Dotprod, Neon, Simd};
use crate::wide::{Grid, Operands, Sums, Unpack, formats, nothing};

/// What [`crate::isa::Isa::NeonI8mm`] has beyond `sdot`.
pub(crate) static MATRICES: Wide = Wide {
    begin: nothing,
    end: nothing,
    bite: 2,
    of: by_format,
};

/// `vmmlaq_s32`, which is not stable yet: `sum[i][j] += Σ rows[i][k] × columns[j][k]`.
///
/// # Safety
/// The processor has the instruction.
#[inline]
#[target_feature(enable = "i8mm")]
unsafe fn smmla(mut sum: int32x4_t, rows: int8x16_t, columns: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on three registers.
    unsafe {
        asm!("smmla {sum:v}.4s, {rows:v}.16b, {columns:v}.16b",
            sum = inout(vreg) sum, rows = in(vreg) rows, columns = in(vreg) columns,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// Two columns of eight inputs each.
///
/// # Safety
/// Both are readable.
#[inline(always)]
unsafe fn two_columns(inputs: *const u8) -> int8x16_t {
    // SAFETY: as promised by the caller; columns stand 32 bytes apart.
    unsafe { vcombine_s8(vld1_s8(inputs.cast()), vld1_s8(inputs.add(32).cast())) }
}

/// Twice two rows of eight weights each, from two lines.
///
/// # Safety
/// Four rows of both lines are readable.
#[inline(always)]
unsafe fn four_rows(weights: *const u8) -> [int8x16_t; 2] {
    // SAFETY: as promised by the caller.
    unsafe {
        let (first, second) = (vld1q_s32(weights.cast()), vld1q_s32(weights.add(64).cast()));
        [
            vreinterpretq_s8_s32(vzip1q_s32(first, second)),
            vreinterpretq_s8_s32(vzip2q_s32(first, second)),
        ]
    }
}

/// Eight columns by eight rows: sixteen registers of sums.
///
/// # Safety
/// As [`Grid::finish`], from the first of the columns and rows on.
#[inline(always)]
unsafe fn eight_by_eight(inputs: *const u8, weights: *const u8, to: *mut i32) {
    // SAFETY: as promised by the caller: four times eight inputs are four times two lines. Columns of sums stand 16 apart.
    unsafe {
        let mut sums = [[vdupq_n_s32(0); 4]; 4];
        for step in 0..4 {
            let columns: [_; 4] = from_fn(|two| two_columns(inputs.add(two * 64 + step * 8)));
            let lines = weights.add(step * 128);
            let [[a, b], [c, d]] = [four_rows(lines), four_rows(lines.add(16))];
            for (sums, rows) in sums.iter_mut().zip([a, b, c, d]) {
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = smmla(*sum, rows, columns);
                }
            }
        }
        for two in 0..4 {
            for four in 0..2 {
                let (first, second) = (sums[four * 2][two], sums[four * 2 + 1][two]);
                let at = to.add(two * 32 + four * 4);
                vst1q_s32(at, vuzp1q_s32(first, second));
                vst1q_s32(at.add(16), vuzp2q_s32(first, second));
            }
        }
    }
}

struct I8mm;

// SAFETY: the caller promises the instruction set and the pointer.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointer"
)]
unsafe impl Unpack for I8mm {
    type Lanes = Neon<Dotprod>;

    #[inline(always)]
    unsafe fn put(bytes: [uint8x16_t; 4], zero: i8, to: *mut u8) {
        for (i, bytes) in bytes.into_iter().enumerate() {
            unsafe {
                vst1q_u8(
                    to.add(i * 16),
                    vsubq_u8(bytes, vdupq_n_u8(zero.cast_unsigned())),
                )
            }
        }
    }
}

// SAFETY: the caller promises the instruction set; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointers"
)]
unsafe impl Grid for I8mm {
    #[inline(always)]
    unsafe fn begin(_: Operands, _: usize) {}
    #[inline(always)]
    unsafe fn finish(operands: Operands, _: usize, to: *mut Sums) {
        let Operands { inputs, weights } = operands;
        let to = to.cast::<i32>();
        for (columns, rows) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            unsafe {
                let inputs = inputs.add(columns * 32);
                eight_by_eight(inputs, weights.add(rows * 4), to.add(columns * 16 + rows));
            }
        }
    }
    #[inline(always)]
    unsafe fn floats(sums: *const i32) -> [float32x4_t; 4] {
        unsafe { Neon::<Dotprod>::to_floats(from_fn(|i| vld1q_s32(sums.add(i * 4)))) }
    }
}

formats!(I8mm, 4, "neon,dotprod,i8mm");
