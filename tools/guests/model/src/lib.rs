//! What the model says of texts and documents: a summary, one of given labels, values of named fields. Reaches nothing but the handles it is
//! given, and the model, which it can only ask about a text.

mod ask;
mod failure;
mod limits;
#[cfg(test)]
mod testing;
mod text;
mod write;

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
        path: ["../../wit", "../../wit/mind", "wit"],
        world: "cloister:model/tool",
        generate_all,
        additional_derives: [PartialEq, Eq],
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use ask::{Kind, Model};
use bindings::cloister::mind::tasks;
use bindings::cloister::tool::handles::{Input, Output};
use bindings::exports::cloister::model::model::{Failure, Field, Guest, Table, Term};
use text::Text;

values::source!(Input);
values::target!(Output);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn condense(files: Vec<Input>, save: Option<Output>) -> Result<Table, Failure> {
        told(ask::condense(&Host, &texts(files)?)?, save)
    }

    fn classify(
        files: Vec<Input>,
        labels: Vec<Term>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        told(ask::classify(&Host, &texts(files)?, &labels)?, save)
    }

    fn fields(
        files: Vec<Input>,
        fields: Vec<Field>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        told(ask::fields(&Host, &texts(files)?, &fields)?, save)
    }
}

fn texts(files: Vec<Input>) -> Result<Vec<Text>, Failure> {
    let files = files.into_iter();
    files.map(|file| Text::read(file.name(), &file)).collect()
}

fn told(table: Table, save: Option<Output>) -> Result<Table, Failure> {
    save.map_or(Ok(()), |save| write::save(&table, &save))?;
    Ok(table)
}

/// The model of this computer, which the host asks.
struct Host;

impl Model for Host {
    fn condense(&self, text: &str) -> String {
        tasks::condense(text)
    }

    fn classify(&self, text: &str, labels: &[String]) -> String {
        tasks::classify(text, labels)
    }

    fn extract(&self, text: &str, name: &str, kind: Kind) -> Option<String> {
        tasks::extract(text, name, kind)
    }
}
