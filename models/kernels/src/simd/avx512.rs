//! AVX-512 F, BW and VL with VNNI: one register holds all sixteen lanes.

use std::arch::x86_64::*;

use super::Simd;

/// AVX-512 with `vpdpbusd`.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

// SAFETY: the caller promises the instruction set; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointers"
)]
unsafe impl Simd for Avx512 {
    type Bytes = __m512i;
    type Ints = __m512i;
    type Floats = __m512;

    // 12 sums, 12 accumulators, the weights and their scales: 32 registers.
    const COLUMNS: usize = 12;
    const QUERIES: usize = 8;
    const TILES: usize = 2;
    const SIGNED_BIAS: i32 = 128;

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    unsafe fn with_two<const N: u32>(low: __m512i, high: __m512i) -> __m512i {
        unsafe {
            let mask = _mm512_set1_epi8(0x30);
            let shifted = match N {
                0 => _mm512_slli_epi16(high, 4),
                2 => _mm512_slli_epi16(high, 2),
                4 => high,
                _ => _mm512_srli_epi16(high, 2),
            };
            // a | (b & c): the table index is a·4 + b·2 + c.
            _mm512_ternarylogic_epi32(low, shifted, mask, 0xF8)
        }
    }
    #[inline(always)]
    unsafe fn with_one(low: __m512i, mask: *const u8) -> __m512i {
        unsafe {
            let mask = mask.cast::<u64>().read_unaligned();
            _mm512_mask_add_epi8(low, mask, low, _mm512_set1_epi8(16))
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: __m512i, weights: __m512i, inputs: *const i8) -> __m512i {
        unsafe {
            _mm512_dpbusd_epi32(
                sum,
                weights,
                _mm512_set1_epi32(inputs.cast::<i32>().read_unaligned()),
            )
        }
    }
    #[inline(always)]
    unsafe fn dot_signed(sum: __m512i, weights: __m512i, inputs: *const i8) -> __m512i {
        unsafe {
            Self::dot(
                sum,
                _mm512_xor_si512(weights, _mm512_set1_epi8(i8::MIN)),
                inputs,
            )
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: __m512i, weights: *const u8, inputs: i32) -> __m512i {
        unsafe {
            let weights = _mm512_cvtepu8_epi16(_mm256_loadu_si256(weights.cast()));
            _mm512_dpwssd_epi32(sum, weights, _mm512_set1_epi32(inputs))
        }
    }
    #[inline(always)]
    unsafe fn ints(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn add_ints(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn to_floats(ints: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(ints) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn floats(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn halves(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn brains(from: *const u16) -> __m512 {
        unsafe {
            _mm512_castsi512_ps(_mm512_slli_epi32(
                _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())),
                16,
            ))
        }
    }
    #[inline(always)]
    unsafe fn unsigned(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn signed(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: __m512) {
        unsafe { _mm512_storeu_ps(to, values) }
    }
    #[inline(always)]
    unsafe fn store_halves(to: *mut u16, values: __m512) {
        unsafe {
            _mm256_storeu_si256(
                to.cast(),
                _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values),
            )
        }
    }
    #[inline(always)]
    unsafe fn store_signed(to: *mut i8, values: __m512) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values))) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<_MM_FROUND_TO_NEAREST_INT>(a) }
    }
    #[inline(always)]
    unsafe fn scale(a: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe {
            let upper = _mm256_castsi256_ps(_mm512_extracti64x4_epi64::<1>(_mm512_castps_si512(a)));
            super::avx2::sum8(_mm256_add_ps(_mm512_castps512_ps256(a), upper))
        }
    }
    #[inline(always)]
    unsafe fn largest(a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }
    #[inline(always)]
    unsafe fn keep(a: __m512, count: usize) -> __m512 {
        unsafe { _mm512_mask_mov_ps(_mm512_set1_ps(f32::NEG_INFINITY), below(count), a) }
    }
    #[inline(always)]
    unsafe fn drop_first(a: __m512, count: usize) -> __m512 {
        unsafe { _mm512_mask_mov_ps(_mm512_set1_ps(f32::NEG_INFINITY), !below(count), a) }
    }
    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch reads nothing that the program can see, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

impl Avx512 {
    /// `bytes - number`, byte by byte.
    ///
    /// # Safety
    /// The processor has the instruction set.
    #[inline(always)]
    pub(crate) unsafe fn minus(bytes: __m512i, number: i8) -> __m512i {
        // SAFETY: as promised by the caller.
        unsafe { _mm512_sub_epi8(bytes, _mm512_set1_epi8(number)) }
    }

    /// Writes 64 bytes.
    ///
    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub(crate) unsafe fn store_bytes(to: *mut u8, bytes: __m512i) {
        // SAFETY: as promised by the caller.
        unsafe { _mm512_storeu_si512(to.cast(), bytes) }
    }
}

/// One bit for each lane below `count`.
#[inline(always)]
fn below(count: usize) -> u16 {
    ((1_u32 << count.min(16)) - 1) as u16
}
