//! From an instruction set to its functions: each kernel compiled once with the features it needs. Touches nothing.

#[cfg(target_arch = "x86_64")]
use crate::amx;
use crate::attention::{self, Attention, Block, Streams};
use crate::dot::{By32, Eights, Floats, K6, K45, Nibbles, Product};
use crate::format::{Format, Rounding};
#[cfg(target_arch = "aarch64")]
use crate::i8mm;
use crate::isa::Isa;
use crate::norm::{self, Norm};
use crate::panel::{self, Column, WIDE};
#[cfg(target_arch = "x86_64")]
use crate::quads;
use crate::simd::{self, LANES, Simd};

/// `(tile, units, group, into)`: see [`Product::tile`].
pub(crate) type TileFn = unsafe fn(*const u8, usize, *const u8, *mut f32);
/// See [`panel::fill`].
pub(crate) type FillFn = unsafe fn(Rounding, *const f32, usize, Column);
/// See [`norm::rms`].
pub(crate) type NormFn = unsafe fn(&Norm, *const f32, *mut f32);
/// `gate = activation(gate) × up`, as many f32, a multiple of 16.
pub(crate) type GateFn = unsafe fn(*mut f32, *const f32, usize);
/// See [`attention::place`].
pub(crate) type PlaceFn = unsafe fn(&Attention<'_>, Streams, usize, usize);
/// See [`attention::whole`].
pub(crate) type WholeFn = unsafe fn(&Attention<'_>, Streams, Block);
/// See [`attention::part`].
pub(crate) type PartFn = unsafe fn(&Attention<'_>, Streams, Block, usize, *mut f32, usize);
/// See [`attention::join`].
pub(crate) type JoinFn = unsafe fn(*const f32, usize, *mut f32, usize);
/// Reads bytes and gives a number that depends on all of them.
pub(crate) type SweepFn = unsafe fn(*const u8, usize) -> f32;

/// `(units of a tile, how many, to)`: unpacks them into a byte for each weight, in lines of four inputs for each of sixteen rows, as the
/// [`WideFn`] beside it takes them.
pub(crate) type UnpackFn = unsafe fn(*const u8, usize, *mut u8);
/// `(units of a tile, the same unpacked, how many, group from their inputs on, sums)`: adds their product to `[WIDE][16]` sums.
pub(crate) type WideFn = unsafe fn(*const u8, *const u8, usize, Group, *mut f32);

/// A group of [`WIDE`] columns, of which the last in a prompt may have fewer to compute: what the sums of the others become is nobody's business.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) at: *const u8,
    pub(crate) columns: usize,
}

/// What jobs with groups of [`WIDE`] columns run on.
pub(crate) struct Wide {
    /// Once on each thread before its first product.
    pub(crate) begin: unsafe fn(),
    /// Once on each thread after its last, so that the system need not save the registers when it switches threads.
    pub(crate) end: unsafe fn(),
    /// The most tiles that a thread takes at a time.
    pub(crate) bite: usize,
    /// For every format.
    pub(crate) of: fn(Format) -> (UnpackFn, WideFn),
}

/// All functions of one instruction set.
pub(crate) struct Kernels {
    /// The numbers of columns that have kernels, in order.
    widths: &'static [usize],
    /// The most columns in one pass.
    pub(crate) columns: usize,
    /// The most queries in one pass.
    pub(crate) queries: usize,
    tile: fn(Format, usize) -> TileFn,
    pub(crate) fill: FillFn,
    pub(crate) rms: NormFn,
    pub(crate) silu: GateFn,
    pub(crate) gelu: GateFn,
    pub(crate) place: PlaceFn,
    whole: fn(usize) -> WholeFn,
    part: fn(usize) -> PartFn,
    pub(crate) join: JoinFn,
    pub(crate) sweep: SweepFn,
    /// What groups of the most columns run on, where that is something else.
    pub(crate) wide: Option<&'static Wide>,
}

impl Kernels {
    pub(crate) fn of(isa: Isa) -> &'static Self {
        match isa {
            Isa::Scalar => &scalar::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &avx2_quads::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => &avx_vnni_quads::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => &avx512::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => &with_amx::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &neon::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDotprod => &neon_dotprod::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm => &neon_i8mm::KERNELS,
        }
    }

    /// The least width with a kernel that holds `columns`, or the widest.
    pub(crate) fn width(&self, columns: usize) -> usize {
        let mut widths = self.widths.iter().copied();
        widths
            .find(|width| *width >= columns)
            .unwrap_or(self.columns)
    }

    /// The kernel of a format for a width that [`Kernels::width`] gave.
    pub(crate) fn tile(&self, format: Format, width: usize) -> TileFn {
        (self.tile)(format, width)
    }

    /// For a block of `queries` queries.
    pub(crate) fn whole(&self, queries: usize) -> WholeFn {
        (self.whole)(queries)
    }

    /// For a block of `queries` queries.
    pub(crate) fn part(&self, queries: usize) -> PartFn {
        (self.part)(queries)
    }
}

/// # Safety
/// `gate` and `up` are valid for `len` f32, a multiple of 16; the instruction set is there.
#[inline(always)]
unsafe fn gated<S: Simd, const GELU: usize>(gate: *mut f32, up: *const f32, len: usize) {
    for at in (0..len).step_by(LANES) {
        // SAFETY: as promised by the caller.
        unsafe {
            let x = S::floats(gate.add(at));
            let x = if GELU == 1 {
                norm::gelu::<S>(x)
            } else {
                norm::silu::<S>(x)
            };
            S::store(gate.add(at), S::mul(x, S::floats(up.add(at))));
        }
    }
}

/// # Safety
/// `from` is readable for `len` bytes; the instruction set is there.
#[inline(always)]
unsafe fn sweep<S: Simd>(from: *const u8, len: usize) -> f32 {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut sums = [S::ints(0); 4];
        let input = [1_i8; 4];
        for at in (0..len / 256).map(|block| block * 256) {
            for (line, sum) in sums.iter_mut().enumerate() {
                let bytes = from.add(at + line * 64);
                S::prefetch(bytes.wrapping_add(4096));
                *sum = S::dot(*sum, S::bytes(bytes), input.as_ptr());
            }
        }
        let [a, b, c, d] = sums;
        S::sum(S::to_floats(S::add_ints(
            S::add_ints(a, b),
            S::add_ints(c, d),
        )))
    }
}

