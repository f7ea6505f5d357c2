//! The first pass under a script instead of a model: whatever is asked and chosen, a draft never names what was not granted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use cloister_policies::{Bundle, Grants, Manifest, Op, UnixMillis, shipped};
use cloister_tools::{Handle, Signature};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::offers::{Offer, possible};
use super::reach::{Known, Reach};
use super::*;
use crate::testing;

mod changes;
mod functions;
mod model;
mod reports;

const FOLDER: &str = "/home/anna/work";
/// Two kinds to read, one folder to write, two to move between.
const OFFICE: [(&str, &[&str]); 3] = [
    ("file:read", &["*.xlsx", "notes/*.txt", "inbox/*.txt"]),
    ("file:write", &["reports"]),
    ("file:move", &["inbox", "binder"]),
];
const FILES: [&str; 7] = [
    "tides-2024-03.xlsx",
    "tides-2024-04.xlsx",
    "rent.xlsx",
    "notes/boiler.txt",
    "notes/garden.txt",
    "inbox/page-001.txt",
    "inbox/page-002.txt",
];

/// Picks the wanted value of a slot, else the first; keeps what it was asked.
#[derive(Default)]
struct Script<'a> {
    wanted: &'a [(&'a str, &'a str)],
    asked: Vec<Slot>,
    settled: Vec<String>,
}

impl Script<'_> {
    fn offered(&self, slot: &str) -> Vec<&str> {
        let slot = self.asked.iter().find(|s| s.name == slot);
        slot.map(|s| s.alternatives.iter().map(|a| a.shown.as_str()).collect())
            .unwrap_or_default()
    }
}

impl Decide for Script<'_> {
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        assert!(slot.alternatives.len() > 1, "{slot:?} is no choice");
        self.asked.push(slot.clone());
        let wanted = self.wanted.iter().find(|(name, _)| *name == slot.name);
        Ok(wanted
            .and_then(|(_, shown)| slot.alternatives.iter().position(|a| a.shown == *shown))
            .unwrap_or(0))
    }

    fn settled(&mut self, slot: &str, shown: &str) {
        self.settled.push(format!("{slot}: {shown}"));
    }
}

/// Fails the test when it is asked anything.
struct Unasked;

impl Decide for Unasked {
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        panic!("asked for `{}`", slot.name);
    }

    fn settled(&mut self, slot: &str, _: &str) {
        panic!("settled `{slot}`");
    }
}

/// Chooses by numbers drawn beforehand.
struct Drawn<'a>(std::iter::Cycle<std::slice::Iter<'a, usize>>);

impl Decide for Drawn<'_> {
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        Ok(self.0.next().unwrap() % slot.alternatives.len())
    }

    fn settled(&mut self, _: &str, _: &str) {}
}

fn grants(capabilities: &[(&str, &[&str])]) -> Grants {
    let capabilities: Vec<Value> = capabilities
        .iter()
        .map(|(name, paths)| json!({"name": name, "paths": paths}))
        .collect();
    let manifest =
        json!({"agent": "helper", "version": "1", "capabilities": capabilities, "ttl_seconds": 60});
    let manifest = Manifest::parse(manifest.to_string().as_bytes(), Path::new(FOLDER)).unwrap();
    let bundle = Bundle::load(&shipped()).unwrap();
    bundle
        .negotiate(&manifest, &testing::session(), UnixMillis(0))
        .grants
}

/// What the survey would list of `FILES`.
fn known(grants: &Grants) -> Vec<Known> {
    let all = FILES.iter().map(|name| {
        let path = Path::new(FOLDER).join(name);
        Known {
            name: (*name).to_owned(),
            readable: grants.covers(Op::Read, &path),
            movable: grants.covers(Op::Move, &path),
        }
    });
    all.filter(|f| f.readable || f.movable).collect()
}

