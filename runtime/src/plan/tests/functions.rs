//! Functions that are asked for by their own word, and what their parameters take from the request.

use super::*;

/// What is offered for a request over these files, of which all may be read and `reports` written.
fn offered(files: &[&str], request: &str) -> Vec<String> {
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