macro_rules! kernels {
    ($module:ident, $simd:ty, [$($width:literal)*], [$($queries:literal)*], $(#[$features:meta])*) => {
        mod $module {
            use super::*;

            $(#[$features])*
            pub(super) unsafe fn tile<P: Product, const M: usize>(tile: *const u8, units: usize, group: *const u8, into: *mut f32) {
                // SAFETY: the caller's promises are those of `Product::tile`.
                unsafe { P::tile::<$simd, M>(tile, units, group, into) }
            }
            $(#[$features])*
            unsafe fn fill(rounding: Rounding, from: *const f32, inputs: usize, to: Column) {
                // SAFETY: the caller's promises are the same.
                unsafe { panel::fill::<$simd>(rounding, from, inputs, to) }
            }
            $(#[$features])*
            unsafe fn rms(norm: &Norm, from: *const f32, to: *mut f32) {
                // SAFETY: the caller's promises are the same.
                unsafe { norm::rms::<$simd>(norm, from, to) }
            }
            $(#[$features])*
            unsafe fn gate<const GELU: usize>(gate: *mut f32, up: *const f32, len: usize) {
                // SAFETY: the caller's promises are the same.
                unsafe { gated::<$simd, GELU>(gate, up, len) }
            }
            $(#[$features])*
            unsafe fn place(attention: &Attention<'_>, streams: Streams, row: usize, unit: usize) {
                // SAFETY: the caller's promises are the same.
                unsafe { attention::place::<$simd>(attention, streams, row, unit) }
            }
            $(#[$features])*
            unsafe fn whole<const Q: usize>(attention: &Attention<'_>, streams: Streams, block: Block) {
                // SAFETY: the caller's promises are the same.
                unsafe { attention::whole::<$simd, Q>(attention, streams, block) }
            }
            $(#[$features])*
            unsafe fn part<const Q: usize>(attention: &Attention<'_>, streams: Streams, block: Block, index: usize, at: *mut f32, slots: usize) {
                // SAFETY: the caller's promises are the same.
                unsafe { attention::part::<$simd, Q>(attention, streams, block, index, at, slots) }
            }
            $(#[$features])*
            unsafe fn join(parts: *const f32, count: usize, to: *mut f32, head: usize) {
                // SAFETY: the caller's promises are the same.
                unsafe { attention::join::<$simd>(parts, count, to, head) }
            }
            $(#[$features])*
            unsafe fn sweep(from: *const u8, len: usize) -> f32 {
                // SAFETY: the caller's promises are the same.
                unsafe { super::sweep::<$simd>(from, len) }
            }

            fn by_width<P: Product>(width: usize) -> TileFn {
                const MOST: usize = <$simd>::COLUMNS;
                match width {
                    $($width => tile::<P, $width>,)*
                    MOST => tile::<P, MOST>,
                    _ => unreachable!("no kernel for {width} columns"),
                }
            }

            fn by_format(format: Format, width: usize) -> TileFn {
                match format {
                    Format::F32 => by_width::<Floats<{ Format::F32 as usize }>>(width),
                    Format::F16 => by_width::<Floats<{ Format::F16 as usize }>>(width),
                    Format::BF16 => by_width::<Floats<{ Format::BF16 as usize }>>(width),
                    Format::Q4_0 => by_width::<By32<Nibbles<0>, 0, 0>>(width),
                    Format::Q4_1 => by_width::<By32<Nibbles<0>, 3, 1>>(width),
                    Format::Q5_0 => by_width::<By32<Nibbles<1>, 1, 0>>(width),
                    Format::Q5_1 => by_width::<By32<Nibbles<1>, 3, 1>>(width),
                    Format::Q8_0 => by_width::<By32<Eights, 2, 0>>(width),
                    Format::Q4_K => by_width::<K45<Nibbles<0>>>(width),
                    Format::Q5_K => by_width::<K45<Nibbles<1>>>(width),
                    Format::Q6_K => by_width::<K6>(width),
                }
            }

            fn whole_of(queries: usize) -> WholeFn {
                match queries {
                    $($queries => whole::<$queries>,)*
                    _ => whole::<{ <$simd>::QUERIES }>,
                }
            }

            fn part_of(queries: usize) -> PartFn {
                match queries {
                    $($queries => part::<$queries>,)*
                    _ => part::<{ <$simd>::QUERIES }>,
                }
            }

            pub(super) const KERNELS: Kernels = Kernels {
                widths: &[$($width,)* <$simd>::COLUMNS],
                columns: <$simd>::COLUMNS,
                queries: <$simd>::QUERIES,
                tile: by_format,
                fill,
                rms,
                silu: gate::<0>,
                gelu: gate::<1>,
                place,
                whole: whole_of,
                part: part_of,
                join,
                sweep,
                wide: None,
            };
        }
    };
}

kernels!(scalar, simd::Scalar, [1 2], [1 2],);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, simd::Avx2<simd::Madd>, [1 2], [1 2 3], #[target_feature(enable = "avx2,fma,f16c")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx_vnni, simd::Avx2<simd::AvxVnni>, [1 2], [1 2 3], #[target_feature(enable = "avx2,fma,f16c,avxvnni")]);
#[cfg(target_arch = "x86_64")]
kernels!(avx512, simd::Avx512, [1 2 4 8], [1 2 3 4 5 6 7],
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]);
#[cfg(target_arch = "aarch64")]
kernels!(neon, simd::Neon<simd::Mull>, [1 2], [1 2 3], #[target_feature(enable = "neon")]);
#[cfg(target_arch = "aarch64")]
kernels!(neon_dotprod, simd::Neon<simd::Dotprod>, [1 2], [1 2 3], #[target_feature(enable = "neon,dotprod")]);

/// Those of `$narrow`, but groups of [`WIDE`] columns run on `$wide`.
/// `$width` are of the widths of `$narrow` those that are kept.
macro_rules! wide_kernels {
    ($name:ident, $narrow:ident, $wide:expr, [$($width:literal)*]) => {
        mod $name {
            use super::*;

            pub(super) static KERNELS: Kernels = Kernels {
                widths: &[$($width,)* WIDE],
                columns: WIDE,
                wide: Some(&$wide),
                ..$narrow::KERNELS
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
wide_kernels!(avx2_quads, avx2, quads::AVX2, [1 2 4]);
#[cfg(target_arch = "x86_64")]
wide_kernels!(avx_vnni_quads, avx_vnni, quads::AVX_VNNI, [1 2 4]);
#[cfg(target_arch = "x86_64")]
wide_kernels!(with_amx, avx512, amx::TILES, [1 2 4 8]);
#[cfg(target_arch = "aarch64")]
wide_kernels!(neon_i8mm, neon_dotprod, i8mm::MATRICES, [1 2 4]);
