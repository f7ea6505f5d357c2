//! AVX2 with FMA and F16C: two registers of eight lanes.

use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::Simd;
use crate::quads::Partial;
use crate::wide::Unpack;

/// AVX2, FMA and F16C, with integer products as `D` has them.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<D>(PhantomData<D>);

/// Integer products of one register: all that AVX2 and AVX-VNNI differ in.
///
/// # Safety
/// Every method: the processor has the instruction set.
pub(crate) unsafe trait Dots: Copy {
    /// See [`Simd::SIGNED_BIAS`].
    const SIGNED_BIAS: i32;

    /// See [`Simd::dot`]: four weights for each of eight rows, the same four inputs for each.
    unsafe fn dot(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i;
    /// See [`Simd::dot_signed`].
    unsafe fn dot_signed(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i;
    /// See [`Simd::dot_pairs`]: two weights of 16 bits for each of eight rows.
    unsafe fn dot_pairs(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i;
    /// See [`Partial::gather`].
    unsafe fn gather(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i;
    /// See [`Partial::join`].
    unsafe fn join(sum: __m256i, gathered: __m256i) -> __m256i;
}

/// Multiplies to 16 bits, then adds to 32: AVX2's own.
#[derive(Clone, Copy)]
pub(crate) struct Madd;

// SAFETY: the caller promises the instruction set; no memory is touched.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set"
)]
unsafe impl Dots for Madd {
    const SIGNED_BIAS: i32 = 0;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe {
            // 63 × 127 × 2 is within an i16.
            let pairs = _mm256_maddubs_epi16(weights, inputs);
            Self::dot_pairs(sum, pairs, _mm256_set1_epi16(1))
        }
    }
    #[inline(always)]
    unsafe fn dot_signed(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe {
            // |weight| × (input with the weight's sign); 128 × 127 × 2 is within an i16.
            let pairs =
                _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(inputs, weights));
            Self::dot_pairs(sum, pairs, _mm256_set1_epi16(1))
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(weights, inputs)) }
    }
    #[inline(always)]
    unsafe fn gather(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe { _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, inputs)) }
    }
    #[inline(always)]
    unsafe fn join(sum: __m256i, gathered: __m256i) -> __m256i {
        unsafe { Self::dot_pairs(sum, gathered, _mm256_set1_epi16(1)) }
    }
}

/// The tree of [`Simd::sum`] from eight lanes down.
///
/// # Safety
/// The processor has AVX.
#[inline(always)]
pub(super) unsafe fn sum8(a: __m256) -> f32 {
    // SAFETY: lane-wise operations on registers.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}

/// The same value, which the compiler computes where it stands: left alone it takes column after column, and reads the weights anew for each.
///
/// # Safety
/// The processor has AVX.
#[inline]
#[target_feature(enable = "avx")] // the register is refused where nothing says that there is one
unsafe fn in_order(mut value: __m256i) -> __m256i {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {} */", inout(ymm_reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Bytes 0xFF where the bit of `mask` is set.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn spread(mask: u32) -> __m256i {
    // SAFETY: lane-wise operations on registers.
    unsafe {
        let picks = _mm256_set_epi64x(
            0x0303_0303_0303_0303,
            0x0202_0202_0202_0202,
            0x0101_0101_0101_0101,
            0,
        );
        let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let copies = _mm256_shuffle_epi8(_mm256_set1_epi32(mask.cast_signed()), picks);
        _mm256_cmpeq_epi8(_mm256_and_si256(copies, bits), bits)
    }
}

/// All bits set in each lane below `count`.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn below(count: usize) -> [__m256; 2] {
    // SAFETY: lane-wise operations on registers.
    unsafe {
        let count = _mm256_set1_epi32(count.min(16) as i32);
        let first = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        let second = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
        [_mm256_castsi256_ps(first), _mm256_castsi256_ps(second)]
    }
}

// SAFETY: the caller promises the instruction set; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointers"
)]
unsafe impl<D: Dots> Simd for Avx2<D> {
    type Bytes = [__m256i; 2];
    type Ints = [__m256i; 2];
    type Floats = [__m256; 2];

