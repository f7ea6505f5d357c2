//! Every limit of this tool, with unit and reason.

/// See [`LIMITS`].
pub(crate) struct Limits {
    /// Bytes of one file: a text a person wrote is far smaller, and three copies must fit into the cage's memory.
    pub(crate) file_bytes: u64,
    /// Bytes of all files of a call together, for the same reason.
    pub(crate) call_bytes: u64,
    /// Bytes that `read` shows: what a person still looks at.
    pub(crate) shown_bytes: usize,
    /// Hits or findings of one call: more is no answer, and each crosses the border of the cage.
    pub(crate) results: usize,
    /// Bytes of one line shown with a hit.
    pub(crate) line_bytes: usize,
}

pub(crate) const LIMITS: Limits = Limits {
    file_bytes: 16 << 20,
    call_bytes: 64 << 20,
    shown_bytes: 64 << 10,
    results: 2000,
    line_bytes: 500,
};
