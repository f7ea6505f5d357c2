//! The body of an odt. Deleted text of tracked changes is not read.

use super::xml::{Node, attribute, walk};
use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;

/// Blanks that one element may stand for; word processors write a handful.
const BLANKS: usize = 100;

pub(super) fn read(body: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut pages = Pages::new();
    let (mut paragraphs, mut deleted) = (0_usize, 0_usize);
    walk(body, |node| {
        match node {
            Node::Begin("tracked-changes", _) => deleted = deleted.saturating_add(1),
            Node::End("tracked-changes") => deleted = deleted.saturating_sub(1),
            _ if deleted > 0 => {}
            Node::Begin("p" | "h", _) => paragraphs = paragraphs.saturating_add(1),
            Node::End("p" | "h") => {
                paragraphs = paragraphs.saturating_sub(1);
                pages.end_paragraph();
            }
            Node::Text(text) if paragraphs > 0 => return pages.text(text),
            Node::Begin("s", element) => {
                let count = attribute(element, "c")
                    .and_then(|c| c.parse().ok())
                    .unwrap_or(1);
                return pages.text(&" ".repeat(BLANKS.min(count)));
            }
            Node::Begin("tab", _) => return pages.text(" "),
            Node::Begin("line-break", _) => pages.end_paragraph(),
            Node::Begin("soft-page-break", _) => return pages.end_page(),
            Node::Begin("table", _) => pages.begin_table(),
            Node::End("table-cell") => pages.end_cell(),
            Node::End("table-row") => pages.end_row(),
            Node::End("table") => pages.end_table(),
            _ => {}
        }
        Ok(())
    })?;
    pages.finish()
}
