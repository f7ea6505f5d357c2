//! A number and what it counts, as one says it. Touches nothing.

/// `1 row`, `2 rows`. For nouns that take an `s`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// The same for the length of a list.
pub(crate) fn counted_in<T>(list: &[T], noun: &str) -> String {
    counted(u64::try_from(list.len()).unwrap_or(u64::MAX), noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let said = [
            counted(0, "row"),
            counted(1, "row"),
            counted_in(&[1, 2], "row"),
        ];
        assert_eq!(said, ["0 rows", "1 row", "2 rows"]);
    }
}