fn offers() -> Vec<Offer> {
    let tools = [
        (
            "sheet",
            include_str!("../../../tools/guests/sheet/wit/sheet.wit"),
            &["xlsx", "ods", "csv"][..],
            &["xlsx", "ods", "csv"][..],
        ),
        (
            "text",
            include_str!("../../../tools/guests/text/wit/text.wit"),
            &["txt", "md"][..],
            &["txt", "md"][..],
        ),
        (
            "files",
            include_str!("../../../tools/guests/files/wit/files.wit"),
            &["*"][..],
            &["zip"][..],
        ),
        (
            "document",
            include_str!("../../../tools/guests/document/wit/document.wit"),
            &["pdf", "docx"][..],
            &[][..],
        ),
        (
            "report",
            include_str!("../../../tools/guests/report/wit/report.wit"),
            &["xlsx", "ods", "csv", "txt", "md"][..],
            &["docx", "html", "md"][..],
        ),
        (
            "model",
            include_str!("../../../tools/guests/model/wit/model.wit"),
            &["txt", "md", "docx"][..],
            &["md", "csv"][..],
        ),
    ];
    let endings = |all: &[&str]| all.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
    let each = tools.into_iter().flat_map(|(tool, wit, accepts, writes)| {
        let signatures = Signature::parse(tool, wit).unwrap();
        signatures.into_iter().map(move |signature| Offer {
            signature,
            accepts: endings(accepts),
            writes: endings(writes),
        })
    });
    super::offers::described(each.collect())
}

fn plan_under(grants: &Grants, request: &str, decide: &mut dyn Decide) -> Result<Intent, Failure> {
    let reach = Reach::new(Path::new(FOLDER), grants, known(grants));
    draft(&Words::read(request), &reach, &offers(), decide)
}

fn plan(request: &str, decide: &mut dyn Decide) -> Result<Intent, Failure> {
    plan_under(&grants(&OFFICE), request, decide)
}

/// The draft of a request under the office's grants, and what was asked on the way.
fn drafted<'a>(request: &str, wanted: &'a [(&'a str, &'a str)]) -> (Draft, Script<'a>) {
    let mut script = Script {
        wanted,
        ..Script::default()
    };
    match plan(request, &mut script) {
        Ok(Intent::Call(draft)) => (*draft, script),
        other => panic!("{request}: {other:?}, asked {:?}", script.asked),
    }
}

fn failure(request: &str) -> Failure {
    plan(request, &mut Script::default()).expect_err(request)
}

#[test]
fn a_function_without_a_possible_argument_is_not_offered() {
    let only_notes = grants(&[("file:read", &["notes/*.txt"])]);
    let reach = Reach::new(Path::new(FOLDER), &only_notes, known(&only_notes));
    let words = Words::read("Sum up the columns, move and list the files, count the words");
    let (all, names) = (offers(), |found: Vec<&Offer>| -> Vec<String> {
        found.iter().map(|o| o.signature.name()).collect()
    });
    let offered = names(possible(&words, &reach, &all));
    assert!(offered.contains(&"text.find".to_owned()), "{offered:?}");
    let beyond = |n: &&String| {
        n.starts_with("sheet.") || ["files.move", "files.rename"].contains(&n.as_str())
    };
    assert_eq!(offered.iter().find(beyond), None);
    // With workbooks granted the same words do offer the tables.
    let office = grants(&OFFICE);
    let reach = Reach::new(Path::new(FOLDER), &office, known(&office));
    assert!(names(possible(&words, &reach, &all)).contains(&"sheet.summarize".to_owned()));
}

/// The files of the office hold no document, so the functions above were offered none of these.
#[test]
fn documents_are_for_the_tool_that_reads_them() {
    let office = grants(&[("file:read", &["*"])]);
    let file = |name: &str| Known {
        name: name.to_owned(),
        readable: true,
        movable: false,
    };
    let files = vec![file("lease.docx"), file("scan.pdf"), file("rent.xlsx")];
    let reach = Reach::new(Path::new(FOLDER), &office, files);
    let offered = |request: &str| -> Vec<String> {
        let all = offers();
        let found = possible(&Words::read(request), &reach, &all);
        found.iter().map(|o| o.signature.name()).collect()
    };
    assert_eq!(
        offered("What does lease.docx say?"),
        ["document.read", "document.extract"]
    );
    assert_eq!(
        offered("Show the tables in lease.docx"),
        ["document.read", "document.extract", "document.tables"]
    );
    let about = offered("Which documents mention the boiler?");
    assert!(about.contains(&"document.find".to_owned()), "{about:?}");
    assert!(
        !offered("Sum up rent.xlsx")
            .iter()
            .any(|name| name.starts_with("document."))
    );
}

#[test]
fn with_nothing_granted_there_is_only_an_answer() {
    let nothing = grants(&[]);
    let intent = plan_under(&nothing, "What is a pivot table?", &mut Script::default());
    assert!(matches!(intent, Ok(Intent::Answer)), "{intent:?}");
}