    // Four columns take all sixteen registers.
    const COLUMNS: usize = 4;
    const QUERIES: usize = 4;
    const TILES: usize = 1;
    const SIGNED_BIAS: i32 = D::SIGNED_BIAS;

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(32).cast()),
            ]
        }
    }
    #[inline(always)]
    unsafe fn low(bytes: [__m256i; 2]) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_and_si256(bytes[0], _mm256_set1_epi8(15)),
                _mm256_and_si256(bytes[1], _mm256_set1_epi8(15)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn high(bytes: [__m256i; 2]) -> [__m256i; 2] {
        unsafe {
            Self::low([
                _mm256_srli_epi16(bytes[0], 4),
                _mm256_srli_epi16(bytes[1], 4),
            ])
        }
    }
    #[inline(always)]
    unsafe fn with_two<const N: u32>(low: [__m256i; 2], high: [__m256i; 2]) -> [__m256i; 2] {
        let one = |low, high| unsafe {
            let shifted = match N {
                0 => _mm256_slli_epi16(high, 4),
                2 => _mm256_slli_epi16(high, 2),
                4 => high,
                _ => _mm256_srli_epi16(high, 2),
            };
            _mm256_or_si256(low, _mm256_and_si256(shifted, _mm256_set1_epi8(0x30)))
        };
        [one(low[0], high[0]), one(low[1], high[1])]
    }
    #[inline(always)]
    unsafe fn with_one(low: [__m256i; 2], mask: *const u8) -> [__m256i; 2] {
        unsafe {
            let masks = mask.cast::<[u32; 2]>().read_unaligned();
            let sixteen = _mm256_set1_epi8(16);
            [
                _mm256_or_si256(low[0], _mm256_and_si256(spread(masks[0]), sixteen)),
                _mm256_or_si256(low[1], _mm256_and_si256(spread(masks[1]), sixteen)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: [__m256i; 2], weights: [__m256i; 2], inputs: *const i8) -> [__m256i; 2] {
        unsafe {
            let inputs = _mm256_set1_epi32(inputs.cast::<i32>().read_unaligned());
            [
                D::dot(sum[0], weights[0], inputs),
                D::dot(sum[1], weights[1], inputs),
            ]
        }
    }
    #[inline(always)]
    unsafe fn dot_signed(
        sum: [__m256i; 2],
        weights: [__m256i; 2],
        inputs: *const i8,
    ) -> [__m256i; 2] {
        unsafe {
            let inputs = _mm256_set1_epi32(inputs.cast::<i32>().read_unaligned());
            [
                D::dot_signed(sum[0], weights[0], inputs),
                D::dot_signed(sum[1], weights[1], inputs),
            ]
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: [__m256i; 2], weights: *const u8, inputs: i32) -> [__m256i; 2] {
        unsafe {
            let inputs = _mm256_set1_epi32(inputs);
            let first = _mm256_cvtepu8_epi16(_mm_loadu_si128(weights.cast()));
            let second = _mm256_cvtepu8_epi16(_mm_loadu_si128(weights.add(16).cast()));
            [
                D::dot_pairs(sum[0], first, inputs),
                D::dot_pairs(sum[1], second, inputs),
            ]
        }
    }
    #[inline(always)]
    unsafe fn ints(value: i32) -> [__m256i; 2] {
        unsafe { [_mm256_set1_epi32(value); 2] }
    }
    #[inline(always)]
    unsafe fn add_ints(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn to_floats(ints: [__m256i; 2]) -> [__m256; 2] {
        unsafe { [_mm256_cvtepi32_ps(ints[0]), _mm256_cvtepi32_ps(ints[1])] }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [__m256; 2] {
        unsafe { [_mm256_set1_ps(value); 2] }
    }
    #[inline(always)]
    unsafe fn floats(from: *const f32) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn halves(from: *const u16) -> [__m256; 2] {
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            ]
        }
    }
    #[inline(always)]
    unsafe fn brains(from: *const u16) -> [__m256; 2] {
        let one = |at: *const u16| unsafe {
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(
                _mm_loadu_si128(at.cast()),
            )))
        };
        unsafe { [one(from), one(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn unsigned(from: *const u8) -> [__m256; 2] {
        let one = |at: *const u8| unsafe {
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast())))
        };
        unsafe { [one(from), one(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn signed(from: *const u8) -> [__m256; 2] {
        let one = |at: *const u8| unsafe {
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast())))
        };
        unsafe { [one(from), one(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: [__m256; 2]) {
        unsafe {
            _mm256_storeu_ps(to, values[0]);
            _mm256_storeu_ps(to.add(8), values[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_halves(to: *mut u16, values: [__m256; 2]) {
        unsafe {
            _mm_storeu_si128(
                to.cast(),
                _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values[0]),
            );
            _mm_storeu_si128(
                to.add(8).cast(),
                _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values[1]),
            );
        }
    }
    #[inline(always)]
    unsafe fn store_signed(to: *mut i8, values: [__m256; 2]) {
        unsafe {
            let pairs =
                _mm256_packs_epi32(_mm256_cvtps_epi32(values[0]), _mm256_cvtps_epi32(values[1]));
            let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
            let bytes = _mm_packs_epi16(
                _mm256_castsi256_si128(ordered),
                _mm256_extracti128_si256::<1>(ordered),
            );
            _mm_storeu_si128(to.cast(), bytes);
        }
    }
    #[inline(always)]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn sub(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn div(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn max(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn min(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn fma(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn round(a: [__m256; 2]) -> [__m256; 2] {
        const MODE: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        unsafe { [_mm256_round_ps::<MODE>(a[0]), _mm256_round_ps::<MODE>(a[1])] }
    }
    #[inline(always)]
    unsafe fn scale(a: [__m256; 2], n: [__m256; 2]) -> [__m256; 2] {
        let one = |a, n| unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        };
        [one(a[0], n[0]), one(a[1], n[1])]
    }
    #[inline(always)]
    unsafe fn abs(a: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, a[0]), _mm256_andnot_ps(sign, a[1])]
        }
    }
    #[inline(always)]
    unsafe fn sum(a: [__m256; 2]) -> f32 {
        unsafe { sum8(_mm256_add_ps(a[0], a[1])) }
    }
    #[inline(always)]
    unsafe fn largest(a: [__m256; 2]) -> f32 {
        unsafe {
            let eight = _mm256_max_ps(a[0], a[1]);
            let four = _mm_max_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    unsafe fn keep(a: [__m256; 2], count: usize) -> [__m256; 2] {
        unsafe {
            let (none, below) = (_mm256_set1_ps(f32::NEG_INFINITY), below(count));
            [
                _mm256_blendv_ps(none, a[0], below[0]),
                _mm256_blendv_ps(none, a[1], below[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn drop_first(a: [__m256; 2], count: usize) -> [__m256; 2] {
        unsafe {
            let (none, below) = (_mm256_set1_ps(f32::NEG_INFINITY), below(count));
            [
                _mm256_blendv_ps(a[0], none, below[0]),
                _mm256_blendv_ps(a[1], none, below[1]),
            ]
        }
    }
    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch reads nothing that the program can see, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

// SAFETY: the caller promises the instruction set and the pointer.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointer"
)]
unsafe impl<D: Dots> Unpack for Avx2<D> {
    type Lanes = Self;

    #[inline(always)]
    unsafe fn put(bytes: [__m256i; 2], zero: i8, to: *mut u8) {
        unsafe {
            let zero = _mm256_set1_epi8(zero);
            _mm256_storeu_si256(to.cast(), _mm256_sub_epi8(bytes[0], zero));
            _mm256_storeu_si256(to.add(32).cast(), _mm256_sub_epi8(bytes[1], zero));
        }
    }
}

// SAFETY: the caller promises the instruction set and the pointer.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointer"
)]
unsafe impl<D: Dots> Partial for Avx2<D> {
    type Partial = [__m256i; 2];

    #[inline(always)]
    unsafe fn none() -> [__m256i; 2] {
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn gather(sum: [__m256i; 2], weights: [__m256i; 2], inputs: *const i8) -> [__m256i; 2] {
        unsafe {
            let inputs = _mm256_set1_epi32(inputs.cast::<i32>().read_unaligned());
            [
                in_order(D::gather(sum[0], weights[0], inputs)),
                in_order(D::gather(sum[1], weights[1], inputs)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn join(sum: [__m256i; 2], gathered: [__m256i; 2]) -> [__m256i; 2] {
        unsafe { [D::join(sum[0], gathered[0]), D::join(sum[1], gathered[1])] }
    }
}
