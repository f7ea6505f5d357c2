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

/// A time as people write it (RFC 3339), from seconds since 1970: Howard Hinnant's `civil_from_days`, for years that unsigned numbers reach.
pub(crate) fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days.saturating_add(719_468); // days since 0000-03-01: the leap day ends a year
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153; // from March
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (era * 400 + year, month + 3),
        _ => (era * 400 + year + 1, month - 9),
    };
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::{moment, plain};

    #[test]
    fn moments_are_as_date_prints_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_797_296, "2026-11-27T16:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            ((1 << 53) - 1, "285428751-11-12T07:36:31Z"),
        ] {
            assert_eq!(moment(seconds), text);
        }
    }

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
