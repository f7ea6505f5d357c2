//! What came out of the cage and has not been let go. Values: [`Quarantined`], which cannot be printed, copied out or serialised by
//! accident. Bytes: [`Quarantine`], a folder of the home with one folder an effect.

mod store;

use cloister_attest::Digest;
use cloister_cage::Used;
use cloister_policies::Label;
use serde_json::Value;

use crate::cage::{Ended, Outcome, Reading};
use crate::effects::Effect;
use crate::names::{Lines, escape};

pub(crate) use store::Draft;
pub use store::{Quarantine, Waiting};

/// A value that a tool made. It has no `Display`, `Debug`, `Serialize` or `Deref`; it leaves as bytes to be sealed, as escaped text for eyes, or as a
/// typed value together with its label.
///
/// It cannot be printed:
/// ```compile_fail,E0277
/// fn show(outcome: cloister_tools::Quarantined<cloister_tools::Outcome>) {
///     println!("{:?}", outcome);
/// }
/// ```
/// nor written down by serde:
/// ```compile_fail,E0277
/// fn save(outcome: &cloister_tools::Quarantined<cloister_tools::Outcome>) {
///     let _ = serde_json::to_string(outcome);
/// }
/// ```
/// nor opened:
/// ```compile_fail,E0616
/// fn take(outcome: cloister_tools::Quarantined<cloister_tools::Outcome>) -> cloister_tools::Outcome {
///     outcome.inner
/// }
/// ```
pub struct Quarantined<T> {
    inner: T,
    label: Label,
}

impl<T> Quarantined<T> {
    pub(crate) fn new(inner: T, label: Label) -> Quarantined<T> {
        Quarantined { inner, label }
    }

    /// Where it came from.
    pub fn label(&self) -> &Label {
        &self.label
    }
}

impl Quarantined<Outcome> {
    /// How the call ended and what it gave back, with a digest of what it had asked the model: bytes to be committed to, and kept sealed.
    pub fn content(&self, asked: Option<Digest>) -> Vec<u8> {
        self.inner.content(asked)
    }

    /// How the call ended. Codes only; none of the tool's own words.
    pub fn ended(&self) -> &Ended {
        &self.inner.ended
    }

    /// What it gave back, for the second pass and for answers: the value and where it came from. A failure's record when it failed.
    pub fn typed(&self) -> (Option<&Value>, &Label) {
        (self.inner.value.as_ref(), &self.label)
    }

    /// The value, or the failure's sentence, for eyes: what could drive a terminal or deceive is written out.
    pub fn escaped(&self) -> String {
        match (&self.inner.value, &self.inner.detail) {
            (_, Some(detail)) => escape(detail, Lines::Keep),
            (Some(Value::String(text)), None) => escape(text, Lines::Keep),
            (Some(value), None) => escape(
                &serde_json::to_string_pretty(value).unwrap_or_default(),
                Lines::Keep,
            ),
            (None, None) => String::new(),
        }
    }

    /// What the tool said on standard error, for eyes.
    pub fn diagnostics(&self) -> String {
        escape(
            &String::from_utf8_lossy(&self.inner.diagnostics),
            Lines::Keep,
        )
    }

    /// What the call used.
    pub fn used(&self) -> Used {
        self.inner.used
    }

    /// The files that were really read, with the digest of the bytes that the tool saw.
    pub fn readings(&self) -> &[Reading] {
        &self.inner.readings
    }

    /// What would change on disk if it were let go: nothing unless the call returned a success.
    pub fn effects(&self) -> &[Effect] {
        &self.inner.effects
    }
}
