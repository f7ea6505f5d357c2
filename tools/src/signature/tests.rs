//! Signatures of the shipped tools, and WITs that must be refused.

use expect_test::expect;
use serde_json::json;

use super::*;
use crate::names::deceptive;

const SHEET: &str = include_str!("../../guests/sheet/wit/sheet.wit");
const TEXT: &str = include_str!("../../guests/text/wit/text.wit");
const MODEL: &str = include_str!("../../guests/model/wit/model.wit");
const REPORT: &str = include_str!("../../guests/report/wit/report.wit");
const FILES: &str = include_str!("../../guests/files/wit/files.wit");

fn function(text: &str, tool: &str, name: &str) -> Signature {
    Signature::parse(tool, text)
        .unwrap()
        .into_iter()
        .find(|s| s.function() == name)
        .unwrap()
}

/// Binds every name that starts with `granted`.
struct Any;
impl Binder for Any {
    fn bind(&mut self, _: &str, _: Handle, name: &str) -> Result<cloister_cage::Arg, ToolError> {
        if name.starts_with("granted") {
            Ok(cloister_cage::Arg::Place(cloister_cage::Place {
                name: name.into(),
                id: 0,
            }))
        } else {
            Err(ToolError::NotGranted { name: name.into() })
        }
    }
}

fn fits(signature: &Signature, args: serde_json::Value) -> Result<usize, String> {
    to_args(signature, args.as_object().unwrap(), &mut Any)
        .map(|a| a.len())
        .map_err(|e| e.to_string())
}

#[test]
fn the_shipped_tools_have_these_functions() {
    let names = |text, tool| {
        Signature::parse(tool, text)
            .unwrap()
            .iter()
            .map(Signature::name)
            .collect::<Vec<_>>()
    };
    let mut all = names(SHEET, "sheet");
    all.extend(names(TEXT, "text"));
    all.extend(names(FILES, "files"));
    all.extend(names(REPORT, "report"));
    all.extend(names(MODEL, "model"));
    expect!["sheet.describe sheet.summarize sheet.rows sheet.join sheet.append sheet.convert sheet.compare text.find text.extract text.count text.read text.replace text.diff files.list files.duplicates files.zip files.move files.rename report.summary report.listing report.compose model.condense model.classify model.fields"]
        .assert_eq(&all.join(" "));
}

#[test]
fn aliases_stay_visible_with_their_docs() {
    let find = function(TEXT, "text", "find");
    let words = &find.params()[1];
    assert_eq!(
        words.doc,
        "Words to look for, as they stand in the request."
    );
    assert!(matches!(&words.ty, Type::Alias { name, .. } if name == "words"));
    expect!["Find which files mention some words, and on which lines."].assert_eq(find.doc());
}

