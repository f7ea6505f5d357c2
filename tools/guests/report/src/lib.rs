//! Reports for people out of tables and texts: Word documents, web pages, Markdown. Reaches nothing but the handles it is given.

mod compose;
mod failure;
mod figures;
mod layout;
mod limits;
mod outline;
#[cfg(test)]
mod testing;
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
        path: ["../../wit", "wit"],
        world: "cloister:report/tool",
        generate_all,
        additional_derives: [PartialEq],
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::{Input, Output};
use bindings::exports::cloister::report::report as wit;
use bindings::exports::cloister::report::report::{
    Chart, Column, Composed, Condition, Direction, Failure, Guest, Key, Measure, Order, Table,
    TotalsRow, Worksheet,
};
use outline::{Shape, Words};
use tables::found::Found;
use tables::{book, rows, select, summarize};
use write::Form;

tables::wit!(crate::bindings::exports::cloister::report::report);
tables::same_cases!(wit::Chart => Shape: Bar, Line, Pie);

values::source!(Input);
values::target!(Output);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn summary(
        files: Vec<Input>,
        worksheet: Option<Worksheet>,
        conditions: Vec<Condition>,
        group_by: Vec<Key>,
        measures: Vec<Measure>,
        direction: Option<Direction>,
        limit: Option<u32>,
        totals_row: Option<TotalsRow>,
        chart: Option<Chart>,
        title: Option<wit::Words>,
        introduction: Option<wit::Words>,
        save: Output,
    ) -> Result<Table, Failure> {
        let form = Form::of(&Output::name(&save))?;
        let request = summarize::Request {
            group_by: all(group_by),
            measures: all(measures),
            direction: direction.map(Into::into),
            limit,
            totals_row: totals_row.map(Into::into),
        }
        .counting();
        let (books, conditions) = (book::all(&files, Input::name)?, all(conditions));
        let tables = select::tables(books, worksheet.as_deref(), &conditions, &request.columns())?;
        let sources = layout::sources(&tables);
        let mut found = summarize::summarize(tables, &request)?;
        let words = Words {
            title,
            introduction,
        };
        let (keys, shape) = (request.group_by.len(), chart.map(Into::into));
        let report = layout::summary(&mut found, keys, shape, words, sources);
        told(found, write::save(report, form, &save)?)
    }

    fn listing(
        files: Vec<Input>,
        worksheet: Option<Worksheet>,
        conditions: Vec<Condition>,
        columns: Option<Vec<Column>>,
        order: Option<Order>,
        limit: Option<u32>,
        title: Option<wit::Words>,
        introduction: Option<wit::Words>,
        save: Output,
    ) -> Result<Table, Failure> {
        let to = Output::name(&save);
        let form = Form::of(&to)?;
        let request = rows::Request {
            columns,
            order: order.map(Into::into),
            limit,
        };
        let (books, conditions) = (book::all(&files, Input::name)?, all(conditions));
        let tables = select::tables(books, worksheet.as_deref(), &conditions, &request.needed())?;
        let sources = layout::sources(&tables);
        let mut found = rows::rows(tables, &request)?;
        let words = Words {
            title,
            introduction,
        };
        let title = compose::stem(&to).to_owned();
        let report = layout::listing(&mut found, words, title, sources);
        told(found, write::save(report, form, &save)?)
    }

    fn compose(
        files: Vec<Input>,
        title: Option<wit::Words>,
        introduction: Option<wit::Words>,
        save: Output,
    ) -> Result<Composed, Failure> {
        let file = Output::name(&save);
        let form = Form::of(&file)?;
        let words = Words {
            title,
            introduction,
        };
        let files: Vec<(String, Input)> =
            files.into_iter().map(|file| (file.name(), file)).collect();
        let put = compose::compose(&files, words, &file)?;
        let mut notes = put.notes;
        notes.extend(write::save(put.report, form, &save)?);
        Ok(Composed {
            file,
            texts: put.texts,
            tables: put.tables,
            notes,
        })
    }
}

fn all<T: Into<U>, U>(list: Vec<T>) -> Vec<U> {
    list.into_iter().map(Into::into).collect()
}

/// What was written, with what its form could not hold.
fn told(mut found: Found, notes: Vec<String>) -> Result<Table, Failure> {
    found.notes.extend(notes);
    Ok(found.into_table().into())
}
