//! Reports: a form that is asked for tells them from workbooks, and a quoted title is only a title.

use super::functions::offered;
use super::*;

const PAPERS: [&str; 4] = ["rent.xlsx", "tides.csv", "minutes.md", "plan.txt"];

fn of(request: &str) -> Vec<String> {
    offered(&PAPERS, request)
}

#[test]
fn the_ending_of_what_is_made_tells_a_report_from_a_workbook() {
    for (request, wanted) in [
        (
            "Write the total depth per station of tides.csv to reports/depth.docx",
            vec!["report.summary"],
        ),
        (
            "Save the total depth per station of tides.csv as reports/depth.html",
            vec!["report.summary"],
        ),
        (
            "Write a Word report of the total depth per station of tides.csv",
            vec!["report.summary"],
        ),
        (
            "Make an html page of the average depth per month of tides.csv with a chart",
            vec!["report.summary"],
        ),
        (
            "Please give me a short Word document with the number of tides per station in tides.csv",
            vec!["report.summary"],
        ),
        (
            "Save the total depth per station of tides.csv as a web page",
            vec!["report.summary"],
        ),
        (
            "Put the total depth per station of tides.csv into reports/depth.xlsx",
            vec!["sheet.summarize"],
        ),
        (
            "List the rows of tides.csv in a Word document and save it as rows.docx",
            vec!["report.summary", "report.listing"],
        ),
    ] {
        assert_eq!(of(request), wanted, "{request}");
    }
}

#[test]
fn who_asks_for_no_form_of_a_report_is_offered_none() {
    for request in [
        "Total depth per station of tides.csv",
        "Write a report of the total depth per station of tides.csv",
        "Create a workbook with the total depth per station of tides.csv",
        "Save the total depth per station of tides.csv as csv",
        "Which word stands in tides.csv most often?",
        "Is there a Word document of the depth per station of tides.csv?",
        "List the tides in md",
        "Sum up tides.csv in a word",
        "Rent on the web of rent.xlsx",
    ] {
        let offered = of(request);
        assert!(
            !offered.iter().any(|name| name.starts_with("report.")),
            "{request}: {offered:?}"
        );
    }
    assert!(of("Write a pdf report of the total depth per station of tides.csv").is_empty());
}

#[test]
fn texts_are_put_together_and_never_summed_up() {
    for (request, wanted) in [
        ("Make a Word document of minutes.md", vec!["report.compose"]),
        ("Save plan.txt as reports/plan.html", vec!["report.compose"]),
        (
            "Put minutes.md and tides.csv together into reports/club.docx",
            vec!["report.compose"],
        ),
        (
            "Combine rent.xlsx and tides.csv into reports/both.docx",
            vec!["report.summary", "report.listing", "report.compose"],
        ),
    ] {
        assert_eq!(of(request), wanted, "{request}");
    }
    assert!(!of("Make a Word document of tides.csv").contains(&"report.compose".to_owned()));
}

#[test]
fn title_and_introduction_are_the_texts_that_are_announced_so() {
    let request = "Write a Word report of the total depth per station in tides-2024-03.xlsx titled \"Tides at North\" with the introduction \"As agreed.\"";
    let (draft, script) = drafted(request, &[]);
    assert_eq!(draft.signature.name(), "report.summary");
    assert_eq!(draft.args["title"], "Tides at North");
    assert_eq!(draft.args["introduction"], "As agreed.");
    assert_eq!(draft.args["save"], "reports/summary.docx");
    assert!(script.settled.contains(&"title: Tides at North".to_owned()));
    let (draft, _) = drafted(
        "Write a Word report of the total depth per station in rent.xlsx",
        &[],
    );
    assert_eq!(draft.args["title"], Value::Null);
}

#[test]
fn slots_of_a_tool_that_describes_nothing_take_only_what_another_describes() {
    let all = offers();
    let reads = |name: &str, file: &str| {
        let offer = all.iter().find(|o| o.signature.name() == name).unwrap();
        offer.reads(file)
    };
    assert!(reads("report.summary", "a.csv") && reads("report.compose", "a.md"));
    assert!(!reads("report.summary", "a.md") && !reads("report.listing", "a.txt"));
}
