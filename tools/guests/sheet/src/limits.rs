//! Every limit of this tool, with unit and reason.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Files of one call: a year of weekly reports from four places.
    pub(crate) files: usize,
    /// Bytes of one file: the largest that mail systems let through, twice over.
    pub(crate) file_bytes: u64,
    /// Bytes that a zipped workbook may hold unpacked; it is streamed, but its texts stay in the cage's memory.
    pub(crate) unpacked_bytes: u64,
    /// Parts of a zipped workbook; thousands of worksheets are an attack.
    pub(crate) parts: usize,
    /// Cells of all files of a call: 40 bytes each, so at most 80 MB.
    pub(crate) cells: usize,
    /// Columns of one table; more is no table that a person made.
    pub(crate) columns: u32,
    /// Rows above a heading: titles, addresses, print dates.
    pub(crate) rows_above: usize,
    /// Rows that go back to the planner and to the eyes.
    pub(crate) result_rows: usize,
    /// Distinct values of a text column that go into a grammar as choices.
    pub(crate) distinct_values: usize,
    /// Characters of one text in a result, a heading or a choice.
    pub(crate) text_characters: usize,
    /// Rows of a worksheet that Excel can open, less the heading.
    pub(crate) worksheet_rows: usize,
    /// Fields of a text file that keeps every cell at its place: a few cells far apart would make endless commas.
    pub(crate) fields: usize,
    /// Characters of one cell that Excel can open.
    pub(crate) cell_characters: usize,
    /// Bytes of one write; the handle takes any length, but each piece is copied.
    pub(crate) write_bytes: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    files: 200,
    file_bytes: 64 << 20,
    unpacked_bytes: 256 << 20,
    parts: 4096,
    cells: 2_000_000,
    columns: 512,
    rows_above: 50,
    result_rows: 200,
    distinct_values: 40,
    text_characters: 200,
    worksheet_rows: 1_048_575,
    fields: 20_000_000,
    cell_characters: 32_767,
    write_bytes: 1 << 20,
};
