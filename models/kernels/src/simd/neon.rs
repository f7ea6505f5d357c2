//! NEON: four registers of four lanes.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array::from_fn;
use std::marker::PhantomData;

use super::Simd;

/// NEON, with integer products as `D` has them.
#[derive(Clone, Copy)]
pub(crate) struct Neon<D>(PhantomData<D>);

/// Integer products of one register: all that the instruction sets of ARM differ in.
///
/// # Safety
/// Every method: the processor has the instruction set.
pub(crate) unsafe trait Dots: Copy {
    /// See [`Simd::dot_signed`]: four weights for each of four rows, the same four inputs for each. No bias: what has at most 63 is the same
    /// with a sign as without.
    unsafe fn dot(sum: int32x4_t, weights: int8x16_t, inputs: int8x16_t) -> int32x4_t;
}

/// Multiplies to 16 bits, then adds to 32: what every ARM of 64 bits has.
#[derive(Clone, Copy)]
pub(crate) struct Mull;

// SAFETY: the caller promises the instruction set; no memory is touched.
unsafe impl Dots for Mull {
    #[inline(always)]
    unsafe fn dot(sum: int32x4_t, weights: int8x16_t, inputs: int8x16_t) -> int32x4_t {
        // SAFETY: lane-wise operations on registers.
        unsafe {
            let first = vmull_s8(vget_low_s8(weights), vget_low_s8(inputs));
            let second = vmull_high_s8(weights, inputs);
            // 128 × 127 × 2 is within an i16.
            vpadalq_s16(sum, vpaddq_s16(first, second))
        }
    }
}

/// `sdot`.
#[derive(Clone, Copy)]
pub(crate) struct Dotprod;

// SAFETY: the caller promises the instruction set; no memory is touched.
unsafe impl Dots for Dotprod {
    #[inline(always)]
    unsafe fn dot(sum: int32x4_t, weights: int8x16_t, inputs: int8x16_t) -> int32x4_t {
        // SAFETY: as the caller promises.
        unsafe { sdot(sum, weights, inputs) }
    }
}

/// `vdotq_s32`, which is not stable yet.
///
/// # Safety
/// The processor has the instruction.
#[inline]
#[target_feature(enable = "dotprod")]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on three registers.
    unsafe {
        asm!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

type Bytes = [uint8x16_t; 4];
type Ints = [int32x4_t; 4];
type Floats = [float32x4_t; 4];

/// One operation on each register.
#[inline(always)]
fn each<A: Copy, B: Copy, C>(a: [A; 4], b: [B; 4], f: impl Fn(A, B) -> C) -> [C; 4] {
    from_fn(|i| f(a[i], b[i]))
}

/// Four inputs for each of four rows.
///
/// # Safety
/// Four bytes are readable.
#[inline(always)]
unsafe fn four(inputs: *const i8) -> int8x16_t {
    // SAFETY: as promised by the caller; no alignment is asked for.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(inputs.cast::<i32>().read_unaligned())) }
}

/// All bits set in each lane below `count`.
///
/// # Safety
/// The processor has NEON.
#[inline(always)]
unsafe fn below(count: usize) -> [uint32x4_t; 4] {
    const LANES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    // SAFETY: four registers of the sixteen numbers.
    from_fn(|i| unsafe {
        vcltq_u32(
            vld1q_u32(LANES.as_ptr().add(i * 4)),
            vdupq_n_u32(count.min(16) as u32),
        )
    })
}

// SAFETY: the caller promises the instruction set; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointers"
)]
unsafe impl<D: Dots> Simd for Neon<D> {
    type Bytes = Bytes;
    type Ints = Ints;
    type Floats = Floats;

