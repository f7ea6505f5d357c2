//! How long the agent waits for the mind: not past the person's wish to stop, nor past the end of what it may do, nor for ever.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Kind};
use crate::interrupt::{GoOn, Interrupt};

/// How long a mind may take for one frame, or for taking one. Ten minutes: it says something after each layer of a chunk and each token, which
/// take below a minute even where memory is swapped.
const SILENCE: Duration = Duration::from_secs(600);
/// How long a mind may take to load. An hour: a hundred gigabytes from a slow disk.
const LOADING: Duration = Duration::from_secs(3600);

/// What ends the wait for a mind, however much it says meanwhile.
pub(crate) struct Bounds {
    stop: Box<dyn GoOn>,
    until: Instant,
    late: fn() -> Failure,
}

impl Bounds {
    /// While it loads.
    pub(super) fn loading(interrupt: &Interrupt) -> Bounds {
        Bounds {
            stop: Box::new(interrupt.clone()),
            until: Instant::now() + LOADING,
            late: || Failure::failed("the model was not loaded within an hour"),
        }
    }

    /// While it plans, on grants that have so much time left.
    pub(crate) fn session(stop: impl GoOn + 'static, left: Duration) -> Bounds {
        let now = Instant::now();
        Bounds {
            stop: Box::new(stop),
            until: now.checked_add(left).unwrap_or(now + LOADING),
            late: || {
                Failure::new(
                    Kind::Refused,
                    "the grants expired while the model was at work",
                )
                .hint("give the manifest a longer `ttl_seconds`".to_owned())
            },
        }
    }

    /// Why nothing more is waited for.
    pub(super) fn passed(&self) -> Option<Failure> {
        match self.stop.check() {
            Err(stopped) => Some(stopped),
            Ok(()) if Instant::now() >= self.until => Some((self.late)()),
            Ok(()) => None,
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.check().is_err()
    }

    /// Until when one frame is waited for.
    pub(super) fn frame(&self) -> Instant {
        self.until.min(Instant::now() + SILENCE)
    }

    /// Go on, or fail as called off.
    pub(super) fn go_on(&self) -> io::Result<()> {
        self.passed()
            .map_or(Ok(()), |_| Err(ErrorKind::ConnectionAborted.into()))
    }
}
