//! What would change, for eyes: each effect in a line, a new workbook by its sheets, header and first rows.
//! Documents are read by the guest that knows them; the host parses none.

mod unusual;

use std::fmt::Write as _;
use std::path::Path;

use cloister_policies::{Manifest, Rule};
use cloister_tools::names::{Lines, escape};
use cloister_tools::{Cage, Change, Effect, Effects, Ended};
use serde_json::{Map, Value, json};

use crate::consent::Pages;
use crate::counted::{counted, counted_in};

/// Effects whose contents are shown: reading each back takes a while, and the person waits for the question.
const READ_BACK: usize = 16;
/// Rows of a new workbook that are shown: enough to recognise it.
const ROWS: u64 = 5;
/// Lines of a text and their characters, columns of a row and characters of a cell, that are shown: a screenful must hold the question too.
const LINES: usize = 8;
const LINE: usize = 96;
const COLUMNS: usize = 12;
const CELL: usize = 32;

/// Endings of what is shown as a person will read it, not as its bytes are.
const DOCUMENTS: [&str; 3] = ["docx", "html", "htm"];

/// Why it is asked: what the call does, and what the policy said about it.
pub(crate) struct Why {
    pub(crate) does: String,
    /// Of each rule that asks, the one that decided first.
    pub(crate) reasons: Vec<Rule>,
}

impl Why {
    /// Why it is asked about what was judged in an earlier session.
    pub(crate) fn earlier(does: impl Into<String>, judged: &str) -> Why {
        let reason = Rule {
            rule: String::new(),
            reason: judged.to_owned(),
        };
        Why {
            does: does.into(),
            reasons: vec![reason],
        }
    }
}

/// A look at effects through the cage.
pub(crate) struct Look<'a> {
    cage: &'a Cage,
    effects: &'a Effects,
    undo_days: u64,
}

