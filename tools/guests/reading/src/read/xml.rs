//! XML as a reader of office documents wants it: names without prefixes, entities resolved, nothing expanded or fetched.

use crate::unreadable::Unreadable;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};
use values::text::decode;

/// What stands in the XML, in order.
pub(super) enum Node<'a> {
    /// An element begins; one without content also ends.
    Begin(&'a str, &'a BytesStart<'a>),
    End(&'a str),
    Text(&'a str),
}

/// Show every node to `visit`.
pub(super) fn walk(
    bytes: &[u8],
    mut visit: impl FnMut(Node<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let text = decode(bytes).ok_or_else(super::not_text)?;
    let mut reader = Reader::from_str(&text);
    loop {
        match reader.read_event().map_err(Unreadable::broken)? {
            Event::Start(element) => visit(Node::Begin(element.local_name().as_ref(), &element))?,
            Event::Empty(element) => {
                visit(Node::Begin(element.local_name().as_ref(), &element))?;
                visit(Node::End(element.local_name().as_ref()))?;
            }
            Event::End(element) => visit(Node::End(element.local_name().as_ref()))?,
            Event::Text(text) => visit(Node::Text(&text))?,
            Event::CData(text) => visit(Node::Text(&text))?,
            Event::GeneralRef(entity) => {
                let mut one = [0; 4];
                if let Some(letter) = entity.resolve_char_ref().map_err(Unreadable::broken)? {
                    visit(Node::Text(letter.encode_utf8(&mut one)))?;
                } else if let Some(text) = escape::resolve_predefined_entity(&entity) {
                    visit(Node::Text(text))?;
                }
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// The value of an attribute, by its name without prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|a| a.key.local_name().as_ref() == name)?;
    Some(found.value.to_string())
}
