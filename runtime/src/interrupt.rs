//! ^C and its like: a flag that every stage looks at, so that a session ends in order and the ledger says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{Failure, Kind};

/// What a stage that waits looks at now and then.
pub(crate) trait GoOn {
    /// Go on, or fail with the reason to stop.
    fn check(&self) -> Result<(), Failure>;
}

impl GoOn for Interrupt {
    fn check(&self) -> Result<(), Failure> {
        Interrupt::check(self)
    }
}

/// Whether the person wants to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listen from now on. A second signal ends the process at once, for when a stage does not look.
    pub(crate) fn listen() -> Result<Interrupt, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
                .map_err(Failure::failed)?;
            signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(Failure::failed)?;
        }
        Ok(Interrupt(flag))
    }

    /// One that no signal raises.
    #[cfg(test)]
    pub(crate) fn never() -> Interrupt {
        Interrupt(Arc::new(AtomicBool::new(false)))
    }

    #[cfg(test)]
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Go on, or fail as interrupted.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.raised() {
            Err(interrupted())
        } else {
            Ok(())
        }
    }
}

/// The failure that an interrupt is.
pub(crate) fn interrupted() -> Failure {
    Failure::new(Kind::Interrupted, "stopped before it was done").hint(
        "nothing was released; of a session that had begun, the ledger says how far it came"
            .to_owned(),
    )
}
