//! The twin without vector instructions: runs everywhere, and is what the others are compared with.

use half::{bf16, f16};

use super::{LANES, Simd};

/// Plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

type Floats = [f32; LANES];

#[inline(always)]
fn each(a: Floats, b: Floats, f: impl Fn(f32, f32) -> f32) -> Floats {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY: plain Rust; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: each pointer is read or written as the trait's method says"
)]
unsafe impl Simd for Scalar {
    type Bytes = [u8; 64];
    type Ints = [i32; LANES];
    type Floats = Floats;

    const COLUMNS: usize = 4;
    const QUERIES: usize = 4;
    const TILES: usize = 1;
    const SIGNED_BIAS: i32 = 0;

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> [u8; 64] {
        unsafe { from.cast::<[u8; 64]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn low(bytes: [u8; 64]) -> [u8; 64] {
        bytes.map(|byte| byte & 15)
    }
    #[inline(always)]
    unsafe fn high(bytes: [u8; 64]) -> [u8; 64] {
        bytes.map(|byte| byte >> 4)
    }
    #[inline(always)]
    unsafe fn with_two<const N: u32>(low: [u8; 64], high: [u8; 64]) -> [u8; 64] {
        std::array::from_fn(|i| low[i] | ((high[i] >> N) & 3) << 4)
    }
    #[inline(always)]
    unsafe fn with_one(low: [u8; 64], mask: *const u8) -> [u8; 64] {
        let mask = u64::from_le_bytes(unsafe { mask.cast::<[u8; 8]>().read_unaligned() });
        std::array::from_fn(|i| {
            if mask >> i & 1 == 1 {
                low[i] | 16
            } else {
                low[i]
            }
        })
    }
    #[inline(always)]
    unsafe fn dot(sum: [i32; LANES], weights: [u8; 64], inputs: *const i8) -> [i32; LANES] {
        let inputs = unsafe { inputs.cast::<[i8; 4]>().read_unaligned() };
        std::array::from_fn(|row| {
            (0..4).fold(sum[row], |sum, i| {
                sum + i32::from(weights[row * 4 + i]) * i32::from(inputs[i])
            })
        })
    }
    #[inline(always)]
    unsafe fn dot_signed(sum: [i32; LANES], weights: [u8; 64], inputs: *const i8) -> [i32; LANES] {
        let inputs = unsafe { inputs.cast::<[i8; 4]>().read_unaligned() };
        std::array::from_fn(|row| {
            (0..4).fold(sum[row], |sum, i| {
                sum + i32::from(weights[row * 4 + i].cast_signed()) * i32::from(inputs[i])
            })
        })
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: [i32; LANES], weights: *const u8, inputs: i32) -> [i32; LANES] {
        let weights = unsafe { weights.cast::<[u8; 32]>().read_unaligned() };
        let [first, second] = [inputs << 16 >> 16, inputs >> 16];
        std::array::from_fn(|row| {
            sum[row]
                + i32::from(weights[row * 2]) * first
                + i32::from(weights[row * 2 + 1]) * second
        })
    }
    #[inline(always)]
    unsafe fn ints(value: i32) -> [i32; LANES] {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn add_ints(a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn to_floats(ints: [i32; LANES]) -> Floats {
        ints.map(|value| value as f32)
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn floats(from: *const f32) -> Floats {
        unsafe { from.cast::<Floats>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn halves(from: *const u16) -> Floats {
        unsafe { from.cast::<[u16; LANES]>().read_unaligned() }
            .map(|bits| f16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    unsafe fn brains(from: *const u16) -> Floats {
        unsafe { from.cast::<[u16; LANES]>().read_unaligned() }
            .map(|bits| bf16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    unsafe fn unsigned(from: *const u8) -> Floats {
        unsafe { from.cast::<[u8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn signed(from: *const u8) -> Floats {
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, values: Floats) {
        unsafe { to.cast::<Floats>().write_unaligned(values) }
    }
    #[inline(always)]
    unsafe fn store_halves(to: *mut u16, values: Floats) {
        unsafe {
            to.cast::<[u16; LANES]>()
                .write_unaligned(values.map(|value| f16::from_f32(value).to_bits()))
        }
    }
    #[inline(always)]
    unsafe fn store_signed(to: *mut i8, values: Floats) {
        unsafe {
            to.cast::<[i8; LANES]>()
                .write_unaligned(values.map(|value| value.round_ties_even() as i8))
        }
    }
    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        each(a, b, f32::max)
    }
    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        each(a, b, f32::min)
    }
    #[inline(always)]
    unsafe fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn round(a: Floats) -> Floats {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn scale(a: Floats, n: Floats) -> Floats {
        each(a, n, |a, n| {
            a * f32::from_bits(((n as i32 + 127) as u32) << 23)
        })
    }
    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn sum(a: Floats) -> f32 {
        let mut lanes = a;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    }
    #[inline(always)]
    unsafe fn largest(a: Floats) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn keep(a: Floats, count: usize) -> Floats {
        std::array::from_fn(|i| if i < count { a[i] } else { f32::NEG_INFINITY })
    }
    #[inline(always)]
    unsafe fn drop_first(a: Floats, count: usize) -> Floats {
        std::array::from_fn(|i| if i < count { f32::NEG_INFINITY } else { a[i] })
    }
    #[inline(always)]
    fn prefetch(_: *const u8) {}
}
