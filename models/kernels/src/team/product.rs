//! Products of the rounded activations with tiles of weights: which thread takes which, and in what order, so that what is read often lies near.
//! Touches the memory that the step was given.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::rounded::Layout;
use crate::dispatch::{Group, Kernels, Wide};
use crate::lines::Lines;
use crate::matrix::Matrix;
use crate::panel::{WIDE, column_bytes};
use crate::simd::LANES;

/// The fewest tiles that a thread takes at a time when there are many rows: large enough not to fight over the counter.
const BITE: usize = 2;
/// Bites that each thread should find, so that the last to finish is not far behind the first.
const BITES: usize = 8;
/// Inputs of a wide group that are multiplied before the next group's: those of a group and an unpacked tile take 20 kB, so that the group stays
/// in a processor's first cache while the tiles of the bite come from the second, or all in the first where a bite is two.
const SLICE: usize = 512;

/// Sums of one tile and one group, `[column][row]`.
pub(super) type Sums = [[f32; LANES]; WIDEST_GROUP];

/// What wide groups run on, if there are any.
fn wide_of(layout: &Layout, kernels: &Kernels) -> Option<&'static Wide> {
    kernels.wide.filter(|_| kernels.width(layout.rows) == WIDE)
}

/// Tiles of a bite, of `tiles` that `threads` share. The more meet a group, the less often groups come from afar; but all should finish together.
pub(super) fn bite_of(layout: &Layout, kernels: &Kernels, tiles: usize, threads: usize) -> usize {
    let most = wide_of(layout, kernels).map_or(BITE, |wide| wide.bite);
    (tiles / (threads * BITES)).clamp(BITE, most)
}

/// Bytes of one slice of a tile, unpacked: at most one and a half for each weight; whole blocks of the longest kind.
fn slice_bytes(layout: &Layout) -> usize {
    SLICE.min(layout.inputs.next_multiple_of(256)) * LANES * 3 / 2
}

/// Bytes that a thread needs for a bite of tiles on wide groups: a slice of each unpacked, and the sums of each with every group.
pub(super) fn bite_bytes(layout: &Layout, kernels: &Kernels, bite: usize) -> usize {
    let sums = layout.rows.div_ceil(WIDE) * size_of::<Sums>();
    let bytes = bite * (slice_bytes(layout) + sums);
    wide_of(layout, kernels).map_or(0, |_| bytes.next_multiple_of(Lines::SIZE))
}

/// The rounded activations of one job, as one thread sees them.
pub(super) struct Panel<'p> {
    pub(super) layout: Layout,
    pub(super) at: *const u8,
    /// This thread's own, [`bite_bytes`].
    pub(super) own: *mut u8,
    pub(super) kernels: &'static Kernels,
    /// Tiles that a thread takes at a time: see [`bite_of`].
    pub(super) bite: usize,
    /// The only tiles of each matrix that are multiplied, if not all are; a tile's number is then its place among these.
    pub(super) picked: Option<&'p [u32]>,
}

/// The widest group of any instruction set.
pub(super) const WIDEST_GROUP: usize = WIDE;

/// Where sums belong: which set of matrices, which tile, the first row and the width of the group.
pub(super) struct Spot {
    pub(super) set: usize,
    pub(super) tile: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

/// Matrices of one shape whose sums are needed together.
pub(super) type Set<'m, const P: usize> = [&'m Matrix; P];

/// Takes the sums of one tile of every matrix of a set.
pub(super) type Finish<'a, const P: usize> = dyn Fn(Spot, &mut [Sums; P]) + Sync + 'a;

