//! Workbooks and tables: describe, summarize, take rows, compare, join, convert, append, write a workbook with a chart. Reaches nothing but the handles it is given.

mod append;
#[cfg(test)]
mod bench;
mod compare;
mod convert;
#[cfg(test)]
mod corpus;
mod describe;
mod failure;
mod join;
mod limits;
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
        world: "cloister:sheet/tool",
        generate_all,
        additional_derives: [PartialEq],
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::{Input, Output};
use bindings::exports::cloister::sheet::sheet::{
    Appended, Chart, Column, Condition, Conversion, Direction, Failure, Guest, Inner, Key, Measure,
    Order, Table, TableInfo, TotalsRow, Worksheet,
};
use tables::book::{self, Book, Budget};
use tables::{rows, select, summarize};
use write::Layout;

tables::wit!(crate::bindings::exports::cloister::sheet::sheet);

values::source!(Input);
values::target!(Output);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn describe(files: Vec<Input>) -> Result<Vec<TableInfo>, Failure> {
        describe::describe(opened(files)?)
    }

    fn summarize(
        files: Vec<Input>,
        worksheet: Option<Worksheet>,
        conditions: Vec<Condition>,
        group_by: Vec<Key>,
        measures: Vec<Measure>,
        direction: Option<Direction>,
        limit: Option<u32>,
        totals_row: Option<TotalsRow>,
        chart: Option<Chart>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        let request = summarize::Request {
            group_by: group_by.into_iter().map(Into::into).collect(),
            measures: measures.into_iter().map(Into::into).collect(),
            direction: direction.map(Into::into),
            limit,
            totals_row: totals_row.map(Into::into),
        }
        .counting();
        let conditions: Vec<_> = conditions.into_iter().map(Into::into).collect();
        let tables = select::tables(
            opened(files)?,
            worksheet.as_deref(),
            &conditions,
            &request.columns(),
        )?;
        let mut found = summarize::summarize(tables, &request)?;
        let layout = Layout {
            worksheet: "Summary",
            keys: request.group_by.len(),
            chart,
        };
        write::save(&mut found, &layout, save.as_ref())?;
        Ok(found.into_table().into())
    }

    fn rows(
        files: Vec<Input>,
        worksheet: Option<Worksheet>,
        conditions: Vec<Condition>,
        columns: Option<Vec<Column>>,
        order: Option<Order>,
        limit: Option<u32>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        let request = rows::Request {
            columns,
            order: order.map(Into::into),
            limit,
        };
        let conditions: Vec<_> = conditions.into_iter().map(Into::into).collect();
        let tables = select::tables(
            opened(files)?,
            worksheet.as_deref(),
            &conditions,
            &request.needed(),
        )?;
        let mut found = rows::rows(tables, &request)?;
        write::save(
            &mut found,
            &Layout {
                worksheet: "Rows",
                keys: 0,
                chart: None,
            },
            save.as_ref(),
        )?;
        Ok(found.into_table().into())
    }

    fn join(
        left: Input,
        right: Input,
        worksheet: Option<Worksheet>,
        key: Option<Column>,
        inner: Option<Inner>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        let needed: Vec<&str> = key.iter().map(String::as_str).collect();
        let mut budget = Budget::whole();
        let mut table = |file: &Input| {
            let book = book::open(&file.name(), file, &mut budget)?;
            let named = worksheet.as_deref().filter(|name| book.has(name));
            select::table(book, named, &needed)
        };
        let (left, right) = (table(&left)?, table(&right)?);
        let mut found = join::join(&left, &right, key.as_deref(), inner)?;
        let layout = Layout {
            worksheet: "Joined",
            keys: 0,
            chart: None,
        };
        write::save(&mut found, &layout, save.as_ref())?;
        Ok(found.into_table().into())
    }

    fn append(rows: Input, to: Input, save: Output) -> Result<Appended, Failure> {
        let mut budget = Budget::whole();
        let rows = book::open(&rows.name(), &rows, &mut budget)?;
        let bytes = book::read(&to.name(), &to)?;
        let book = book::parsed(&to.name(), bytes.clone(), &mut budget)?;
        let to = append::Whole { bytes, book };
        append::append(select::table(rows, None, &[])?, &to, &save)
    }

    fn convert(file: Input, save: Output) -> Result<Conversion, Failure> {
        let book = book::open(&file.name(), &file, &mut Budget::whole())?;
        convert::convert(book, &save)
    }

    fn compare(
        old: Input,
        new: Input,
        worksheet: Option<Worksheet>,
        key: Option<Column>,
        save: Option<Output>,
    ) -> Result<Table, Failure> {
        let needed: Vec<&str> = key.iter().map(String::as_str).collect();
        let mut budget = Budget::whole();
        let mut table = |file: &Input| {
            let book = book::open(&file.name(), file, &mut budget)?;
            select::table(book, worksheet.as_deref(), &needed)
        };
        let (old, new) = (table(&old)?, table(&new)?);
        let mut found = compare::compare(&old, &new, key.as_deref())?;
        let layout = Layout {
            worksheet: "Differences",
            keys: 0,
            chart: None,
        };
        write::save(&mut found, &layout, save.as_ref())?;
        Ok(found.into_table().into())
    }
}

fn opened(files: Vec<Input>) -> Result<Vec<Book>, Failure> {
    Ok(book::all(&files, Input::name)?)
}
