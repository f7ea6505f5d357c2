//! Every limit of this tool beside those on reading a document, with unit and reason.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Bytes of text that the model is asked about at once: some four pages. The host's own bound is a third more, for labels and names.
    pub(crate) piece_bytes: usize,
    /// Pieces of one text that are condensed one by one: some thirty pages, a few minutes of the model's time.
    pub(crate) pieces: usize,
    /// Questions of one call, as the host counts them.
    pub(crate) questions: usize,
    /// Values of one kind that are looked at in a text, to see whether one stands there.
    pub(crate) values: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    piece_bytes: 12 << 10,
    pieces: 8,
    questions: 128,
    values: 10_000,
};
