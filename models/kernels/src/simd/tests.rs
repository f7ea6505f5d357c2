//! Each instruction set does what the scalar twin does, operation by operation.

use proptest::prelude::*;

use super::*;
use crate::isa::Isa;

/// What one instruction set makes of the same inputs: integers, then floats.
#[derive(Debug, PartialEq)]
struct Seen {
    ints: Vec<[i32; LANES]>,
    floats: Vec<[u32; LANES]>,
    halves: [u16; LANES],
    signed: [i8; LANES],
    numbers: [u32; 2],
}

struct Inputs {
    bytes: [u8; 64],
    others: [u8; 64],
    inputs: [i8; 4],
    floats: [f32; 48],
    count: usize,
}

unsafe fn see<S: Simd>(x: &Inputs) -> Seen {
    // SAFETY: arrays are as long as each operation reads; the instruction set is there.
    unsafe {
        let from = |ints: S::Ints| {
            let mut out = [0.0; LANES];
            S::store(out.as_mut_ptr(), S::to_floats(ints));
            out.map(|value| value as i32)
        };
        let bits = |floats: S::Floats| {
            let mut out = [0.0; LANES];
            S::store(out.as_mut_ptr(), floats);
            out.map(f32::to_bits)
        };
        let (bytes, others) = (S::bytes(x.bytes.as_ptr()), S::bytes(x.others.as_ptr()));
        let q = x.inputs.as_ptr();
        let zero = S::ints(0);
        let low = S::low(bytes);
        let signed_start =
            S::ints(-S::SIGNED_BIAS * x.inputs.iter().map(|v| i32::from(*v)).sum::<i32>());
        let ints = [
            S::dot(zero, low, q),
            S::dot(S::ints(-7), S::high(bytes), q),
            S::dot(zero, S::with_one(low, x.others.as_ptr()), q),
            S::dot(zero, S::with_two::<0>(low, others), q),
            S::dot(zero, S::with_two::<2>(low, others), q),
            S::dot(zero, S::with_two::<4>(low, others), q),
            S::dot(zero, S::with_two::<6>(low, others), q),
            S::dot_signed(signed_start, bytes, q),
            S::dot_pairs(zero, x.bytes.as_ptr(), 4064 << 16 | (-1234 & 0xFFFF)),
            S::add_ints(S::ints(5), S::ints(-9)),
        ];
        let [a, b, c] = [0, 16, 32].map(|at| S::floats(x.floats.as_ptr().add(at)));
        let floats = [
            S::halves(x.bytes.as_ptr().cast()),
            S::brains(x.others.as_ptr().cast()),
            S::unsigned(x.bytes.as_ptr()),
            S::signed(x.bytes.as_ptr()),
            S::add(a, b),
            S::sub(a, b),
            S::mul(a, b),
            S::div(a, b),
            S::max(a, b),
            S::min(a, b),
            S::fma(a, b, c),
            S::round(a),
            S::scale(a, S::round(b)),
            S::abs(a),
            S::keep(a, x.count),
            S::drop_first(a, x.count),
            exp::<S>(a),
        ];
        let (mut halves, mut signed) = ([0; LANES], [0; LANES]);
        S::store_halves(halves.as_mut_ptr(), a);
        S::store_signed(signed.as_mut_ptr(), a);
        Seen {
            ints: ints.map(from).to_vec(),
            floats: floats.map(bits).to_vec(),
            halves,
            signed,
            numbers: [S::sum(a), S::largest(a)].map(f32::to_bits),
        }
    }
}

/// NaNs differ in their payload; the kernels never ask for it.
fn without_nans(mut seen: Seen) -> Seen {
    for lane in seen.floats.iter_mut().flatten() {
        if f32::from_bits(*lane).is_nan() {
            *lane = f32::NAN.to_bits();
        }
    }
    seen
}

/// [`see`], compiled for each instruction set.
macro_rules! see_with {
    ($name:ident, $simd:ty, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(x: &Inputs) -> Seen {
            // SAFETY: the caller has looked.
            unsafe { see::<$simd>(x) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
see_with!(see_avx2, Avx2<Madd>, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
see_with!(see_avx_vnni, Avx2<AvxVnni>, "avx2,fma,f16c,avxvnni");
#[cfg(target_arch = "x86_64")]
see_with!(
    see_avx512,
    Avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);
#[cfg(target_arch = "aarch64")]
see_with!(see_neon, Neon<Mull>, "neon");
#[cfg(target_arch = "aarch64")]
see_with!(see_neon_dotprod, Neon<Dotprod>, "neon,dotprod");

proptest! {
    #[test]
    fn every_instruction_set_does_what_the_scalar_twin_does(
        bytes in prop::array::uniform32(any::<[u8; 2]>()),
        others in prop::array::uniform32(any::<[u8; 2]>()),
        inputs in prop::array::uniform4(-127_i8..=127),
        floats in prop::collection::vec(-80.0_f32..80.0, 48),
        count in 0_usize..20,
    ) {
        let flat = |pairs: [[u8; 2]; 32]| std::array::from_fn(|i| pairs[i / 2][i % 2]);
        let x = Inputs { bytes: flat(bytes), others: flat(others), inputs, floats: std::array::from_fn(|i| floats[i]), count };
        // SAFETY: each is there where `Isa::all` says so.
        let twin = without_nans(unsafe { see::<Scalar>(&x) });
        for isa in Isa::all() {
            // SAFETY: as above.
            let seen = unsafe {
                match isa {
                    Isa::Scalar => see::<Scalar>(&x),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => see_avx2(&x),
                    #[cfg(target_arch = "x86_64")]
                    Isa::AvxVnni => see_avx_vnni(&x),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512Vnni | Isa::Amx => see_avx512(&x),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => see_neon(&x),
                    #[cfg(target_arch = "aarch64")]
                    Isa::NeonDotprod | Isa::NeonI8mm => see_neon_dotprod(&x),
                }
            };
            let seen = without_nans(seen);
            prop_assert!(seen == twin, "{}: {:?} {:?}", isa.name(), seen, twin);
        }
    }

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place(x in -86.9_f32..86.9) {
        let mut out = [0.0; LANES];
        // SAFETY: the scalar twin is everywhere; sixteen lanes.
        unsafe { Scalar::store(out.as_mut_ptr(), exp::<Scalar>(Scalar::splat(x))) };
        let exact = f64::from(x).exp() as f32;
        prop_assert!(out[0].to_bits().abs_diff(exact.to_bits()) <= 2, "e^{} is {} and not {}", x, exact, out[0]);
    }
}
