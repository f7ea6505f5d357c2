//! What differs between two texts, as a unified diff.

use crate::bindings::exports::cloister::text::text::Difference;
use crate::document::Document;
use crate::limits::LIMITS;
use similar::{ChangeTag, TextDiff};
use values::text::first_bytes;

/// Lines shown around a change, as is usual.
const AROUND: usize = 3;

/// Lines that only one of the two has. How a line ends does not matter.
pub(crate) fn diff(old: &Document, new: &Document) -> Difference {
    let lines = |document: &Document| -> Vec<String> {
        document.lines().map(|(_, line)| line.to_owned()).collect()
    };
    let (left, right) = (lines(old), lines(new));
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&left, &right);
    let count = |tag: ChangeTag| {
        let changes = diff.iter_all_changes().filter(|c| c.tag() == tag);
        u32::try_from(changes.count()).unwrap_or(u32::MAX)
    };
    let changes = diff
        .unified_diff()
        .context_radius(AROUND)
        .header(&old.file, &new.file)
        .to_string();
    Difference {
        old: old.file.clone(),
        new: new.file.clone(),
        removed: count(ChangeTag::Delete),
        added: count(ChangeTag::Insert),
        changes: first_bytes(&changes, LIMITS.shown_bytes).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(file: &str, text: &str) -> Document {
        Document {
            file: file.into(),
            text: text.into(),
        }
    }

    #[test]
    fn changed_lines_stand_among_their_neighbours() {
        let old = document("old.txt", "1\n2\n3\n4\n5\n6\n");
        let new = document("new.txt", "1\r\n2\r\n3\r\n4\r\nfive\r\n6\r\n7");
        let found = diff(&old, &new);
        assert_eq!((found.removed, found.added), (1, 2));
        assert_eq!(
            found.changes,
            "--- old.txt\n+++ new.txt\n@@ -2,5 +2,6 @@\n 2\n 3\n 4\n-5\n+five\n 6\n+7\n"
        );
    }

    #[test]
    fn the_same_lines_are_no_difference() {
        let found = diff(&document("a", "x\ny\n"), &document("b", "x\r\ny"));
        assert_eq!(
            (found.removed, found.added, found.changes.as_str()),
            (0, 0, "")
        );
    }
}
