//! Intel's AMX tiles (Intel SDM vol. 1, ch. 18). Touches the tile registers of its thread, which nothing else in the program uses.

use std::arch::asm;

use crate::dispatch::{UnpackFn, Wide, WideFn};
use crate::format::Format;
use crate::simd::{Avx512, Simd};
use crate::wide::{Grid, Operands, Sums, Unpack, formats};

/// What [`crate::isa::Isa::Amx`] has beyond AVX-512.
pub(crate) static TILES: Wide = Wide {
    begin,
    end,
    bite: 2,
    of: by_format,
};

/// Whether the processor has AMX for bytes and the system lets this process use it. Asking is what makes Linux allow it (arch_prctl(2),
/// `ARCH_REQ_XCOMP_PERM`), for this process and all its threads; so it must happen before a seccomp filter forbids the call.
#[cfg(target_os = "linux")]
pub(crate) fn is_allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILE_DATA: libc::c_long = 18;
    const TILE_AND_INT8: u32 = 1 << 24 | 1 << 25;
    if std::arch::x86_64::__cpuid_count(7, 0).edx & TILE_AND_INT8 != TILE_AND_INT8 {
        return false;
    }
    // SAFETY: asks for a permission; takes and changes no memory.
    unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILE_DATA,
        ) == 0
    }
}

/// Other systems give the tiles in ways that were not tried.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_allowed() -> bool {
    false
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

/// tmm0, tmm1: sums of sixteen columns by sixteen rows. tmm2 and tmm3, tmm4 and tmm5: 32 inputs and weights.
static SHAPES: Shapes = Shapes {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes: [64, 64, 32, 64, 32, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 8, 16, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
};

unsafe fn begin() {
    // SAFETY: `is_allowed` was asked before this set was chosen; the operand is 64 bytes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) }
}

unsafe fn end() {
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// Multiplies 16 × 32 inputs with 32 × 16 weights.
macro_rules! multiply {
    ($sums:literal, $a:literal, $b:literal, $inputs:expr, $weights:expr) => {
        asm!(
            concat!("tilezero ", $sums),
            concat!("tileloadd ", $a, ", [{inputs} + {column}]"),
            concat!("tileloadd ", $b, ", [{weights} + {line}]"),
            concat!("tdpbssd ", $sums, ", ", $a, ", ", $b),
            inputs = in(reg) $inputs,
            weights = in(reg) $weights,
            column = in(reg) 32_usize,
            line = in(reg) 64_usize,
            options(nostack, readonly),
        )
    };
}

/// Writes one tile of sums.
macro_rules! store {
    ($sums:literal, $to:expr) => {
        asm!(concat!("tilestored [{to} + {line}], ", $sums), to = in(reg) $to, line = in(reg) 64_usize, options(nostack))
    };
}

struct Amx;

// SAFETY: the caller promises the instruction set and the pointer.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointer"
)]
unsafe impl Unpack for Amx {
    type Lanes = Avx512;

    #[inline(always)]
    unsafe fn put(bytes: <Avx512 as Simd>::Bytes, zero: i8, to: *mut u8) {
        unsafe { Avx512::store_bytes(to, Avx512::minus(bytes, zero)) }
    }
}

// SAFETY: the tiles are shaped between beginning and end, as the operands and sums are; pointers are read and written as the trait says.
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "said once: the trait's callers promise the instruction set and the pointers"
)]
unsafe impl Grid for Amx {
    #[inline(always)]
    unsafe fn begin(operands: Operands, turn: usize) {
        let Operands { inputs, weights } = operands;
        unsafe {
            if turn.is_multiple_of(2) {
                multiply!("tmm0", "tmm2", "tmm3", inputs, weights);
            } else {
                multiply!("tmm1", "tmm4", "tmm5", inputs, weights);
            }
        }
    }
    #[inline(always)]
    unsafe fn finish(_: Operands, turn: usize, to: *mut Sums) {
        unsafe {
            if turn.is_multiple_of(2) {
                store!("tmm0", to);
            } else {
                store!("tmm1", to);
            }
        }
    }
    #[inline(always)]
    unsafe fn floats(sums: *const i32) -> <Avx512 as Simd>::Floats {
        unsafe { Avx512::to_floats(Avx512::bytes(sums.cast())) }
    }
}

formats!(
    Amx,
    16,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);
