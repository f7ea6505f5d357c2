//! HTML as its words stand, without scripts, styles and what is loaded from elsewhere.

use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;
use ego_tree::iter::Edge;
use scraper::Html;
use scraper::node::Node;

const UNSEEN: [&str; 6] = ["script", "style", "head", "template", "noscript", "svg"];
/// Elements whose text does not stand on one line with what follows.
const BLOCKS: [&str; 24] = [
    "p",
    "div",
    "br",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "pre",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "address",
    "dt",
    "dd",
    "hr",
    "caption",
    "ul",
    "ol",
    "body",
];

pub(super) fn read(text: &str) -> Result<Vec<Page>, Unreadable> {
    let mut pages = Pages::new();
    add(text, &mut pages)?;
    pages.finish()
}

/// The tree is walked by its edges, not by calls: how deep it is does not matter.
pub(super) fn add(text: &str, pages: &mut Pages) -> Result<(), Unreadable> {
    let document = Html::parse_document(text);
    let mut unseen = 0_usize;
    for edge in document.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Element(element) if UNSEEN.contains(&element.name()) => {
                    unseen = unseen.saturating_add(1);
                }
                Node::Element(element) if element.name() == "table" => pages.begin_table(),
                Node::Text(text) if unseen == 0 => pages.text(text)?,
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    match element.name() {
                        name if UNSEEN.contains(&name) => unseen = unseen.saturating_sub(1),
                        "td" | "th" => pages.end_cell(),
                        "tr" => pages.end_row(),
                        "table" => pages.end_table(),
                        name if BLOCKS.contains(&name) => pages.end_paragraph(),
                        _ => {}
                    }
                }
            }
        }
    }
    pages.end_paragraph();
    Ok(())
}
