//! What a new bundle decides otherwise than the one in force: both are asked about the cases of either, under their own settings too, and about the
//! calls that the ledger knows. Touches nothing.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::cases::{Asked, verdict};
use crate::grants::Op;
use crate::rego::Rego;
use crate::verdict::Verdict;

/// A call as the ledger keeps it: of its arguments there are only digests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PastCall {
    /// The agent that made it.
    pub agent: String,
    /// The tool function.
    pub tool: String,
    /// The files it touched; they were granted then.
    pub resources: Vec<(Op, String)>,
    /// Whether nobody could be asked.
    pub unattended: bool,
}

/// One decision of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ruling {
    /// `permit`, `ask` or `forbid`.
    pub decision: &'static str,
    /// The rule that decided.
    pub rule: String,
    /// Its reason, for a person.
    pub reason: String,
    /// The cap on the time, where it set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// The cap on the uses, where it set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    /// For how many days a person's answer may be remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remember_days: Option<u64>,
}

/// A request that the two bundles decide differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// What was asked: a case by its file and name, or a call of the past.
    pub about: String,
    /// What the bundle in force says.
    pub before: Ruling,
    /// What the new one says.
    pub after: Ruling,
}

impl Bundle {
    /// Every request of the cases of both bundles, and of `past`, that `new` decides otherwise than this one. A rule of another name that decides
    /// alike is no change.
    #[must_use]
    pub fn flips(&self, new: &Bundle, past: &BTreeSet<PastCall>) -> Vec<Flip> {
        let mut flips = Vec::new();
        for asked in self.asked().chain(new.asked()) {
            let with = asked.settings;
            flips.extend(flip(
                asked.about.clone(),
                self.ruling(&asked.input, Some(with)),
                new.ruling(&asked.input, Some(with)),
            ));
            flips.extend(flip(
                format!("{}, under the bundle's own settings", asked.about),
                self.ruling(&asked.input, None),
                new.ruling(&asked.input, None),
            ));
        }
        for call in past {
            let input = call.input();
            let (before, after) = (self.ruling(&input, None), new.ruling(&input, None));
            flips.extend(flip(call.sentence(), before, after));
        }
        let mut seen = BTreeSet::new();
        flips.retain(|flip| seen.insert(flip.about.clone()));
        flips
    }

    /// What this bundle says to `input`, `settings` laid over its own.
    fn ruling(&self, input: &Value, settings: Option<&Value>) -> Ruling {
        let over = settings.map(|settings| self.rego_with(settings));
        let said = |rego: &Rego| verdict(rego, input.clone());
        let verdict = match &over {
            None => said(&self.rego),
            Some(Ok(rego)) => said(rego),
            Some(Err(_)) => Verdict::of(Vec::new()),
        };
        Ruling {
            decision: verdict.decision.name(),
            rule: verdict.rule,
            reason: verdict.reason,
            ttl_seconds: verdict.ttl_seconds,
            max_uses: verdict.max_uses,
            remember_days: Some(verdict.remember_days).filter(|days| *days > 0),
        }
    }

    fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        self.cases().iter().flat_map(crate::cases::CaseFile::asked)
    }
}

fn flip(about: String, before: Ruling, after: Ruling) -> Option<Flip> {
    let terms = |ruling: &Ruling| {
        let caps = [ruling.ttl_seconds, ruling.max_uses, ruling.remember_days];
        (ruling.decision, caps)
    };
    (terms(&before) != terms(&after)).then_some(Flip {
        about,
        before,
        after,
    })
}

impl PastCall {
    /// The document for it, as far as the ledger knows: no arguments, everything granted.
    fn input(&self) -> Value {
        let resources: Vec<Value> = self
            .resources
            .iter()
            .map(|(op, path)| json!({"op": op, "path": path, "parameter": "", "granted": true}))
            .collect();
        json!({
            "request": {"type": "call"},
            "call": {"id": "$1", "tool": self.tool, "tool_granted": true, "args": [], "resources": resources},
            "manifest": {"agent": self.agent, "version": "", "capabilities": []},
            "grants": {"read": [], "write": [], "move": [], "delete": [], "until": 1, "expired": false},
            "session": {"attestation": "none", "confinement": {"level": "partial", "missing": []}, "unattended": self.unattended},
            "now": 0,
        })
    }

    fn sentence(&self) -> String {
        let files: Vec<String> = self
            .resources
            .iter()
            .map(|(op, path)| format!("{} {path}", op.name()))
            .collect();
        let alone = if self.unattended { ", unattended" } else { "" };
        format!(
            "a past call of {}{alone}: {} ({})",
            self.agent,
            self.tool,
            files.join(", ")
        )
    }
}