#[test]
fn the_schema_of_a_function() {
    let schema = function(TEXT, "text", "find").json_schema();
    expect![[r#"
        {
          "type": "object",
          "properties": {
            "files": {
              "type": "array",
              "items": {
                "type": "string",
                "x-handle": "input"
              }
            },
            "words": {
              "type": "string",
              "description": "Words to look for, as they stand in the request.",
              "x-alias": "words"
            }
          },
          "required": [
            "files",
            "words"
          ],
          "additionalProperties": false,
          "description": "Find which files mention some words, and on which lines."
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&schema).unwrap());
}

#[test]
fn sentences_say_what_is_read_written_and_moved() {
    let summarize = function(SHEET, "sheet", "summarize");
    let twelve: Vec<_> = (0..12).map(|i| format!("{i}.xlsx")).collect();
    let args = json!({"files": twelve, "save": "reports/q4.xlsx"});
    expect!["`sheet.summarize` reads 12 files and writes `reports/q4.xlsx`"]
        .assert_eq(&summarize.sentence(&args));
    expect!["`sheet.summarize` reads `a.xlsx`"]
        .assert_eq(&summarize.sentence(&json!({"files": ["a.xlsx"], "save": null})));
    let moves = function(FILES, "files", "move");
    expect!["`files.move` moves `a.pdf` to `2025/a.pdf`"]
        .assert_eq(&moves.sentence(&json!({"file": "a.pdf", "to": "2025/a.pdf"})));
}

#[test]
fn a_sentence_cannot_drive_a_terminal() {
    let moves = function(FILES, "files", "move");
    let sentence = moves.sentence(&json!({"file": "a\u{1b}[2J", "to": "b\u{202e}"}));
    assert!(!sentence.chars().any(deceptive), "{sentence:?}");
}

#[test]
fn requests_name_the_operation() {
    let moves = function(FILES, "files", "move");
    let requests = moves.requests(&json!({"file": "a", "to": "b"}));
    assert_eq!(
        requests
            .iter()
            .map(|r| (r.parameter.as_str(), r.op, r.name.as_str()))
            .collect::<Vec<_>>(),
        [("file", Op::Move, "a"), ("to", Op::Move, "b")]
    );
}

#[test]
fn arguments_that_fit_and_that_do_not() {
    let s = function(SHEET, "sheet", "summarize");
    let good = json!({"files": ["granted.xlsx"], "conditions": [], "group-by": [{"column": "Region", "grain": "value"}],
        "measures": [{"operation": "sum", "column": "Amount"}, {"operation": "count", "column": null}], "limit": 3});
    assert_eq!(fits(&s, good.clone()), Ok(10));
    let bad = |key: &str, value| {
        let mut args = good.clone();
        args[key] = value;
        fits(&s, args).unwrap_err()
    };
    let said = [
        bad("files", json!(["../x"])),
        bad("files", json!("granted.xlsx")),
        bad("measures", json!([{"operation": "drop"}])),
        bad("measures", json!([{"operation": "sum", "colour": 1}])),
        bad("limit", json!(-1)),
        bad("limit", json!(4_294_967_296_u64)),
        bad("chart", json!(7)),
        bad("ch\u{1b}art", json!(7)),
        fits(&s, json!({"files": []})).unwrap_err(),
    ];
    expect![[r#"
        `../x` is not among the granted files
        argument `files` of `sheet.summarize`: a list of file names is needed
        argument `measures[0].operation` of `sheet.summarize`: one of `sum`, `count`, `average`, `median`, `smallest`, `largest`, `share` is needed
        argument `measures[0].colour` of `sheet.summarize`: there is no such field
        argument `limit` of `sheet.summarize`: a whole number from 0 to 4294967295 is needed
        argument `limit` of `sheet.summarize`: a whole number from 0 to 4294967295 is needed
        argument `chart` of `sheet.summarize`: a text is needed
        argument `ch\u{1b}art` of `sheet.summarize`: there is no such parameter
        argument `conditions` of `sheet.summarize`: it is missing"#]]
    .assert_eq(&said.join("\n"));
}

fn refused(body: &str, world: &str) -> String {
    let text = format!(
        "package x:y@0.1.0;\ninterface y {{\nuse cloister:tool/handles@0.1.0.{{input, output}};\n{body}\n}}\nworld tool {{ {world} }}\n"
    );
    match Signature::parse("y", &text) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string().lines().next().unwrap().to_string(),
    }
}

#[test]
fn a_wit_outside_what_tools_may_use_is_refused() {
    let export = "export y;";
    assert_eq!(
        refused("f: func(a: list<input>) -> string;", export),
        "accepted"
    );
    let said = [
        refused("f: func(a: borrow<input>);", export),
        refused("f: func() -> input;", export),
        refused("resource mine; f: func(a: mine);", export),
        refused("record r { a: input } f: func(a: r);", export),
        refused("f: func(a: tuple<u32, u32>);", export),
        refused("f: func(a: u8);", export),
        refused("f: func(a: result<u32>);", export),
        refused("f: func();", ""),
        refused("f: func();", "export y; import run: func();"),
        refused("f: func(", export),
    ];
    expect![[r#"
        tool package `y` is not sound: type `borrow` is not among those that tools may use
        tool package `y` is not sound: `f` gives a handle back
        tool package `y` is not sound: a resource that is not one of `cloister:tool/handles@0.1.0`
        tool package `y` is not sound: parameter `a` of `f` holds a handle inside a record
        tool package `y` is not sound: type `tuple` is not among those that tools may use
        tool package `y` is not sound: type `U8` is not among those that tools may use
        tool package `y` is not sound: parameter `a` of `f` is a result
        tool package `y` is not sound: its world must export exactly one named interface
        tool package `y` is not sound: its world imports `run`; only `cloister:tool/handles@0.1.0` and `cloister:mind/tasks@0.1.0` may be imported
        tool package `y` is not sound: its WIT does not parse: expected an identifier or string, found '}'"#]].assert_eq(&said.join("\n"));
}

#[test]
fn an_empty_comment_before_an_item_does_not_panic() {
    for item in ["/**/ f: func();", "/** docs */ /**/ f: func();"] {
        assert_eq!(
            refused(item, "export y;"),
            "tool package `y` is not sound: its WIT holds the empty comment `/**/`, which is not read"
        );
    }
    assert!(Signature::parse("files", &FILES.replace("/// Move", "/***/ /// Move")).is_ok());
}

proptest::proptest! {
    /// Whatever a package's WIT holds, parsing it ends in signatures or an error.
    #[test]
    fn no_wit_panics(cut in 0usize..6000, insert in ".{0,12}") {
        let at = (0..=cut.min(SHEET.len())).rev().find(|i| SHEET.is_char_boundary(*i)).unwrap();
        let (head, tail) = SHEET.split_at(at);
        let _ = Signature::parse("sheet", &format!("{head}{insert}{tail}"));
        let _ = Signature::parse("sheet", &format!("{head}{insert}"));
    }
}
