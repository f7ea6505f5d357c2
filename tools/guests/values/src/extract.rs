//! Typed values out of running text. Patterns only find candidates; what a candidate means is decided by the parsers of dates and numbers.

use std::ops::Range;

use crate::date::{self, Order};
use crate::number;
use jiff::civil::Date;
use regex::Regex;
use rust_decimal::Decimal;

const DATE: &str = r"(?i)\d{4}-\d{1,2}-\d{1,2}|\d{1,2}\.\s?\d{1,2}\.\s?(?:\d{4}|\d{2})|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})|\d{1,2}(?:st|nd|rd|th|\.)?\s+(?:of\s+)?\p{Alphabetic}{3,9}\.?,?\s+\d{4}|\p{Alphabetic}{3,9}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}";
const NUMBER: &str = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d{1,3}(?:['’ \u{a0}\u{202f}]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)";
const CURRENCY: &str = r"(?:US\$|[€$£¥]|(?:EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|CAD|AUD|euros?|dollars?|pounds?|francs?)\b)";
const SCALE: &str = r"(?:\s?(?<scale>thousand|million|billion|Tsd|Mio|Mrd|bn)\b\.?)?";
const EMAIL: &str =
    r"[\p{Alphabetic}\d._%+-]+@[\p{Alphabetic}\d-]+(?:\.[\p{Alphabetic}\d-]+)*\.\p{Alphabetic}{2,}";
/// Country, check digits, and an account in groups of four or in one piece.
const IBAN: &str = r"(?i)[A-Z]{2}\d{2}(?:[ \u{a0}]?[A-Z0-9]{4}){2,7}(?:[ \u{a0}]?[A-Z0-9]{1,3})?";
/// Words beside which a bare number with two decimals is money.
const MONEY: &str = r"(?i)\b(?:total|subtotal|amount|sum|price|cost|fee|rent|balance|due|paid|payment|vat|tax|betrag|summe|gesamt|preis|kosten|miete|mwst)";

/// What a pattern found: the bytes of the line it covers, and the value as text.
type Found = (Range<usize>, String);

/// Bytes of what stands before a value: its end says what the value is.
const BEFORE: usize = 500;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Calendar dates.
    Date,
    /// Amounts of money.
    Amount,
    /// E-mail addresses.
    Email,
    /// Numbers that are no part of a date or a word.
    Number,
    /// Account numbers whose check digits are right.
    Iban,
}

/// A value, where it stands and what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Its line, counted from 1.
    pub line: u32,
    /// The text before it on that line, the end of it where that is long.
    pub before: String,
    /// ISO 8601 for a date, a plain decimal for an amount or number, an address in lower case.
    pub value: String,
}

/// At most `limit` values of one kind, in the order of the lines of one file.
pub fn extract(text: &str, what: What, limit: usize) -> Vec<Extracted> {
    let patterns = Patterns::new(what);
    let reader = Reader {
        what,
        order: slash_order(text, patterns.date.as_ref()),
        patterns: &patterns,
    };
    let lines = (1u32..).zip(text.lines());
    let found = lines.flat_map(|(line, text)| {
        let values = reader.values(text).into_iter();
        values.map(move |(range, value)| Extracted {
            line,
            before: before(text, range.start),
            value,
        })
    });
    found.take(limit).collect()
}

/// The end of what stands before byte `at`, since that is the part that says what the value is.
fn before(line: &str, at: usize) -> String {
    let text = line.get(..at).unwrap_or_default().trim();
    let from =
        (text.len().saturating_sub(BEFORE)..=text.len()).find(|from| text.is_char_boundary(*from));
    text.get(from.unwrap_or_default()..)
        .unwrap_or_default()
        .to_owned()
}

/// The patterns that one kind needs, compiled once a call.
struct Patterns {
    date: Option<Regex>,
    number: Option<Regex>,
    money: Option<Regex>,
    email: Option<Regex>,
    iban: Option<Regex>,
}

