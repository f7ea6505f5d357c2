//! Text that is only text in Markdown (CommonMark with tables), whatever it holds.

/// What begins markup anywhere in a line, in CommonMark or one of its common extensions.
const ANYWHERE: &str = "\\`*_[]{}<>|~&$^#";
/// What begins a list, a quotation, a heading, a line or a definition where a line begins with it.
const AT_THE_START: &str = "+-=:.";

/// One line that begins nothing and holds no markup.
pub fn line(text: &str) -> String {
    at_the_start(inline(text))
}

/// Text within a line. A line's end would begin another one, so blanks of any kind are one.
pub fn inline(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::new();
    for character in crate::text::legal_in_xml(&text).chars() {
        if ANYWHERE.contains(character) {
            safe.push('\\');
        }
        safe.push(character);
    }
    unlinked(&safe)
}

/// Some programs make links of bare addresses: a mark within them stops that, and is not shown.
fn unlinked(text: &str) -> String {
    let mut safe = text.replace("://", "\\://");
    for (begins, with) in [("www.", "www\\."), ("WWW.", "WWW\\.")] {
        safe = safe.replace(begins, with);
    }
    safe
}

/// A line whose first character begins nothing.
pub fn at_the_start(text: String) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let at = if digits > 0
        && text
            .get(digits..)
            .is_some_and(|rest| rest.starts_with(['.', ')']))
    {
        digits
    } else if text.starts_with(|first| AT_THE_START.contains(first)) {
        0
    } else {
        return text;
    };
    let (before, behind) = text.split_at_checked(at).unwrap_or(("", &text));
    format!("{before}\\{behind}")
}
