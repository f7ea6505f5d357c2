//! Names for eyes. A file's name is text that somebody else chose: it may try to move the cursor, hide itself or read backwards.
//! Touches nothing.

use std::fmt::Write as _;

/// Marks that may stand on one letter: stacked scripts need three, one more is left for who types oddly. Beyond, they reach into other lines.
const MARKS: usize = 4;

/// Whether a character can deceive an eye or drive a terminal: controls, bidi, zero-width, separators, blanks by another name, tags, private
/// use.
pub fn deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00A0}' | '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{1680}' | '\u{17B4}' | '\u{17B5}' | '\u{202F}' | '\u{205F}' | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{FFA0}' | '\u{FEFF}'
            | '\u{180B}'..='\u{180F}'
            | '\u{2000}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E000}'..='\u{F8FF}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{10FFFF}')
}

/// Why a file's name is not shown to a model or a person, if so.
pub fn refusal(name: &str) -> Option<&'static str> {
    if name.chars().any(char::is_control) {
        return Some("its name holds control characters");
    }
    if name.chars().any(deceptive) {
        return Some("its name holds invisible or direction-changing characters");
    }
    if stacked(name).any(|(_, above)| above) {
        return Some("its name holds marks stacked upon each other");
    }
    None
}

/// Blanks that spreadsheets and word processors put in by themselves: a heading with one is a heading still.
pub fn typographic(c: char) -> bool {
    matches!(c, '\u{00A0}' | '\u{202F}')
}

/// The characters, each with whether it is a mark beyond those that may stand on one letter.
fn stacked(text: &str) -> impl Iterator<Item = (char, bool)> {
    text.chars().scan(0_usize, |run, c| {
        *run = if mark(c) { run.saturating_add(1) } else { 0 };
        Some((c, *run > MARKS))
    })
}

/// Whether a character stands on the one before it, in the blocks made for that and in the scripts that stack.
fn mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}'
        | '\u{0483}'..='\u{0489}'
        | '\u{0591}'..='\u{05BD}'
        | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}'
        | '\u{06D6}'..='\u{06ED}'
        | '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}'
        | '\u{0EB1}' | '\u{0EB4}'..='\u{0EBC}' | '\u{0EC8}'..='\u{0ECE}'
        | '\u{0F71}'..='\u{0F84}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{302A}'..='\u{302F}'
        | '\u{FE20}'..='\u{FE2F}')
}

/// The text with every deceptive character and every mark too many written as `\u{…}`; line breaks and tabs stay if `lines` says so.
pub fn escape(text: &str, lines: Lines) -> String {
    let mut out = String::with_capacity(text.len());
    for (c, above) in stacked(text) {
        match (c, lines) {
            ('\n' | '\t', Lines::Keep) => out.push(c),
            _ if above || deceptive(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            _ => out.push(c),
        }
    }
    out
}

/// What [`escape`] does with line breaks and tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// They stay: the text is shown as a block.
    Keep,
    /// They are escaped: the text stands within a line.
    Escape,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sequence_and_a_reversed_name_become_visible() {
        assert_eq!(
            escape("a\u{1b}[2Jb\u{202e}fdp.exe\n", Lines::Escape),
            "a\\u{1b}[2Jb\\u{202e}fdp.exe\\u{a}"
        );
        assert_eq!(escape("a\nb\r", Lines::Keep), "a\nb\\u{d}");
    }

    #[test]
    fn umlauts_and_scripts_are_plain_names() {
        for name in ["Übersicht 2025.xlsx", "売上.csv", "naïve – copy (2).txt"] {
            assert_eq!(refusal(name), None, "{name}");
        }
        assert!(refusal("zero\u{200b}width").is_some());
        assert!(refusal("line\nbreak").is_some());
    }

    #[test]
    fn blanks_by_another_name_and_stacked_marks_are_not_hidden() {
        for blank in [
            '\u{a0}', '\u{2000}', '\u{200a}', '\u{202f}', '\u{2800}', '\u{3000}',
        ] {
            assert!(deceptive(blank), "{blank:?}");
            assert!(refusal(&format!("a{blank}.txt")).is_some(), "{blank:?}");
        }
        let stacked = format!("a{}.txt", "\u{301}".repeat(5));
        assert!(refusal(&stacked).is_some());
        assert_eq!(
            escape(&stacked, Lines::Keep),
            format!("a{}\\u{{301}}.txt", "\u{301}".repeat(4))
        );
        for fine in [
            "e\u{301}te\u{301}.txt",
            "ที่นี่.txt",
            "a\u{301}\u{302}\u{303}\u{304}.txt",
        ] {
            assert_eq!(refusal(fine), None, "{fine}");
        }
    }
}
