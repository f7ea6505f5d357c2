//! The rounded activations of one step, and products with them. Touches the memory that the step was given.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dispatch::Kernels;
use crate::format::Rounding;
use crate::lines::Lines;
use crate::matrix::Matrix;
use crate::norm::Norm;
use crate::panel::{Column, column_bytes};
use crate::simd::LANES;

/// Tiles that a thread takes at a time when there are many rows: small enough to finish together, large enough not to fight over the counter.
const BITE: usize = 2;

/// The roundings that a step's matrices want, and where each lies in a panel: after one row of f32, which the norm needs.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) inputs: usize,
    pub(super) rows: usize,
    /// Where each rounding starts; none for those that no matrix wants.
    starts: [Option<usize>; 3],
    /// Of the whole panel.
    pub(super) bytes: usize,
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
        }
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
    pub(super) layout: Layout,
    pub(super) at: *const u8,
    pub(super) kernels: &'static Kernels,
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
            (self.kernels.tile(matrix.format(), width))(
                tile,
                matrix.units(),
                self.at.add(start),
                into.as_mut_ptr().cast(),
            );
        }
    }
}

/// The widest group of any instruction set.
pub(super) const WIDEST_GROUP: usize = 12;

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
        for tile in share {
            for (first, width) in self.layout.groups(self.kernels) {
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
