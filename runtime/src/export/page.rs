//! One session as a page for whoever has to answer for it: HTML without scripts or references, which prints. Pure.

use std::fmt::Write as _;

use cloister_attest::plain;
use serde_json::Value;

/// Nothing is loaded, run or sent, whatever stands in the text.
const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">",
    "<title>What an agent did</title><style>",
    include_str!("page.css"),
    "</style></head><body>\n<h1>What an agent did, and who agreed</h1>\n"
);

/// A session's entries, redacted, and what the verifier said of the whole ledger.
pub(super) struct Session<'a> {
    pub(super) entries: &'a [Value],
    pub(super) verdict: &'a str,
    pub(super) redacted: usize,
}

impl Session<'_> {
    /// The bodies of one kind.
    fn of<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Value> {
        let of_kind = move |entry: &&Value| text(entry, "/kind") == kind;
        self.entries
            .iter()
            .filter(of_kind)
            .filter_map(|entry| entry.get("body"))
    }

    pub(super) fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let verdict: Vec<String> = self
            .verdict
            .lines()
            .map(|line| shown(&words(line)))
            .collect();
        let _ = writeln!(
            page,
            "<p class=\"verdict\"><strong>Does the record hold?</strong> {}</p>",
            verdict.join("<br>")
        );
        self.facts(&mut page);
        self.asked(&mut page);
        self.decided(&mut page);
        self.handed(&mut page);
        self.read(&mut page);
        self.changed(&mut page);
        self.ended(&mut page);
        self.entries(&mut page);
        page + "</body></html>\n"
    }

    fn facts(&self, page: &mut String) {
        let facts = [
            ("Person", "/user"),
            ("Agent", "/agent"),
            ("Version of the agent", "/agent_version"),
            ("Device", "/statement/device"),
            ("What vouches for the device", "/evidence/kind"),
            ("Protection of the process", "/confinement"),
            ("Ran unattended by the rule", "/unattended"),
            ("Model", "/model"),
            ("Model, SHA-256", "/statement/model"),
            ("Policy, SHA-256", "/statement/policy"),
            ("Manifest, SHA-256", "/statement/manifest"),
            ("Tools, SHA-256", "/statement/tools"),
            ("Program, SHA-256", "/statement/runtime"),
        ];
        let start = self.of("session-start").next().unwrap_or(&Value::Null);
        let mut rows = vec![
            vec![
                "Session".to_owned(),
                self.entries
                    .first()
                    .map_or("", |first| text(first, "/session"))
                    .to_owned(),
            ],
            vec![
                "Began".to_owned(),
                self.entries.first().map(time).unwrap_or_default(),
            ],
            vec![
                "Last entry".to_owned(),
                self.entries.last().map(time).unwrap_or_default(),
            ],
        ];
        let known = facts
            .iter()
            .map(|(name, at)| (name, text(start, at)))
            .filter(|(_, value)| !value.is_empty());
        rows.extend(known.map(|(name, value)| vec![(*name).to_owned(), value.to_owned()]));
        table(page, "Who, where and with what", &[], &rows);
    }

    fn asked(&self, page: &mut String) {
        heading(page, "What was asked");
        for request in self.of("request") {
            let _ = writeln!(
                page,
                "<blockquote>{}</blockquote>",
                shown(text(request, "/intent"))
            );
        }
    }

    fn decided(&self, page: &mut String) {
        let decision = |body| columns(body, &["/step", "/decision", "/rule", "/reason"]);
        let mut rows: Vec<_> = self.of("decision").map(decision).collect();
        let refusal = |body: &Value| {
            let [what, rule, reason] =
                ["/what", "/rule", "/reason"].map(|at| text(body, at).to_owned());
            vec![what, "refuse".to_owned(), rule, reason]
        };
        rows.extend(self.of("refusal").map(refusal));
        table(
            page,
            "What the policy decided",
            &["Call or capability", "Decision", "Rule", "Why"],
            &rows,
        );
    }

    fn handed(&self, page: &mut String) {
        let mut rows = Vec::new();
        for call in self.of("call-intent") {
            for resource in listed(call, "resources") {
                rows.push(
                    [
                        columns(call, &["/step", "/tool"]),
                        columns(resource, &["/op", "/path", "/sha256"]),
                    ]
                    .concat(),
                );
            }
        }
        table(
            page,
            "What the calls were handed",
            &["Call", "Tool", "To", "File", "Before, SHA-256"],
            &rows,
        );
    }

    fn read(&self, page: &mut String) {
        let mut rows = Vec::new();
        for call in self.of("call-outcome") {
            for file in listed(call, "read") {
                rows.push(
                    [
                        columns(call, &["/step"]),
                        columns(file, &["/path", "/bytes", "/sha256"]),
                    ]
                    .concat(),
                );
            }
        }
        let title = "What the calls read";
        if self
            .of("call-outcome")
            .any(|call| call.get("read").is_none())
        {
            heading(page, title);
            page.push_str("<p>Not recorded: entries of version 1 do not say it.</p>\n");
        } else {
            table(page, title, &["Call", "File", "Bytes", "SHA-256"], &rows);
        }
    }

    fn changed(&self, page: &mut String) {
        let change = |change| columns(change, &["/op", "/path", "/to", "/before", "/after"]);
        let rows: Vec<_> = self
            .of("effects")
            .flat_map(|body| listed(body, "changes"))
            .map(change)
            .collect();
        table(
            page,
            "What would change",
            &["", "File", "To", "Before, SHA-256", "After, SHA-256"],
            &rows,
        );
        let consent = |body| columns(body, &["/answer", "/by", "/rule"]);
        table(
            page,
            "Who agreed",
            &["Answer", "By", "Under the rule"],
            &self.of("consent").map(consent).collect::<Vec<_>>(),
        );
        let file = |file| columns(file, &["/path", "/bytes", "/sha256"]);
        let rows: Vec<_> = self
            .of("released")
            .flat_map(|body| listed(body, "files"))
            .map(file)
            .collect();
        table(
            page,
            "What was changed",
            &["File", "Bytes", "SHA-256"],
            &rows,
        );
    }

    fn ended(&self, page: &mut String) {
        let calls = self
            .of("call-outcome")
            .map(|body| columns(body, &["/step", "/outcome"]));
        let broken = self
            .of("interrupted")
            .map(|body| columns(body, &["/stage", "/reason"]));
        let ends = self
            .of("session-end")
            .map(|body| ["the session".to_owned(), text(body, "/outcome").to_owned()].to_vec());
        table(
            page,
            "How it went",
            &["", ""],
            &calls.chain(broken).chain(ends).collect::<Vec<_>>(),
        );
    }

    fn entries(&self, page: &mut String) {
        let row = |entry: &Value| {
            [
                columns(entry, &["/seq"]),
                vec![time(entry)],
                columns(entry, &["/kind", "/prev"]),
            ]
            .concat()
        };
        let rows: Vec<_> = self.entries.iter().map(row).collect();
        table(
            page,
            "Every entry of the session",
            &["Number", "Time", "Kind", "Hash of the entry before"],
            &rows,
        );
        let _ = writeln!(
            page,
            "<p>{} addresses or numbers of people were left out of this page; the ledger has them.</p>",
            self.redacted
        );
    }
}

