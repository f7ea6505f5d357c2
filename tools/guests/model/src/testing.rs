//! What tests share.

use crate::ask::{Kind, Model};
use values::source::Source;

/// A file of these bytes.
pub(crate) struct Bytes(pub(crate) &'static [u8]);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, _: u32) -> Option<Vec<u8>> {
        Some(self.0.get(usize::try_from(offset).ok()?..)?.to_vec())
    }
}

/// Says of a text how long it is, of labels the last, and of every value the same.
pub(crate) struct Parrot(pub(crate) Option<&'static str>);

impl Model for Parrot {
    fn condense(&self, text: &str) -> String {
        format!("{} bytes", text.len())
    }

    fn classify(&self, _: &str, labels: &[String]) -> String {
        labels.last().cloned().unwrap_or_default()
    }

    fn extract(&self, _: &str, _: &str, _: Kind) -> Option<String> {
        self.0.map(str::to_owned)
    }
}
