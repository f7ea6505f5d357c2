//! The rounded activations of one step, and products with them. Touches the memory that the step was given.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dispatch::{Kernels, UnpackFn, Wide, WideFn};
use crate::format::Rounding;
use crate::lines::Lines;
use crate::matrix::Matrix;
use crate::norm::Norm;
use crate::panel::{Column, WIDE, column_bytes};
use crate::simd::LANES;

/// Tiles that a thread takes at a time when there are many rows: small enough to finish together, large enough not to fight over the counter,
/// and that the activations, which may not fit a processor's own cache, are read once for all of them.
const BITE: usize = 4;
/// Tiles that are kept unpacked: those of a bite, of the two matrices of a gate.
const UNPACKED: usize = 2 * BITE;

/// The roundings that a step's matrices want, and where each lies in a panel: after one row of f32, which the norm needs.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) inputs: usize,
    pub(super) rows: usize,
    /// Where each rounding starts; none for those that no matrix wants.
    starts: [Option<usize>; 3],
    /// Of the whole panel.
    pub(super) bytes: usize,
    /// Of one tile, unpacked: at most one and a half for each weight; whole blocks of the longest kind.
    tile_bytes: usize,
}

const ROUNDINGS: [Rounding; 3] = [Rounding::None, Rounding::By32, Rounding::By256];

impl Layout {
    pub(super) fn new<'m>(
        kernels: &Kernels,
        inputs: usize,
        rows: usize,
        matrices: impl IntoIterator<Item = &'m Matrix>,
    ) -> Self {
        let mut wanted = [false; 3];
        for matrix in matrices {
            let columns = matrix.columns();
            assert_eq!(columns, inputs, "a matrix with {columns} columns");
            wanted[matrix.format().rounding() as usize] = true;
        }
        // Groups are whole, so the last may be wider than it has rows.
        let last = rows % kernels.columns;
        let columns = rows - last + if last > 0 { kernels.width(last) } else { 0 };
        let mut bytes = (inputs * 4).next_multiple_of(Lines::SIZE);
        let starts = ROUNDINGS.map(|rounding| {
            wanted[rounding as usize].then(|| {
                let start = bytes;
                let size = columns * column_bytes(rounding, inputs);
                bytes += size.next_multiple_of(Lines::SIZE);
                start
            })
        });
        Self {
            inputs,
            rows,
            starts,
            bytes,
            tile_bytes: inputs.next_multiple_of(256) * LANES * 3 / 2,
        }
    }

    /// What a thread needs to keep tiles unpacked.
    pub(super) fn unpacked_bytes(&self, kernels: &Kernels) -> usize {
        self.wide(kernels).map_or(0, |_| UNPACKED * self.tile_bytes)
    }

    /// What wide groups run on, if there are any.
    fn wide(&self, kernels: &Kernels) -> Option<&'static Wide> {
        kernels.wide.filter(|_| kernels.width(self.rows) == WIDE)
    }

    /// Where the group that begins with row `first` lies, if that rounding is wanted.
    fn group(&self, rounding: Rounding, first: usize) -> Option<usize> {
        let start = self.starts[rounding as usize]?;
        Some(start + first * column_bytes(rounding, self.inputs))
    }

    /// First row and width of each group.
    pub(super) fn groups(self, kernels: &Kernels) -> impl Iterator<Item = (usize, usize)> {
        let (rows, columns) = (self.rows, kernels.columns);
        (0..rows)
            .step_by(columns)
            .map(move |first| (first, kernels.width(rows - first)))
    }

    /// Rounds the rows of `share` from `input` into the panel, through `row`, which is this thread's own.
    ///
    /// # Safety
    /// `input` has all rows; `panel` is as large as the layout says, and nobody else fills these rows; the instruction set is there.
    pub(super) unsafe fn fill(
        self,
        kernels: &Kernels,
        input: *const f32,
        norm: Option<&Norm>,
        share: std::ops::Range<usize>,
        panel: *mut u8,
        row: *mut f32,
    ) {
        for index in share {
            let (first, in_group) = (
                index / kernels.columns * kernels.columns,
                index % kernels.columns,
            );
            let width = kernels.width(self.rows - first);
            // SAFETY: as promised by the caller.
            unsafe {
                let mut from = input.add(index * self.inputs);
                if let Some(norm) = norm {
                    (kernels.rms)(norm, from, row);
                    from = row.cast_const();
                }
                for rounding in ROUNDINGS {
                    if let Some(start) = self.group(rounding, first) {
                        let group = panel.add(start);
                        let column = Column {
                            group,
                            of: width,
                            index: in_group,
                        };
                        (kernels.fill)(rounding, from, self.inputs, column);
                    }
                }
            }
        }
    }
}

/// The rounded activations of one job, as one thread sees them.
pub(super) struct Panel {
    layout: Layout,
    at: *const u8,
    kernels: &'static Kernels,
    unpacked: Unpacked,
}

