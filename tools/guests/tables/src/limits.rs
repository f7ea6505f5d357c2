//! Every limit of reading tables, with unit and reason.

/// See [`LIMITS`].
#[derive(Debug)]
pub struct Limits {
    /// Files of one call: a year of weekly reports from four places.
    pub files: usize,
    /// Bytes of one file: the largest that mail systems let through, twice over.
    pub file_bytes: u64,
    /// Bytes that a zipped workbook may hold unpacked; it is streamed, but its texts stay in the cage's memory.
    pub unpacked_bytes: u64,
    /// Parts of a zipped workbook; thousands of worksheets are an attack.
    pub parts: usize,
    /// Cells of all files of a call: 40 bytes each, so at most 80 MB.
    pub cells: usize,
    /// Columns of one table; more is no table that a person made.
    pub columns: u32,
    /// Rows above a heading: titles, addresses, print dates.
    pub rows_above: usize,
    /// Rows that go back to the planner and to the eyes.
    pub result_rows: usize,
    /// Distinct values of a text column that go into a grammar as choices.
    pub distinct_values: usize,
    /// Characters of one text in a result, a heading or a choice.
    pub text_characters: usize,
}

/// The limits in force.
pub const LIMITS: Limits = Limits {
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
};
