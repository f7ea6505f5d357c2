//! RFC 5424, with facility 13, log audit. The structured data stands under 32473, the enterprise number for examples and documentation (RFC 5612),
//! since we have none.

use cloister_attest::plain;

use super::{Row, Weight};

const FACILITY: u8 = 13;

pub(super) fn row(row: &Row<'_>) -> String {
    let severity = match row.weight() {
        Weight::Information => 6,
        Weight::Notice => 5,
        Weight::Warning => 4,
    };
    let millis = i64::try_from(row.number("ts")).unwrap_or_default();
    let time = jiff::Timestamp::from_millisecond(millis).map_or("-".to_owned(), |t| t.to_string());
    let parameters = [
        ("seq", row.number("seq").to_string()),
        ("session", row.text("session").to_owned()),
        ("line", row.line.to_string()),
        ("ledger", row.log.to_string()),
        ("checkpoint", row.checkpoint.unwrap_or_default().to_string()),
        ("rules", row.rules.to_string()),
        ("redacted", row.redacted.to_string()),
    ];
    let parameters: String = parameters
        .into_iter()
        .map(|(name, value)| format!(" {name}=\"{}\"", value_of(&value)))
        .collect();
    format!(
        "<{}>1 {time} {} cloister - {} [cloister@32473{parameters}] \u{feff}{}: {}",
        FACILITY * 8 + severity,
        host(row.device),
        row.text("kind"),
        row.title(),
        plain(&row.body().to_string())
    )
}

/// Printable ASCII without spaces, at most 255 characters; a dash where nothing is left.
fn host(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(char::is_ascii_graphic)
        .take(255)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}

/// Section 6.3.3: `"`, `\` and `]` are escaped.
fn value_of(text: &str) -> String {
    let mut out = String::new();
    for character in plain(text).chars() {
        if matches!(character, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
