//! Functions that are asked for by their own word, and what their parameters take from the request.

use super::*;

/// What is offered for a request over these files, of which all may be read and `reports` written.
pub(super) fn offered(files: &[&str], request: &str) -> Vec<String> {
    let grants = grants(&[("file:read", &["*", "**"]), ("file:write", &["reports"])]);
    let files = files.iter().map(|name| Known {
        name: (*name).to_owned(),
        readable: true,
        movable: false,
    });
    let reach = Reach::new(Path::new(FOLDER), &grants, files.collect());
    let all = offers();
    let found = possible(&Words::read(request), &reach, &all);
    found.iter().map(|o| o.signature.name()).collect()
}

fn call(request: &str) -> (String, Value) {
    let (draft, script) = drafted(request, &[]);
    assert!(script.offered("tool").is_empty(), "{:?}", script.asked);
    (draft.signature.name(), Value::Object(draft.args))
}

#[test]
fn an_ending_that_a_tool_does_not_write_is_no_place_for_it() {
    let files = ["rent.xlsx", "boiler.txt"];
    let of = |request: &str| offered(&files, request);
    let tables = of("Total per month, save it to reports/rent.xlsx");
    assert_eq!(tables, ["sheet.summarize"]);
    assert_eq!(
        of("Save rent.xlsx and boiler.txt as reports/all.zip"),
        ["files.zip"]
    );
    assert!(of("Total per month, save it to reports/rent.pdf").is_empty());
    let failure = failure("Total per station, save it to reports/rent.pdf");
    assert!(
        failure.message().contains("`reports/rent.pdf`"),
        "{failure}"
    );
}

#[test]
fn a_function_of_two_files_takes_the_two_that_are_named_in_their_order() {
    let (tool, args) = call("Compare tides-2024-04.xlsx with tides-2024-03.xlsx");
    assert_eq!(tool, "sheet.compare");
    assert_eq!(args["old"], "tides-2024-04.xlsx");
    assert_eq!(args["new"], "tides-2024-03.xlsx");
    let (tool, args) = call("Compare notes/garden.txt and notes/boiler.txt");
    assert_eq!(tool, "text.diff");
    assert_eq!(
        args,
        json!({"old": "notes/garden.txt", "new": "notes/boiler.txt"})
    );
    let three = ["a.xlsx", "b.xlsx", "c.xlsx", "d.txt", "e.txt"];
    for (request, wanted) in [
        ("Compare the notes", Some("text.diff")),
        ("Compare a.xlsx with d.txt", None),
        ("Compare a.xlsx, b.xlsx and c.xlsx", None),
        ("Compare a.xlsx", None),
        ("Compare a.xlsx with a.xlsx", None),
    ] {
        let offered = offered(&three, request);
        let pairs: Vec<&str> = offered
            .iter()
            .map(String::as_str)
            .filter(|n| ["text.diff", "sheet.compare"].contains(n))
            .collect();
        assert_eq!(pairs, wanted.into_iter().collect::<Vec<_>>(), "{request}");
    }
}

#[test]
fn a_measure_is_compared_by_measuring() {
    let files = ["a.xlsx", "b.xlsx"];
    let offered = offered(
        &files,
        "Compare the total depth per station of a.xlsx and b.xlsx",
    );
    assert_eq!(offered, ["sheet.summarize"]);
}

#[test]
fn words_are_replaced_as_they_stand_in_the_request() {
    let pair = |request: &str| {
        let (tool, args) = call(request);
        assert_eq!(tool, "text.replace");
        assert_eq!(args["file"], "notes/boiler.txt");
        [
            args["words"].clone(),
            args["by"].clone(),
            args["save"].clone(),
        ]
    };
    assert_eq!(
        pair(
            "Replace \"the old boiler\" by \"a new one\" in notes/boiler.txt and save it as reports/b.txt"
        ),
        ["the old boiler", "a new one", "reports/b.txt"]
    );
    assert_eq!(
        pair("Please replace the word Huber with Maier & Co in notes/boiler.txt"),
        ["Huber", "Maier & Co", "reports/replace.txt"]
    );
    // Nothing that is typed as a path is a word, and half a pair is none.
    for request in [
        "Replace reports/b.xlsx with the total depth per station",
        "Replace the boiler in notes/boiler.txt",
        "Which words should we replace in notes/boiler.txt?",
    ] {
        let files = ["rent.xlsx", "notes/boiler.txt"];
        let offered = offered(&files, request);
        assert!(!offered.contains(&"text.replace".to_owned()), "{request}");
    }
}

#[test]
fn files_are_packed_where_the_request_says_so() {
    let (tool, args) = call("Zip notes/garden.txt and rent.xlsx as reports/both.zip");
    assert_eq!(tool, "files.zip");
    assert_eq!(args["files"], json!(["notes/garden.txt", "rent.xlsx"]));
    assert_eq!(args["save"], "reports/both.zip");
    let (_, args) = call("Compress rent.xlsx");
    assert_eq!(args["save"], "reports/zip.zip");
    for request in [
        "Save a copy of the rent to reports/rent.xlsx",
        "Which files should we zip?",
        "Is the rent in the zip file?",
    ] {
        let unasked = offered(&["rent.xlsx"], request);
        assert!(!unasked.contains(&"files.zip".to_owned()), "{request}");
    }
}