impl<'a> Look<'a> {
    /// What is replaced is kept for `undo_days`.
    pub(crate) fn new(cage: &'a Cage, effects: &'a Effects, undo_days: u64) -> Look<'a> {
        Look {
            cage,
            effects,
            undo_days,
        }
    }

    /// The pages of the question. `args` are those of the call that made the effects. What the call returned is not shown: it may say anything.
    pub(crate) fn pages(&self, args: &Map<String, Value>, why: &Why, manifest: &Manifest) -> Pages {
        let mut summary = format!("what would change: {}\n", self.counts());
        let standing = |path: &Path| path.symlink_metadata().ok().map(|about| about.len());
        let unusual = unusual::about(self.effects, &why.reasons, &standing);
        for line in &unusual {
            let _ = writeln!(summary, "  unusual: {}", escape(line, Lines::Escape));
        }
        let mut diff = String::new();
        let mut below = None;
        for (at, effect) in self.effects.list().iter().enumerate() {
            let line = line(effect);
            let folder = effect.folder();
            if folder.is_some() && folder != below {
                let shown = escape(folder.as_deref().unwrap_or_default(), Lines::Escape);
                let _ = writeln!(summary, "  in {shown}"); // effects are by path: once a folder
            }
            below = folder;
            let _ = writeln!(summary, "  {line}"); // a String takes everything
            let _ = writeln!(
                diff,
                "{line}\n  {}",
                escape(&effect.path().to_string_lossy(), Lines::Escape)
            );
            let body = self.body(effect, args, at);
            if at < READ_BACK {
                summary.push_str(&body);
            }
            diff.push_str(&body);
            let _ = writeln!(
                diff,
                "  {}, {}, {}",
                counted(effect.bytes(), "byte"),
                effect.digest(),
                origin(effect)
            );
        }
        let _ = write!(summary, "effects {}", self.effects.hash()); // with two spaces more it would not fit 80 columns
        Pages {
            summary,
            diff,
            why: reasons(why, manifest),
            unusual,
        }
    }

    fn counts(&self) -> String {
        let of = |wanted: fn(&Change) -> bool| {
            let all = self.effects.list().iter();
            all.filter(|e| wanted(e.change())).count()
        };
        let created = of(|c| matches!(c, Change::Create { .. }));
        let replaced = of(|c| matches!(c, Change::Replace { .. }));
        let moved = of(|c| matches!(c, Change::Move { .. }));
        let usual = format!("{created} created, {replaced} replaced, {moved} moved");
        match of(|c| matches!(c, Change::Delete { .. })) {
            0 => usual, // only an undo deletes
            deleted => format!("{usual}, {deleted} deleted"),
        }
    }

    fn lost(&self) -> String {
        match self.undo_days {
            0 => "is lost".to_owned(),
            days => format!("is kept for {} (`cloister undo`)", counted(days, "day")),
        }
    }

    /// What the effect, which is the one `at` this place, makes of a content.
    fn body(&self, effect: &Effect, args: &Map<String, Value>, at: usize) -> String {
        let mut text = String::new();
        match effect.change() {
            Change::Move { .. } => return text,
            Change::Create { .. } => {}
            // A file that may be replaced is never one to read, so there is nobody who could show it.
            Change::Replace { .. } => {
                let _ = writeln!(
                    text,
                    "    its present content {}, and not shown",
                    self.lost()
                );
            }
            Change::Delete { .. } => {
                let _ = writeln!(text, "    its content {}", self.lost());
                return text;
            }
        }
        if at >= READ_BACK {
            text.push_str("    its content is not shown: these are many files\n");
            return text;
        }
        match (self.sheets(effect), self.rows(effect)) {
            (Some(sheets), Some(rows)) => {
                text.push_str(&sheets);
                // The guest reads no charts back: this is what was asked for, not what was found.
                if let Some(chart) = args.get("chart").and_then(Value::as_str) {
                    let _ = writeln!(text, "    asked for a {chart} chart");
                }
                text.push_str(&rows);
            }
            _ => text.push_str(
                &self
                    .document(effect)
                    .or_else(|| self.lines(effect))
                    .unwrap_or_else(|| {
                        let size = counted(effect.bytes(), "byte");
                        format!("    its content could not be shown ({size})\n")
                    }),
            ),
        }
        text
    }

    /// The first lines as they stand in quarantine, where it is a text.
    fn lines(&self, effect: &Effect) -> Option<String> {
        let shown = self.inspected(effect, "text.read", &json!({"file": effect.name()}))?;
        Some(first("text", &shown.as_str()?.lines().collect::<Vec<_>>()))
    }

    /// The first lines of what a person will read of it, where it is a document.
    fn document(&self, effect: &Effect) -> Option<String> {
        let ending = effect.name().rsplit_once('.')?.1.to_lowercase();
        if !DOCUMENTS.contains(&ending.as_str()) {
            return None;
        }
        let shown = self.inspected(effect, "document.read", &json!({"file": effect.name()}))?;
        let pages = shown.as_array()?.iter();
        let lines = pages
            .filter_map(|page| page.get("text")?.as_str())
            .flat_map(str::lines)
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.replace('\t', " | "));
        Some(first("document", &lines.collect::<Vec<_>>()))
    }

    /// What a function of a guest gives back about the bytes in quarantine, if it can read them.
    fn inspected(&self, effect: &Effect, function: &str, args: &Value) -> Option<Value> {
        let nothing = Map::new();
        let args = args.as_object().unwrap_or(&nothing);
        let outcome = self.cage.inspect(effect, function, args);
        let value = outcome.typed().0.cloned();
        value.filter(|_| *outcome.ended() == Ended::Returned)
    }

    /// Sheets and headings of the bytes in quarantine, as the guest reads them back.
    fn sheets(&self, effect: &Effect) -> Option<String> {
        let args = json!({"files": [effect.name()]});
        let described = self.inspected(effect, "sheet.describe", &args)?;
        described.as_array().map(|tables| sheets(tables))
    }

    /// The first rows as they stand in quarantine.
    fn rows(&self, effect: &Effect) -> Option<String> {
        let args = json!({"files": [effect.name()], "worksheet": null, "conditions": [], "columns": null, "order": null, "limit": ROWS, "save": null});
        self.inspected(effect, "sheet.rows", &args)
            .map(|table| rows(&table))
    }
}