#[test]
fn named_files_are_taken_as_they_are() {
    let (draft, script) = drafted(
        "Total depth per station in tides-2024-03.xlsx and rent.xlsx",
        &[("tool", "sheet.summarize")],
    );
    assert_eq!(
        draft.args["files"],
        json!(["tides-2024-03.xlsx", "rent.xlsx"])
    );
    assert!(script.offered("files").is_empty());
}

#[test]
fn every_granted_file_is_one_choice_beside_a_group_that_a_word_picks_out() {
    let wanted = [("tool", "sheet.summarize"), ("files", "every granted file")];
    let (draft, script) = drafted("Total depth per station of all tides", &wanted);
    assert_eq!(
        script.offered("files"),
        ["files named tides", "every granted file"]
    );
    assert_eq!(draft.args["files"], json!(FILES[..3]));
    let (draft, _) = drafted(
        "Total depth per station of all tides",
        &[("tool", "sheet.summarize")],
    );
    assert_eq!(draft.args["files"], json!(FILES[..2]));
}

#[test]
fn a_path_outside_the_grants_is_refused_alike_whether_it_exists_and_before_any_choice() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let not_here = concat!(env!("CARGO_MANIFEST_DIR"), "/Nothing.toml");
    assert!(Path::new(here).exists() && !Path::new(not_here).exists());
    let refused = |path: &str| {
        let failure = plan(&format!("Summarize {path} per station"), &mut Unasked).expect_err(path);
        assert_eq!(failure.kind(), Kind::Refused, "{path}: {failure}");
        (
            failure.message().replace(path, "…"),
            failure.advice().map(str::to_owned),
        )
    };
    let alike = refused(here);
    let others = [
        not_here,
        "/etc/passwd",
        "../vault/secret.xlsx",
        "~/secret.xlsx",
        "notes/../../rent.xlsx",
        "/home/anna/work/../rent.xlsx",
    ];
    for path in others {
        assert_eq!(refused(path), alike, "{path}");
    }
}

#[test]
fn one_path_outside_among_granted_ones_refuses_the_request() {
    let request = "Total depth in rent.xlsx and /srv/vault/secret.xlsx";
    assert_eq!(
        plan(request, &mut Unasked).unwrap_err().kind(),
        Kind::Refused
    );
}

#[test]
fn a_missing_file_where_reading_is_granted_is_no_refusal() {
    // A bare name could also be one to write, so it may come to a plan that saves there; never to one that reads it.
    if let Ok(Intent::Call(draft)) = plan("Total depth in rnet.xlsx", &mut Script::default()) {
        assert_ne!(draft.args.get("files"), Some(&json!(["rnet.xlsx"])));
    }
    let failure = plan("Which words are in notes/cellar.txt?", &mut Unasked).unwrap_err();
    assert_eq!(failure.kind(), Kind::NoPlan);
    assert!(failure.message().contains("`notes/cellar.txt`"));
}

#[test]
fn an_address_is_no_plan() {
    for request in [
        "Total of rent.xlsx for jo@example.org",
        "Put rent.xlsx on https://example.com/upload",
        "Copy rent.xlsx from www.example.com",
    ] {
        let failure = plan(request, &mut Unasked).expect_err(request);
        assert_eq!(failure.kind(), Kind::NoPlan);
        assert!(failure.advice().unwrap().contains("network:outbound"));
    }
}

#[test]
fn a_missing_capability_is_named() {
    for (request, capability) in [
        ("Delete rent.xlsx", "file:delete"),
        ("Please erase the old notes", "file:delete"),
        ("Send rent.xlsx to my landlord", "network:outbound"),
        ("Could you email the tides", "network:outbound"),
        ("Print rent.xlsx", "process:run"),
    ] {
        let failure = failure(request);
        assert_eq!(failure.kind(), Kind::NoPlan, "{request}");
        assert!(failure.message().contains(capability), "{failure}");
    }
}

#[test]
fn nothing_is_ever_moved_onto_a_file_that_is_there() {
    for request in [
        "Move inbox/page-001.txt to inbox/page-002.txt",
        "Rename inbox/page-001.txt to page-002.txt",
        "Rename inbox/page-001.txt inbox/page-002.txt",
        "Move inbox/page-001.txt over inbox/page-001.txt",
    ] {
        let mut script = Script {
            wanted: &[("tool", "files.move")],
            ..Script::default()
        };
        if let Ok(Intent::Call(draft)) = plan(request, &mut script) {
            assert_ne!(
                draft.signature.tool(),
                "files",
                "{request}: {:?}",
                draft.args
            );
        }
        assert!(
            !script
                .offered("tool")
                .iter()
                .any(|t| ["files.move", "files.rename"].contains(t)),
            "{request}"
        );
    }
}

