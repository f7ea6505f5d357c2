//! What can be wrong with a manifest, a call or a bundle. Touches nothing.

use thiserror::Error;

/// Why something was not accepted.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// More bytes than anyone needs.
    #[error("the {what} has {got} bytes, the limit is {limit}")]
    TooLarge {
        /// `manifest`, `call`, or a bundle file's name.
        what: String,
        /// Bytes.
        got: usize,
        /// Bytes.
        limit: usize,
    },
    /// Not JSON.
    #[error("the {what} is not JSON: {detail}")]
    Json {
        /// Which document.
        what: String,
        /// What the parser said, with line and column.
        detail: String,
    },
    /// The same key twice: readers would disagree on which one counts.
    #[error("the {what} has the key `{key}` twice in one object")]
    DuplicateKey {
        /// Which document.
        what: String,
        /// The key, escaped.
        key: String,
    },
    /// Nested too deep.
    #[error("the {what} is nested deeper than {limit} levels")]
    TooDeep {
        /// Which document.
        what: String,
        /// Levels.
        limit: usize,
    },
    /// A key that nobody defined.
    #[error("unknown key `{key}` in {place}")]
    UnknownKey {
        /// Where.
        place: String,
        /// The key, escaped.
        key: String,
        /// The keys that may stand there.
        known: String,
    },
    /// A key that must be there.
    #[error("{place} lacks `{key}`")]
    Missing {
        /// Where.
        place: String,
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong type.
    #[error("`{key}` in {place} must be {want}")]
    WrongType {
        /// Where.
        place: String,
        /// The key.
        key: String,
        /// What it must be.
        want: &'static str,
    },
    /// A text that cannot be shown or named safely.
    #[error("`{key}` in {place} {fault}: `{text}`")]
    BadText {
        /// Where.
        place: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        fault: &'static str,
        /// The text, escaped and cut.
        text: String,
    },
    /// More entries than the limit.
    #[error("the {what} has {got} {of}, the limit is {limit}")]
    TooMany {
        /// Which document.
        what: &'static str,
        /// Of what.
        of: &'static str,
        /// How many.
        got: usize,
        /// At most.
        limit: usize,
    },
    /// A life of grants or a number of uses that cannot be meant.
    #[error("`{key}` is {got}, it must be between 1 and {limit}")]
    BadNumber {
        /// The key.
        key: &'static str,
        /// As written.
        got: String,
        /// At most.
        limit: u64,
    },
    /// A path pattern that cannot be used.
    #[error("the path `{pattern}` {fault}")]
    BadPattern {
        /// As written, escaped.
        pattern: String,
        /// What is wrong with it.
        fault: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// A path that is not absolute and free of `.` and `..`.
    #[error("the path `{path}` is not an absolute path without `.` and `..`")]
    BadPath {
        /// The path, escaped.
        path: String,
    },
    /// A file of the bundle that cannot be used.
    #[error("policy file `{file}` {fault}")]
    BadFile {
        /// Its name.
        file: String,
        /// What is wrong with it.
        fault: String,
        /// What to do.
        hint: &'static str,
    },
    /// A rule does not do what its case says.
    #[error("policy case `{case}` in `{file}`: expected {expected}, got {got}")]
    CaseFailed {
        /// The case file.
        file: String,
        /// The case's name.
        case: String,
        /// As written in the case.
        expected: String,
        /// What the rules said.
        got: String,
    },
}

impl PolicyError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLarge { what, .. } if what != "manifest" => "split it, or leave out what is not needed".into(),
            Self::TooMany { what: "call", .. } => "make it several calls".into(),
            Self::TooLarge { .. } | Self::TooMany { .. } => "name folders with `**` instead of single files, or split it in two".into(),
            Self::Json { what, .. } if what != "manifest" => "mend it at that line and column".into(),
            Self::Json { .. } => "mend it at that line and column, or compare it with `policies/manifest.schema.json`".into(),
            Self::DuplicateKey { key, .. } => format!("keep one `{key}`; readers disagree on which of two counts"),
            Self::TooDeep { .. } => "a manifest needs three levels: object, list of capabilities, list of paths".into(),
            Self::UnknownKey { known, .. } => format!("the keys that may stand there are {known}"),
            Self::Missing { key, .. } => format!("add `{key}`"),
            Self::WrongType { want, .. } => format!("write {want}"),
            Self::BadText { .. } => "write it with printable characters, and not longer than a line or a path".into(),
            Self::BadNumber { key: "max_uses", .. } => "write how many calls may use it, for instance 2".into(),
            Self::BadNumber { .. } => "write whole seconds, for instance 3600 for one hour".into(),
            Self::BadPattern { hint, .. } | Self::BadFile { hint, .. } => (*hint).into(),
            Self::BadPath { .. } => "give the absolute path, with every `.` and `..` resolved".into(),
            Self::CaseFailed { .. } => "mend the rule or the case; `cloister policy test DIR` runs them all".into(),
        })
    }
}

/// Text from outside, safe to stand in one line of an error: control, bidi and zero-width characters escaped, cut after 120 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == 120 {
            out.push('…');
            break;
        }
        if is_deceptive(character) {
            out.extend(character.escape_unicode())
        } else {
            out.push(character)
        }
    }
    out
}

/// Characters that move, hide or reorder what is on a screen: C0, C1, bidi controls, zero-width, line and paragraph separators, tags.
pub(crate) const fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
