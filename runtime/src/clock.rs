//! The one place that reads the clock; every other room is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// The clock of a session. Whichever says the later time counts, the device's clock or the time that has passed since the session began, so that
/// setting the device's clock back puts no end off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: u64,
    since: Instant,
}

impl Clock {
    /// A clock for what begins now.
    pub(crate) fn start() -> Clock {
        Clock {
            began: millis(),
            since: Instant::now(),
        }
    }

    fn millis(self) -> u64 {
        later(millis(), self.began, self.since.elapsed())
    }

    /// Now, as judgement counts time.
    pub(crate) fn for_policy(self) -> cloister_policies::UnixMillis {
        cloister_policies::UnixMillis(self.millis())
    }

    /// Now, as the ledger counts time.
    pub(crate) fn for_ledger(self) -> cloister_attest::UnixMillis {
        cloister_attest::UnixMillis::new(self.millis())
    }
}

/// The later of what the device's clock says and of what has `passed` since it said `began`.
fn later(says: u64, began: u64, passed: Duration) -> u64 {
    let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
    says.max(began.saturating_add(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_clock_gains_time_by_the_other() {
        let hour = Duration::from_secs(3600);
        assert_eq!(later(3_600_000, 0, hour), 3_600_000);
        assert_eq!(later(0, 0, hour), 3_600_000, "set back");
        assert_eq!(
            later(9_000_000, 0, hour),
            9_000_000,
            "set forward, or slept"
        );
        assert_eq!(later(0, u64::MAX, hour), u64::MAX);
    }
}