fn heading(page: &mut String, title: &str) {
    let _ = writeln!(page, "<h2>{}</h2>", shown(title));
}

/// Where there is nothing, the page says so: a missing part could be taken for a forgotten one.
fn table(page: &mut String, title: &str, names: &[&str], rows: &[Vec<String>]) {
    heading(page, title);
    if rows.is_empty() {
        page.push_str("<p>Nothing.</p>\n");
        return;
    }
    let cells = |tag: &str, cells: &[String]| {
        let cells: String = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", shown(cell)))
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let head = if names.iter().any(|name| !name.is_empty()) {
        cells("th", &names)
    } else {
        String::new()
    };
    let rows: String = rows.iter().map(|row| cells("td", row)).collect();
    let _ = writeln!(page, "<table>\n{head}{rows}</table>");
}

/// Text as it was written: nothing in it is markup, hides or changes its direction.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for character in plain(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn text<'v>(value: &'v Value, at: &str) -> &'v str {
    value
        .pointer(at)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What stands at these places, texts and numbers; nothing where there is nothing.
fn columns(value: &Value, places: &[&str]) -> Vec<String> {
    let column = |at: &&str| match value.pointer(at) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    places.iter().map(column).collect()
}

fn listed<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn time(entry: &Value) -> String {
    let millis = entry.get("ts").and_then(Value::as_i64).unwrap_or_default();
    jiff::Timestamp::from_millisecond(millis)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