    // 16 registers of products, 8 of weights, one of inputs: of 32.
    const COLUMNS: usize = 4;
    const QUERIES: usize = 4;
    const TILES: usize = 1;
    const SIGNED_BIAS: i32 = 0;

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Bytes {
        from_fn(|i| unsafe { vld1q_u8(from.add(i * 16)) })
    }
    #[inline(always)]
    unsafe fn low(bytes: Bytes) -> Bytes {
        bytes.map(|bytes| unsafe { vandq_u8(bytes, vdupq_n_u8(15)) })
    }
    #[inline(always)]
    unsafe fn high(bytes: Bytes) -> Bytes {
        bytes.map(|bytes| unsafe { vshrq_n_u8::<4>(bytes) })
    }
    #[inline(always)]
    unsafe fn with_two<const N: u32>(low: Bytes, high: Bytes) -> Bytes {
        each(low, high, |low, high| unsafe {
            let shifted = match N {
                0 => vshlq_n_u8::<4>(high),
                2 => vshlq_n_u8::<2>(high),
                4 => high,
                _ => vshrq_n_u8::<2>(high),
            };
            vorrq_u8(low, vandq_u8(shifted, vdupq_n_u8(0x30)))
        })
    }
    #[inline(always)]
    unsafe fn with_one(low: Bytes, mask: *const u8) -> Bytes {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        from_fn(|i| unsafe {
            let [first, second] = mask.add(i * 2).cast::<[u8; 2]>().read();
            let copies = vcombine_u8(vdup_n_u8(first), vdup_n_u8(second));
            let set = vtstq_u8(copies, vld1q_u8(BITS.as_ptr()));
            vorrq_u8(low[i], vandq_u8(set, vdupq_n_u8(16)))
        })
    }
    #[inline(always)]
    unsafe fn dot(sum: Ints, weights: Bytes, inputs: *const i8) -> Ints {
        unsafe { Self::dot_signed(sum, weights, inputs) }
    }
    #[inline(always)]
    unsafe fn dot_signed(sum: Ints, weights: Bytes, inputs: *const i8) -> Ints {
        unsafe {
            let inputs = four(inputs);
            each(sum, weights, |sum, weights| {
                D::dot(sum, vreinterpretq_s8_u8(weights), inputs)
            })
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: Ints, weights: *const u8, inputs: i32) -> Ints {
        from_fn(|i| unsafe {
            let inputs = vreinterpretq_s16_s32(vdupq_n_s32(inputs));
            let weights = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(weights.add(i * 8))));
            let first = vmull_s16(vget_low_s16(weights), vget_low_s16(inputs));
            let second = vmull_high_s16(weights, inputs);
            vaddq_s32(sum[i], vpaddq_s32(first, second))
        })
    }
    #[inline(always)]
    unsafe fn ints(value: i32) -> Ints {
        unsafe { [vdupq_n_s32(value); 4] }
    }
    #[inline(always)]
    unsafe fn add_ints(a: Ints, b: Ints) -> Ints {
        each(a, b, |a, b| unsafe { vaddq_s32(a, b) })
    }
    #[inline(always)]
    unsafe fn to_floats(ints: Ints) -> Floats {
        ints.map(|ints| unsafe { vcvtq_f32_s32(ints) })
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }
    #[inline(always)]
    unsafe fn floats(from: *const f32) -> Floats {
        from_fn(|i| unsafe { vld1q_f32(from.add(i * 4)) })
    }
    #[inline(always)]
    unsafe fn halves(from: *const u16) -> Floats {
        from_fn(|i| unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from.add(i * 4)))) })
    }
    #[inline(always)]
    unsafe fn brains(from: *const u16) -> Floats {
        from_fn(|i| unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(i * 4)))) })
    }
    #[inline(always)]
    unsafe fn unsigned(from: *const u8) -> Floats {
        unsafe {
            let bytes = vld1q_u8(from);
            let (first, second) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
            [
                vmovl_u16(vget_low_u16(first)),
                vmovl_high_u16(first),
                vmovl_u16(vget_low_u16(second)),
                vmovl_high_u16(second),
            ]
            .map(|wide| vcvtq_f32_u32(wide))
        }
    }
    #[inline(always)]
    unsafe fn signed(from: *const u8) -> Floats {
        unsafe {
            let bytes = vld1q_s8(from.cast());
            let (first, second) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
            [
                vmovl_s16(vget_low_s16(first)),
                vmovl_high_s16(first),
                vmovl_s16(vget_low_s16(second)),
                vmovl_high_s16(second),
            ]
            .map(|wide| vcvtq_f32_s32(wide))
        }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: Floats) {
        for (i, values) in values.into_iter().enumerate() {
            unsafe { vst1q_f32(to.add(i * 4), values) }
        }
    }
    #[inline(always)]
    unsafe fn store_halves(to: *mut u16, values: Floats) {
        for (i, values) in values.into_iter().enumerate() {
            unsafe { vst1_u16(to.add(i * 4), vreinterpret_u16_f16(vcvt_f16_f32(values))) }
        }
    }
    #[inline(always)]
    unsafe fn store_signed(to: *mut i8, values: Floats) {
        unsafe {
            let [a, b, c, d] = values.map(|values| vqmovn_s32(vcvtnq_s32_f32(values)));
            vst1q_s8(
                to,
                vcombine_s8(
                    vqmovn_s16(vcombine_s16(a, b)),
                    vqmovn_s16(vcombine_s16(c, d)),
                ),
            );
        }
    }
    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vaddq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vsubq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vmulq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vdivq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vmaxq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| unsafe { vminq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
        from_fn(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }
    #[inline(always)]
    unsafe fn round(a: Floats) -> Floats {
        a.map(|a| unsafe { vrndnq_f32(a) })
    }
    #[inline(always)]
    unsafe fn scale(a: Floats, n: Floats) -> Floats {
        each(a, n, |a, n| unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        })
    }
    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        a.map(|a| unsafe { vabsq_f32(a) })
    }
    #[inline(always)]
    unsafe fn sum(a: Floats) -> f32 {
        unsafe {
            let four = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
            vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)))
        }
    }
    #[inline(always)]
    unsafe fn largest(a: Floats) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(vmaxq_f32(a[0], a[1]), vmaxq_f32(a[2], a[3]))) }
    }
    #[inline(always)]
    unsafe fn keep(a: Floats, count: usize) -> Floats {
        unsafe {
            let none = vdupq_n_f32(f32::NEG_INFINITY);
            each(below(count), a, |below, a| vbslq_f32(below, a, none))
        }
    }
    #[inline(always)]
    unsafe fn drop_first(a: Floats, count: usize) -> Floats {
        unsafe {
            let none = vdupq_n_f32(f32::NEG_INFINITY);
            each(below(count), a, |below, a| vbslq_f32(below, none, a))
        }
    }
    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch reads nothing that the program can see, and faults nowhere.
        unsafe {
            asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nomem, nostack, preserves_flags));
        }
    }
}
