//! ArcSight Common Event Format, version 0 ("Implementing ArcSight Common Event Format", version 26).

use cloister_attest::plain;

use super::{Row, Weight};

pub(super) fn row(row: &Row<'_>) -> String {
    let severity = match row.weight() {
        Weight::Information => 2,
        Weight::Notice => 4,
        Weight::Warning => 7,
    };
    let (kind, version) = (header(row.text("kind")), env!("CARGO_PKG_VERSION"));
    let fields = [
        ("rt", row.number("ts").to_string()),
        ("externalId", row.number("seq").to_string()),
        ("dvchost", row.device.to_owned()),
        ("cs1Label", "session".to_owned()),
        ("cs1", row.text("session").to_owned()),
        ("cs2Label", "line".to_owned()),
        ("cs2", row.line.to_string()),
        ("cs3Label", "ledger".to_owned()),
        ("cs3", row.log.to_string()),
        ("cs4Label", "redactionRules".to_owned()),
        ("cs4", row.rules.to_string()),
        ("cn1Label", "redacted".to_owned()),
        ("cn1", row.redacted.to_string()),
        ("cn2Label", "checkpoint".to_owned()),
        ("cn2", row.checkpoint.unwrap_or_default().to_string()),
        ("msg", row.body().to_string()),
    ];
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{name}={}", extension(&value)))
        .collect();
    let title = header(row.title());
    format!(
        "CEF:0|Cloister|cloister|{version}|{kind}|{title}|{severity}|{}",
        fields.join(" ")
    )
}

/// A value of the header: pipes and backslashes are escaped.
fn header(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// A value of the extension: equals signs and backslashes are escaped.
fn extension(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('=', "\\=")
}
