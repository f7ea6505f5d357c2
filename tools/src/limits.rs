//! Every limit of this room, with unit and reason. What one call may use is [`cloister_cage::Limits`].

/// What a package, a survey and a release may use. Beyond any of these it is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// `tool.toml`, bytes. The shipped ones have 3 kB.
    pub(crate) manifest_bytes: u64,
    /// A package's WIT, bytes. The shipped ones have 5 kB; bounds the parser's work on a hostile one.
    pub(crate) wit_bytes: u64,
    /// `tool.wasm`, bytes. The largest shipped one has 3.5 MB, one in JavaScript with its engine 11.
    pub(crate) wasm_bytes: u64,
    /// What a component is compiled to, bytes. Three to four times the component here.
    pub(crate) code_bytes: u64,
    /// Levels of nesting of a type in WIT. The shipped tools need six; bounds recursion.
    pub(crate) nesting: usize,
    /// Elements of one list argument. A folder that a person still tidies up in one go; the policy's own bound is the same.
    pub(crate) list: usize,
    /// Bytes of one text argument. Longer than anything a person types.
    pub(crate) text_bytes: usize,
    /// Files in a survey. More names than any model can be shown; each costs about 300 bytes here.
    pub(crate) files: usize,
    /// Directory entries looked at in a survey. A wide pattern over a large tree takes a second or so up to here.
    pub(crate) entries: usize,
    /// Levels of folders below a granted folder. Deeper trees are made by programs.
    pub(crate) depth: usize,
    /// Folders of a home, each known by its inode. A ledger of ten million entries has half of that.
    pub(crate) own_folders: usize,
    /// Bytes of all inputs of one call together: each is held in memory while it is hashed and read, so that both see the same bytes.
    pub(crate) input_bytes: u64,
    /// Effects in one release. A person reads them.
    pub(crate) effects: usize,
    /// `effect.json`, bytes. Two paths and a list of sources.
    pub(crate) effect_bytes: u64,
}

/// The limits in force.
pub(crate) const BOUNDS: Bounds = Bounds {
    manifest_bytes: 256 << 10,
    wit_bytes: 256 << 10,
    wasm_bytes: 16 << 20,
    code_bytes: 128 << 20,
    nesting: 16,
    list: 4096,
    text_bytes: 64 << 10,
    files: 20_000,
    entries: 500_000,
    depth: 64,
    own_folders: 100_000,
    input_bytes: 512 << 20,
    effects: 4096,
    effect_bytes: 1 << 20,
};
