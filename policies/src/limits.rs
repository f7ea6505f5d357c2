//! Every limit of this room, with unit and reason. Touches nothing.

/// What one manifest, call or bundle may use. Beyond any of these it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Manifest, bytes. 64 KiB: the longest useful one seen has 3; a person must be able to read it.
    pub manifest: usize,
    /// A call handed to `explain`, bytes. 256 KiB: arguments may carry a long text.
    pub call: usize,
    /// Nesting of JSON. A manifest needs 3, a list of records in a call 6.
    pub depth: usize,
    /// Capabilities in a manifest. 64: more than there are kinds, several times.
    pub capabilities: usize,
    /// Paths, hosts, tools or models in a manifest, all together. 256: each is judged by Rego, about a tenth of a millisecond.
    pub items: usize,
    /// One text in a manifest, bytes. 4096: `PATH_MAX` of Linux.
    pub text: usize,
    /// Name of an agent or a version, bytes. 128: it must fit on a line of the screen.
    pub name: usize,
    /// Longest life of grants that a manifest may ask for, seconds. 7 days; the policy caps it lower.
    pub ttl: u64,
    /// Most uses that a capability may be bounded to. A million: more calls than a session makes in its longest life.
    pub uses: u64,
    /// Life of grants where the manifest names none, seconds. One hour.
    pub default_ttl: u64,
    /// Arguments of a call. 64: WIT functions here have fewer than 10.
    pub arguments: usize,
    /// Files that one call may touch. 4096: a folder that a person still tidies up in one go.
    pub resources: usize,
    /// One file of a bundle, bytes. 1 MiB: regorus's own bound on a policy.
    pub bundle_file: usize,
    /// Files in a bundle. 256.
    pub bundle_files: usize,
    /// One evaluation of Rego, milliseconds by the clock on the wall. 5000: the shipped rules need under 1, and a call on 4096 files needs room; a
    /// machine that computes much else lets hundreds of them pass meanwhile. It only has to end.
    pub evaluation: u64,
    /// The longest that a home may keep what a release replaced, days. A year: it is a copy of each replaced file.
    pub undo_days: u64,
    /// How long it keeps that where the policy says nothing, days. A week: long enough to notice on Monday what happened on Friday.
    pub undo_days_default: u64,
    /// The longest that an answer may be remembered, days. A month: whoever was asked then still knows about it.
    pub remember_days: u64,
    /// Patterns and names of the setting `redact`. Each is looked for in every text of an export; a department has some hundred people.
    pub redact_rules: usize,
    /// One of them, characters: more than the longest known form takes.
    pub redact_pattern: usize,
    /// A reason for a person, characters. 600: a few sentences.
    pub reason: usize,
}

/// The limits in force.
pub const LIMITS: Limits = Limits {
    manifest: 64 << 10,
    call: 256 << 10,
    depth: 16,
    capabilities: 64,
    items: 256,
    text: 4096,
    name: 128,
    ttl: 7 * 24 * 3600,
    uses: 1_000_000,
    default_ttl: 3600,
    arguments: 64,
    resources: 4096,
    bundle_file: 1 << 20,
    bundle_files: 256,
    evaluation: 5000,
    undo_days: 366,
    undo_days_default: 7,
    remember_days: 31,
    redact_rules: 1024,
    redact_pattern: 512,
    reason: 600,
};
