//! The rounded activations of one step. Touches the memory that the step was given.

use crate::dispatch::Kernels;
use crate::format::Rounding;
use crate::lines::Lines;
use crate::matrix::Matrix;
use crate::norm::Norm;
use crate::panel::{Column, column_bytes};

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
    /// For `values` activations and matrices of one number of columns.
    ///
    /// # Panics
    /// When they have not.
    pub(super) fn new(kernels: &Kernels, values: usize, matrices: &[&Matrix]) -> Self {
        let inputs = matrices.first().map_or(0, |matrix| matrix.columns());
        let rows = values.checked_div(inputs).unwrap_or(0);
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
    pub(super) fn group(&self, rounding: Rounding, first: usize) -> Option<usize> {
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
