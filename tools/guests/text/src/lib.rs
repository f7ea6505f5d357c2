//! Plain text and Markdown: find words, take out dates, amounts, addresses and numbers, count, read, compare, replace in a copy. Reaches
//! nothing but the handles it is given.

mod count;
mod diff;
mod document;
mod extract;
mod find;
mod limits;
mod replace;

mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::restriction,
        reason = "generated from the WIT"
    )]
    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "cloister:text/tool",
        generate_all,
        additional_derives: [PartialEq, Eq],
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::{Input, Output};
use bindings::exports::cloister::text::text::{
    Difference, Failure, Fault, Finding, Guest, Hit, Replaced, Tally, What, Words,
};
use document::Document;
use limits::LIMITS;

values::source!(Input);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn find(files: Vec<Input>, words: Words) -> Result<Vec<Hit>, Failure> {
        find::find(&all(files)?, &words)
    }

    fn extract(files: Vec<Input>, what: What) -> Result<Vec<Finding>, Failure> {
        extract::extract(&all(files)?, what)
    }

    fn count(files: Vec<Input>) -> Result<Vec<Tally>, Failure> {
        Ok(all(files)?.iter().map(count::count).collect())
    }

    fn read(file: Input) -> Result<String, Failure> {
        let document = open(&file)?;
        Ok(values::text::first_bytes(&document.text, LIMITS.shown_bytes).to_owned())
    }

    fn replace(file: Input, words: Words, by: Words, save: Output) -> Result<Replaced, Failure> {
        let (to, document) = (save.name(), open(&file)?);
        let (text, lines) = replace::replace(&document, &words, &by)?;
        save.write(text.as_bytes()).map_err(|_| Failure {
            fault: Fault::NotWritten,
            detail: format!("`{to}` could not be written: the host refused"),
            file: to.clone(),
        })?;
        let times = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let mut lines = lines;
        lines.dedup();
        lines.truncate(LIMITS.results);
        Ok(Replaced {
            file: document.file,
            save: to,
            times,
            lines,
        })
    }

    fn diff(old: Input, new: Input) -> Result<Difference, Failure> {
        Ok(diff::diff(&open(&old)?, &open(&new)?))
    }
}

fn open(file: &Input) -> Result<Document, Failure> {
    document::read(file.name(), file, LIMITS.file_bytes)
}

fn all(files: Vec<Input>) -> Result<Vec<Document>, Failure> {
    let mut left = LIMITS.call_bytes;
    let mut documents = Vec::new();
    for file in files {
        let document = document::read(file.name(), &file, LIMITS.file_bytes.min(left))?;
        left = left.saturating_sub(file.size());
        documents.push(document);
    }
    Ok(documents)
}
