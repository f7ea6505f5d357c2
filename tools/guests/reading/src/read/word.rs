//! The body of a docx. Deleted text, field codes, comments and macros stand elsewhere and are not read.

use super::xml::{Node, attribute, walk};
use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;

pub(super) fn read(body: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut pages = Pages::new();
    let mut in_text = false;
    walk(body, |node| match node {
        Node::Begin("t", _) => {
            in_text = true;
            Ok(())
        }
        Node::End("t") => {
            in_text = false;
            Ok(())
        }
        Node::Text(text) if in_text => pages.text(text),
        Node::Begin("tab" | "noBreakHyphen", _) => pages.text(" "),
        Node::Begin("lastRenderedPageBreak", _) => pages.end_page(),
        Node::Begin("br", element) if attribute(element, "type").as_deref() == Some("page") => {
            Ok(())
        }
        Node::Begin("br" | "cr", _) | Node::End("p") => {
            pages.end_paragraph();
            Ok(())
        }
        Node::Begin("tbl", _) => {
            pages.begin_table();
            Ok(())
        }
        Node::End("tc") => {
            pages.end_cell();
            Ok(())
        }
        Node::End("tr") => {
            pages.end_row();
            Ok(())
        }
        Node::End("tbl") => {
            pages.end_table();
            Ok(())
        }
        _ => Ok(()),
    })?;
    pages.finish()
}
