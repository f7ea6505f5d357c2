//! A list of numbers as llama-bench takes it: `512`, `128,512`, `128-512+128`, `1-8*2`. Pure.

use std::str::FromStr;

/// Numbers of one option; several of these make the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts(Vec<usize>);

/// The longest list. 256: more tests than anybody waits for.
const MOST: usize = 256;

impl Counts {
    /// The numbers of all of them but zero, which stands for "no such test".
    pub(super) fn wanted(all: &[Counts]) -> Vec<usize> {
        Counts::all(all).into_iter().filter(|n| *n > 0).collect()
    }

    /// The numbers of all of them.
    pub(super) fn all(all: &[Counts]) -> Vec<usize> {
        all.iter().flat_map(|counts| counts.0.clone()).collect()
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut counts = Vec::new();
        for item in text.split(',') {
            counts.extend(range(item).ok_or_else(|| {
                format!("`{item}` is no number and no range such as `128-512+128` or `1-8*2`")
            })?);
        }
        match counts.len() {
            1..=MOST => Ok(Counts(counts)),
            n => Err(format!("`{text}` stands for {n} numbers, at most {MOST}")),
        }
    }
}

/// `first`, `first-last` (by ones), `first-last+step` or `first-last*factor`.
fn range(item: &str) -> Option<Vec<usize>> {
    let Some((first, rest)) = item.split_once('-') else {
        return Some(vec![item.parse().ok()?]);
    };
    let first: usize = first.parse().ok()?;
    let (last, next): (usize, Box<dyn Fn(usize) -> Option<usize>>) =
        if let Some((last, step)) = rest.split_once('+') {
            let step: usize = step.parse().ok()?;
            (last.parse().ok()?, Box::new(move |n| n.checked_add(step)))
        } else if let Some((last, factor)) = rest.split_once('*') {
            let factor: usize = factor.parse().ok()?;
            (last.parse().ok()?, Box::new(move |n| n.checked_mul(factor)))
        } else {
            (rest.parse().ok()?, Box::new(|n| n.checked_add(1)))
        };
    // A step that does not grow would never end; one more than may be is enough to be told.
    let grows = |n: &usize| next(*n).filter(|after| after > n);
    let numbers = std::iter::successors(Some(first), grows).take_while(|n| *n <= last);
    let ends = last < first || grows(&first).is_some();
    ends.then(|| numbers.take(MOST.saturating_add(1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<usize>> {
        text.parse().ok().map(|Counts(numbers)| numbers)
    }

    #[test]
    fn lists_and_ranges_are_those_of_llama_bench() {
        assert_eq!(parsed("512"), Some(vec![512]));
        assert_eq!(parsed("2,4,8"), Some(vec![2, 4, 8]));
        assert_eq!(parsed("3-5"), Some(vec![3, 4, 5]));
        assert_eq!(parsed("128-512+128,0"), Some(vec![128, 256, 384, 512, 0]));
        assert_eq!(parsed("1-9*2"), Some(vec![1, 2, 4, 8]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "", "x", "1,", "-1", "1-", "1-8+0", "0-8*2", "1-8*1", "9-1", "0-999999",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn zero_is_no_test_but_a_depth() {
        let given: Vec<Counts> = ["0,2", "8"].iter().map(|t| t.parse().unwrap()).collect();
        assert_eq!(Counts::wanted(&given), [2, 8]);
        assert_eq!(Counts::all(&given), [0, 2, 8]);
    }
}
