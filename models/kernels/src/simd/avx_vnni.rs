//! AVX-VNNI: the integer products of AVX-512 VNNI in AVX2's registers.

use std::arch::x86_64::*;

use super::avx2::Dots;

/// `vpdpbusd` and `vpdpwssd` in their VEX encoding.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni;

// SAFETY: the caller promises the instruction set; no memory is touched.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set"
)]
unsafe impl Dots for AvxVnni {
    const SIGNED_BIAS: i32 = 128;

    #[inline(always)]
    unsafe fn dot(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe { _mm256_dpbusd_avx_epi32(sum, weights, inputs) }
    }
    #[inline(always)]
    unsafe fn dot_signed(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe {
            let unsigned = _mm256_xor_si256(weights, _mm256_set1_epi8(i8::MIN));
            Self::dot(sum, unsigned, inputs)
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe { _mm256_dpwssd_avx_epi32(sum, weights, inputs) }
    }
    #[inline(always)]
    unsafe fn gather(sum: __m256i, weights: __m256i, inputs: __m256i) -> __m256i {
        unsafe { Self::dot(sum, weights, inputs) }
    }
    #[inline(always)]
    unsafe fn join(sum: __m256i, gathered: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sum, gathered) }
    }
}
