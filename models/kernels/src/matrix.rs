//! One weight matrix in tiles of sixteen rows. Immutable; touches its own memory only.

use crate::format::{Format, FormatError};
use crate::lines::Lines;
use crate::pack;
use crate::pool::processors;
use crate::simd::LANES;

/// `[rows, columns]` weights of one format, repacked.
pub struct Matrix {
    format: Format,
    rows: usize,
    columns: usize,
    tiles: Lines,
}

impl Matrix {
    /// Repacks the blocks of a GGUF tensor, row after row.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not `rows` × `columns` weights of that format.
    pub fn pack(
        format: Format,
        rows: usize,
        columns: usize,
        data: &[u8],
    ) -> Result<Self, FormatError> {
        let (block, size) = format.block();
        if columns == 0 || !columns.is_multiple_of(block) {
            return Err(FormatError::Columns { columns, block });
        }
        let row_bytes = columns / block * size;
        let needed = rows.saturating_mul(row_bytes);
        if data.len() != needed || rows == 0 {
            return Err(FormatError::Length {
                found: data.len(),
                needed,
            });
        }
        let mut matrix = Self {
            format,
            rows,
            columns,
            tiles: Lines::zeroed(0),
        };
        matrix.tiles = Lines::zeroed(matrix.tile_count() * matrix.tile_bytes());
        matrix.fill(row_bytes, data);
        Ok(matrix)
    }

    /// Bytes that a matrix of this shape takes once it is packed.
    #[must_use]
    pub fn packed_bytes(format: Format, rows: usize, columns: usize) -> usize {
        let (inputs, bytes) = format.unit();
        let tile = columns.div_ceil(inputs).saturating_mul(bytes);
        rows.div_ceil(LANES).saturating_mul(tile)
    }

    /// The weights of one row in f32, `columns` of them.
    ///
    /// # Panics
    /// When there is no such row, or `into` has another length.
    pub fn row(&self, row: usize, into: &mut [f32]) {
        assert!(
            row < self.rows && into.len() == self.columns,
            "row {row} of {} into {}",
            self.rows,
            into.len()
        );
        let start = row / LANES * self.tile_bytes();
        pack::unpack(
            self.format,
            row % LANES,
            &self.tiles.bytes()[start..start + self.tile_bytes()],
            into,
        );
    }

    /// The format of its blocks.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Outputs.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that one product reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tiles.bytes().len()
    }

    /// Packs all rows; those of a large matrix on all processors.
    fn fill(&mut self, row_bytes: usize, data: &[u8]) {
        const SMALL: usize = 1 << 20; // bytes; packed in less than a millisecond
        let (format, tile_bytes) = (self.format, self.tile_bytes());
        let pack = |tiles: &mut [u8], rows: &[u8]| {
            let rows = rows.chunks(LANES * row_bytes);
            for (tile, rows) in tiles.chunks_exact_mut(tile_bytes).zip(rows) {
                for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                    pack::row(format, lane, row, tile);
                }
            }
        };
        if self.bytes() < SMALL {
            return pack(self.tiles.bytes_mut(), data);
        }
        let share = self.tile_count().div_ceil(processors());
        let tiles = self.tiles.bytes_mut().chunks_mut(share * tile_bytes);
        let shares = tiles.zip(data.chunks(share * LANES * row_bytes));
        std::thread::scope(|scope| {
            for (tiles, rows) in shares {
                scope.spawn(move || pack(tiles, rows));
            }
        });
    }

    pub(crate) fn tile_count(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    pub(crate) fn units(&self) -> usize {
        self.columns.div_ceil(self.format.unit().0)
    }

    pub(crate) fn tile_bytes(&self) -> usize {
        self.units() * self.format.unit().1
    }

    pub(crate) fn tiles(&self) -> &[u8] {
        self.tiles.bytes()
    }
}
