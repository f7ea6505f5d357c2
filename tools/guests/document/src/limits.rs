//! Every limit of this tool, with unit and reason.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Bytes of one file: the largest that mail systems let through.
    pub(crate) file_bytes: u64,
    /// Bytes of all files of a call together: each is read and let go of before the next.
    pub(crate) call_bytes: u64,
    /// Bytes that one packed part or stream may hold unpacked; a novel of 500 pages has 5 MB of XML.
    pub(crate) unpacked_bytes: usize,
    /// Parts of a packed document; thousands are an attack.
    pub(crate) parts: usize,
    /// Bytes of text of one file: some 10,000 pages.
    pub(crate) text_bytes: usize,
    /// Pages of one file; each page of a pdf is looked up by itself.
    pub(crate) pages: usize,
    /// Groups within groups in rtf, each a few bytes; word processors write some twenty.
    pub(crate) groups: usize,
    /// Bytes that `read` shows: what a person still looks at.
    pub(crate) shown_bytes: usize,
    /// Hits, findings, or rows of tables of one call: more is no answer, and each crosses the border of the cage.
    pub(crate) results: usize,
    /// Bytes of one line shown with a hit, or of a table's cell.
    pub(crate) line_bytes: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    file_bytes: 48 << 20,
    call_bytes: 192 << 20,
    unpacked_bytes: 64 << 20,
    parts: 4096,
    text_bytes: 16 << 20,
    pages: 10_000,
    groups: 1000,
    shown_bytes: 64 << 10,
    results: 2000,
    line_bytes: 500,
};
