//! What the TPM's counter says of a ledger: its anchors, and a device's answer to an auditor's challenge (SPEC.md section 14). Pure.

use std::io::{self, BufRead};

use super::{Fault, Report, Walk, through};
use crate::anchor::{Counted, CounterAnswer, counter_name};
use crate::chain::Accepted;
use crate::entry::body::Body;
use crate::evidence::Challenge;
use crate::roots::{EnrolledKey, Roots};
use crate::storage::Files;

/// A device's answer, read and signed by the key of this name.
pub(super) struct Answer {
    key: Vec<u8>,
    counted: Counted,
}

/// Checks a ledger folder against its device's `answer` to `challenge`: whether it is the newest, and nothing was cut off.
///
/// # Errors
/// The reader's own; whatever is in the bytes is a verdict, never an error.
pub fn verify_answer<R: BufRead>(
    files: Files<R>,
    roots: &Roots,
    challenge: &Challenge,
    answer: &[u8],
) -> io::Result<Report> {
    let mut walk = Walk::new(roots, Some(challenge));
    match CounterAnswer::read(answer, challenge) {
        Ok((key, counted)) => walk.answer = Some(Answer { key, counted }),
        Err(error) => return Ok(walk.tampered(Fault::file("answer", &error.to_string()))),
    }
    through(walk, files)
}

impl Walk<'_> {
    /// Checks what an entry says of the counter, once it is in its place and signed.
    pub(super) fn counter(&mut self, accepted: &Accepted) -> Result<(), String> {
        let id = accepted.unchecked.entry.session;
        match &accepted.unchecked.entry.body {
            Body::SessionStart(start) => {
                let quote = start.evidence.quote();
                self.ak = quote.map(|quote| quote.ak_public().to_vec());
            }
            Body::Anchor(anchor) => {
                let ak = self.ak.as_deref().unwrap_or_default();
                anchor.signed_by(ak)?;
                let found = accepted.noticed.counter.as_deref();
                let key = crate::quote::attestation_key_name(ak).map_err(|e| e.to_string())?;
                self.right_counter(self.roots.key(&key), found)?;
            }
            _ => {}
        }
        if accepted.noticed.unanchored {
            self.doubt(format!("session {id} is not anchored throughout"));
        }
        if accepted.noticed.missing > 0 {
            self.doubt(format!(
                "the TPM's counter was raised without an anchor before entry {}: a session was cut short",
                accepted.unchecked.entry.seq
            ));
        }
        Ok(())
    }

    fn right_counter(&self, key: Option<&EnrolledKey>, found: Option<&[u8]>) -> Result<(), String> {
        match key.and_then(EnrolledKey::counter) {
            Some(index) if found != Some(&counter_name(index)) => {
                Err("another counter than the enrolled one is certified".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// At the end: whether enrolled counters were used, and whether the ledger is the one that the device answered for.
    pub(super) fn counters(&mut self) -> Result<(), Fault> {
        let roots = self.roots;
        for key in roots.keys() {
            let used = self.resets.contains_key(key.name()) && key.counter().is_some();
            if used && self.lines.chain().standing(key.name()).is_none() {
                self.doubt(format!(
                    "no session of device `{}` is anchored by its counter",
                    key.device()
                ));
            }
        }
        match self.answer.take() {
            Some(answer) => self.answered(&answer),
            None => Ok(()),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<(), Fault> {
        let roots = self.roots;
        let key = roots.key(&answer.key);
        if key.and_then(EnrolledKey::counter).is_none() {
            self.doubt("the answer is by a key that is not enrolled with a counter".to_owned());
            return Ok(());
        }
        self.right_counter(key, Some(&answer.counted.counter))
            .map_err(|what| Fault::file("answer", &what))?;
        let Some(standing) = self.lines.chain().standing(&answer.key) else {
            self.doubt("the ledger has no anchor of the device that answered".to_owned());
            return Ok(());
        };
        let value = answer.counted.value;
        self.fresh = true;
        if value < standing.value {
            let what = format!(
                "the device's counter stands at {value}, the ledger's last anchor at {}",
                standing.value
            );
            return Err(Fault::file("answer", &what));
        }
        if value > standing.value.saturating_add(standing.loose) {
            return Err(self.here(&format!(
                "the device's counter stands at {value}, the ledger's last anchor at {}: what came after it is missing",
                standing.value
            )));
        }
        if value > standing.value {
            self.doubt(format!(
                "the device's counter stands at {value}, the ledger's last anchor at {}: the last session was cut short",
                standing.value
            ));
        }
        Ok(())
    }
}
