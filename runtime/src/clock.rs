//! The one place that reads the clock; every other room is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by the device's own clock.
pub(crate) fn millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Now, as judgement counts time.
pub(crate) fn for_policy() -> cloister_policies::UnixMillis {
    cloister_policies::UnixMillis(millis())
}

/// Now, as the ledger counts time.
pub(crate) fn for_ledger() -> cloister_attest::UnixMillis {
    cloister_attest::UnixMillis::new(millis())
}
