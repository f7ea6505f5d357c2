//! What bytes, dates and numbers mean, for every tool that reads documents. Pure: no file, no clock.

pub mod date;
pub mod extract;
pub mod markdown;
pub mod number;
pub mod sought;
pub mod source;
pub mod target;
pub mod text;