/// What `sheet.describe` says: each sheet with its headings.
fn sheets(tables: &[Value]) -> String {
    let mut text = String::new();
    for table in tables {
        let columns: Vec<String> = table
            .get("columns")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|c| c.get("name")?.as_str())
            .map(|n| escape(n, Lines::Escape))
            .collect();
        let name = table
            .get("worksheet")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let rows = table
            .get("rows")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "    sheet `{}`, {}: {}",
            escape(name, Lines::Escape),
            counted(rows, "row"),
            cells(&columns)
        );
    }
    text
}

/// What `sheet.rows` says: the first of them.
fn rows(table: &Value) -> String {
    let rows = table
        .get("rows")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(usize::try_from(ROWS).unwrap_or_default());
    let mut text = String::new();
    for row in rows {
        let row_cells: Vec<String> = row
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| escape(c.as_str().unwrap_or_default(), Lines::Escape))
            .collect();
        let _ = writeln!(text, "      {}", cells(&row_cells));
    }
    text
}

/// Cells side by side, cut to what a person takes in; what is left out is counted.
fn cells(all: &[String]) -> String {
    let short = |cell: &String| match cell.chars().count() {
        n if n > CELL => format!("{}…", cell.chars().take(CELL).collect::<String>()),
        _ => cell.clone(),
    };
    let shown: Vec<String> = all.iter().take(COLUMNS).map(short).collect();
    let rest = match all.get(COLUMNS..) {
        None | Some([]) => String::new(),
        Some(more) => format!(" | and {}", counted_in(more, "more column")),
    };
    format!("{}{rest}", shown.join(" | "))
}

/// How many lines it has, and the first ones.
fn first(what: &str, all: &[impl AsRef<str>]) -> String {
    let mut text = format!("    a {what}, {}\n", counted_in(all, "line"));
    for line in all.iter().take(LINES) {
        let _ = writeln!(text, "    | {}", cut(line.as_ref()));
    }
    text
}

/// A line of a text, safe for eyes.
fn cut(line: &str) -> String {
    let shown = escape(line, Lines::Escape);
    match shown.chars().count() {
        n if n > LINE => format!("{}…", shown.chars().take(LINE).collect::<String>()),
        _ => shown,
    }
}

/// The page that says why: what the call does, what the policy said, and what the manifest asks for in its own words.
fn reasons(why: &Why, manifest: &Manifest) -> String {
    let mut text = format!("{}\n", why.does);
    for Rule { reason, .. } in &why.reasons {
        let _ = writeln!(text, "{}", escape(reason, Lines::Escape));
    }
    let agent = escape(manifest.agent(), Lines::Escape);
    let _ = writeln!(text, "The manifest of `{agent}` asks for:");
    for capability in manifest.capabilities() {
        let words = capability.description().unwrap_or("no reason given");
        let _ = writeln!(
            text,
            "  {}: {}",
            escape(capability.name(), Lines::Escape),
            escape(words, Lines::Escape)
        );
    }
    text
}

/// One effect in one line.
pub(crate) fn line(effect: &Effect) -> String {
    let name = escape(effect.name(), Lines::Escape);
    match effect.change() {
        Change::Create { .. } => format!("{name}  new"),
        Change::Replace { before, .. } => format!("{name}  replaces {before}"),
        Change::Move { from, .. } => format!(
            "{name}  moved from {}",
            escape(&from.to_string_lossy(), Lines::Escape)
        ),
        Change::Delete { .. } => format!("{name}  deleted"),
    }
}

