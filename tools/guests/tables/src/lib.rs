//! Workbooks and text files as tables, for every tool that computes with them: read, chosen, filtered, grouped, measured. Pure: no file, no clock.

pub mod asked;
pub mod book;
pub mod cell;
mod condition;
pub mod failure;
pub mod found;
pub mod limits;
mod period;
pub mod rows;
pub mod select;
pub mod summarize;
pub mod table;
#[cfg(test)]
mod testing;
mod wit;
