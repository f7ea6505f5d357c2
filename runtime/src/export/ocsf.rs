//! Open Cybersecurity Schema Framework 1.5.0: class API Activity (6003). What has no attribute there stands in `unmapped`.

use serde_json::{Value, json};

use super::{Row, Weight};

/// `category_uid`, `class_uid`, `activity_id` "Other".
const APPLICATION: u64 = 6;
const API_ACTIVITY: u64 = 6003;
const OTHER: u64 = 99;

pub(super) fn row(row: &Row<'_>) -> Value {
    let (severity, severity_id) = match row.weight() {
        Weight::Information => ("Informational", 1),
        Weight::Notice => ("Low", 2),
        Weight::Warning => ("Medium", 3),
    };
    let (kind, session) = (row.text("kind"), row.text("session"));
    let product = json!({ "name": "Cloister", "vendor_name": "Cloister", "version": env!("CARGO_PKG_VERSION") });
    json!({
        "activity_id": OTHER,
        "activity_name": kind,
        "actor": { "app_name": "cloister", "session": { "uid": session } },
        "api": { "operation": kind, "service": { "name": "cloister" } },
        "category_name": "Application Activity",
        "category_uid": APPLICATION,
        "class_name": "API Activity",
        "class_uid": API_ACTIVITY,
        "message": row.title(),
        "metadata": {
            "correlation_uid": session,
            "log_name": "cloister-ledger",
            "product": product,
            "sequence": row.number("seq"),
            "uid": row.line,
            "version": "1.5.0",
        },
        "severity": severity,
        "severity_id": severity_id,
        "src_endpoint": { "name": row.device },
        "time": row.number("ts"),
        "type_name": "API Activity: Other",
        "type_uid": API_ACTIVITY * 100 + OTHER,
        "unmapped": { "body": row.body(), "proof": row.proof(), "redaction": row.redaction() },
    })
}
