//! Small documents of every kind, made here, and what is wrong with others.

use std::io::{Cursor, Write};

use super::*;
use crate::limits::LIMITS;
use lopdf::content::{Content, Operation};
use lopdf::{Object, Stream, dictionary};
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn docx(body: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>"
    );
    packed(&[("word/document.xml", document.as_bytes())])
}

fn odt(body: &str, manifest: &str) -> Vec<u8> {
    let content = format!("<office:document-content>{body}</office:document-content>");
    packed(&[
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", manifest.as_bytes()),
    ])
}

/// A pdf with one page for each text.
fn pdf(texts: &[&str]) -> Vec<u8> {
    let mut document = lopdf::Document::with_version("1.5");
    let parent = document.new_object_id();
    let font = document
        .add_object(dictionary! {"Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier"});
    let resources = document.add_object(dictionary! {"Font" => dictionary! {"F1" => font}});
    let kids: Vec<Object> = texts
        .iter()
        .map(|text| {
            let operations = vec![
                Operation::new("BT", vec![]),
                Operation::new("Tf", vec!["F1".into(), 12.into()]),
                Operation::new("Td", vec![50.into(), 700.into()]),
                Operation::new("Tj", vec![Object::string_literal(*text)]),
                Operation::new("ET", vec![]),
            ];
            let content = Content { operations }.encode().unwrap();
            let contents = document.add_object(Stream::new(dictionary! {}, content));
            let page = dictionary! {"Type" => "Page", "Parent" => parent, "Contents" => contents};
            document.add_object(page).into()
        })
        .collect();
    let pages = dictionary! {
        "Type" => "Pages", "Count" => i64::try_from(kids.len()).unwrap(), "Kids" => kids, "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    };
    document.objects.insert(parent, Object::Dictionary(pages));
    let catalog = document.add_object(dictionary! {"Type" => "Catalog", "Pages" => parent});
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn texts(file: &str, bytes: &[u8]) -> Vec<String> {
    let pages = read(file, bytes).unwrap().pages;
    pages.into_iter().map(|page| page.text).collect()
}

#[test]
fn a_docx_by_pages_with_its_table() {
    let bytes = docx(
        "<w:p><w:r><w:t>Lease &amp; terms</w:t><w:delText>gone</w:delText></w:r></w:p>\
         <w:tbl><w:tr><w:tc><w:p><w:t>Rent</w:t></w:p></w:tc><w:tc><w:p><w:t>900</w:t></w:p></w:tc></w:tr></w:tbl>\
         <w:p><w:r><w:br w:type=\"page\"/><w:lastRenderedPageBreak/><w:t xml:space=\"preserve\">Second </w:t><w:t>page&#33;</w:t></w:r></w:p>",
    );
    assert_eq!(
        texts("a.docx", &bytes),
        ["Lease & terms\nRent\t900\n", "Second page!\n"]
    );
    let document = read("a.docx", &bytes).unwrap();
    assert_eq!(document.pages[0].tables, [vec![vec!["Rent", "900"]]]);
}

#[test]
fn an_odt_without_what_was_deleted() {
    let bytes = odt(
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h>Minutes</text:h><text:p>a<text:s text:c=\"3\"/>b<text:soft-page-break/></text:p>\
         <table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
        "",
    );
    assert_eq!(texts("a.odt", &bytes), ["Minutes\na   b\n", "x\n"]);
}

#[test]
fn a_pdf_by_pages() {
    assert_eq!(
        texts("a.pdf", &pdf(&["First page", "Due 2025-03-25"])),
        ["First page\n", "Due 2025-03-25\n"]
    );
    assert!(!read("a.pdf", &pdf(&["x"])).unwrap().can_hold_tables);
}

#[test]
fn html_as_it_is_seen() {
    let page = "<html><head><title>t</title><style>p{}</style></head><body><p>One <b>bold</b> &euro;5</p><script>alert(1)</script>\
                <table><tr><th>A<th>B<tr><td>1<td>2</table>";
    assert_eq!(
        texts("a.html", page.as_bytes()),
        ["One bold €5\nA\tB\n1\t2\n"]
    );
}

#[test]
fn a_mail_with_its_heads_and_the_names_of_what_is_attached() {
    let mail = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\nDate: Tue, 25 Mar 2025 10:00:00 +0000\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee the bill.\r\n\
        --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=bill.pdf\r\n\r\n%PDF-\r\n--b--\r\n";
    assert_eq!(
        texts("a.eml", mail),
        [
            "From: Ann <ann@example.org>\nTo: bob@example.org\nDate: 2025-03-25T10:00:00Z\nSubject: Café\nSee the bill.\nAttachment: bill.pdf\n"
        ]
    );
}

#[test]
fn rich_text_with_letters_of_every_kind() {
    let rtf = br"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator x;}\uc1 Caf\'e9 \u8364?5 \u-10179?\u-8704?\par
\trowd\intbl Rent\cell 900\cell\row\pard After\page Next \{x\}}";
    assert_eq!(
        texts("a.rtf", rtf),
        ["Café €5 😀\nRent\t900\nAfter\n", "Next {x}\n"]
    );
    let document = read("a.rtf", rtf).unwrap();
    assert_eq!(document.pages[0].tables, [vec![vec!["Rent", "900"]]]);
}

#[test]
fn what_cannot_be_read_is_told_by_its_kind() {
    let fault = |file: &str, bytes: &[u8]| read(file, bytes).unwrap_err();
    assert_eq!(fault("scan.pdf", &pdf(&[""])), Unreadable::NoText);
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        fault("a.docx", &[COMPOUND, &name].concat()),
        Unreadable::Encrypted
    );
    assert!(
        matches!(fault("a.doc", COMPOUND), Unreadable::NotADocument(why) if why.contains("old binary"))
    );
    let manifest = "<manifest:encryption-data/>";
    assert_eq!(fault("a.odt", &odt("", manifest)), Unreadable::Encrypted);
    for (file, bytes) in [
        ("a.pdf", b"%PDF-1.4 torn".as_slice()),
        ("a.docx", b"PK\x03\x04 torn"),
        ("a.docx", b"plain"),
        ("a.html", b"\0\0"),
        ("a.docx", &docx("<w:p></w:q>")),
    ] {
        assert!(
            matches!(fault(file, bytes), Unreadable::NotADocument(_)),
            "{file}"
        );
    }
}