/// The tiles of weights that this thread unpacked last.
struct Unpacked {
    at: *mut u8,
    tile_bytes: usize,
    /// Which tile of weights lies in each place.
    tiles: Cell<[*const u8; UNPACKED]>,
    next: Cell<usize>,
}

impl Unpacked {
    /// The tile's unpacked bytes, by `unpack` if they are not there.
    ///
    /// # Safety
    /// `unpack` is the function of the tile's format, which has `units` units; nobody else uses the memory.
    unsafe fn find(&self, tile: *const u8, units: usize, unpack: UnpackFn) -> *const u8 {
        let mut tiles = self.tiles.get();
        let place = tiles.iter().position(|known| *known == tile);
        let place = place.unwrap_or_else(|| {
            let place = self.next.get();
            self.next.set((place + 1) % UNPACKED);
            tiles[place] = tile;
            self.tiles.set(tiles);
            // SAFETY: each place has room for a tile of the layout's inputs.
            unsafe { unpack(tile, units, self.at.add(place * self.tile_bytes)) };
            place
        });
        // SAFETY: within the memory.
        unsafe { self.at.add(place * self.tile_bytes) }
    }
}

impl Panel {
    /// The activations at `at`; `unpacked` is this thread's own.
    ///
    /// # Safety
    /// `at` has the layout's bytes and stays as it is; `unpacked` has [`Layout::unpacked_bytes`].
    pub(super) unsafe fn new(
        layout: Layout,
        kernels: &'static Kernels,
        at: *const u8,
        unpacked: *mut u8,
    ) -> Self {
        let unpacked = Unpacked {
            at: unpacked,
            tile_bytes: layout.tile_bytes,
            tiles: Cell::new([std::ptr::null(); UNPACKED]),
            next: Cell::new(0),
        };
        Self {
            layout,
            at,
            kernels,
            unpacked,
        }
    }
}

impl Panel {
    /// Rows `first..` of one tile of a matrix, 16 sums each.
    ///
    /// # Safety
    /// The panel is filled for the matrix' rounding, `width` is the group's, and there is such a tile.
    pub(super) unsafe fn product(
        &self,
        matrix: &Matrix,
        tile: usize,
        first: usize,
        width: usize,
        into: &mut [[f32; LANES]; WIDEST_GROUP],
    ) {
        let rounding = matrix.format().rounding();
        let Some(start) = self.layout.group(rounding, first) else {
            unreachable!("the layout was made for this matrix")
        };
        // SAFETY: as promised by the caller.
        unsafe {
            let tile = matrix.tiles().as_ptr().add(tile * matrix.tile_bytes());
            let (units, group, into) =
                (matrix.units(), self.at.add(start), into.as_mut_ptr().cast());
            match self.wide(matrix, width) {
                Some((unpack, product)) => {
                    let unpacked = self.unpacked.find(tile, units, unpack);
                    product(tile, unpacked, units, group, into);
                }
                None => (self.kernels.tile(matrix.format(), width))(tile, units, group, into),
            }
        }
    }

    fn wide(&self, matrix: &Matrix, width: usize) -> Option<(UnpackFn, WideFn)> {
        let wide = self.kernels.wide.filter(|_| width == WIDE)?;
        (wide.of)(matrix.format())
    }

    /// Works between [`Wide`]'s beginning and end, if there are wide groups.
    ///
    /// # Safety
    /// The instruction set is there.
    pub(super) unsafe fn with_tiles(&self, work: impl FnOnce()) {
        let wide = self.layout.wide(self.kernels);
        // SAFETY: as promised by the caller.
        unsafe {
            wide.inspect(|wide| (wide.begin)());
            work();
            wide.inspect(|wide| (wide.end)());
        }
    }
}

/// The widest group of any instruction set.
pub(super) const WIDEST_GROUP: usize = WIDE;

/// Which product: matrix and tile, first row and width of the group.
pub(super) struct Spot {
    pub(super) matrix: usize,
    pub(super) tile: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

pub(super) type Each<'a> = dyn Fn(&Panel, Spot, &mut [[f32; LANES]; WIDEST_GROUP]) + Sync + 'a;

impl Panel {
    pub(super) fn tiles(&self, matrix: usize, share: std::ops::Range<usize>, product: &Each<'_>) {
        let mut sums = [[0.0; LANES]; WIDEST_GROUP];
        for (first, width) in self.layout.groups(self.kernels) {
            for tile in share.clone() {
                product(
                    self,
                    Spot {
                        matrix,
                        tile,
                        first,
                        width,
                    },
                    &mut sums,
                );
            }
        }
    }

    /// Takes a few tiles at a time, counted over all matrices.
    pub(super) fn bites(&self, next: &AtomicUsize, tiles: &[usize], product: &Each<'_>) {
        loop {
            let mut start = next.fetch_add(BITE, Ordering::Relaxed);
            let mut left = BITE;
            for (matrix, count) in tiles.iter().enumerate() {
                let end = (*count).min(start + left);
                if start < end {
                    self.tiles(matrix, start..end, product);
                    left -= end - start;
                }
                start = start.saturating_sub(*count);
            }
            if left == BITE {
                return;
            }
        }
    }
}
