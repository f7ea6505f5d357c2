//! Numbers as a person reads them, with the same formats as in a workbook.

use rust_decimal::{Decimal, RoundingStrategy};
use tables::cell::{Cell, exact};
use tables::found::Numbers;

/// A cell of a column of numbers of this form.
pub(crate) fn written(cell: &Cell, numbers: Numbers) -> String {
    match (cell, numbers) {
        (Cell::Number(number), Numbers::Cents) => {
            exact(*number).map_or_else(|| cell.shown(), |number| grouped(number, 2))
        }
        (Cell::Date(_), _) => cell.shown().replace('T', " "),
        _ => cell.shown(),
    }
}

/// With groups of thousands and this many decimals.
pub(crate) fn grouped(number: Decimal, decimals: u32) -> String {
    let rounded = number.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    let precision = usize::try_from(decimals).unwrap_or_default();
    let text = format!("{:.precision$}", rounded.abs());
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (text.as_str(), String::new()),
    };
    let mut digits = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && whole.len().saturating_sub(at).is_multiple_of(3) {
            digits.push(',');
        }
        digits.push(digit);
    }
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() {
        "-"
    } else {
        ""
    };
    format!("{sign}{digits}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_groups_and_cents_as_a_workbook_shows_it() {
        let cents = |number| written(&Cell::number(number), Numbers::Cents);
        for (number, text) in [
            (1234.5, "1,234.50"),
            (-0.125, "-0.13"),
            (-0.001, "0.00"),
            (999.999, "1,000.00"),
            (1e9, "1,000,000,000.00"),
            (12.0, "12.00"),
        ] {
            assert_eq!(cents(number), text);
        }
        assert_eq!(written(&Cell::number(2025.0), Numbers::Plain), "2025");
        assert_eq!(written(&Cell::text("=1+1"), Numbers::Cents), "=1+1");
    }
}
