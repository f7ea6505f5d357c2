//! Plain text and Markdown: find words, take out dates, amounts, addresses and numbers, count, read. Reaches nothing but the handles it is given.

mod count;
mod document;
mod extract;
mod find;
mod limits;

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

use bindings::cloister::tool::handles::Input;
use bindings::exports::cloister::text::text::{Failure, Finding, Guest, Hit, Tally, What, Words};
use document::Document;
use limits::LIMITS;
use values::source::Source;

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
}

impl Source for Input {
    fn size(&self) -> u64 {
        Input::size(self)
    }

    fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        Input::read(self, offset, length).ok()
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
