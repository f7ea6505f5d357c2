//! Names for eyes. A file's name is text that somebody else chose: it may try to move the cursor, hide itself or read backwards.
//! Touches nothing.

use std::fmt::Write as _;

/// Whether a character can deceive an eye or drive a terminal: controls, bidi, zero-width, separators, tags, private use.
pub fn deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' | '\u{FFA0}' | '\u{FEFF}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
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
    None
}

/// The text with every deceptive character written as `\u{…}`; line breaks and tabs stay if `lines` says so.
pub fn escape(text: &str, lines: Lines) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (c, lines) {
            ('\n' | '\t', Lines::Keep) => out.push(c),
            _ if deceptive(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
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
}
