//! What a person wants of documents: their text, the lines that hold some words, typed values, tables.

use crate::bindings::exports::cloister::document::document::{
    Failure, Fault, Finding, Grid, Hit, Passage, What,
};
use crate::failure::failure;
use crate::limits::LIMITS;
use reading::{Document, Page};
use values::extract;
use values::sought::Sought;
use values::text::first_bytes;

/// Pages with their numbers, which count from 1.
fn numbered(document: &Document) -> impl Iterator<Item = (u32, &Page)> {
    (1u32..).zip(&document.pages)
}

/// The pages that hold text, until as much is shown as a person looks at.
pub(crate) fn passages(document: &Document) -> Vec<Passage> {
    let mut left = LIMITS.shown_bytes;
    let mut passages = Vec::new();
    for (page, content) in numbered(document) {
        let text = first_bytes(&content.text, left).trim_end().to_owned();
        left = left.saturating_sub(text.len());
        if !text.is_empty() {
            passages.push(Passage {
                file: document.file.clone(),
                page,
                text,
            });
        }
    }
    passages
}

/// The lines that hold the phrase, or where no document has it, all its words in any order.
pub(crate) fn find(documents: &[Document], words: &str) -> Result<Vec<Hit>, Failure> {
    let Some(sought) = Sought::new(words) else {
        return Ok(Vec::new());
    };
    let hits = matching(documents, |line| sought.whole_in(line))?;
    if !hits.is_empty() {
        return Ok(hits);
    }
    matching(documents, |line| sought.words_in(line))
}

fn matching(documents: &[Document], fits: impl Fn(&str) -> bool) -> Result<Vec<Hit>, Failure> {
    let mut hits = Vec::new();
    for document in documents {
        for (page, content) in numbered(document) {
            for (line, text) in (1u32..).zip(content.text.lines()) {
                if fits(text) {
                    hits.push(Hit {
                        file: document.file.clone(),
                        page,
                        line,
                        text: first_bytes(text, LIMITS.line_bytes).to_owned(),
                    });
                    bounded(hits.len(), document, "lines hold these words")?;
                }
            }
        }
    }
    Ok(hits)
}

/// All values of one kind, in the order of files, pages and lines.
pub(crate) fn extract(documents: &[Document], what: What) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for document in documents {
        for (page, content) in numbered(document) {
            let found =
                extract::extract(&content.text, kind(what), LIMITS.results.saturating_add(1));
            findings.extend(found.into_iter().map(|found| Finding {
                file: document.file.clone(),
                page,
                line: found.line,
                before: found.before,
                value: found.value,
            }));
            bounded(findings.len(), document, "values were found")?;
        }
    }
    Ok(findings)
}

fn kind(what: What) -> extract::What {
    match what {
        What::Date => extract::What::Date,
        What::Amount => extract::What::Amount,
        What::Email => extract::What::Email,
        What::Number => extract::What::Number,
        What::Iban => extract::What::Iban,
    }
}

/// The tables of documents whose format has any.
pub(crate) fn tables(documents: &[Document]) -> Result<Vec<Grid>, Failure> {
    let mut grids = Vec::new();
    let mut rows = 0_usize;
    for document in documents {
        if !document.can_hold_tables {
            let what = "is a pdf: its text is placed on pages and has no tables; `read` shows it";
            return Err(failure(Fault::NoTables, &document.file, what));
        }
        for (page, content) in numbered(document) {
            for table in &content.tables {
                rows = rows.saturating_add(table.len());
                bounded(rows, document, "rows stand in its tables")?;
                grids.push(grid(document, page, table));
            }
        }
    }
    Ok(grids)
}

fn grid(document: &Document, page: u32, table: &[Vec<String>]) -> Grid {
    let shown = |cell: &String| first_bytes(cell, LIMITS.line_bytes).to_owned();
    let rows = table.iter().map(|row| row.iter().map(shown).collect());
    Grid {
        file: document.file.clone(),
        page,
        rows: rows.collect(),
    }
}

fn bounded(count: usize, document: &Document, what: &str) -> Result<(), Failure> {
    if count <= LIMITS.results {
        return Ok(());
    }
    let what = format!("is too much: more than {} {what}", LIMITS.results);
    Err(failure(Fault::TooLarge, &document.file, &what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(texts: &[&str]) -> Document {
        let page = |text: &&str| Page {
            text: (*text).to_owned(),
            tables: vec![vec![vec![(*text).to_owned()]]],
        };
        Document {
            file: "a.docx".into(),
            pages: texts.iter().map(page).collect(),
            can_hold_tables: true,
        }
    }

    #[test]
    fn what_is_found_names_its_file_and_page() {
        let documents = [document(&["x", "y\nDue: 2025-03-25"])];
        let hits = find(&documents, "due").unwrap();
        let [hit] = hits.as_slice() else {
            panic!("{hits:?}")
        };
        assert_eq!((hit.file.as_str(), hit.page, hit.line), ("a.docx", 2, 2));
        let found = extract(&documents, What::Date).unwrap();
        assert_eq!((found[0].page, found[0].value.as_str()), (2, "2025-03-25"));
        assert_eq!(tables(&documents).unwrap()[1].page, 2);
    }

    #[test]
    fn empty_pages_keep_their_numbers() {
        let pages: Vec<u32> = passages(&document(&["one", "", "three"]))
            .iter()
            .map(|passage| passage.page)
            .collect();
        assert_eq!(pages, [1, 3]);
    }

    #[test]
    fn a_pdf_is_said_to_have_no_tables() {
        let mut pdf = document(&["x"]);
        pdf.can_hold_tables = false;
        let failure = tables(&[pdf]).unwrap_err();
        assert_eq!(failure.fault, Fault::NoTables);
        assert!(failure.detail.starts_with("`a.docx` is a pdf"));
    }

    #[test]
    fn too_many_are_said_not_cut() {
        let line = "7\n".repeat(LIMITS.results + 1);
        let full = [document(&[&line])];
        assert_eq!(find(&full, "7").unwrap_err().fault, Fault::TooLarge);
        assert_eq!(
            extract(&full, What::Number).unwrap_err().fault,
            Fault::TooLarge
        );
    }
}
