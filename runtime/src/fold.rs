//! A page cut to a screen, so that what comes first stays on it together with the question. Nothing is cut from what can be asked for in full.

use std::fs::File;

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Lines for the question, the blank one above it and the key that is pressed.
const BESIDE: usize = 4;

/// What a terminal shows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    rows: usize,
    columns: usize,
}

impl Size {
    /// The size of a terminal; that of the first ones where it does not say, or says what nobody could read.
    pub(crate) fn of(tty: &File) -> Size {
        let told = tcgetwinsize(tty).map(|told| Size {
            rows: usize::from(told.ws_row),
            columns: usize::from(told.ws_col),
        });
        told.unwrap_or(Size::USUAL).readable()
    }

    #[cfg(test)]
    pub(crate) fn new(rows: usize, columns: usize) -> Size {
        Size { rows, columns }
    }

    const USUAL: Size = Size {
        rows: 24,
        columns: 80,
    };

    fn readable(self) -> Size {
        let Size { rows, columns } = self;
        Size {
            rows: if rows < 10 { Size::USUAL.rows } else { rows },
            columns: if columns < 40 {
                Size::USUAL.columns
            } else {
                columns
            },
        }
    }
}

/// The page with each line on one row of the screen, and as many lines as the question leaves room for: the first ones, how many follow, and the last.
pub(crate) fn to_screen(page: &str, size: Size, all: &str) -> String {
    let mut lines: Vec<String> = page.lines().map(|line| cut(line, size.columns)).collect();
    let room = size.rows.saturating_sub(BESIDE);
    if lines.len() > room {
        let last = lines.pop();
        let shown = room.saturating_sub(2);
        let more = lines.len().saturating_sub(shown);
        lines.truncate(shown);
        lines.push(format!("  … and {more} more lines: {all} shows all"));
        lines.extend(last);
    }
    lines.join("\n")
}

/// A line that fits beside the screen's edge. What is left out is counted, and in the middle: a name's end says what kind of file it is.
fn cut(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    if line.width() <= room {
        return line.to_owned();
    }
    let characters = line.chars().count();
    let note = |left: usize| format!("…({left} characters left out)…");
    let beside = room.saturating_sub(note(characters).width());
    let (head, tail) = (beside.saturating_mul(2) / 3, beside / 3);
    let head: String = fitting(line.chars(), head).collect();
    let tail: Vec<char> = fitting(line.chars().rev(), tail).collect();
    let left = characters.saturating_sub(head.chars().count().saturating_add(tail.len()));
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}{}{tail}", note(left))
}

/// The first characters that fit into so many columns.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    characters.scan(0_usize, move |used, c| {
        *used = used.saturating_add(c.width().unwrap_or(0));
        (*used <= columns).then_some(c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_whatever_it_is_made_of() {
        for c in ['x', '表', 'é', '\u{300}', '🗂'] {
            for length in [0, 1, 39, 78, 79, 80, 81, 500, 10_000] {
                let line: String = std::iter::repeat_n(c, length).collect();
                let page = to_screen(&line, Size::USUAL, "");
                assert!(page.width() < 80, "{c} {length}: {}", page.width());
            }
        }
    }

    #[test]
    fn both_ends_of_a_long_name_are_shown() {
        let name = format!("invoice{}.exe", " ".repeat(10_000));
        let shown = to_screen(&name, Size::USUAL, "");
        assert!(shown.starts_with("invoice ") && shown.ends_with(".exe"));
        let left =
            10_011 - (shown.chars().count() - "…(9960 characters left out)…".chars().count());
        assert!(
            shown.contains(&format!("({left} characters left out)")),
            "{shown}"
        );
    }

    #[test]
    fn the_first_lines_and_the_last_stay() {
        let page: Vec<String> = (0..200).map(|n| format!("line {n}")).collect();
        let shown = to_screen(&page.join("\n"), Size::USUAL, "[d]iff");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 20);
        assert_eq!(
            (lines[0], lines[17], lines[19]),
            ("line 0", "line 17", "line 199")
        );
        assert_eq!(lines[18], "  … and 181 more lines: [d]iff shows all");
        let few = to_screen("a\nb", Size::USUAL, "[d]iff");
        assert_eq!(few, "a\nb");
    }

    #[test]
    fn a_screen_that_nobody_could_read_is_taken_for_the_usual_one() {
        for (rows, columns) in [(0, 0), (1, 1), (9, 39)] {
            assert_eq!(Size { rows, columns }.readable(), Size::USUAL);
        }
        let own = Size {
            rows: 40,
            columns: 160,
        };
        assert_eq!(own.readable(), own);
    }
}