impl Patterns {
    fn new(what: What) -> Self {
        let compiled =
            |wanted: bool, pattern: &str| wanted.then(|| Regex::new(pattern).ok()).flatten();
        let number = if what == What::Amount {
            amount()
        } else {
            format!("[-−]?{NUMBER}")
        };
        Self {
            date: compiled(!matches!(what, What::Email | What::Iban), DATE),
            number: compiled(matches!(what, What::Amount | What::Number), &number),
            money: compiled(what == What::Amount, MONEY),
            email: compiled(what == What::Email, EMAIL),
            iban: compiled(what == What::Iban, IBAN),
        }
    }
}

/// Money with its currency before it or behind it, or a number that may be money.
fn amount() -> String {
    let scaled = |name| SCALE.replace("scale", name);
    let (first, second) = (scaled("large"), scaled("scale"));
    format!(
        r"(?i)(?<outer>[-−])?{CURRENCY}\s?(?<sign>[-−])?(?<after>{NUMBER}){first}|(?<lead>[-−])?(?<before>{NUMBER}){second}\s?{CURRENCY}|(?<minus>[-−])?(?<bare>{NUMBER})"
    )
}

/// One kind's patterns, and how one file writes its dates.
struct Reader<'a> {
    what: What,
    order: Order,
    patterns: &'a Patterns,
}

impl Reader<'_> {
    fn values(&self, line: &str) -> Vec<Found> {
        match self.what {
            What::Date => self
                .dates(line)
                .into_iter()
                .map(|(range, date)| (range, date.to_string()))
                .collect(),
            What::Amount => self.amounts(line),
            What::Number => self.numbers(line),
            What::Email => self.emails(line),
            What::Iban => self.ibans(line),
        }
    }

    fn dates(&self, line: &str) -> Vec<(Range<usize>, Date)> {
        let candidates = self
            .patterns
            .date
            .iter()
            .flat_map(|date| date.find_iter(line));
        let alone = candidates.filter(|found| stands_alone(line, &found.range()));
        alone
            .filter_map(|found| Some((found.range(), date::parse(found.as_str(), self.order)?)))
            .collect()
    }

    fn emails(&self, line: &str) -> Vec<Found> {
        let found = self
            .patterns
            .email
            .iter()
            .flat_map(|email| email.find_iter(line));
        found
            .map(|found| {
                let address = found.as_str().trim_start_matches(['.', '-', '_', '%', '+']);
                (found.range(), address.to_lowercase())
            })
            .collect()
    }

    /// What follows an account number may look like more of it: the longest beginning whose check digits are right is taken.
    fn ibans(&self, line: &str) -> Vec<Found> {
        let found = self
            .patterns
            .iban
            .iter()
            .flat_map(|iban| iban.find_iter(line));
        let alone = found.filter(|found| stands_alone(line, &found.range()));
        alone
            .filter_map(|found| {
                let groups: Vec<&str> = found.as_str().split([' ', '\u{a0}']).collect();
                let valid = (1..=groups.len())
                    .rev()
                    .filter_map(|count| groups.get(..count))
                    .map(|part| part.concat().to_uppercase())
                    .find(|iban| is_iban(iban))?;
                Some((found.range(), valid))
            })
            .collect()
    }

    fn numbers(&self, line: &str) -> Vec<Found> {
        let dates = self.dates(line);
        let found = self
            .patterns
            .number
            .iter()
            .flat_map(|number| number.find_iter(line));
        found
            .filter(|found| stands_alone(line, &found.range()) && !within(&dates, &found.range()))
            .filter_map(|found| Some((found.range(), plain(number::guess(found.as_str())?))))
            .collect()
    }

    fn amounts(&self, line: &str) -> Vec<Found> {
        let dates = self.dates(line);
        let speaks_of_money = self
            .patterns
            .money
            .as_ref()
            .is_some_and(|money| money.is_match(line));
        let found = self
            .patterns
            .number
            .iter()
            .flat_map(|number| number.captures_iter(line));
        found
            .filter_map(|found| {
                let whole = found.get(0)?.range();
                let bare = found.name("bare");
                let digits = found.name("after").or(found.name("before")).or(bare)?;
                if within(&dates, &digits.range()) || !stands_alone(line, &whole) {
                    return None;
                }
                if bare.is_some()
                    && !(has_cents(digits.as_str())
                        && (speaks_of_money || has_groups(digits.as_str())))
                {
                    return None;
                }
                let amount = number::guess(digits.as_str())?.checked_mul(scale(
                    found
                        .name("large")
                        .or(found.name("scale"))
                        .map(|scale| scale.as_str()),
                ))?;
                let below_zero = ["outer", "sign", "lead", "minus"]
                    .iter()
                    .any(|sign| found.name(sign).is_some());
                Some((whole, plain(if below_zero { -amount } else { amount })))
            })
            .collect()
    }
}

