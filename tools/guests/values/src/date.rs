//! Dates as people write them, to dates of the calendar.

use jiff::civil::{Date, DateTime, Time};

/// How `3/4/2025` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The third of April.
    DayFirst,
    /// The fourth of March.
    MonthFirst,
}

/// Names of months by number, English and German; an abbreviation is the first three letters or more.
const MONTHS: [&[&str]; 12] = [
    &["january", "januar", "jänner"],
    &["february", "februar"],
    &["march", "märz", "maerz"],
    &["april"],
    &["may", "mai"],
    &["june", "juni"],
    &["july", "juli"],
    &["august"],
    &["september"],
    &["october", "oktober", "okt"],
    &["november"],
    &["december", "dezember", "dez"],
];

/// The date that `text` is: `2025-03-25`, `25.03.2025`, `25/03/2025`, `25-03-2025`, `25 March 2025`, `March 25, 2025`. Years of two digits mean 1970 to 2069.
pub fn parse(text: &str, order: Order) -> Option<Date> {
    let text = text.trim();
    if text.len() > 40 || !text.contains(|character: char| character.is_ascii_digit()) {
        return None;
    }
    separated(text, order).or_else(|| spoken(text))
}

/// A date with the time of day behind it, where there is one: `2025-03-25T10:30:00`, `25.03.2025 10:30`.
pub fn parse_with_time(text: &str, order: Order) -> Option<DateTime> {
    let text = text.trim();
    if let Some(date) = parse(text, order) {
        return Some(date.at(0, 0, 0, 0));
    }
    let (date, time) = text.split_once(['T', ' '])?;
    let time = clock(time.trim().trim_end_matches('Z'))?;
    Some(DateTime::from_parts(parse(date, order)?, time))
}

/// A month's number from its name or an abbreviation of at least three letters.
pub fn month(name: &str) -> Option<i8> {
    let name = name.trim_end_matches('.').to_lowercase();
    if name.chars().count() < 3 {
        return None;
    }
    let at = MONTHS.iter().position(|names| {
        names
            .iter()
            .any(|full| full.starts_with(&name) || (name == "sept" && full.starts_with(&name)))
    })?;
    i8::try_from(at.checked_add(1)?).ok()
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?, 1..=2)?;
    let minute = digits(parts.next()?, 2..=2)?;
    let second = match parts.next() {
        Some(seconds) => digits(seconds.split('.').next()?, 2..=2)?,
        None => 0,
    };
    Time::new(
        hour.try_into().ok()?,
        minute.try_into().ok()?,
        second.try_into().ok()?,
        0,
    )
    .ok()
}

fn separated(text: &str, order: Order) -> Option<Date> {
    let separator = text.chars().find(|character| !character.is_ascii_digit())?;
    if !['-', '.', '/'].contains(&separator) {
        return None;
    }
    let mut parts = text.split(separator).map(str::trim);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if first.len() == 4 {
        return date(
            digits(first, 4..=4)?,
            digits(second, 1..=2)?,
            digits(third, 1..=2)?,
        );
    }
    let (day, month) = match (separator, order) {
        ('/', Order::MonthFirst) => (second, first),
        _ => (first, second),
    };
    date(year(third)?, digits(month, 1..=2)?, digits(day, 1..=2)?)
}

fn spoken(text: &str) -> Option<Date> {
    let words: Vec<&str> = text
        .split([' ', ',', '\u{a0}', '\t'])
        .filter(|word| !word.is_empty() && *word != "of")
        .collect();
    let [first, second, third] = words.as_slice() else {
        return None;
    };
    let (day, name) = if month(first).is_some() {
        (second, first)
    } else {
        (first, second)
    };
    let day = day.trim_end_matches(['.', 's', 't', 'n', 'd', 'r', 'h']);
    date(
        digits(third, 4..=4)?,
        i16::from(month(name)?),
        digits(day, 1..=2)?,
    )
}

fn year(text: &str) -> Option<i16> {
    match text.len() {
        4 => digits(text, 4..=4),
        2 => digits(text, 2..=2).map(|short| {
            if short < 70 {
                2000 + short
            } else {
                1900 + short
            }
        }),
        _ => None,
    }
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i16> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        parse(text, Order::DayFirst).map(|date| date.to_string())
    }

    #[test]
    fn one_day_in_many_spellings() {
        for text in [
            "2025-03-25",
            "25.03.2025",
            "25.3.25",
            "25/03/2025",
            "25-03-2025",
            "25 March 2025",
            "March 25, 2025",
            "25th of March 2025",
            "Mar 25 2025",
            "25. März 2025",
            "25 mar. 2025",
        ] {
            assert_eq!(read(text).as_deref(), Some("2025-03-25"), "{text}");
        }
        assert_eq!(
            parse("03/25/2025", Order::MonthFirst)
                .map(|date| date.to_string())
                .as_deref(),
            Some("2025-03-25")
        );
    }

    #[test]
    fn not_days() {
        for text in [
            "",
            "2025",
            "2025-13-01",
            "2025-02-30",
            "31/31/2025",
            "1.2.3",
            "1.2.34567",
            "March 2025",
            "ma 25 2025",
            "25 March 25 2025",
            "+1-02-03",
            "1,234.50",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn times() {
        for text in [
            "2025-03-25T10:30:00Z",
            "2025-03-25 10:30",
            "25.03.2025 10:30:00.123",
        ] {
            assert_eq!(
                parse_with_time(text, Order::DayFirst)
                    .map(|at| at.to_string())
                    .as_deref(),
                Some("2025-03-25T10:30:00"),
                "{text}"
            );
        }
        assert_eq!(parse_with_time("2025-03-25 25:30", Order::DayFirst), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (parse_with_time(&text, Order::DayFirst), parse_with_time(&text, Order::MonthFirst));
        }

        #[test]
        fn no_digits_panic(text in "[-0-9./: T]{0,20}") {
            let _ = (parse_with_time(&text, Order::DayFirst), parse_with_time(&text, Order::MonthFirst));
        }

        #[test]
        fn written_is_read(year in 1900i16..2100, month in 1i8..=12, day in 1i8..=28) {
            let date = Date::new(year, month, day).unwrap();
            prop_assert_eq!(parse(&date.to_string(), Order::DayFirst), Some(date));
            prop_assert_eq!(parse(&format!("{day}.{month}.{year}"), Order::MonthFirst), Some(date));
            prop_assert_eq!(parse(&format!("{day}/{month}/{year}"), Order::DayFirst), Some(date));
            prop_assert_eq!(parse(&format!("{month}/{day}/{year}"), Order::MonthFirst), Some(date));
        }
    }
}
