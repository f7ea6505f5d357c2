//! Rows of the ledger for other systems: redacted, one line an entry, each with what proves it. Pure: the same ledger gives the same bytes.

mod cef;
mod numbers;
mod ocsf;
mod page;
mod redact;
mod syslog;

use cloister_attest::{AttestError, Digest, Entry, plain};
use serde_json::{Value, json};

pub(crate) use redact::Rules;

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// The entry itself, in JSON.
    Jsonl,
    /// Open Cybersecurity Schema Framework 1.5, class API Activity, in JSON.
    Ocsf,
    /// ArcSight Common Event Format, version 0.
    Cef,
    /// Syslog, with the proof as structured data.
    Rfc5424,
}

/// One entry on its way out.
struct Row<'a> {
    entry: &'a Value,
    /// Hash of the line in the ledger, which a proof is about: of the bytes before redaction.
    line: Digest,
    /// Name of the ledger: the hash of its first line.
    log: Digest,
    /// The device that the entry's session names.
    device: &'a str,
    /// Entries that the checkpoint counts.
    checkpoint: Option<u64>,
    rules: Digest,
    redacted: usize,
}

impl Row<'_> {
    fn text(&self, name: &str) -> &str {
        self.entry
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.entry
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    fn body(&self) -> &Value {
        self.entry.get("body").unwrap_or(&Value::Null)
    }

    fn proof(&self) -> Value {
        let mut proof = json!({ "ledger": self.log, "line": self.line, "seq": self.number("seq") });
        if let (Some(size), Some(fields)) = (self.checkpoint, proof.as_object_mut()) {
            fields.insert("checkpoint".to_owned(), size.into());
        }
        proof
    }

    fn redaction(&self) -> Value {
        json!({ "rules": self.rules, "count": self.redacted })
    }

    /// For a person, in a few words.
    fn title(&self) -> &'static str {
        match self.text("kind") {
            "session-start" => "a session begins",
            "recovery" => "earlier sessions never ended",
            "request" => "a person asked",
            "plan" => "a plan was made",
            "decision" => "the policy decided on a call",
            "call-intent" => "a call is about to run",
            "call-outcome" => "a call ended",
            "effects" => "what would change was shown",
            "consent" => "the question was answered",
            "release" => "changes are about to be made",
            "released" => "changes were made",
            "discard" => "a result is about to be thrown away",
            "shred" => "contents are about to be destroyed",
            "refusal" => "something was refused",
            "interrupted" => "a session was broken off",
            "anchor" => "the TPM's counter was raised over the ledger",
            "rotate" => "the session's key handed over to the next",
            "session-end" => "a session ends",
            _ => "a note",
        }
    }

    fn weight(&self) -> Weight {
        let forbids = self.body().get("decision").and_then(Value::as_str) == Some("forbid");
        match self.text("kind") {
            "refusal" | "interrupted" | "recovery" => Weight::Warning,
            "decision" if forbids => Weight::Warning,
            "release" | "released" | "discard" | "shred" | "consent" => Weight::Notice,
            _ => Weight::Information,
        }
    }
}

/// How much attention an entry deserves; each format has its own number for it.
#[derive(Clone, Copy)]
enum Weight {
    Information,
    Notice,
    Warning,
}

/// The rows of a ledger whose entries are `lines`, verified before, and how often something was redacted; its `checkpoint` counts so many entries.
///
/// # Errors
/// When a line is not an entry.
pub(crate) fn rows(
    lines: &[u8],
    checkpoint: Option<u64>,
    format: Format,
    rules: &Rules,
) -> Result<(Vec<String>, usize), AttestError> {
    let (mut out, mut device, mut log) = (Vec::new(), String::new(), None);
    let mut all_redacted = 0;
    let whole = lines.split_inclusive(|byte| *byte == b'\n');
    for line in whole.filter_map(|line| line.strip_suffix(b"\n")) {
        let entry = Entry::parse(line)?;
        let hash = Entry::hash(line);
        let (entry, redacted) = rules.apply(serde_json::to_value(&entry).unwrap_or_default());
        let named = entry.pointer("/body/statement/device");
        if let Some(named) = named.and_then(Value::as_str) {
            device = named.to_owned();
        }
        all_redacted += redacted;
        let row = Row {
            entry: &entry,
            line: hash,
            log: *log.get_or_insert(hash),
            device: &device,
            checkpoint,
            rules: rules.digest(),
            redacted,
        };
        out.push(match format {
            Format::Jsonl => in_json(
                &json!({ "entry": row.entry, "proof": row.proof(), "redaction": row.redaction() }),
            ),
            Format::Ocsf => in_json(&ocsf::row(&row)),
            Format::Cef => cef::row(&row),
            Format::Rfc5424 => syslog::row(&row),
        });
    }
    Ok((out, all_redacted))
}

/// JSON in which what ends a line for some reader, moves a cursor or is not seen is written as `\uXXXX`: it says the same.
fn in_json(value: &Value) -> String {
    let mut out = String::new();
    for character in value.to_string().chars() {
        if plain(character.encode_utf8(&mut [0; 4])).starts_with(character) {
            out.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

/// One session of a verified ledger as a page for people; nothing where there is no session of that name.
///
/// # Errors
/// When a line is not an entry.
pub(crate) fn page(
    lines: &[u8],
    session: &str,
    verdict: &str,
    rules: &Rules,
) -> Result<Option<String>, AttestError> {
    let (mut entries, mut redacted) = (Vec::new(), 0);
    let whole = lines.split_inclusive(|byte| *byte == b'\n');
    for line in whole.filter_map(|line| line.strip_suffix(b"\n")) {
        let entry = serde_json::to_value(Entry::parse(line)?).unwrap_or_default();
        if entry.get("session").and_then(Value::as_str) == Some(session) {
            let (entry, count) = rules.apply(entry);
            redacted += count;
            entries.push(entry);
        }
    }
    let session = page::Session {
        entries: &entries,
        verdict,
        redacted,
    };
    Ok((!entries.is_empty()).then(|| session.page()))
}

#[cfg(test)]
mod tests;