impl Panel<'_> {
    /// Rows `first..` of one tile of a matrix.
    ///
    /// # Safety
    /// The panel is filled for the matrix' rounding, `width` is the group's, and there is such a tile.
    unsafe fn product(
        &self,
        matrix: &Matrix,
        tile: usize,
        first: usize,
        width: usize,
        into: &mut Sums,
    ) {
        // SAFETY: as promised by the caller.
        unsafe {
            (self.kernels.tile(matrix.format(), width))(
                self.tile(matrix, tile),
                matrix.units(),
                self.group(matrix, first),
                into.as_mut_ptr().cast(),
            );
        }
    }

    /// The activations of a group, rounded for the matrix.
    fn group(&self, matrix: &Matrix, first: usize) -> *const u8 {
        let Some(start) = self.layout.group(matrix.format().rounding(), first) else {
            unreachable!("the layout was made for this matrix")
        };
        self.at.wrapping_add(start)
    }

    /// All groups with each tile of `share`.
    ///
    /// # Safety
    /// The panel is filled for the set, which has these tiles.
    pub(super) unsafe fn tiles<const P: usize>(
        &self,
        (index, set): (usize, &Set<'_, P>),
        share: Range<usize>,
        finish: &Finish<'_, P>,
    ) {
        let wide = wide_of(&self.layout, self.kernels);
        if let Some(wide) = wide {
            // SAFETY: as promised by the caller.
            unsafe { self.wide_tiles(wide, (index, set), share.clone(), finish) }
        }
        let mut sums = [[[0.0; LANES]; WIDEST_GROUP]; P];
        let narrow = self
            .layout
            .groups(self.kernels)
            .filter(|(_, width)| wide.is_none() || *width < WIDE);
        for (first, width) in narrow {
            for tile in share.clone() {
                for (matrix, sums) in set.iter().zip(&mut sums) {
                    // SAFETY: as promised by the caller.
                    unsafe { self.product(matrix, tile, first, width, sums) }
                }
                finish(
                    Spot {
                        set: index,
                        tile,
                        first,
                        width,
                    },
                    &mut sums,
                );
            }
        }
    }

    /// The wide groups with at most a bite of tiles: slice by slice unpacked once, then multiplied with every group.
    ///
    /// # Safety
    /// As [`Panel::tiles`].
    unsafe fn wide_tiles<const P: usize>(
        &self,
        wide: &Wide,
        (index, set): (usize, &Set<'_, P>),
        share: Range<usize>,
        finish: &Finish<'_, P>,
    ) {
        let groups = || {
            self.layout
                .groups(self.kernels)
                .filter(|(_, width)| *width == WIDE)
                .enumerate()
        };
        let bytes = slice_bytes(&self.layout);
        // SAFETY: `own` has room for as many tiles and sums, and is this thread's; the rest is promised by the caller.
        unsafe {
            let sums = self.own.add(share.len() * P * bytes).cast::<[Sums; P]>();
            let tiles = || {
                share.clone().enumerate().flat_map(|(place, tile)| {
                    set.iter().enumerate().map(move |(which, matrix)| WideTile {
                        matrix,
                        tile,
                        unpacked: self.own.add((place * P + which) * bytes),
                        place,
                        which,
                    })
                })
            };
            sums.write_bytes(0, groups().count() * share.len());
            for from in (0..self.layout.inputs).step_by(SLICE) {
                let slice = from..from + SLICE;
                tiles().for_each(|of| of.unpack(wide, self.tile(of.matrix, of.tile), &slice));
                for (group, (first, width)) in groups() {
                    for tile in tiles() {
                        let sums = &mut (*sums.add(group * share.len() + tile.place))[tile.which];
                        self.wide_product(wide, tile, &slice, first, sums);
                    }
                    if slice.end < self.layout.inputs {
                        continue;
                    }
                    for (place, tile) in share.clone().enumerate() {
                        let spot = Spot {
                            set: index,
                            tile,
                            first,
                            width,
                        };
                        finish(spot, &mut *sums.add(group * share.len() + place));
                    }
                }
            }
        }
    }

    /// Adds the products with one slice of the inputs.
    ///
    /// # Safety
    /// The tile's slice is unpacked, the group is wide, and the panel is filled.
    unsafe fn wide_product(
        &self,
        wide: &Wide,
        of: WideTile<'_>,
        slice: &Range<usize>,
        first: usize,
        sums: &mut Sums,
    ) {
        let (matrix, format) = (of.matrix, of.matrix.format());
        let (_, multiply) = (wide.of)(format);
        // SAFETY: as promised by the caller.
        unsafe {
            let (tile, units) = units_of(matrix, self.tile(matrix, of.tile), slice);
            let before = WIDE * column_bytes(format.rounding(), slice.start);
            let group = Group {
                at: self.group(matrix, first).add(before),
                columns: WIDE.min(self.layout.rows - first),
            };
            multiply(tile, of.unpacked, units, group, sums.as_mut_ptr().cast());
        }
    }

    /// Takes a few tiles at a time, counted over all sets.
    ///
    /// # Safety
    /// The panel is filled for the sets; `counts` are their tiles.
    pub(super) unsafe fn bites<const P: usize>(
        &self,
        next: &AtomicUsize,
        sets: &[Set<'_, P>],
        finish: &Finish<'_, P>,
    ) {
        let bite = self.bite / P;
        loop {
            let mut start = next.fetch_add(bite, Ordering::Relaxed);
            let mut left = bite;
            for (index, set) in sets.iter().enumerate() {
                let count = self.count(set);
                let end = count.min(start + left);
                if start < end {
                    // SAFETY: as promised by the caller.
                    unsafe { self.tiles((index, set), start..end, finish) };
                    left -= end - start;
                }
                start = start.saturating_sub(count);
            }
            if left == bite {
                return;
            }
        }
    }

    /// How many tiles of each matrix of a set are multiplied.
    pub(super) fn count<const P: usize>(&self, set: &Set<'_, P>) -> usize {
        let all = set.first().map_or(0, |matrix| matrix.tile_count());
        self.picked.map_or(all, <[u32]>::len)
    }

    /// The weights of a tile.
    fn tile(&self, matrix: &Matrix, index: usize) -> *const u8 {
        let index = self.picked.map_or(index, |picked| picked[index] as usize);
        let start = index * matrix.tile_bytes();
        matrix.tiles().as_ptr().wrapping_add(start)
    }

    /// Works between [`Wide`]'s beginning and end, if there are wide groups.
    ///
    /// # Safety
    /// The instruction set is there.
    pub(super) unsafe fn with_tiles(&self, work: impl FnOnce()) {
        let wide = wide_of(&self.layout, self.kernels);
        // SAFETY: as promised by the caller.
        unsafe {
            wide.inspect(|wide| (wide.begin)());
            work();
            wide.inspect(|wide| (wide.end)());
        }
    }
}

/// Where the units of a slice begin in a tile, and how many there are. A slice is whole units of every format.
///
/// # Safety
/// `tile` is one of the matrix, and the slice begins within it.
unsafe fn units_of(matrix: &Matrix, tile: *const u8, slice: &Range<usize>) -> (*const u8, usize) {
    let (inputs, bytes) = matrix.format().unit();
    let first = slice.start / inputs;
    let count = (slice.end / inputs).min(matrix.units()) - first;
    // SAFETY: as promised by the caller.
    (unsafe { tile.add(first * bytes) }, count)
}

/// A tile of weights beside a slice of it unpacked, and where its sums go: which tile of the bite, which matrix of the set.
#[derive(Clone, Copy)]
struct WideTile<'m> {
    matrix: &'m Matrix,
    tile: usize,
    unpacked: *mut u8,
    place: usize,
    which: usize,
}

impl WideTile<'_> {
    /// # Safety
    /// `packed` is the tile, the slice begins within it, and there is room for its bytes.
    unsafe fn unpack(self, wide: &Wide, packed: *const u8, slice: &Range<usize>) {
        let (unpack, _) = (wide.of)(self.matrix.format());
        // SAFETY: as promised by the caller.
        unsafe {
            let (from, units) = units_of(self.matrix, packed, slice);
            unpack(from, units, self.unpacked);
        }
    }
}
