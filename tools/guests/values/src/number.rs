//! Decimal numbers as people write them, with either decimal mark, and the decorations of money.

use rust_decimal::Decimal;

/// Which character stands before the decimals; the other one may group thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

/// Currency signs and words that may stand before or behind a number, longest first.
const CURRENCIES: [&str; 27] = [
    "dollars", "pounds", "francs", "dollar", "pound", "franc", "euros", "euro", "eur", "usd",
    "gbp", "chf", "jpy", "sek", "nok", "dkk", "pln", "czk", "cad", "aud", "us$", "kr", "zł", "€",
    "$", "£", "¥",
];

/// The number that `text` is, or `None` where it is anything else. A sign may stand on either side, or brackets mean below zero; exact to 28 digits.
pub fn parse(text: &str, mark: Mark) -> Option<Decimal> {
    unadorned(text, mark).or_else(|| adorned(text, mark))
}

/// Bytes of a text whose digits fit an `i64`, whatever they are.
const SHORT: usize = 18;

/// The common case in one pass, without a copy: some digits, and decimals where the mark is a point.
fn unadorned(text: &str, mark: Mark) -> Option<Decimal> {
    if text.len() > SHORT {
        return None;
    }
    let (mut number, mut point) = (0i64, None);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            // It fits, so nothing wraps; to see to that here would take a function for each digit in the cage.
            b'0'..=b'9' => number = number.wrapping_mul(10).wrapping_add((byte & 0xf).into()),
            b'.' if point.is_none() && at > 0 && mark == Mark::Point => point = Some(at),
            _ => return None,
        }
    }
    let digits = point.map_or(text.len(), |at| {
        text.len().saturating_sub(at.saturating_add(1))
    });
    let decimals = point.map_or(0, |_| u32::try_from(digits).unwrap_or(0));
    (digits > 0).then(|| Decimal::new(number, decimals))
}

fn adorned(text: &str, mark: Mark) -> Option<Decimal> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bare = text.trim();
    let (bare, bracketed) = match bare
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(inner) => (inner.trim(), true),
        None => (bare, false),
    };
    let (bare, outer) = unsigned(bare);
    let (bare, inner) = unsigned(undecorated(bare));
    let below_zero = match [bracketed, outer, inner]
        .into_iter()
        .filter(|sign| *sign)
        .count()
    {
        0 => false,
        1 => true,
        _ => return None,
    };
    let number = Decimal::from_str_exact(&plain(undecorated(bare), mark)?).ok()?;
    Some(if below_zero { -number } else { number })
}

/// Which mark must be the decimal one for `text` to be a number: `None` where both may be, or neither.
pub fn only_mark(text: &str) -> Option<Mark> {
    // The common case: a group would have three digits.
    if unadorned(text, Mark::Point).is_some_and(|number| !matches!(number.scale(), 0 | 3)) {
        return Some(Mark::Point);
    }
    let reads = |mark| parse(text, mark).is_some();
    match (reads(Mark::Point), reads(Mark::Comma)) {
        (true, false) => Some(Mark::Point),
        (false, true) => Some(Mark::Comma),
        _ => None,
    }
}

/// Like [`parse`] when the mark is unknown: the later of two marks is decimal, a lone one before exactly three digits groups.
pub fn guess(text: &str) -> Option<Decimal> {
    let mark = likely_mark(text);
    parse(text, mark).or_else(|| {
        let other = match mark {
            Mark::Point => Mark::Comma,
            Mark::Comma => Mark::Point,
        };
        parse(text, other)
    })
}

/// A number that stands in a request: the point is decimal where both readings fit.
pub fn literal(text: &str) -> Option<Decimal> {
    parse(text, Mark::Point).or_else(|| parse(text, Mark::Comma))
}

fn likely_mark(text: &str) -> Mark {
    match (text.rfind('.'), text.rfind(',')) {
        (Some(point), Some(comma)) if comma > point => Mark::Comma,
        (None, Some(comma)) if digits_after(text, comma) != 3 => Mark::Comma,
        (Some(point), None) if digits_after(text, point) == 3 => Mark::Comma,
        _ => Mark::Point,
    }
}

fn digits_after(text: &str, at: usize) -> usize {
    text.chars()
        .skip(text.get(..=at).unwrap_or_default().chars().count())
        .take_while(char::is_ascii_digit)
        .count()
}

fn unsigned(text: &str) -> (&str, bool) {
    let minus = ['-', '−'];
    match text
        .strip_prefix(minus)
        .or_else(|| text.strip_suffix(minus))
    {
        Some(rest) => (rest.trim(), true),
        None => (text.strip_prefix('+').map_or(text, str::trim_start), false),
    }
}

fn undecorated(text: &str) -> &str {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    if is_digit(text.as_bytes().first()) && is_digit(text.as_bytes().last()) {
        return text; // no currency begins or ends with a digit
    }
    for currency in CURRENCIES {
        let before = text
            .get(..currency.len())
            .filter(|head| head.eq_ignore_ascii_case(currency));
        if before.is_some() {
            return text.get(currency.len()..).unwrap_or_default().trim();
        }
        let rest = text.len().saturating_sub(currency.len());
        let after = text
            .get(rest..)
            .filter(|tail| tail.eq_ignore_ascii_case(currency));
        if after.is_some() {
            return text.get(..rest).unwrap_or_default().trim();
        }
    }
    text
}