/// The same part one byte shorter is read, so it is the count that refuses; the archive itself is small.
#[test]
fn a_bomb_is_refused_though_it_is_small() {
    let body = |length: usize| {
        let (head, tail) = ("<d><p>x</p>", "</d>");
        let blanks = " ".repeat(length - head.len() - tail.len());
        packed(&[("content.xml", format!("{head}{blanks}{tail}").as_bytes())])
    };
    let bomb = body(LIMITS.unpacked_bytes + 1);
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(read("a.odt", &bomb), Err(Unreadable::TooLarge(_))));
    assert_eq!(texts("a.odt", &body(LIMITS.unpacked_bytes)), ["x\n"]);
}

#[test]
fn deep_nesting_is_no_recursion() {
    let deep = "<div>".repeat(5_000);
    assert_eq!(texts("a.html", format!("{deep}x").as_bytes()), ["x\n"]);
    let groups = [b"{\\rtf1 ".as_slice(), &b"{".repeat(LIMITS.groups)].concat();
    assert!(matches!(
        read("a.rtf", &groups),
        Err(Unreadable::TooLarge(_))
    ));
    let elements = format!("<d>{}<w:t>x", "<a>".repeat(100_000));
    assert!(read("a.docx", &docx(&elements)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, head in 0usize..4) {
        let head: &[u8] = [b"{\\rtf1".as_slice(), b"PK\x03\x04", b"From: a\r\n", b""][head];
        let bytes = [head, &bytes].concat();
        for file in ["a.eml", "a.html", "a.rtf"] {
            let _ = read(file, &bytes);
        }
    }

    #[test]
    fn no_mutated_pdf_panics(at in 0usize..900, byte: u8) {
        let mut bytes = pdf(&["First page", "Second"]);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read("a.pdf", &bytes);
    }
}
