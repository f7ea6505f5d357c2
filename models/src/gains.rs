//! Shortcuts on the way to an output. With each of them and without, the same tokens are written: only what is computed differs.

/// Which shortcuts a session takes. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gains {
    /// How much of the output head is computed under a constraint.
    pub head: Head,
    /// How what a constraint forces is read.
    pub forced: Forced,
    /// What is tried before the model has chosen it.
    pub drafts: Drafts,
    /// When the masks of a constraint are computed.
    pub masks: Masks,
}

impl Gains {
    /// None of them: what tests compare with.
    pub const NONE: Self = Self {
        head: Head::Whole,
        forced: Forced::OneByOne,
        drafts: Drafts::Never,
        masks: Masks::Before,
    };
}

/// How much of the output head is computed under a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// Where few tokens are allowed, only the tiles of sixteen rows that hold one.
    #[default]
    Allowed,
    /// Every row.
    Whole,
}

/// How what a constraint forces is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forced {
    /// In one go, like a prompt; the head is never computed for it.
    #[default]
    Together,
    /// As if the model had chosen each token.
    OneByOne,
}

/// What is tried before the model has chosen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drafts {
    /// What followed when the last tokens stood in the context before, read together with the last token and kept as far as it is what is
    /// drawn. Positions read together and alone have the same bits, so the draw is the same.
    #[default]
    Lookup,
    /// Nothing.
    Never,
}

/// When the masks of a constraint are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Masks {
    /// On a thread of their own, while the model reads the tokens before them. Only the output head waits for them.
    #[default]
    Meanwhile,
    /// Before the model reads.
    Before,
}

#[cfg(test)]
mod tests;
