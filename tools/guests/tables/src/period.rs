//! Stretches of time in a condition: `2025`, `2025-10`, `2025-Q4`, `Q4`, `--10`, `2025-10-03`, `2025-10-01..2025-12-31`.

use jiff::civil::Date;
use values::date::{self as dates, Order};

/// Days that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Period {
    /// From the first day to the last, both included.
    Between(Date, Date),
    /// A quarter of any year.
    Quarter(i8),
    /// A month of any year.
    Month(i8),
    /// Any of several.
    AnyOf(Vec<Period>),
}

impl Period {
    /// The period that `text` is. Month names, with or without a year, and days in other spellings do as well.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains(',') {
            let listed: Option<Vec<Self>> = text
                .split(',')
                .map(|part| Self::parse_alone(part.trim()))
                .collect();
            if let Some(several) = listed {
                return Some(Self::AnyOf(several));
            }
        }
        Self::parse_alone(text)
    }

    fn parse_alone(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once("..") {
            let (Self::Between(first, _), Self::Between(_, last)) =
                (Self::parse_one(from.trim())?, Self::parse_one(to.trim())?)
            else {
                return None;
            };
            return (first <= last).then_some(Self::Between(first, last));
        }
        Self::parse_one(text)
    }

    pub(crate) fn contains(&self, day: Date) -> bool {
        match self {
            Self::Between(first, last) => *first <= day && day <= *last,
            Self::Quarter(quarter) => self::quarter(day) == *quarter,
            Self::Month(month) => day.month() == *month,
            Self::AnyOf(several) => several.iter().any(|period| period.contains(day)),
        }
    }

    fn parse_one(text: &str) -> Option<Self> {
        if let Some(month) = text.strip_prefix("--") {
            return month_number(month).map(Self::Month);
        }
        if let Some(quarter) = quarter_number(text) {
            return Some(Self::Quarter(quarter));
        }
        if let Some(month) = dates::month(text) {
            return Some(Self::Month(month));
        }
        if let Some(year) = year(text) {
            return months(year, 1, 12);
        }
        let day = || dates::parse(text, Order::DayFirst).map(|day| Self::Between(day, day));
        part_of_year(text).or_else(day)
    }
}

/// The quarter of a day, 1 to 4.
pub(crate) fn quarter(day: Date) -> i8 {
    day.month().saturating_add(2) / 3
}

/// `2025-10`, `2025-Q4`, `2025Q4`, `Q4 2025`, `October 2025`.
fn part_of_year(text: &str) -> Option<Period> {
    let (head, tail) = (text.get(..4).and_then(year), text.get(4..));
    let (year, part) = match (head, tail) {
        (Some(year), Some(part)) => (year, part.trim_start_matches(['-', ' '])),
        _ => {
            let (part, behind) = text.rsplit_once([' ', '-'])?;
            (year(behind)?, part.trim_end())
        }
    };
    if let Some(quarter) = quarter_number(part) {
        let first = quarter.checked_mul(3)?.checked_sub(2)?;
        return months(year, first, first.checked_add(2)?);
    }
    let month = month_number(part).or_else(|| dates::month(part))?;
    months(year, month, month)
}

fn months(year: i16, first: i8, last: i8) -> Option<Period> {
    let last = Date::new(year, last, 1).ok()?.last_of_month();
    Some(Period::Between(Date::new(year, first, 1).ok()?, last))
}

fn year(text: &str) -> Option<i16> {
    let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn month_number(text: &str) -> Option<i8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())?
        .filter(|month| (1..=12).contains(month))
}

fn quarter_number(text: &str) -> Option<i8> {
    match text.strip_prefix(['Q', 'q'])? {
        "1" => Some(1),
        "2" => Some(2),
        "3" => Some(3),
        "4" => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn between(text: &str) -> String {
        match Period::parse(text) {
            Some(Period::Between(first, last)) => format!("{first} {last}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_form() {
        for (text, days) in [
            ("2025", "2025-01-01 2025-12-31"),
            ("2024-02", "2024-02-01 2024-02-29"),
            ("2025-Q4", "2025-10-01 2025-12-31"),
            ("q1 2025", "2025-01-01 2025-03-31"),
            ("2025-10-03", "2025-10-03 2025-10-03"),
            ("2025-10-01..2025-12-31", "2025-10-01 2025-12-31"),
            ("2025-10..2026", "2025-10-01 2026-12-31"),
            ("October 2025", "2025-10-01 2025-10-31"),
            ("Q4", "Some(Quarter(4))"),
            ("--10", "Some(Month(10))"),
            ("October", "Some(Month(10))"),
        ] {
            assert_eq!(between(text), days, "{text}");
        }
    }

    #[test]
    fn several_periods_mean_any_of_them() {
        let either = Period::parse("2025-10, --02,Q3").unwrap();
        let inside = [date(2025, 10, 9), date(1999, 2, 1), date(2024, 9, 30)];
        assert!(inside.into_iter().all(|day| either.contains(day)));
        assert!(!either.contains(date(2024, 10, 9)));
        assert_eq!(Period::parse("2025-10,nonsense"), None);
    }

    #[test]
    fn not_periods() {
        for text in [
            "",
            "20255",
            "2025-13",
            "2025-Q5",
            "Q0",
            "--13",
            "--1",
            "2026..2025",
            "Q4..2025",
            "last week",
            "2025-",
            "12",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn any_october() {
        assert!(Period::Month(10).contains(date(1999, 10, 31)));
        assert!(
            Period::Quarter(4).contains(date(2025, 10, 1))
                && !Period::Quarter(4).contains(date(2025, 9, 30))
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,24}|[-0-9Qq. ]{0,24}") {
            let _ = Period::parse(&text);
        }

        #[test]
        fn a_day_is_within_its_month_quarter_and_year(year in 1900i16..2100, month in 1i8..=12, day in 1i8..=28) {
            let day = Date::new(year, month, day).unwrap();
            for text in [format!("{year}"), format!("{year}-{month:02}"), format!("{year}-Q{}", quarter(day)), format!("--{month:02}"), day.to_string()] {
                prop_assert!(Period::parse(&text).is_some_and(|period| period.contains(day)), "{}", text);
            }
        }
    }
}
