//! What a document comes to, whatever its format: pages of lines, and the tables among them.

use crate::limits::LIMITS;
use crate::unreadable::Unreadable;

/// The rows of one table.
pub type Grid = Vec<Vec<String>>;

/// One page.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// Its paragraphs, one a line; a table's row is a line too, its cells apart by tabs.
    pub text: String,
    /// Its tables, by their rows.
    pub tables: Vec<Grid>,
}

/// Takes text as a reader meets it. The text of a table within a table belongs to the outer table's cell.
#[derive(Debug)]
pub(crate) struct Pages {
    done: Vec<Page>,
    page: Page,
    line: String,
    grid: Grid,
    row: Vec<String>,
    depth: usize,
    left: usize,
}

impl Pages {
    pub(crate) fn new() -> Self {
        Self {
            done: Vec::new(),
            page: Page::default(),
            line: String::new(),
            grid: Grid::new(),
            row: Vec::new(),
            depth: 0,
            left: LIMITS.text_bytes,
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        let too_much = || {
            Unreadable::TooLarge(format!(
                "holds more than {} MiB of text",
                LIMITS.text_bytes >> 20
            ))
        };
        self.left = self.left.checked_sub(text.len()).ok_or_else(too_much)?;
        // What separates lines and cells here is a blank within one.
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        self.line.extend(plain);
        Ok(())
    }

    /// Within a cell a paragraph ends with a blank.
    pub(crate) fn end_paragraph(&mut self) {
        if self.depth > 0 {
            self.line.push(' ');
        } else {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() {
            self.page.text.push_str(line.trim());
            self.page.text.push('\n');
        }
    }

    pub(crate) fn begin_table(&mut self) {
        if self.depth == 0 {
            self.end_line();
        }
        self.depth = self.depth.saturating_add(1);
    }

    pub(crate) fn end_cell(&mut self) {
        if self.depth == 1 {
            let cell = std::mem::take(&mut self.line);
            let words: Vec<&str> = cell.split_whitespace().collect();
            self.row.push(words.join(" "));
        } else {
            self.end_paragraph();
        }
    }

    pub(crate) fn end_row(&mut self) {
        if self.depth != 1 || self.row.is_empty() {
            return;
        }
        let row = std::mem::take(&mut self.row);
        self.page.text.push_str(&row.join("\t"));
        self.page.text.push('\n');
        self.grid.push(row);
    }

    pub(crate) fn end_table(&mut self) {
        self.end_row();
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 && !self.grid.is_empty() {
            self.page.tables.push(std::mem::take(&mut self.grid));
        }
    }

    /// A table that goes on over a page's end stays whole, on the page where it ends.
    pub(crate) fn end_page(&mut self) -> Result<(), Unreadable> {
        if self.depth > 0 {
            return Ok(());
        }
        self.end_line();
        if self.done.len() >= LIMITS.pages {
            return Err(Unreadable::TooLarge(format!(
                "has more than {} pages",
                LIMITS.pages
            )));
        }
        self.done.push(std::mem::take(&mut self.page));
        Ok(())
    }

    /// A document that ends within a table is a torn one; what is there is kept.
    pub(crate) fn finish(mut self) -> Result<Vec<Page>, Unreadable> {
        while self.depth > 0 {
            self.end_table();
        }
        self.end_line();
        if self.page != Page::default() || self.done.is_empty() {
            self.end_page()?;
        }
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_rows_and_lines_and_an_inner_one_is_a_cell() {
        let mut pages = Pages::new();
        pages.text("Prices").unwrap();
        pages.begin_table();
        for cell in ["Tea", "3"] {
            pages.text(cell).unwrap();
            pages.begin_table();
            pages.text("x").unwrap();
            pages.end_cell();
            pages.end_row();
            pages.end_table();
            pages.end_cell();
        }
        pages.end_row();
        pages.end_table();
        pages.text("End\u{7}").unwrap();
        let pages = pages.finish().unwrap();
        assert_eq!(pages[0].text, "Prices\nTeax\t3x\nEnd\n");
        assert_eq!(pages[0].tables, [vec![vec!["Teax", "3x"]]]);
    }

    #[test]
    fn text_and_pages_are_counted() {
        let mut pages = Pages::new();
        let half = "x".repeat(LIMITS.text_bytes / 2);
        assert_eq!(pages.text(&half), Ok(()));
        assert_eq!(pages.text(&half), Ok(()));
        assert!(matches!(pages.text("x"), Err(Unreadable::TooLarge(_))));
        let mut pages = Pages::new();
        for _ in 0..LIMITS.pages {
            pages.end_page().unwrap();
        }
        assert!(matches!(pages.end_page(), Err(Unreadable::TooLarge(_))));
    }
}
