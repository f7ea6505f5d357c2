//! A mail: who, to whom, when and about what, its text, and the names of what is attached, which is not opened.

use super::html;
use crate::pages::{Page, Pages};
use crate::unreadable::Unreadable;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| Unreadable::NotADocument("is no mail: it has no header".to_owned()))?;
    let mut pages = Pages::new();
    heads(&message, &mut pages)?;
    for part in message.text_bodies() {
        match &part.body {
            PartType::Text(text) => lines(text, &mut pages)?,
            PartType::Html(text) => html::add(text, &mut pages)?,
            _ => {}
        }
    }
    for part in message.attachments() {
        line(
            "Attachment",
            part.attachment_name().unwrap_or("without a name"),
            &mut pages,
        )?;
    }
    pages.finish()
}

fn heads(message: &Message<'_>, pages: &mut Pages) -> Result<(), Unreadable> {
    let people = |address: Option<&Address<'_>>| {
        let all = address.into_iter().flat_map(|a| a.iter());
        all.map(|one| match (one.name(), one.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (name, address) => name.or(address).unwrap_or_default().to_owned(),
        })
        .collect::<Vec<_>>()
        .join(", ")
    };
    let date = message.date().map(|date| date.to_rfc3339());
    for (label, value) in [
        ("From", people(message.from())),
        ("To", people(message.to())),
        ("Date", date.unwrap_or_default()),
        ("Subject", message.subject().unwrap_or_default().to_owned()),
    ] {
        if !value.is_empty() {
            line(label, &value, pages)?;
        }
    }
    Ok(())
}

fn line(label: &str, value: &str, pages: &mut Pages) -> Result<(), Unreadable> {
    pages.text(&format!("{label}: {value}"))?;
    pages.end_paragraph();
    Ok(())
}

fn lines(text: &str, pages: &mut Pages) -> Result<(), Unreadable> {
    for line in text.lines() {
        pages.text(line)?;
        pages.end_paragraph();
    }
    Ok(())
}