#[test]
fn a_file_gets_another_name_or_another_folder() {
    let (draft, _) = drafted(
        "Rename inbox/page-001.txt to inbox/chapter-two.txt",
        &[("tool", "files.rename")],
    );
    assert_eq!(draft.signature.name(), "files.rename");
    assert_eq!(draft.args["file"], "inbox/page-001.txt");
    assert_eq!(draft.args["to"], "inbox/chapter-two.txt");
    for request in [
        "Move inbox/page-002.txt to binder/",
        "Move page-002.txt into the binder folder",
    ] {
        let (draft, _) = drafted(request, &[("tool", "files.move")]);
        assert_eq!(draft.signature.name(), "files.move", "{request}");
        assert_eq!(draft.args["file"], "inbox/page-002.txt");
        assert_eq!(draft.args["to"], "binder/page-002.txt");
    }
}

#[test]
fn a_place_to_write_comes_from_the_request_or_is_the_one_writable_folder() {
    let save = |request: &str| {
        let wanted = [("tool", "sheet.summarize")];
        drafted(request, &wanted).0.args["save"].clone()
    };
    assert_eq!(
        save("Total per station, save it to reports/q4.xlsx"),
        "reports/q4.xlsx"
    );
    assert_eq!(
        save("Total per station, save it as q4.xlsx"),
        "reports/q4.xlsx"
    );
    assert_eq!(
        save("Create a workbook with the total per station"),
        "reports/summarize.xlsx"
    );
    assert_eq!(save("Total depth per station"), Value::Null);
}

#[test]
fn of_two_writable_folders_none_is_chosen_for_the_person() {
    let two = grants(&[
        ("file:read", &["*.xlsx"]),
        ("file:write", &["reports", "drafts"]),
    ]);
    let mut script = Script {
        wanted: &[("tool", "sheet.summarize")],
        ..Script::default()
    };
    let request = "Create a workbook with the total per station";
    let Ok(Intent::Call(draft)) = plan_under(&two, request, &mut script) else {
        panic!("no draft");
    };
    assert_eq!(draft.args["save"], Value::Null);
}

#[test]
fn a_chart_is_drawn_only_where_the_request_speaks_of_one() {
    let chart = |request: &str| {
        let (draft, script) = drafted(request, &[("tool", "sheet.summarize"), ("chart", "pie")]);
        let offered: Vec<String> = script
            .offered("chart")
            .iter()
            .map(|c| (*c).to_owned())
            .collect();
        (draft.args["chart"].clone(), offered)
    };
    assert_eq!(chart("Total depth per station"), (Value::Null, Vec::new()));
    assert_eq!(
        chart("Total depth per station with a bar chart"),
        (json!("bar"), Vec::new())
    );
    let (picked, offered) = chart("Total depth per station with a chart");
    assert_eq!(picked, "pie");
    assert_eq!(offered, ["bar", "line", "pie"]);
}

#[test]
fn words_to_look_for_stand_in_the_request() {
    let wanted = [("tool", "text.find")];
    let (draft, _) = drafted("Which notes mention the boiler inspection?", &wanted);
    assert_eq!(draft.args["words"], "boiler inspection");
    let (draft, _) = drafted("Find \"late fee\" in my notes", &wanted);
    assert_eq!(draft.args["words"], "late fee");
}

/// Pieces of requests: ordinary ones, paths inside and outside, and what has no business in a sentence.
/// Words and paths of a request, separated by bars.
const ORDINARY: &str = "move|move|move|archive|rename|rename|save|create|to|into|in|as|and|of|the|total|per|station|summarize|list|files|\
    find|mention|copy|chart|bar|zip|compare|replace|with|folder|binder|inbox|reports|tides|delete|what|every|dates|\
    \"late fee\"|5|read";
