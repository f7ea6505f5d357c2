//! Every limit of writing tables, with unit and reason. Those of reading are in `tables`.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Rows of a worksheet that Excel can open, less the heading.
    pub(crate) worksheet_rows: usize,
    /// Fields of a text file that keeps every cell at its place: a few cells far apart would make endless commas.
    pub(crate) fields: usize,
    /// Characters of one cell that Excel can open.
    pub(crate) cell_characters: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    worksheet_rows: 1_048_575,
    fields: 20_000_000,
    cell_characters: 32_767,
};
