//! Everything that is needed to print why a call was decided as it was. Takes the same path as enforcement. Touches nothing.

use serde::Serialize;
use serde_json::Value;

use crate::bundle::Bundle;
use crate::call::Call;
use crate::grants::Grants;
use crate::judge::call_input;
use crate::session::{Session, UnixMillis};

/// What one rule said about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `permit`, `ask` or `forbid`.
    pub decision: &'static str,
    /// The rule's name.
    pub rule: String,
    /// A sentence for a person.
    pub reason: String,
}

/// A decision with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `permit`, `ask` or `forbid`.
    pub decision: &'static str,
    /// The rule that decided.
    pub rule: String,
    /// Why, in a sentence for a person.
    pub reason: String,
    /// Everything that was said, the strictest first.
    pub findings: Vec<Finding>,
    /// The document that the rules saw; `null` where a file's name is not UTF-8.
    pub input: Value,
}

impl Bundle {
    /// What [`judge`](Self::judge) would say to `call`, and why.
    #[must_use]
    pub fn explain(
        &self,
        call: &Call,
        grants: &Grants,
        session: &Session,
        now: UnixMillis,
    ) -> Explanation {
        let mut verdict = self.weigh(call, grants, session, now).verdict;
        verdict
            .said
            .sort_by_key(|said| std::cmp::Reverse(said.decision));
        let findings = verdict.said.into_iter();
        let findings = findings
            .map(|said| Finding {
                decision: said.decision.name(),
                rule: said.rule,
                reason: said.reason,
            })
            .collect();
        let input = call_input(call, grants, session, now)
            .and_then(|input| serde_json::to_value(input).ok());
        Explanation {
            decision: verdict.decision.name(),
            rule: verdict.rule,
            reason: verdict.reason,
            findings,
            input: input.unwrap_or_default(),
        }
    }
}