/// A file writes its dates one way: day first, unless only month first makes dates of all of them.
fn slash_order(text: &str, date: Option<&Regex>) -> Order {
    let slashed = || {
        date.into_iter()
            .flat_map(|date| date.find_iter(text))
            .map(|found| found.as_str())
            .filter(|found| found.contains('/'))
    };
    let all = |order| slashed().all(|found| date::parse(found, order).is_some());
    if !all(Order::DayFirst) && all(Order::MonthFirst) {
        Order::MonthFirst
    } else {
        Order::DayFirst
    }
}

/// Not a part of a longer word, number or version; a `T` may follow a date.
fn stands_alone(line: &str, range: &Range<usize>) -> bool {
    let mut behind = line.get(range.end..).unwrap_or_default().chars();
    let mut ahead = line.get(..range.start).unwrap_or_default().chars().rev();
    let (next, after_next) = (behind.next(), behind.next());
    let (last, before_last) = (ahead.next(), ahead.next());
    let digit =
        |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    let joins = |mark: Option<char>| mark.is_some_and(|mark| matches!(mark, '.' | ',' | '/' | '-'));
    let joined_before = last.is_some_and(|last| last.is_alphanumeric() || last == '_')
        || (joins(last) && digit(before_last));
    let joined_behind = next
        .is_some_and(|next| (next.is_alphanumeric() && next != 'T') || next == '_')
        || (joins(next) && digit(after_next));
    !joined_before && !joined_behind
}

fn within(dates: &[(Range<usize>, Date)], range: &Range<usize>) -> bool {
    dates
        .iter()
        .any(|(date, _)| date.start < range.end && range.start < date.end)
}

/// ISO 13616: with the first four characters put last and letters read as 10 to 35, the number leaves 1 when divided by 97.
fn is_iban(compact: &str) -> bool {
    let (Some(head), Some(account)) = (compact.get(..4), compact.get(4..)) else {
        return false;
    };
    let rest = account
        .chars()
        .chain(head.chars())
        .try_fold(0_u32, |rest, character| {
            let value = character.to_digit(36)?;
            let shift = if value < 10 { 10 } else { 100 };
            Some((rest * shift + value) % 97)
        });
    (15..=34).contains(&compact.len()) && rest == Some(1)
}

fn has_cents(digits: &str) -> bool {
    digits
        .rsplit_once(['.', ','])
        .is_some_and(|(_, decimals)| decimals.len() == 2)
}

fn has_groups(digits: &str) -> bool {
    digits
        .chars()
        .filter(|character| !character.is_ascii_digit())
        .count()
        > 1
}

fn scale(word: Option<&str>) -> Decimal {
    match word.map(str::to_lowercase).as_deref() {
        Some("thousand" | "tsd") => Decimal::ONE_THOUSAND,
        Some("million" | "mio") => Decimal::from(1_000_000),
        Some("billion" | "bn" | "mrd") => Decimal::from(1_000_000_000),
        _ => Decimal::ONE,
    }
}

