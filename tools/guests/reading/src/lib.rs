//! Documents of every kind as pages of text and tables: pdf, docx, odt, html, eml, rtf. Pure: no file, no clock.

mod limits;
mod pages;
mod read;
mod unreadable;

pub use limits::LIMITS;
pub use pages::{Grid, Page};
pub use read::{Document, open, read};
pub use unreadable::Unreadable;
