//! Text for a terminal: what others wrote is shown as one line in the order it was written, and none of it is hidden. Pure.

/// `text` with every control, direction, line-breaking and invisible character escaped: `\n`, `\u{1b}`, `\u{202e}`.
pub fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        if unseen(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
        out
    })
}

/// Controls (C0, DEL, C1), and of Unicode 16 the line and paragraph separators, the bidirectional controls (UAX #9) and
/// every `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), which are drawn with no width.
fn unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_moves_hides_or_turns() {
        assert_eq!(
            plain("x\nsound \u{1b}[31m\r\t\u{7f}\u{9b}"),
            r"x\nsound \u{1b}[31m\r\t\u{7f}\u{9b}"
        );
        for hidden in
            "\u{200b}\u{200d}\u{feff}\u{ad}\u{2028}\u{202e}\u{2066}\u{61c}\u{e0041}".chars()
        {
            let shown = plain(&format!("a{hidden}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(hidden)));
        }
    }

    #[test]
    fn what_can_be_read_stays() {
        let text = "Zürich – 日本語 «q4».xlsx \\ 'x'";
        assert_eq!(plain(text), text);
    }
}