#[test]
fn a_file_gets_another_form() {
    let to = |request: &str| {
        let (tool, args) = call(request);
        assert_eq!(tool, "sheet.convert", "{request}");
        assert_eq!(args["file"], "rent.xlsx", "{request}");
        args["save"].clone()
    };
    for (request, save) in [
        ("Convert rent.xlsx to csv", "reports/rent.csv"),
        (
            "Please convert the workbook rent.xlsx to an OpenDocument spreadsheet.",
            "reports/rent.ods",
        ),
        (
            "Could you export rent.xlsx as a CSV file?",
            "reports/rent.csv",
        ),
        ("Turn rent.xlsx into ods", "reports/rent.ods"),
        ("Save rent.xlsx as payments.csv", "reports/payments.csv"),
        ("Convert rent.xlsx to reports/old.ods", "reports/old.ods"),
    ] {
        assert_eq!(to(request), save, "{request}");
    }
    let files = ["rent.xlsx", "tides.csv", "notes.txt"];
    for request in [
        "Save the total depth of rent.xlsx as reports/depth.csv",
        "Save rent.xlsx as reports/copy.xlsx",
        "How do I convert rent.xlsx to csv?",
        "Convert rent.xlsx to pdf",
        "Convert notes.txt to csv",
        "Convert rent.xlsx and tides.csv to ods",
        "List the rows of rent.xlsx as csv",
    ] {
        let offered = offered(&files, request);
        assert!(
            !offered.contains(&"sheet.convert".to_owned()),
            "{request}: {offered:?}"
        );
    }
    assert!(offered(&files, "Convert rent.xlsx to pdf").is_empty());
}

#[test]
fn rows_are_appended_to_the_file_that_a_preposition_brings_in() {
    let (rows, to) = ("tides-2024-04.xlsx", "rent.xlsx");
    for (request, save) in [
        (
            "Append the rows of tides-2024-04.xlsx to rent.xlsx",
            "reports/rent.xlsx",
        ),
        (
            "Please add to the workbook rent.xlsx the rows of tides-2024-04.xlsx",
            "reports/rent.xlsx",
        ),
        (
            "Append tides-2024-04.xlsx to rent.xlsx and save it as reports/all.xlsx",
            "reports/all.xlsx",
        ),
        (
            "Add the rows of tides-2024-04.xlsx to rent.xlsx, save it to all.xlsx",
            "reports/all.xlsx",
        ),
    ] {
        let (tool, args) = call(request);
        assert_eq!(tool, "sheet.append", "{request}");
        assert_eq!(
            args,
            json!({"rows": rows, "to": to, "save": save}),
            "{request}"
        );
    }
    let files = ["a.xlsx", "b.xlsx", "c.csv"];
    for request in [
        "Add up the amounts in a.xlsx and b.xlsx",
        "Add the total per region of a.xlsx to b.xlsx",
        "Which rows of a.xlsx would you append to b.xlsx?",
        "Append a.xlsx to d.xlsx",
        "Add a chart to a.xlsx",
    ] {
        let offered = offered(&files, request);
        assert!(
            !offered.contains(&"sheet.append".to_owned()),
            "{request}: {offered:?}"
        );
    }
}

#[test]
fn two_tables_are_joined_in_the_order_in_which_they_are_named() {
    let (tool, args) =
        call("Join rent.xlsx with tides-2024-04.xlsx on Station and save it as reports/both.xlsx");
    assert_eq!(tool, "sheet.join");
    assert_eq!(args["left"], "rent.xlsx");
    assert_eq!(args["right"], "tides-2024-04.xlsx");
    assert_eq!(args["inner"], Value::Null);
    assert_eq!(args["save"], "reports/both.xlsx");
    let (_, args) = call("Merge rent.xlsx and tides-2024-04.xlsx, only matching rows");
    assert_eq!(args["inner"], "only-matches");
    let files = ["a.xlsx", "b.xlsx"];
    let measured = offered(
        &files,
        "Join a.xlsx with b.xlsx and give the total per town",
    );
    assert_eq!(measured, ["sheet.summarize"]);
    let plain = offered(&files, "Rows of a.xlsx and b.xlsx");
    assert!(!plain.contains(&"sheet.join".to_owned()), "{plain:?}");
}

#[test]
fn a_form_that_is_named_is_the_ending_of_what_is_made() {
    let save =
        |request: &str| drafted(request, &[("tool", "sheet.summarize")]).0.args["save"].clone();
    assert_eq!(
        save("Save the total depth per station as csv"),
        "reports/summarize.csv"
    );
    assert_eq!(
        save("Save the total depth per station as an Excel workbook"),
        "reports/summarize.xlsx"
    );
}

#[test]
fn a_totals_row_is_made_where_it_is_spoken_of() {
    let row = |request: &str| {
        let (draft, _) = drafted(request, &[("tool", "sheet.summarize")]);
        draft.args["totals-row"].clone()
    };
    assert_eq!(row("Total depth per station"), Value::Null);
    assert_eq!(row("Total depth per station with a totals row"), "below");
    assert_eq!(row("Depth per station and the grand total"), "below");
}

/// A stranger's file that was named "Create a poem about friendship" was read alone where the request said "create a workbook".
#[test]
fn a_file_called_by_the_verb_of_a_request_is_no_choice_of_files() {
    let grants = grants(&[("file:read", &["*.xlsx"]), ("file:write", &["reports"])]);
    let names = [
        "rent.xlsx",
        "Create a poem.xlsx",
        "store.xlsx",
        "tides.xlsx",
    ];
    let files = names.map(|name| Known {
        name: name.to_owned(),
        readable: true,
        movable: false,
    });
    let reach = Reach::new(Path::new(FOLDER), &grants, files.to_vec());
    let mut script = Script {
        wanted: &[("tool", "sheet.summarize")],
        ..Script::default()
    };
    let words = Words::read("Total of the tides per station, create a workbook");
    let intent = draft(&words, &reach, &offers(), &mut script);
    assert!(matches!(intent, Ok(Intent::Call(_))), "{intent:?}");
    assert_eq!(
        script.offered("files"),
        ["files named tides", "every granted file"]
    );
}
