//! What a request may change: a question nothing, an order what it names, and a file that is there only on a plain word.

use super::*;

/// The demo's manifest: what is written is not read.
const DEMO: [(&str, &[&str]); 2] = [("file:read", &["*.xlsx"]), ("file:write", &["reports"])];
/// Letters that may be read and moved.
const LETTERS: [(&str, &[&str]); 3] = [
    ("file:read", &["*.txt", "*.xlsx"]),
    ("file:move", &["*.txt", "*.xlsx", "archive", "reports"]),
    ("file:write", &["reports"]),
];
const THERE: [&str; 5] = [
    "invoices-2025-01.xlsx",
    "reports/q4-summary.xlsx",
    "reports/budget.xlsx",
    "a.txt",
    "b.txt",
];

fn drafted_under(
    grants: &Grants,
    request: &str,
    decide: &mut dyn Decide,
) -> Result<Intent, Failure> {
    let all = THERE.iter().map(|name| {
        let path = Path::new(FOLDER).join(name);
        let known = Known {
            name: (*name).to_owned(),
            readable: grants.covers(Op::Read, &path),
            movable: grants.covers(Op::Move, &path),
        };
        (known, grants.covers(Op::Write, &path))
    });
    let listed = all.filter(|(f, writable)| f.readable || f.movable || *writable);
    let reach = Reach::new(Path::new(FOLDER), grants, listed.map(|(f, _)| f).collect());
    draft(&Words::read(request), &reach, &offers(), decide)
}

/// Where the request would be written to, by whatever function.
fn saved(request: &str) -> Result<Value, Failure> {
    let mut script = Script {
        wanted: &[("tool", "sheet.summarize")],
        ..Script::default()
    };
    match drafted_under(&grants(&DEMO), request, &mut script)? {
        Intent::Call(draft) => Ok(draft.args.get("save").cloned().unwrap_or_default()),
        Intent::Answer => Ok(Value::Null),
    }
}

fn moved(request: &str) -> Option<(Value, Value)> {
    let mut script = Script {
        wanted: &[("tool", "files.move")],
        ..Script::default()
    };
    match drafted_under(&grants(&LETTERS), request, &mut script) {
        Ok(Intent::Call(draft)) if draft.signature.tool() == "files" => {
            let arg = |name: &str| draft.args.get(name).cloned();
            Some((arg("file")?, arg("to")?))
        }
        _ => None,
    }
}

#[test]
fn a_question_about_a_file_is_not_an_order_to_write_it() {
    for request in [
        "How many rows does reports/q4-summary.xlsx have?",
        "how many rows does q4-summary.xlsx have",
        "Is reports/budget.xlsx correct about the total amount of Q4?",
        "What is the total revenue in reports/other.xlsx?",
        "Tell me the total revenue in reports/other.xlsx.",
        "Tell me what we save to reports/budget.xlsx.",
        "Show the total amount of reports/budget.xlsx",
        "Check whether we should replace reports/budget.xlsx",
        "Which amounts did we write to reports/budget.xlsx ?",
        "Compare invoices-2025-01.xlsx to reports/budget.xlsx",
        "Could you tell me how many rows reports/budget.xlsx has?",
        "Total per store in reports/other.xlsx",
        "Do not replace reports/budget.xlsx",
        "Sum up invoices-2025-01.xlsx, but never overwrite reports/budget.xlsx",
        "List the invoices of invoices-2025-01.xlsx that are in reports/budget.xlsx",
        "Save the same columns as reports/budget.xlsx to reports/new.xlsx",
    ] {
        let failure = saved(request).expect_err(request);
        assert_eq!(failure.kind(), Kind::NoPlan, "{request}: {failure}");
        assert!(
            failure.advice().unwrap().contains("`file:read`"),
            "{request}: {failure}"
        );
    }
}

#[test]
fn a_question_about_a_missing_input_does_not_make_it() {
    let failure = saved("What is the total amount in invoices-2099.xlsx?").unwrap_err();
    assert!(failure.message().contains("there is no file"), "{failure}");
}

