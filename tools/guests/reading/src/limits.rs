//! Every limit on reading a document, with unit and reason.

/// See [`LIMITS`].
#[derive(Debug)]
pub struct Limits {
    /// Bytes of one file: the largest that mail systems let through.
    pub file_bytes: u64,
    /// Bytes of all files of a call together: each is read and let go of before the next.
    pub call_bytes: u64,
    /// Bytes that one packed part or stream may hold unpacked; a novel of 500 pages has 5 MB of XML.
    pub unpacked_bytes: usize,
    /// Parts of a packed document; thousands are an attack.
    pub parts: usize,
    /// Bytes of text of one file: some 10,000 pages.
    pub text_bytes: usize,
    /// Pages of one file; each page of a pdf is looked up by itself.
    pub pages: usize,
    /// Groups within groups in rtf, each a few bytes; word processors write some twenty.
    pub groups: usize,
}

/// The limits in force.
pub const LIMITS: Limits = Limits {
    file_bytes: 48 << 20,
    call_bytes: 192 << 20,
    unpacked_bytes: 64 << 20,
    parts: 4096,
    text_bytes: 16 << 20,
    pages: 10_000,
    groups: 1000,
};
