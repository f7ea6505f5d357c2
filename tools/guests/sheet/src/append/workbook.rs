//! Rows in one worksheet of an .xlsx. Of its parts only that worksheet's is written anew; the others are copied byte for byte.

use std::io::{Cursor, Read, Write};

use super::Added;
use super::worksheet::{Epoch, Part};
use crate::limits::LIMITS;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use tables::book::Worksheet;
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipArchive, ZipWriter};

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The bytes of the copy, and what is to be noted; or why there is none.
pub(super) fn with_rows(
    bytes: &[u8],
    worksheet: &Worksheet,
    added: &Added,
) -> Result<(Vec<u8>, Vec<String>), String> {
    let last = added.below as usize;
    if last.saturating_add(added.rows.len()) > LIMITS.worksheet_rows {
        return Err("cannot hold so many rows".to_owned());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let names: Vec<String> = archive
        .file_names()
        .flatten()
        .map(|name| name.into_owned())
        .collect();
    if names.iter().any(|name| name.starts_with("_xmlsignatures/")) {
        return Err("is signed, and the signature would not fit any more".to_owned());
    }
    let (path, epoch) = found(&mut archive, &worksheet.name)?;
    let part = text(&mut archive, &path)?;
    let edited = Part::read(&part, worksheet, added)?.with_rows(added, epoch)?;
    let mut notes = edited.notes;
    if computes(&mut archive, &names)? {
        notes.push(
            "its formulas show what they came to before until a program calculates them anew"
                .to_owned(),
        );
    }
    if names
        .iter()
        .any(|name| name.contains("/charts/") || name.contains("/pivotTables/"))
    {
        notes.push("its charts and pivot tables keep the rows that they had".to_owned());
    }
    let bytes = copied(archive, &path, &edited.xml).map_err(|error| error.to_string())?;
    Ok((bytes, notes))
}

/// Where the worksheet's part is, and when its days begin to count.
fn found(archive: &mut Archive<'_>, name: &str) -> Result<(String, Epoch), String> {
    let (mut id, mut epoch) = (None, Epoch::Y1900);
    let workbook = text(archive, "xl/workbook.xml")?;
    each(&workbook, |element| {
        let attribute = |name| attribute(element, name);
        match element.local_name().as_ref() {
            "workbookPr"
                if attribute("date1904").is_some_and(|on| ["1", "true"].contains(&on.as_str())) =>
            {
                epoch = Epoch::Y1904
            }
            "sheet" if attribute("name").as_deref() == Some(name) => id = attribute("id"),
            _ => {}
        }
    })?;
    let mut path = None;
    let relations = text(archive, "xl/_rels/workbook.xml.rels")?;
    each(&relations, |element| {
        if id.is_some() && attribute(element, "Id") == id {
            path = attribute(element, "Target");
        }
    })?;
    let path = path.ok_or_else(|| format!("does not say where `{name}` is"))?;
    let whole = match path.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None => format!("xl/{path}"),
    };
    Ok((whole, epoch))
}

fn each(xml: &str, mut visit: impl FnMut(&BytesStart<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) | Event::Empty(element) => visit(&element),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// The value of an attribute, by its name without prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|a| a.key.local_name().as_ref() == name)?;
    Some(unescape(&found.value).ok()?.into_owned())
}

/// The sizes that the parts declare were added up before; none is unpacked beyond its own.
fn text(archive: &mut Archive<'_>, path: &str) -> Result<String, String> {
    let unusual = |_| format!("is built in an unusual way: `{path}` cannot be read");
    let mut text = String::new();
    let mut part = archive
        .by_name(path)
        .map_err(|error| unusual(error.to_string()))?;
    part.read_to_string(&mut text)
        .map_err(|error| unusual(error.to_string()))?;
    Ok(text)
}

fn computes(archive: &mut Archive<'_>, names: &[String]) -> Result<bool, String> {
    for name in names
        .iter()
        .filter(|name| name.starts_with("xl/worksheets/") && name.ends_with(".xml"))
    {
        let mut found = false;
        each(&text(archive, name)?, |element| {
            found |= element.local_name().as_ref() == "f"
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn copied(mut archive: Archive<'_>, path: &str, xml: &str) -> zip::result::ZipResult<Vec<u8>> {
    let mut copy = ZipWriter::new(Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default().last_modified_time(DateTime::default());
    for at in 0..archive.len() {
        let part = archive.by_index_raw(at)?;
        if part.name()? == path {
            copy.start_file(path, packed)?;
            copy.write_all(xml.as_bytes())?;
        } else {
            copy.raw_copy_file(part)?;
        }
    }
    Ok(copy.finish()?.into_inner())
}