#[test]
fn a_file_that_is_there_is_written_over_only_on_a_plain_word() {
    let there = "reports/budget.xlsx";
    for request in [
        "Create reports/budget.xlsx with the total amount per region",
        "Put the total amount per region in reports/budget.xlsx",
        "Total amount per region as reports/budget.xlsx",
        "Copy the open invoices into reports/budget.xlsx",
        "Tell me how much they bought and save it to reports/budget.xlsx",
    ] {
        let failure = saved(request).expect_err(request);
        assert_eq!(failure.kind(), Kind::NoPlan, "{request}");
        assert!(
            failure.message().contains("is there already"),
            "{request}: {failure}"
        );
    }
    for request in [
        "Replace reports/budget.xlsx with the total amount per region",
        "Save the total amount per region as reports/budget.xlsx",
        "Sum up the amount per region and save it to reports/budget.xlsx.",
        "Put the total amount per region in reports/budget.xlsx, overwrite it",
        "What did each region buy? Update the file reports/budget.xlsx with the totals.",
    ] {
        assert_eq!(saved(request).expect(request), there, "{request}");
    }
}

#[test]
fn a_new_file_is_made_however_the_order_is_put() {
    for request in [
        "Save the total amount per region to reports/new.xlsx",
        "Please could you save the total per region as reports/new.xlsx?",
        "Make reports/new.xlsx with the average amount of each region",
        "Write reports/new.xlsx with the total amount of each region",
        "Count the invoices per region and put the counts into reports/new.xlsx",
        "Monthly totals of Amount for region North only, please, as reports/new.xlsx",
        "For each region in invoices-2025-01.xlsx give the number of invoices in reports/new.xlsx",
        "What did each region buy? Write the total Amount per region to reports/new.xlsx.",
        "Put the total amount by region of invoices-2025-01.xlsx in reports/new.xlsx",
        "The total amount per region should be saved to reports/new.xlsx",
        "Create a workbook called new.xlsx with the total amount per region",
        "Total amount per region, save it as new.xlsx",
        "For every region write the total amount to reports/new.xlsx",
        "I would like you to export the total per region to reports/new.xlsx",
    ] {
        assert_eq!(
            saved(request).expect(request),
            "reports/new.xlsx",
            "{request}"
        );
    }
}

#[test]
fn a_question_moves_nothing_and_neither_does_what_is_only_called_so() {
    for request in [
        "Does b.txt say who I should call about archive/b.txt?",
        "What does a.txt say about the transfer to archive/c.txt?",
        "Should I move a.txt to archive/a.txt?",
        "Tell me whether to move a.txt to archive/a.txt",
        "Put the total amount by region of invoices-2025-01.xlsx in reports/jan.xlsx",
        "Put the amounts of invoices-2025-01.xlsx in reports/jan.xlsx",
        "Transfer the open invoices from invoices-2025-01.xlsx to reports/jan.xlsx",
        "Find who wants to move in a.txt and archive/c.txt",
        "List the calls in a.txt as archive/c.txt",
        "Do not move a.txt to archive/",
    ] {
        assert_eq!(moved(request), None, "{request}");
    }
}

#[test]
fn an_order_moves_the_file_itself() {
    let into = |to: &str| Some((json!("a.txt"), json!(to)));
    for (request, to) in [
        ("Move a.txt to archive/", "archive/a.txt"),
        (
            "Please move a.txt into the folder archive.",
            "archive/a.txt",
        ),
        ("Could you put a.txt in archive/?", "archive/a.txt"),
        ("Archive the letter a.txt in archive/", "archive/a.txt"),
        ("Is a.txt old? Move it to archive/", "archive/a.txt"),
        ("Take a.txt and rename it to archive/c.txt", "archive/c.txt"),
        ("Call a.txt c.txt", "c.txt"),
    ] {
        assert_eq!(moved(request), into(to), "{request}");
    }
}

/// Shown to fail: with `is_question` in mood.rs answering no, a draft that saves comes about at once.
#[test]
fn a_question_of_any_words_changes_nothing() {
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let begins = prop::sample::select(vec!["what", "Is", "how many", "does", "Which", "isn't"]);
    let inputs = (begins, request(), prop::collection::vec(0..9_usize, 1..6));
    let (grants, drafts) = (grants(&LETTERS), Cell::new(0_u32));
    let told = TestRunner::new(config).run(&inputs, |(begins, rest, picks)| {
        // A mark within would begin another sentence.
        let request = format!("{begins} {}", rest.replace(['?', '!', '.', '？'], ""));
        let mut decide = Drawn(picks.iter().cycle());
        if let Ok(Intent::Call(draft)) = drafted_under(&grants, &request, &mut decide) {
            drafts.set(drafts.get() + 1);
            prop_assert_ne!(draft.signature.tool(), "files.move");
            prop_assert!(
                draft.args.get("save").is_none_or(Value::is_null),
                "{:?}",
                draft.args
            );
            prop_assert!(draft.args.get("to").is_none(), "{:?}", draft.args);
        }
        Ok(())
    });
    told.unwrap();
    assert!(drafts.get() > 100, "{}", drafts.get());
}