/// A plain decimal as it was written: `1234.50` keeps its cents.
fn plain(number: Decimal) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extracted(text: &str, what: What) -> Vec<(String, String)> {
        extract(text, what, usize::MAX)
            .into_iter()
            .map(|found| (found.before, found.value))
            .collect()
    }

    fn values(text: &str, what: What) -> Vec<String> {
        extracted(text, what)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }

    #[test]
    fn every_pattern_compiles() {
        for pattern in [DATE, MONEY, EMAIL, NUMBER, IBAN, &amount()] {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn dates_in_every_spelling() {
        let text = "Due: 2025-03-25T10:00 and 25 March 2025, March 25, 2025\non 25.03.2025 or 25/03/2025 (the 25th of March 2025)";
        assert_eq!(values(text, What::Date), ["2025-03-25"; 6]);
        assert_eq!(
            extracted("  Due date: 25 March 2025.", What::Date),
            [("Due date:".into(), "2025-03-25".into())]
        );
    }

    #[test]
    fn slashes_are_read_one_way_in_a_file() {
        assert_eq!(
            values("03/04/2025 03/25/2025", What::Date),
            ["2025-03-04", "2025-03-25"]
        );
        assert_eq!(
            values("03/04/2025 25/03/2025", What::Date),
            ["2025-04-03", "2025-03-25"]
        );
    }

    #[test]
    fn what_only_looks_like_a_date() {
        assert!(
            values(
                "version 1.2.2025.4, 2025-13-45, some 12 things 2025, 192.168.10.20",
                What::Date
            )
            .is_empty()
        );
    }

    #[test]
    fn amounts_with_currencies_and_marks() {
        let text = "€1,234.50; 1.234,50 EUR; USD 99; 12 dollars; -$5.20; $ -7; 1.2 million euros; CHF 1'000.00";
        assert_eq!(
            values(text, What::Amount),
            [
                "1234.50",
                "1234.50",
                "99",
                "12",
                "-5.20",
                "-7",
                "1200000.0",
                "1000.00"
            ]
        );
    }

    #[test]
    fn amounts_without_currency_need_a_reason() {
        assert_eq!(
            values(
                "Total: 89.90\n12.50 kg on 2025-03-25\n1,234.50",
                What::Amount
            ),
            ["89.90", "1234.50"]
        );
        assert_eq!(
            extracted("Net price: EUR 10.00", What::Amount),
            [("Net price:".into(), "10.00".into())]
        );
    }

    #[test]
    fn numbers_but_no_dates_or_names() {
        assert_eq!(
            values("25.03.2025: 12 of 1,500 (-3.5 %), A4 and v2", What::Number),
            ["12", "1500", "-3.5"]
        );
    }

    #[test]
    fn accounts_whose_check_digits_are_right() {
        let text = "IBAN: DE89 3704 0044 0532 0130 00, GB82WEST12345698765432 or de89370400440532013000.\nNot DE88 3704 0044 0532 0130 00, not XX12 3456";
        assert_eq!(
            values(text, What::Iban),
            [
                "DE89370400440532013000",
                "GB82WEST12345698765432",
                "DE89370400440532013000"
            ]
        );
        assert_eq!(
            values("DE89 3704 0044 0532 0130 00 BIC COBADEFF", What::Iban),
            ["DE89370400440532013000"]
        );
    }

    #[test]
    fn addresses() {
        let text =
            "Write to Ann.Lee@Example.org, or <bob+x@mail.example.co.uk>. Not @ann, not a@b.";
        assert_eq!(
            values(text, What::Email),
            ["ann.lee@example.org", "bob+x@mail.example.co.uk"]
        );
    }

    #[test]
    fn no_more_than_the_limit() {
        let found = extract("1 2\n3 4", What::Number, 3);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2].line, 2);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\PC|[-0-9.,/ €\n]){0,60}") {
            for what in [What::Date, What::Amount, What::Email, What::Number, What::Iban] {
                let _ = extracted(&text, what);
            }
        }
    }
}
