//! Intents of a session that wait for their outcome, and whether what an outcome says was read is what its intent was handed. Pure.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::entry::body::{CallIntent, CallOutcome, FileState, Resource};

/// Intents without an outcome yet, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Open(Vec<Intent>);

#[derive(Debug, Clone)]
struct Intent {
    seq: u64,
    awaits: Awaits,
}

/// What the outcome will name.
#[derive(Debug, Clone)]
enum Awaits {
    Outcome { step: String, handed: Vec<Resource> },
    Released(Digest),
}

impl Open {
    /// Their numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|intent| intent.seq)
    }

    pub(super) fn call(&mut self, seq: u64, call: &CallIntent) {
        let awaits = Awaits::Outcome {
            step: call.step.clone(),
            handed: call.resources.clone(),
        };
        self.0.push(Intent { seq, awaits });
    }

    pub(super) fn release(&mut self, seq: u64, effects: Digest) {
        let awaits = Awaits::Released(effects);
        self.0.push(Intent { seq, awaits });
    }

    pub(super) fn close_call(&mut self, outcome: &CallOutcome) {
        self.0
            .retain(|intent| !matches!(&intent.awaits, Awaits::Outcome { step, .. } if *step == outcome.step));
    }

    pub(super) fn close_release(&mut self, effects: Digest) {
        self.0
            .retain(|intent| !matches!(intent.awaits, Awaits::Released(of) if of == effects));
    }

    /// Version 1 does not say what was read. From version 2 on it is said in one order, and nothing was read that was not handed over.
    pub(super) fn check_readings(&self, version: u64, outcome: &CallOutcome) -> Result<(), String> {
        let read = match (version, &outcome.read) {
            (1, None) => return Ok(()),
            (1, Some(_)) => {
                return Err("an outcome of version 1 that says what was read".to_owned());
            }
            (_, None) => return Err("the outcome does not say what was read".to_owned()),
            (_, Some(read)) => read,
        };
        let place = |file: &FileState| (file.path.clone(), file.sha256);
        if !read.is_sorted_by(|one, next| place(one) < place(next)) {
            return Err("what was read is not in order".to_owned());
        }
        let handed = self.handed(&outcome.step);
        let strange = |file: &&FileState| {
            let mut digests = handed.get(file.path.as_str()).into_iter().flatten();
            !digests.any(|known| known.is_none_or(|sha256| sha256 == file.sha256))
        };
        match read.iter().find(strange) {
            None => Ok(()),
            Some(file) => Err(format!(
                "`{}` was read and not handed over as it was read",
                file.path
            )),
        }
    }

    /// What the open calls of a step may read: each path, with the digest that its intent gives or none.
    fn handed(&self, of: &str) -> BTreeMap<&str, Vec<Option<Digest>>> {
        let mut handed: BTreeMap<&str, Vec<Option<Digest>>> = BTreeMap::new();
        let resources = self.0.iter().filter_map(|intent| match &intent.awaits {
            Awaits::Outcome { step, handed } if step == of => Some(handed),
            _ => None,
        });
        for resource in resources.flatten().filter(|resource| resource.op == "read") {
            handed
                .entry(&resource.path)
                .or_default()
                .push(resource.sha256);
        }
        handed
    }
}
