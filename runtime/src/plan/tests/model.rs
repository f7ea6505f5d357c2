//! Summaries, kinds and fields: what a request lists is what a call carries, and a verb that a workbook could mean too is no answer by itself.

use super::functions::offered;
use super::*;

const LETTERS: [&str; 3] = ["a.txt", "b.md", "lease.docx"];
const MIXED: [&str; 3] = ["a.txt", "b.md", "rent.xlsx"];

#[test]
fn a_verb_that_is_the_models_own_asks_for_that_alone() {
    for (request, wanted) in [
        ("Summarize a.txt", "model.condense"),
        ("Please summarise the letters", "model.condense"),
        (
            "Condense a.txt and lease.docx and save it as reports/s.md",
            "model.condense",
        ),
        (
            "Sort the letters into praise, order and question",
            "model.classify",
        ),
        (
            "Classify a.txt as praise or order and write it to reports/k.csv",
            "model.classify",
        ),
        (
            "Fill in the fields tenant and rent for lease.docx",
            "model.fields",
        ),
    ] {
        assert_eq!(offered(&LETTERS, request), [wanted], "{request}");
    }
}

#[test]
fn without_a_list_nothing_is_sorted_or_filled_in() {
    for request in [
        "Sort the letters",
        "Sort a.txt by date",
        "Fill in a.txt",
        "What is in a.txt?",
    ] {
        let found = offered(&LETTERS, request);
        assert!(
            !found.iter().any(|name| name.starts_with("model.")),
            "{request}: {found:?}"
        );
    }
}

#[test]
fn what_could_be_asked_of_a_workbook_is_left_to_choose() {
    let found = offered(&MIXED, "Summarize the rent per month");
    assert!(found.contains(&"sheet.summarize".to_owned()), "{found:?}");
    let found = offered(&MIXED, "Summarize rent.xlsx");
    assert!(!found.contains(&"model.condense".to_owned()), "{found:?}");
    assert_eq!(offered(&MIXED, "Summarize a.txt"), ["model.condense"]);
}

#[test]
fn what_the_request_lists_is_frozen_with_the_plan() {
    let notes = "Sort notes/boiler.txt and notes/garden.txt into praise, order and late fee and save it to reports/kinds.csv";
    let (draft, script) = drafted(notes, &[]);
    let args = json!({
        "files": ["notes/boiler.txt", "notes/garden.txt"],
        "labels": ["praise", "order", "late fee"],
        "save": "reports/kinds.csv",
    });
    assert_eq!(Value::Object(draft.args), args, "{:?}", script.asked);
    assert!(draft.open.is_empty());
}
