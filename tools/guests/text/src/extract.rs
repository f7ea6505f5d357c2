//! Typed values out of the lines of some files.

use crate::bindings::exports::cloister::text::text::{Failure, Finding, What};
use crate::document::{Document, too_large};
use crate::limits::LIMITS;
use values::extract;

/// All values of one kind, in the order of files and lines.
pub(crate) fn extract(documents: &[Document], what: What) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for document in documents {
        // One more than may be given back, so that too many are noticed.
        let room = LIMITS.results.saturating_sub(findings.len());
        let found = extract::extract(&document.text, kind(what), room.saturating_add(1));
        if found.len() > room {
            return Err(too_large(
                document.file.clone(),
                &format!("more than {} values were found", LIMITS.results),
            ));
        }
        findings.extend(found.into_iter().map(|found| Finding {
            file: document.file.clone(),
            line: found.line,
            before: found.before,
            value: found.value,
        }));
    }
    Ok(findings)
}

fn kind(what: What) -> extract::What {
    match what {
        What::Date => extract::What::Date,
        What::Amount => extract::What::Amount,
        What::Email => extract::What::Email,
        What::Number => extract::What::Number,
        What::Iban => extract::What::Iban,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document {
            file: "a".into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_value_names_its_file_and_line() {
        let found = extract(&[document("x\nDue: 2025-03-25")], What::Date).unwrap();
        let [only] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (
                only.file.as_str(),
                only.line,
                only.before.as_str(),
                only.value.as_str()
            ),
            ("a", 2, "Due:", "2025-03-25")
        );
    }

    #[test]
    fn too_many_values_are_said_not_cut() {
        let full = document(&"7\n".repeat(LIMITS.results));
        assert_eq!(
            extract(&[full], What::Number).unwrap().len(),
            LIMITS.results
        );
        let more = document(&"7\n".repeat(LIMITS.results + 1));
        assert!(extract(&[more], What::Number).is_err());
    }
}
