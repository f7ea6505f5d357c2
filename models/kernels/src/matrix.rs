//! One weight matrix in tiles of sixteen rows. Immutable; touches its own memory only.

use crate::format::{Format, FormatError};
use crate::lines::Lines;
use crate::pack;
use crate::simd::LANES;

/// `[rows, columns]` weights of one format, repacked.
pub struct Matrix {
    format: Format,
    rows: usize,
    columns: usize,
    tiles: Lines,
}

impl Matrix {
    /// A matrix of zeros, whose rows are packed part by part.
    ///
    /// # Errors
    /// [`FormatError::Columns`] when rows are not whole blocks, [`FormatError::Length`] when there is none, [`FormatError::Memory`].
    pub fn empty(format: Format, rows: usize, columns: usize) -> Result<Self, FormatError> {
        let (block, _) = format.block();
        if columns == 0 || !columns.is_multiple_of(block) {
            return Err(FormatError::Columns { columns, block });
        }
        if rows == 0 {
            return Err(FormatError::Length {
                found: 0,
                needed: 0,
            });
        }
        let bytes = Self::packed_bytes(format, rows, columns);
        Ok(Self {
            format,
            rows,
            columns,
            tiles: Lines::try_zeroed(bytes).ok_or(FormatError::Memory { bytes })?,
        })
    }

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
        let mut matrix = Self::empty(format, rows, columns)?;
        let (found, needed) = (data.len(), matrix.file_bytes());
        if found != needed {
            return Err(FormatError::Length { found, needed });
        }
        let mut rest = data;
        for part in matrix.parts(needed) {
            let (blocks, after) = rest.split_at(part.file_bytes());
            part.pack(blocks);
            rest = after;
        }
        Ok(matrix)
    }

    /// Bytes that a matrix of this shape takes once it is packed.
    #[must_use]
    pub fn packed_bytes(format: Format, rows: usize, columns: usize) -> usize {
        let (inputs, bytes) = format.unit();
        let tile = columns.div_ceil(inputs).saturating_mul(bytes);
        rows.div_ceil(LANES).saturating_mul(tile)
    }

    /// The whole matrix in parts, in the order of the file, each of whole tiles and of at most `most` bytes of the file unless one tile has more.
    /// Parts are apart from each other: each may be packed by another thread.
    pub fn parts(&mut self, most: usize) -> impl Iterator<Item = Part<'_>> {
        let (format, row_bytes, tile_bytes) = (self.format, self.row_bytes(), self.tile_bytes());
        let tiles = (most / (LANES * row_bytes)).max(1);
        let mut left = self.rows;
        let parts = self.tiles.bytes_mut().chunks_mut(tiles * tile_bytes);
        parts.map(move |part| {
            let rows = left.min(tiles * LANES);
            left -= rows;
            Part {
                format,
                row_bytes,
                tile_bytes,
                rows,
                tiles: part,
            }
        })
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

    /// Bytes of its blocks in a file.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.rows.saturating_mul(self.row_bytes())
    }

    fn row_bytes(&self) -> usize {
        let (block, size) = self.format.block();
        self.columns / block * size
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

/// Some tiles of a matrix, to be packed.
pub struct Part<'m> {
    format: Format,
    row_bytes: usize,
    tile_bytes: usize,
    rows: usize,
    tiles: &'m mut [u8],
}

impl Part<'_> {
    /// Bytes of its blocks in the file.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.rows * self.row_bytes
    }

    /// Packs its blocks.
    ///
    /// # Panics
    /// When they are not [`Part::file_bytes`] long.
    pub fn pack(self, data: &[u8]) {
        assert_eq!(data.len(), self.file_bytes(), "bytes of {} rows", self.rows);
        let tiles = self.tiles.chunks_exact_mut(self.tile_bytes);
        for (tile, rows) in tiles.zip(data.chunks(LANES * self.row_bytes)) {
            pack::tile(self.format, rows, self.row_bytes, tile);
        }
    }
}
