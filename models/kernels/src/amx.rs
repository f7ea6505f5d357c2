//! Products of sixteen columns on Intel's AMX tiles (Intel SDM vol. 1, ch. 18): what a prompt is read with where a processor has them. Touches
//! the tile registers of its thread, which nothing else in the program uses.
//!
//! A tile of weights is unpacked once to signed bytes and meets many groups of sixteen columns. Sums of a block are integers, as everywhere;
//! scales are applied to them by the same operations in the same order as in `dot.rs`, so that the results are the same bits.

use std::arch::asm;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::dispatch::{UnpackFn, Wide, WideFn};
use crate::dot::{mins, sixes};
use crate::format::Format;
use crate::panel::{Block32, Block256, WIDE};
use crate::simd::{Avx512, LANES, Simd};

/// What [`crate::isa::Isa::Amx`] has beyond AVX-512.
pub(crate) static TILES: Wide = Wide {
    begin,
    end,
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

/// Sums of one block: `[column][row]`.
#[repr(C, align(64))]
struct Sums([[i32; LANES]; WIDE]);

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

/// Blocks of sums on their way through three stages: multiplied, stored, scaled. While one is scaled the next is stored and the one after it
/// multiplied, so that none waits for the 52 cycles of a multiplication.
struct Pipeline<N> {
    /// Where the inputs and weights of a block are.
    operands: N,
    blocks: Range<usize>,
}

impl<N: Fn(usize) -> (*const u8, *const u8)> Pipeline<N> {
    /// Gives the sums of each block in turn to `scale`.
    ///
    /// # Safety
    /// The tiles are shaped; `operands` gives 16 × 32 inputs and eight lines of weights for every block.
    #[inline(always)]
    unsafe fn run(self, mut scale: impl FnMut(usize, &Sums)) {
        let mut stored = [const { MaybeUninit::<Sums>::uninit() }; 2];
        let (start, end) = (self.blocks.start, self.blocks.end);
        // SAFETY: as promised by the caller; what is scaled was stored before.
        unsafe {
            self.multiply(start);
            self.multiply(start + 1);
            self.store(start, &mut stored);
            for at in start..end {
                self.multiply(at + 2);
                self.store(at + 1, &mut stored);
                scale(at, stored[at % 2].assume_init_ref());
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply(&self, at: usize) {
        if at >= self.blocks.end {
            return;
        }
        let (inputs, weights) = (self.operands)(at);
        // SAFETY: as promised by the caller.
        unsafe {
            if at.is_multiple_of(2) {
                multiply!("tmm0", "tmm2", "tmm3", inputs, weights);
            } else {
                multiply!("tmm1", "tmm4", "tmm5", inputs, weights);
            }
        }
    }

    #[inline(always)]
    unsafe fn store(&self, at: usize, stored: &mut [MaybeUninit<Sums>; 2]) {
        if at >= self.blocks.end {
            return;
        }
        let to = stored[at % 2].as_mut_ptr();
        // SAFETY: the tile is shaped as the sums are.
        unsafe {
            if at.is_multiple_of(2) {
                asm!("tilestored [{to} + {line}], tmm0", to = in(reg) to, line = in(reg) 64_usize, options(nostack));
            } else {
                asm!("tilestored [{to} + {line}], tmm1", to = in(reg) to, line = in(reg) 64_usize, options(nostack));
            }
        }
    }
}

type Floats = <Avx512 as Simd>::Floats;
type Bytes = <Avx512 as Simd>::Bytes;

#[inline(always)]
unsafe fn products(sums: &Sums, column: usize) -> Floats {
    // SAFETY: sixteen sums.
    unsafe { Avx512::to_floats(Avx512::bytes(sums.0[column].as_ptr().cast())) }
}

#[inline(always)]
unsafe fn read(sums: *const f32) -> [Floats; WIDE] {
    // SAFETY: `sums` has 16 × 16 elements.
    std::array::from_fn(|column| unsafe { Avx512::floats(sums.add(column * LANES)) })
}

#[inline(always)]
unsafe fn write(totals: &[Floats; WIDE], sums: *mut f32) {
    for (column, total) in totals.iter().enumerate() {
        // SAFETY: `sums` has 16 × 16 elements.
        unsafe { Avx512::store(sums.add(column * LANES), *total) }
    }
}

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0; `MINS` is 1 where a minimum follows the scale. `BYTES` are those of a unit, two blocks.
#[inline(always)]
unsafe fn by32<const MINS: usize, const BYTES: usize>(
    tile: *const u8,
    unpacked: *const u8,
    units: Range<usize>,
    group: *const u8,
    sums: *mut f32,
) {
    // SAFETY: as promised to `WideFn`: a unit is two blocks, and so are its inputs and 1024 unpacked bytes.
    unsafe {
        let blocks = group.cast::<Block32<WIDE>>();
        let mut totals = read(sums);
        let pipeline = Pipeline {
            operands: |at| ((*blocks.add(at)).q.as_ptr().cast(), unpacked.add(at * 512)),
            blocks: units.start * 2..units.end * 2,
        };
        pipeline.run(|at, found| {
            let (block, head) = (&*blocks.add(at), tile.add(at / 2 * BYTES + at % 2 * 32));
            let d = Avx512::halves(head.cast());
            for m in 0..WIDE {
                let scale = Avx512::mul(d, Avx512::splat(block.d[m]));
                totals[m] = Avx512::fma(products(found, m), scale, totals[m]);
            }
            if MINS == 1 {
                let min = Avx512::halves(head.add(64).cast());
                for m in 0..WIDE {
                    totals[m] = Avx512::fma(min, Avx512::splat(block.s[m]), totals[m]);
                }
            }
        });
        write(&totals, sums);
    }
}

/// Where the weights that meet sub-block `at` of Q6_K begin. A tile multiplies 32 inputs whether they are wanted or not, so of each pair of
/// sub-blocks the first is followed by four lines of zeros, which the second follows: `[0] [zeros] [1]`, each line 64 bytes.
fn sixteen(at: usize) -> usize {
    (at / 2 * 3 + at % 2) * 256
}

/// Formats with 256 inputs in a block: `PARTS` sub-blocks, each with a scale of its own.
#[inline(always)]
unsafe fn by256<const PARTS: usize, const BYTES: usize>(
    tile: *const u8,
    unpacked: *const u8,
    units: Range<usize>,
    group: *const u8,
    sums: *mut f32,
) {
    // SAFETY: as promised to `WideFn`: a unit is a block, and so are its inputs and unpacked bytes.
    unsafe {
        let blocks = group.cast::<Block256<WIDE>>();
        let pipeline = Pipeline {
            operands: |at| {
                let (unit, part) = (at / PARTS, at % PARTS);
                let inputs: *const u8 = (*blocks.add(unit)).q.as_ptr().cast();
                if PARTS == 8 {
                    (inputs.add(part * 512), unpacked.add(at * 512))
                } else {
                    (inputs.add(part / 2 * 512), unpacked.add(sixteen(at)))
                }
            },
            blocks: units.start * PARTS..units.end * PARTS,
        };
        let mut totals = [Avx512::splat(0.0); WIDE];
        pipeline.run(|at, found| {
            let (unit, part) = (at / PARTS, at % PARTS);
            let (block, head) = (&*blocks.add(unit), tile.add(unit * BYTES));
            let scale = head.add(64 + part * 16);
            let scale = if PARTS == 8 {
                Avx512::unsigned(scale)
            } else {
                Avx512::signed(scale)
            };
            for m in 0..WIDE {
                totals[m] = Avx512::fma(products(found, m), scale, totals[m]);
            }
            if part + 1 == PARTS {
                let d = if PARTS == 8 {
                    Avx512::halves(head.cast())
                } else {
                    Avx512::floats(head.cast())
                };
                let mut all = read(sums);
                for m in 0..WIDE {
                    let scale = Avx512::mul(d, Avx512::splat(block.d[m]));
                    all[m] = Avx512::fma(totals[m], scale, all[m]);
                }
                if PARTS == 8 {
                    mins::<Avx512, WIDE>(head, block, &mut all);
                }
                write(&all, sums);
                totals = [Avx512::splat(0.0); WIDE];
            }
        });
    }
}

#[inline(always)]
unsafe fn put(bytes: Bytes, zero: i8, to: *mut u8) {
    // SAFETY: 64 bytes, as the callers promise.
    unsafe { Avx512::store_bytes(to, Avx512::minus(bytes, zero)) }
}

/// 32 inputs of sixteen rows in nibbles, with their fifth bits where `FIFTH` is 1; `zero` is taken from each.
#[inline(always)]
unsafe fn nibbles<const FIFTH: usize>(lines: *const u8, zero: i8, to: *mut u8) {
    for line in 0..4 {
        // SAFETY: four lines and eight masks in, eight lines out, as the callers promise.
        unsafe {
            let bytes = Avx512::bytes(lines.add(line * 64));
            let (mut low, mut high) = (Avx512::low(bytes), Avx512::high(bytes));
            if FIFTH == 1 {
                low = Avx512::with_one(low, lines.add(256 + line * 8));
                high = Avx512::with_one(high, lines.add(288 + line * 8));
            }
            put(low, zero, to.add(line * 64));
            put(high, zero, to.add(256 + line * 64));
        }
    }
}

/// `COUNT` runs of 32 inputs follow a head of `HEAD` bytes in each unit.
#[inline(always)]
unsafe fn unpack_nibbles<
    const FIFTH: usize,
    const COUNT: usize,
    const HEAD: usize,
    const ZERO: i8,
>(
    tile: *const u8,
    units: usize,
    to: *mut u8,
) {
    let run = 256 + 64 * FIFTH;
    for at in 0..units * COUNT {
        let unit = at / COUNT * (HEAD + COUNT * run);
        // SAFETY: as promised to `UnpackFn`.
        unsafe {
            nibbles::<FIFTH>(
                tile.add(unit + HEAD + at % COUNT * run),
                ZERO,
                to.add(at * 512),
            )
        }
    }
}

#[inline(always)]
unsafe fn unpack_eights(tile: *const u8, units: usize, to: *mut u8) {
    const BYTES: usize = Format::Q8_0.unit().1;
    for unit in 0..units {
        // SAFETY: as promised to `UnpackFn`: 64 bytes of scales, then 1024 weights.
        unsafe {
            to.add(unit * 1024)
                .copy_from_nonoverlapping(tile.add(unit * BYTES + 64), 1024)
        }
    }
}

#[inline(always)]
unsafe fn unpack_sixes(tile: *const u8, units: usize, to: *mut u8) {
    const BYTES: usize = Format::Q6_K.unit().1;
    for at in 0..units * 16 {
        // SAFETY: as promised to `UnpackFn`: 320 bytes of scales, then sixteen times three lines.
        unsafe {
            let lines = tile.add(at / 16 * BYTES + 320 + at % 16 * 192);
            // The first of a pair stands before the zeros, the second behind them.
            let weights = to.add(sixteen(at) + at % 2 * 256);
            if at.is_multiple_of(2) {
                weights.add(256).write_bytes(0, 256);
            }
            for (group, bytes) in sixes::<Avx512, WIDE>(lines).into_iter().enumerate() {
                put(bytes, 32, weights.add(group * 64));
            }
        }
    }
}

/// Gives a generic function the instruction set that it is compiled for.
macro_rules! compiled {
    ($unpack:expr, $wide:expr) => {{
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
        unsafe fn unpack(tile: *const u8, units: usize, to: *mut u8) {
            // SAFETY: the caller's promises are the same.
            unsafe { $unpack(tile, units, to) }
        }
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
        unsafe fn wide(
            tile: *const u8,
            unpacked: *const u8,
            units: Range<usize>,
            group: *const u8,
            sums: *mut f32,
        ) {
            // SAFETY: the caller's promises are the same.
            unsafe { $wide(tile, unpacked, units, group, sums) }
        }
        Some((unpack as UnpackFn, wide as WideFn))
    }};
}

fn by_format(format: Format) -> Option<(UnpackFn, WideFn)> {
    match format {
        Format::F32 | Format::F16 | Format::BF16 => None,
        Format::Q4_0 => compiled!(
            unpack_nibbles::<0, 2, 64, 8>,
            by32::<0, { Format::Q4_0.unit().1 }>
        ),
        Format::Q4_1 => compiled!(
            unpack_nibbles::<0, 2, 128, 0>,
            by32::<1, { Format::Q4_1.unit().1 }>
        ),
        Format::Q5_0 => compiled!(
            unpack_nibbles::<1, 2, 64, 16>,
            by32::<0, { Format::Q5_0.unit().1 }>
        ),
        Format::Q5_1 => compiled!(
            unpack_nibbles::<1, 2, 128, 0>,
            by32::<1, { Format::Q5_1.unit().1 }>
        ),
        Format::Q8_0 => compiled!(unpack_eights, by32::<0, { Format::Q8_0.unit().1 }>),
        Format::Q4_K => compiled!(
            unpack_nibbles::<0, 8, 320, 0>,
            by256::<8, { Format::Q4_K.unit().1 }>
        ),
        Format::Q5_K => compiled!(
            unpack_nibbles::<1, 8, 320, 0>,
            by256::<8, { Format::Q5_K.unit().1 }>
        ),
        Format::Q6_K => compiled!(unpack_sixes, by256::<16, { Format::Q6_K.unit().1 }>),
    }
}
