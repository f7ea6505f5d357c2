//! Every limit of this tool beside those on reading a document, with unit and reason.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Bytes that `read` shows: what a person still looks at.
    pub(crate) shown_bytes: usize,
    /// Hits, findings, or rows of tables of one call: more is no answer, and each crosses the border of the cage.
    pub(crate) results: usize,
    /// Bytes of one line shown with a hit, or of a table's cell.
    pub(crate) line_bytes: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    shown_bytes: 64 << 10,
    results: 2000,
    line_bytes: 500,
};
