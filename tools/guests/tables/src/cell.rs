//! One cell's value: how it is shown, compared and put in order.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use rust_decimal::Decimal;
use smol_str::SmolStr;
use values::text::order_folded;

/// A value as it stands in a worksheet. Numbers are always finite. Most texts are short, and a short one needs no memory of its own.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Cell {
    #[default]
    /// Nothing.
    Empty,
    /// Without outer blanks, and never blank.
    Text(SmolStr),
    /// Finite.
    Number(f64),
    /// A moment; a day is its midnight.
    Date(DateTime),
    /// True or false.
    Truth(bool),
}

/// Powers of ten that a floating-point number holds exactly.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

impl Cell {
    /// Text without outer blanks; blank text is an empty cell.
    pub fn text(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text.into()),
        }
    }

    /// A finite number, otherwise an empty cell.
    pub fn number(number: f64) -> Self {
        // Adding zero makes of minus zero zero, which a person cannot tell apart.
        if number.is_finite() {
            Self::Number(number + 0.0)
        } else {
            Self::Empty
        }
    }

    /// The nearest number that a worksheet can hold.
    pub fn decimal(number: Decimal) -> Self {
        // Where both halves are exact, so is all but the last step, which rounds correctly.
        let power = usize::try_from(number.scale()).ok();
        if let Some(power) = power.and_then(|scale| POWERS.get(scale))
            && number.mantissa().unsigned_abs() < 1 << f64::MANTISSA_DIGITS
        {
            return Self::number(number.mantissa() as f64 / power);
        }
        // By way of its text: `Decimal::to_f64` is not correctly rounded.
        number.to_string().parse().map_or(Self::Empty, Self::number)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Numbers as plain decimals, dates as ISO 8601, an empty cell as an empty text.
    pub fn shown(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.to_string(),
            Self::Number(number) => {
                exact(*number).map_or_else(|| number.to_string(), |exact| exact.to_string())
            }
            Self::Date(at) if at.time() == Time::midnight() => at.date().to_string(),
            Self::Date(at) => at.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }

    /// Ascending: numbers, dates, truths, texts (without regard to case), and empty cells last.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Date(left), Self::Date(right)) => left.cmp(right),
            (Self::Truth(left), Self::Truth(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => order_folded(left, right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Date(_) => 1,
            Self::Truth(_) => 2,
            Self::Text(_) => 3,
            Self::Empty => 4,
        }
    }
}

/// The decimal that a person reads in the cell: 15 significant digits, as spreadsheets show them. `None` beyond 28 digits.
pub fn exact(number: f64) -> Option<Decimal> {
    cents(number).or_else(|| rounded(number))
}

/// The common case without a detour by text: the number nearest to a decimal of two places and at most 14 digits is no other's of 15.
fn cents(number: f64) -> Option<Decimal> {
    let cents = (number * 100.0).round_ties_even(); // one instruction in the cage; a tie is no cent either way
    let is_nearest = cents.abs() < 1e14 && cents / 100.0 == number;
    // Below 10^14 the conversion is exact.
    is_nearest.then(|| Decimal::new(cents as i64, 2).normalize())
}

fn rounded(number: f64) -> Option<Decimal> {
    let digits = format!("{number:.14e}");
    let (mantissa, exponent) = digits.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let mantissa = Decimal::from_str(mantissa).ok()?.normalize();
    let scale = i32::try_from(mantissa.scale())
        .ok()?
        .checked_sub(exponent)?;
    if scale > 28 {
        return None;
    }
    let moved =
        Decimal::try_from_i128_with_scale(mantissa.mantissa(), u32::try_from(scale.max(0)).ok()?)
            .ok()?;
    let zeros = scale.min(0).unsigned_abs();
    let factor = 10i128.checked_pow(zeros)?;
    moved
        .checked_mul(Decimal::try_from_i128_with_scale(factor, 0).ok()?)
        .map(|number| number.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn shown_as_people_read_it() {
        for (number, shown) in [
            (0.1 + 0.2, "0.3"),
            (1234.5, "1234.5"),
            (-0.0, "0"),
            (1e20, "100000000000000000000"),
            (1e-7, "0.0000001"),
            (45_000.0, "45000"),
        ] {
            assert_eq!(Cell::number(number).shown(), shown);
        }
        assert_eq!(
            Cell::Date(date(2025, 10, 3).at(0, 0, 0, 0)).shown(),
            "2025-10-03"
        );
        assert_eq!(
            Cell::Date(date(2025, 10, 3).at(9, 30, 0, 0)).shown(),
            "2025-10-03T09:30:00"
        );
        assert_eq!(Cell::number(f64::NAN), Cell::Empty);
    }

    proptest! {
        #[test]
        fn any_number_is_shown(number: f64) {
            let shown = Cell::number(number).shown();
            prop_assert_eq!(shown.is_empty(), !number.is_finite());
        }

        #[test]
        fn money_keeps_its_cents(cents in -1_000_000_000_000i64..1_000_000_000_000) {
            let money = Decimal::new(cents, 2);
            prop_assert_eq!(Cell::decimal(money).shown(), money.normalize().to_string());
        }

        #[test]
        fn a_decimal_becomes_the_nearest_number(mantissa: i64, scale in 0u32..=28) {
            let decimal = Decimal::from_i128_with_scale(mantissa.into(), scale);
            let nearest = decimal.to_string().parse().unwrap();
            prop_assert_eq!(Cell::decimal(decimal), Cell::number(nearest));
        }

        #[test]
        fn the_common_case_is_no_other(cents in -99_999_999_999_999i64..=99_999_999_999_999, number: f64) {
            for number in [number, cents as f64 / 100.0, cents as f64 / 1000.0] {
                prop_assert!(super::cents(number).is_none_or(|exact| Some(exact) == rounded(number)), "{}", number);
            }
        }
    }
}
