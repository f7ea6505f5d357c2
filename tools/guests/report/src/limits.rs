//! Every limit of writing reports, with unit and reason. Those of reading tables are in `tables`.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Rows of a report's tables together: some hundred pages, which nobody reads; a workbook holds more.
    pub(crate) rows: usize,
    /// Columns of one table: Word opens no table with more.
    pub(crate) columns: usize,
    /// Groups in a chart: more bars cannot be told apart on a page.
    pub(crate) categories: usize,
    /// Characters of one cell: a page of text; Word takes long to lay out more.
    pub(crate) cell_characters: usize,
    /// Bytes of one text file: a book of a thousand pages.
    pub(crate) text_bytes: u64,
    /// Bytes of all files of a call that puts texts together.
    pub(crate) call_bytes: u64,
    /// Paragraphs, headings and items of a report: a thousand pages.
    pub(crate) blocks: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    rows: 5000,
    columns: 63,
    categories: 40,
    cell_characters: 4000,
    text_bytes: 4 << 20,
    call_bytes: 32 << 20,
    blocks: 40_000,
};
