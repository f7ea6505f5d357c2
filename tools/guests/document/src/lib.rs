//! Documents and mails: their text by pages, words in them, dates, amounts and addresses, tables. Reaches nothing but the handles it is given.

mod failure;
mod found;
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
        world: "cloister:document/tool",
        generate_all,
        additional_derives: [PartialEq, Eq],
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::Input;
use bindings::exports::cloister::document::document::{
    Failure, Finding, Grid, Guest, Hit, Passage, What, Words,
};
use failure::unread;
use reading::{Document, LIMITS};

values::source!(Input);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn read(file: Input) -> Result<Vec<Passage>, Failure> {
        let documents = all(vec![file])?;
        Ok(documents.iter().flat_map(found::passages).collect())
    }

    fn find(files: Vec<Input>, words: Words) -> Result<Vec<Hit>, Failure> {
        found::find(&all(files)?, &words)
    }

    fn extract(files: Vec<Input>, what: What) -> Result<Vec<Finding>, Failure> {
        found::extract(&all(files)?, what)
    }

    fn tables(files: Vec<Input>) -> Result<Vec<Grid>, Failure> {
        found::tables(&all(files)?)
    }
}

fn all(files: Vec<Input>) -> Result<Vec<Document>, Failure> {
    let mut left = LIMITS.call_bytes;
    let mut documents = Vec::new();
    for file in files {
        let (name, limit) = (file.name(), LIMITS.file_bytes.min(left));
        documents.push(reading::open(&name, &file, limit).map_err(|why| unread(&name, &why))?);
        left = left.saturating_sub(file.size());
    }
    Ok(documents)
}