/// What its content came from. A move or an end makes none.
pub(crate) fn origin(effect: &Effect) -> String {
    match effect.change() {
        Change::Move { .. } => return "its content unchanged".to_owned(),
        Change::Delete { .. } => return "as it was released".to_owned(),
        Change::Create { .. } | Change::Replace { .. } => {}
    }
    let all: Vec<String> = effect
        .sources()
        .iter()
        .map(|s| escape(s, Lines::Escape))
        .collect();
    if all.is_empty() {
        "made without reading a file".to_owned()
    } else {
        format!("made from {}", all.join(", "))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cloister_policies::{Bundle, Confinement, Session, UnixMillis};
    use cloister_tools::{Catalog, Limits, Moment, Quarantine, Survey};

    use super::*;
    use crate::testing;

    fn nothing() -> Why {
        Why {
            does: "why".to_owned(),
            reasons: Vec::new(),
        }
    }

    /// A cage without tools: nothing can be read back.
    fn blind(folder: &Path, manifest: &Manifest) -> Cage {
        let session = Session {
            confinement: Confinement::None,
            ..testing::session()
        };
        let bundle = Bundle::load(&cloister_policies::shipped()).unwrap();
        let grants = bundle.negotiate(manifest, &session, UnixMillis(0)).grants;
        let tools = folder.join("tools");
        std::fs::create_dir(&tools).unwrap();
        let moment = Moment {
            unix_millis: 0,
            seed: 0,
        };
        Cage::new(
            Arc::new(cloister_tools::Program::load().unwrap()),
            Arc::new(Catalog::open(&tools, "").unwrap()),
            Arc::new(Survey::take(&grants, folder, &[]).unwrap()),
            Arc::new(Quarantine::open(&folder.join("quarantine")).unwrap()),
            Limits::STANDARD,
            moment,
        )
    }

    fn shown(change: Value) -> String {
        shown_keeping(change, 0)
    }

    fn shown_keeping(change: Value, undo_days: u64) -> String {
        let digest = cloister_attest::Digest::of(b"PK");
        let effect: Effect = serde_json::from_value(json!({
            "id": "q0123456789", "call": "$1", "tool": "sheet.rows", "name": "r.xlsx", "change": change,
            "digest": digest, "bytes": 1234, "sources": [], "ground": "/f",
        }))
        .unwrap();
        let effects = Effects::gather([effect]).unwrap();
        shown_of(&effects, undo_days).diff
    }

    /// The pages of a question about these, of whose bytes nothing can be read back.
    pub(crate) fn pages_of(effects: &Effects) -> Pages {
        shown_of(effects, 7)
    }

    /// What the pages say of a workbook whose sheets, headings and cells are called so.
    pub(crate) fn read_back(names: &[String]) -> String {
        let heading = |name: &String| json!([{"name": name}]);
        let table = |name| json!({"worksheet": name, "rows": 1, "columns": heading(name)});
        let tables: Vec<Value> = names.iter().map(table).collect();
        let cells = names
            .chunks(COLUMNS)
            .map(|row| rows(&json!({"rows": [row]})));
        sheets(&tables) + &cells.collect::<String>()
    }

    /// The pages of a new file that these rules ask about.
    fn shown_for(reasons: &[(&str, &str)]) -> Pages {
        let digest = cloister_attest::Digest::of(b"PK");
        let effect: Effect = serde_json::from_value(json!({
            "id": "q0123456789", "call": "$1", "tool": "sheet.rows", "name": "new/r.xlsx", "change": {"op": "create", "path": "/f/new/r.xlsx"},
            "digest": digest, "bytes": 1234, "sources": ["a.xlsx"], "ground": "/f",
        }))
        .unwrap();
        let rule = |&(rule, reason): &(&str, &str)| Rule {
            rule: rule.to_owned(),
            reason: reason.to_owned(),
        };
        let why = Why {
            does: "`sheet.rows` on a.xlsx, saved as new/r.xlsx".to_owned(),
            reasons: reasons.iter().map(rule).collect(),
        };
        pages_for(&Effects::gather([effect]).unwrap(), 7, &why)
    }

    #[test]
    fn a_question_shows_the_reason_of_every_rule_that_asks() {
        let pages = shown_for(&[
            ("file.write.ask", "it writes /f/new/r.xlsx"),
            ("sink.document", "save is \"new/r.xlsx\", taken from a.xlsx"),
            (
                "sink.tool",
                "title is \"b\u{1b}[2J\", which a tool worked out",
            ),
        ]);
        expect_test::expect![[r#"
            what would change: 1 created, 0 replaced, 0 moved
              unusual: save is "new/r.xlsx", taken from a.xlsx
              unusual: title is "b\u{1b}[2J", which a tool worked out
              unusual: 1 new folder: /f/new
              in /f
              new/r.xlsx  new
                its content could not be shown (1234 bytes)
            effects sha256:eb52be1e37d103ef3c72cbf8d926235a7f0e1daff6c66d71345ff0168b73fa65"#]]
        .assert_eq(&pages.summary);
        expect_test::expect![[r#"
            `sheet.rows` on a.xlsx, saved as new/r.xlsx
            it writes /f/new/r.xlsx
            save is "new/r.xlsx", taken from a.xlsx
            title is "b\u{1b}[2J", which a tool worked out
            The manifest of `a` asks for:
        "#]]
        .assert_eq(&pages.why);
    }

    fn shown_of(effects: &Effects, undo_days: u64) -> Pages {
        pages_for(effects, undo_days, &nothing())
    }

    fn pages_for(effects: &Effects, undo_days: u64, why: &Why) -> Pages {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap();
        let text = br#"{"agent": "a", "version": "1", "capabilities": [], "ttl_seconds": 60}"#;
        let manifest = Manifest::parse(text, &folder).unwrap();
        let cage = blind(&folder, &manifest);
        let args = json!({"chart": "bar"});
        let look = Look::new(&cage, effects, undo_days);
        look.pages(args.as_object().unwrap(), why, &manifest)
    }

    #[test]
    fn columns_that_are_left_out_are_counted() {
        let row = |n: usize| cells(&vec!["x".to_owned(); n]);
        assert!(row(COLUMNS).ends_with("x | x"));
        assert!(row(COLUMNS + 1).ends_with("x | and 1 more column"));
        assert!(row(COLUMNS + 2).ends_with("x | and 2 more columns"));
    }

    #[test]
    fn bytes_that_cannot_be_read_back_are_not_shown_as_the_tool_tells_them() {
        let diff = shown(json!({"op": "create", "path": "/f/r.xlsx"}));
        let said = "its content could not be shown (1234 bytes)";
        assert!(diff.contains(said), "{diff}");
        assert!(!diff.contains("chart"), "{diff}");
    }

    #[test]
    fn a_replacement_says_that_what_is_lost_is_not_shown() {
        let before = cloister_attest::Digest::of(b"old");
        let diff = shown(json!({"op": "replace", "path": "/f/r.xlsx", "before": before}));
        assert!(
            diff.contains("its present content is lost, and not shown"),
            "{diff}"
        );
        let diff = shown_keeping(
            json!({"op": "replace", "path": "/f/r.xlsx", "before": before}),
            7,
        );
        let kept = "its present content is kept for 7 days (`cloister undo`), and not shown";
        assert!(diff.contains(kept), "{diff}");
    }

    #[test]
    fn a_file_that_goes_is_said_to_be_kept() {
        let diff = shown_keeping(json!({"op": "delete", "path": "/f/r.xlsx"}), 1);
        assert!(diff.contains("r.xlsx  deleted"), "{diff}");
        let kept = "its content is kept for 1 day (`cloister undo`)";
        assert!(diff.contains(kept), "{diff}");
    }
}
