//! Names that worksheets may have in every program that opens them.

use std::collections::BTreeSet;

use values::text::folded;

/// Characters of a name, as Excel counts them.
const LONGEST: usize = 31;
/// Characters that stand for something in a reference.
const RESERVED: [char; 7] = ['[', ']', '*', '?', ':', '/', '\\'];

/// The names, changed where they are too long, reserved, empty or taken.
pub(super) fn fitting<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut fitting = Vec::new();
    for name in names {
        let plain = plain(name);
        let mut one = cut(&plain, LONGEST);
        for again in 2u32.. {
            if taken.insert(folded(&one)) {
                break;
            }
            let tail = format!(" ({again})");
            one = cut(&plain, LONGEST.saturating_sub(tail.len())) + &tail;
        }
        fitting.push(one);
    }
    fitting
}

fn plain(name: &str) -> String {
    let kept = |c: char| {
        if RESERVED.contains(&c) || c.is_control() {
            '_'
        } else {
            c
        }
    };
    let name: String = name.trim_matches(['\'', ' ']).chars().map(kept).collect();
    // Excel keeps this one for itself.
    match folded(&name).as_str() {
        "" => "Sheet".to_owned(),
        "history" => format!("{name}_"),
        _ => name,
    }
}

/// Excel counts units of UTF-16.
fn cut(name: &str, longest: usize) -> String {
    let mut units = 0usize;
    let fits = |c: &char| {
        units = units.saturating_add(c.len_utf16());
        units <= longest
    };
    let cut: String = name.chars().take_while(fits).collect();
    cut.trim_end_matches(['\'', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_changed_only_where_it_must_be() {
        let long = "x".repeat(40);
        let names = [
            "Q1 'old' & new",
            "a/b:c",
            "'quoted'",
            "",
            "History",
            &long,
            &long,
            "A_B_C",
            "q1 'OLD' & new",
        ];
        let fitting = fitting(names.into_iter());
        let cut = "x".repeat(31);
        let again = format!("{} (2)", "x".repeat(27));
        assert_eq!(
            fitting,
            [
                "Q1 'old' & new",
                "a_b_c",
                "quoted",
                "Sheet",
                "History_",
                &cut,
                &again,
                "A_B_C (2)",
                "q1 'OLD' & new (2)"
            ]
        );
    }
}