const PATHS: &str = "tides-2024-03.xlsx|rent.xlsx|./rent.xlsx|notes/boiler.txt|boiler.txt|inbox/page-001.txt|\
    page-001.txt|page-002.txt|PAGE-001.TXT|reports/q4.xlsx|q4.xlsx|binder/|binder/new.txt|\
    inbox/new.txt|reports/|inbox/|./binder|../x.xlsx|/etc/passwd|~/a.txt|reports/../../x.xlsx|\
    binder/../../new.txt|/home/anna/work/rent.xlsx|/home/anna/work/reports/a.xlsx|\
    reports//b.xlsx|..|reports/./c.xlsx|binder/../inbox/page-002.txt|\\\\host\\share\\a.xlsx|\
    reports/\u{202e}xslx.exe.xlsx|reports/a\u{0}b.xlsx|http://example.com|a@example.com";

fn piece() -> impl Strategy<Value = String> {
    let one_of = |list: &'static str| prop::sample::select(list.split('|').collect::<Vec<_>>());
    prop_oneof![
        5 => one_of(ORDINARY).prop_map(str::to_owned),
        3 => one_of(PATHS).prop_map(str::to_owned),
        1 => "[a-z./~]{1,12}",
        1 => any::<String>(),
    ]
}

fn request() -> impl Strategy<Value = String> {
    let sentence = prop::collection::vec(
        (
            piece(),
            prop::sample::select(vec![" ", "\t", ", ", "\n", " \u{1b}"]),
        ),
        0..9,
    );
    // Moves are ordered at the beginning; elsewhere the word is only mentioned.
    let begins = prop::sample::select(vec!["", "", "", "move ", "please rename "]);
    (begins, sentence).prop_map(|(begins, parts)| {
        let rest: String = parts.into_iter().map(|(word, gap)| word + gap).collect();
        format!("{begins}{rest}")
    })
}

/// Everything that a draft names, held against the grants as the door would: what it reads and moves is known, what it makes is covered.
fn names_only_what_is_granted(draft: &Draft, grants: &Grants) -> Result<(), String> {
    let files = known(grants);
    let args = Value::Object(draft.args.clone());
    for wish in draft.signature.requests(&args) {
        let param = draft
            .signature
            .params()
            .iter()
            .find(|p| p.name == wish.parameter);
        let handle = param.and_then(|p| fill::handle(&p.ty));
        let file = files.iter().find(|f| f.name == wish.name);
        let path = Path::new(FOLDER).join(&wish.name);
        let granted = match handle {
            Some(Handle::Input) => file.is_some_and(|f| f.readable),
            Some(Handle::Movable) => file.is_some_and(|f| f.movable),
            Some(Handle::Output) => grants.covers(Op::Write, &path),
            Some(Handle::Place) => grants.covers(Op::Move, &path) && file.is_none(),
            None => false,
        };
        if !granted {
            return Err(format!("{handle:?} `{}`", wish.name));
        }
    }
    Ok(())
}

/// Shown to fail: with `covers` in reach.rs answering yes to everything, `../x.xlsx` is saved to at once.
#[test]
fn a_draft_never_names_what_was_not_granted() {
    let kinds: [&[(&str, &[&str])]; 4] = [
        &OFFICE,
        &[("file:read", &["*.xlsx"])],
        &[
            ("file:read", &["**"]),
            ("file:write", &["reports", "inbox"]),
            ("file:move", &["**"]),
        ],
        &[],
    ];
    let grants: Vec<Grants> = kinds.iter().map(|k| grants(k)).collect();
    let offers = offers();
    let seen = Cell::new(BTreeMap::<String, u32>::new());
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    let inputs = (
        request(),
        prop::collection::vec(0..9_usize, 1..6),
        0..grants.len(),
    );
    let told = TestRunner::new(config).run(&inputs, |(request, picks, which)| {
        let grants = &grants[which];
        let reach = Reach::new(Path::new(FOLDER), grants, known(grants));
        let mut decide = Drawn(picks.iter().cycle());
        if let Ok(Intent::Call(draft)) = draft(&Words::read(&request), &reach, &offers, &mut decide)
        {
            let mut counts = seen.take();
            *counts.entry(draft.signature.name()).or_default() += 1;
            seen.set(counts);
            names_only_what_is_granted(&draft, grants).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    told.unwrap();
    // The property would hold of nothing if no drafts came about.
    let counts = seen.take();
    for tool in ["sheet.summarize", "text.find", "files.move"] {
        assert!(counts.get(tool).is_some_and(|n| *n > 5), "{counts:?}");
    }
}