/// The digits with a point before the decimals and without groups; `None` where the groups are not groups of three.
fn plain(text: &str, mark: Mark) -> Option<String> {
    let (decimal, other) = match mark {
        Mark::Point => ('.', ','),
        Mark::Comma => (',', '.'),
    };
    let (whole, decimals) = text
        .split_once(decimal)
        .map_or((text, None), |(whole, decimals)| (whole, Some(decimals)));
    let mut plain = ungrouped(whole, other)?;
    if let Some(decimals) = decimals {
        if decimals.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if plain.is_empty() {
            plain.push('0');
        }
        plain.push('.');
        plain.push_str(decimals);
    }
    (!plain.is_empty()).then_some(plain)
}

fn ungrouped(whole: &str, other: char) -> Option<String> {
    let separator = whole.chars().find(|character| !character.is_ascii_digit());
    let Some(separator) = separator else {
        return Some(whole.to_owned());
    };
    if separator != other && ![' ', '\u{a0}', '\u{202f}', '\'', '’'].contains(&separator) {
        return None;
    }
    let mut groups = whole.split(separator);
    let first = groups
        .next()
        .filter(|first| (1..=3).contains(&first.len()) && !first.starts_with('0'))?;
    let mut plain = first.to_owned();
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        plain.push_str(group);
    }
    plain
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, mark: Mark) -> Option<String> {
        parse(text, mark).map(|number| number.normalize().to_string())
    }

    #[test]
    fn both_marks() {
        for (text, mark, number) in [
            ("1,234.50", Mark::Point, "1234.5"),
            ("1.234,50", Mark::Comma, "1234.5"),
            ("1 234,5", Mark::Comma, "1234.5"),
            ("1'234.50", Mark::Point, "1234.5"),
            ("€ 12.00", Mark::Point, "12"),
            ("-$1,000", Mark::Point, "-1000"),
            ("$-5", Mark::Point, "-5"),
            ("(12.30)", Mark::Point, "-12.3"),
            ("12,30- EUR", Mark::Comma, "-12.3"),
            ("US$ 7", Mark::Point, "7"),
            ("+3", Mark::Point, "3"),
            (".5", Mark::Point, "0.5"),
        ] {
            assert_eq!(shown(text, mark).as_deref(), Some(number), "{text}");
        }
    }

    #[test]
    fn not_numbers() {
        for text in [
            "",
            "-",
            "€",
            "1,23,4",
            "12,34.5",
            "1.2.3",
            "12.",
            "--5",
            "(-5)",
            "1e5",
            "12 kg",
            "1.234,50",
            "2025-10-03",
            "1,234 5",
        ] {
            assert_eq!(shown(text, Mark::Point), None, "{text}");
        }
        assert_eq!(shown("1,234.50", Mark::Comma), None);
    }

    #[test]
    fn guesses() {
        for (text, number) in [
            ("1,234", "1234"),
            ("1.234", "1234"),
            ("0.125", "0.125"),
            ("$0.125", "0.125"),
            ("0,125", "0.125"),
            ("12,5", "12.5"),
            ("1.234,5", "1234.5"),
            ("1,234.5", "1234.5"),
        ] {
            assert_eq!(
                guess(text).map(|number| number.to_string()).as_deref(),
                Some(number),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_common_case_is_no_other(text in "[0-9]{0,12}[.,]?[0-9]{0,3}") {
            for mark in [Mark::Point, Mark::Comma] {
                prop_assert!(unadorned(&text, mark).is_none_or(|number| adorned(&text, mark) == Some(number)), "{}", text);
            }
        }

        #[test]
        fn short_and_long_are_read_alike(text in "[0-9]{0,9}[.,x]?[0-9]{0,8}|[0-9]{9,20}[.,]?[0-9]{0,14}") {
            for mark in [Mark::Point, Mark::Comma] {
                prop_assert_eq!(parse(&text, mark), adorned(&text, mark));
                let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (1..=SHORT).contains(&text.len());
                prop_assert!(!digits || unadorned(&text, mark).is_some(), "the common case is not taken");
            }
        }

        #[test]
        fn the_only_mark_is_the_only_one_that_reads(text in "[-0-9]{0,5}[.,]?[0-9]{0,4}[.,]?[0-9]{0,4}|[0-9]{15,20}[.,]?[0-9]{0,14}") {
            let reads = [Mark::Point, Mark::Comma].into_iter().filter(|mark| parse(&text, *mark).is_some());
            let reads: Vec<Mark> = reads.collect();
            let only = match reads.as_slice() {
                [one] => Some(*one),
                _ => None,
            };
            prop_assert_eq!(only_mark(&text), only);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = (parse(&text, Mark::Point), parse(&text, Mark::Comma), guess(&text));
        }

        #[test]
        fn no_digits_panic(text in "[-+( )€$.,'0-9]{0,40}") {
            let _ = (parse(&text, Mark::Point), parse(&text, Mark::Comma), guess(&text));
        }

        #[test]
        fn written_is_read(cents in -1_000_000_000i64..1_000_000_000) {
            let number = Decimal::new(cents, 2);
            prop_assert_eq!(parse(&number.to_string(), Mark::Point), Some(number));
            prop_assert_eq!(parse(&number.to_string().replace('.', ","), Mark::Comma), Some(number));
        }
    }
}
