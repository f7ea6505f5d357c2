//! The few vector operations that the kernels are written in, sixteen lanes wide, once for each instruction set. Touches memory through the
//! pointers it is given.
//!
//! A kernel is written once, generic over [`Simd`], `#[inline(always)]`, and called from a function that carries the `target_feature`s
//! (`dispatch.rs`), so that everything is compiled for the instruction set (the scheme of the `memchr` crate).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx_vnni::AvxVnni;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::{Avx2, Madd};
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{Dotprod, Mull, Neon};
pub(crate) use scalar::Scalar;

/// Lanes of a vector, rows of a tile; every width of a model is a multiple of it.
pub const LANES: usize = 16;

/// Sixteen lanes of one instruction set.
///
/// # Safety
/// Every method: the processor has the instruction set, and every pointer is readable (or writable) for as many elements as the method
/// says. No alignment is asked for.
pub(crate) unsafe trait Simd: Copy {
    /// 64 bytes: four neighbouring inputs for each of sixteen rows.
    type Bytes: Copy;
    /// 16 × i32.
    type Ints: Copy;
    /// 16 × f32.
    type Floats: Copy;

    /// The most columns of activations in one pass: as many as there are registers for.
    const COLUMNS: usize;
    /// The most queries that share one pass over keys and values.
    const QUERIES: usize;
    /// Tiles of keys, or of sixteen values, that meet all queries in one pass: 2 where there are registers for it, else 1.
    const TILES: usize;
    /// What [`Simd::dot_signed`] adds to each weight; its caller starts the sum at minus this times the sum of activations.
    const SIGNED_BIAS: i32;

    /// Reads 64 bytes.
    unsafe fn bytes(from: *const u8) -> Self::Bytes;
    /// The low four bits of each byte.
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes;
    /// The high four bits of each byte.
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes;
    /// `low | (bits N and N + 1 of high) << 4`, byte by byte; `low` has four bits.
    unsafe fn with_two<const N: u32>(low: Self::Bytes, high: Self::Bytes) -> Self::Bytes;
    /// Adds 16 to each byte whose bit is set in the 64 bits at `mask`; the bytes have four bits.
    unsafe fn with_one(low: Self::Bytes, mask: *const u8) -> Self::Bytes;
    /// `sum[row] += Σ weights[row][i] × inputs[i]` over four; weights unsigned and at most 63, inputs i8 in memory.
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, inputs: *const i8) -> Self::Ints;
    /// The same with signed weights, each plus [`Simd::SIGNED_BIAS`]. Inputs are never -128.
    unsafe fn dot_signed(sum: Self::Ints, weights: Self::Bytes, inputs: *const i8) -> Self::Ints;
    /// `sum[row] += Σ weights[row][i] × inputs[i]` over two; 32 unsigned bytes, inputs two i16 in one i32.
    unsafe fn dot_pairs(sum: Self::Ints, weights: *const u8, inputs: i32) -> Self::Ints;
    /// One number in all lanes.
    unsafe fn ints(value: i32) -> Self::Ints;
    /// Lane by lane.
    unsafe fn add_ints(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// To f32, rounded to the nearest.
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats;

    /// One number in all lanes.
    unsafe fn splat(value: f32) -> Self::Floats;
    /// Reads 16 f32.
    unsafe fn floats(from: *const f32) -> Self::Floats;
    /// Reads 16 f16.
    unsafe fn halves(from: *const u16) -> Self::Floats;
    /// Reads 16 bf16.
    unsafe fn brains(from: *const u16) -> Self::Floats;
    /// Reads 16 u8.
    unsafe fn unsigned(from: *const u8) -> Self::Floats;
    /// Reads 16 i8.
    unsafe fn signed(from: *const u8) -> Self::Floats;
    /// Writes 16 f32.
    unsafe fn store(to: *mut f32, values: Self::Floats);
    /// Writes 16 f16, rounded to the nearest, ties to even.
    unsafe fn store_halves(to: *mut u16, values: Self::Floats);
    /// Writes 16 i8, rounded to the nearest, ties to even; values are within -127..=127.
    unsafe fn store_signed(to: *mut i8, values: Self::Floats);
    /// Lane by lane.
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Lane by lane.
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Lane by lane.
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Lane by lane.
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Lane by lane; no lane is a NaN.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Lane by lane; no lane is a NaN.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a × b + c` with one rounding.
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// To the nearest whole number, ties to even.
    unsafe fn round(a: Self::Floats) -> Self::Floats;
    /// `a × 2^n`; n whole, the result a normal number.
    unsafe fn scale(a: Self::Floats, n: Self::Floats) -> Self::Floats;
    /// Absolute values.
    unsafe fn abs(a: Self::Floats) -> Self::Floats;
    /// The sum of all lanes, added as a tree: lane i to i + 8, then + 4, + 2, + 1.
    unsafe fn sum(a: Self::Floats) -> f32;
    /// The largest lane.
    unsafe fn largest(a: Self::Floats) -> f32;
    /// Lanes `count` and above become minus infinity.
    unsafe fn keep(a: Self::Floats, count: usize) -> Self::Floats;
    /// Lanes below `count` become minus infinity.
    unsafe fn drop_first(a: Self::Floats, count: usize) -> Self::Floats;
    /// Asks for the cache line at an address, which need not be readable.
    fn prefetch(at: *const u8);
}

/// The natural exponential, lane by lane, within 2 units in the last place; arguments are taken as within ±87.
///
/// Cody and Waite's reduction by ln 2, then the polynomial of Cephes' `expf`.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::Floats) -> S::Floats {
    const LIMIT: f32 = 87.0; // e^±87 is a normal f32
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 5] = [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
    ];
    // SAFETY: only lane-wise operations of the same instruction set.
    unsafe {
        let x = S::max(S::min(x, S::splat(LIMIT)), S::splat(-LIMIT));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::fma(n, S::splat(-LN2_HIGH), x);
        let r = S::fma(n, S::splat(-LN2_LOW), r);
        let mut p = S::splat(1.987_569_1e-4);
        for term in TERMS {
            p = S::fma(p, r, S::splat(term));
        }
        let one = S::splat(1.0);
        S::scale(S::add(S::fma(S::mul(p, r), r, r), one), n)
    }
}

#[cfg(test)]
mod tests;
