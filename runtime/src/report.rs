//! What a run came to: the document of `--json`, and the same as lines for a person. Filled as the run goes, printed however it ends.

use std::fmt::Write as _;

use cloister_models::Tally;
use cloister_policies::{Decision, Refusal, Rule};
use cloister_tools::{Consent, Consenter};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::consent;
use crate::counted::counted;
use crate::failure::Failure;

/// The document of `run`, `plan`, `undo`, `quarantine release`, `quarantine discard` and `audit shred` with `--json`; field names are the contract of cli.md.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) session: String,
    pub(crate) answer: Option<String>,
    /// `tool`: made from what a tool returned; `model`: the model's own words, for which no file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer_from: Option<&'static str>,
    pub(crate) plan: Option<PlanReport>,
    pub(crate) decisions: Vec<DecisionReport>,
    pub(crate) consent: Option<ConsentReport>,
    pub(crate) released: Vec<ReleasedReport>,
    pub(crate) quarantined: Vec<QuarantinedReport>,
    /// What was thrown away: its id in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discarded: Option<String>,
    /// The session whose contents were destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shredded: Option<String>,
    /// The session whose release was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) undone: Option<String>,
    pub(crate) refused: Vec<RefusedReport>,
    pub(crate) attestation: String,
    pub(crate) read: Vec<String>,
    pub(crate) timing_ms: Timing,
    pub(crate) tokens: Tokens,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PlanReport {
    pub(crate) hash: String,
    pub(crate) steps: Vec<StepReport>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepReport {
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) args: Map<String, Value>,
    /// Slots that wait for what the files hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DecisionReport {
    pub(crate) step: String,
    pub(crate) decision: &'static str,
    pub(crate) rule: String,
    pub(crate) reason: String,
    /// The other rules that ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<Rule>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ConsentReport {
    pub(crate) effects_hash: String,
    pub(crate) by: &'static str,
    pub(crate) answer: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReleasedReport {
    pub(crate) path: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct QuarantinedReport {
    pub(crate) id: String,
    pub(crate) path: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct RefusedReport {
    pub(crate) what: String,
    pub(crate) rule: String,
    pub(crate) reason: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit: u8,
}

/// Milliseconds a stage took.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Timing {
    pub(crate) load: u64,
    pub(crate) plan: u64,
    pub(crate) tools: u64,
    pub(crate) total: u64,
}

/// Tokens read and written, as `Tally` counts them.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Tokens {
    pub(crate) prompt: usize,
    pub(crate) reused: usize,
    /// Of those reused, taken from what an earlier run kept.
    pub(crate) restored: usize,
    pub(crate) forced: usize,
    pub(crate) sampled: usize,
    /// Of those sampled, read before they were sampled.
    pub(crate) accepted: usize,
}

impl Report {
    /// A report of a run of which nothing is known yet.
    pub(crate) fn begun() -> Report {
        Report {
            attestation: "none".to_owned(),
            ..Report::default()
        }
    }

    /// Note how it ended, once.
    pub(crate) fn failed_or_done<T>(&mut self, told: &Result<T, Failure>) {
        if let Err(failure) = told
            && self.error.is_none()
        {
            self.failed(failure);
        }
    }

    /// Note how it ended where it did not end well; `answer` is set in any case.
    fn failed(&mut self, failure: &Failure) {
        self.answer = Some(failure.message().to_owned());
        self.error = Some(ErrorReport {
            message: failure.message().to_owned(),
            hint: failure.advice().map(str::to_owned),
            exit: failure.kind().exit_code(),
        });
    }

    /// The short account that a run ends with.
    pub(crate) fn account(&self) -> String {
        let mut text = String::new();
        let Timing {
            load,
            plan,
            tools,
            total,
        } = self.timing_ms;
        if !self.read.is_empty() {
            let _ = writeln!(text, "read     {}", folded(&self.read)); // a String takes everything
        }
        for file in &self.released {
            let _ = writeln!(
                text,
                "wrote    {}, {}, sha256 {}",
                file.path,
                counted(file.bytes, "byte"),
                file.sha256
            );
        }
        for waiting in &self.quarantined {
            let _ = writeln!(
                text,
                "waiting  {} in quarantine as {}",
                waiting.path, waiting.id
            );
        }
        let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
        let _ = writeln!(
            text,
            "time     model {}, plan {}, tools {}, in all {}",
            seconds(load),
            seconds(plan),
            seconds(tools),
            seconds(total)
        );
        let Tokens {
            prompt,
            reused,
            restored,
            forced,
            sampled,
            accepted,
        } = self.tokens;
        let _ = writeln!(
            text,
            "tokens   {prompt} read, {reused} known already ({restored} from an earlier run), {forced} forced, {sampled} sampled ({accepted} foreseen){}",
            self.rate()
        );
        let _ = writeln!(
            text,
            "session  {}, attestation {}",
            self.session, self.attestation
        );
        text
    }

    /// Tokens a second while planning, reading and writing together.
    fn rate(&self) -> String {
        let Tokens {
            prompt,
            forced,
            sampled,
            ..
        } = self.tokens;
        let tokens = u64::try_from(prompt.saturating_add(forced).saturating_add(sampled))
            .unwrap_or(u64::MAX);
        let per_second = tokens.saturating_mul(1000).checked_div(self.timing_ms.plan);
        per_second.map_or_else(String::new, |n| format!(" ({n} a second)"))
    }
}

impl DecisionReport {
    pub(crate) fn of(step: String, decision: &Decision) -> DecisionReport {
        DecisionReport {
            step,
            decision: decision.name(),
            rule: decision.rule().to_owned(),
            reason: decision.reason().to_owned(),
            also: decision.also().to_vec(),
        }
    }
}

impl RefusedReport {
    pub(crate) fn of(refusal: &Refusal) -> RefusedReport {
        let Refusal { what, rule, reason } = refusal.clone();
        RefusedReport { what, rule, reason }
    }
}

impl ConsentReport {
    pub(crate) fn of(consent: &Consent) -> ConsentReport {
        let by = match consent.by {
            Consenter::Person => "person",
            Consenter::Policy { .. } => "policy",
            Consenter::Remembered { .. } => "remembered",
            Consenter::Nobody => "nobody",
        };
        ConsentReport {
            effects_hash: consent.effects_hash.to_string(),
            by,
            answer: consent::word(consent.answer),
        }
    }
}

impl From<Tally> for Tokens {
    fn from(
        Tally {
            prompt,
            reused,
            forced,
            sampled,
            restored,
            accepted,
            ..
        }: Tally,
    ) -> Tokens {
        Tokens {
            prompt,
            reused,
            restored,
            forced,
            sampled,
            accepted,
        }
    }
}

fn folded(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] if names.len() > 4 => format!("{} files, {first} to {last}", names.len()),
        several => several.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cloister_policies::{Bundle, Call, Manifest, UnixMillis, shipped};
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn the_document_names_every_rule_that_asks_and_not_the_first_alone() {
        let (now, folder) = (UnixMillis(1_000_000), Path::new("/f"));
        let session = testing::session();
        let manifest = br#"{"agent": "a", "version": "1", "capabilities": [{"name": "file:write", "paths": ["/f"]}]}"#;
        let manifest = Manifest::parse(manifest, folder).unwrap();
        let bundle = Bundle::load(&shipped()).unwrap();
        let grants = bundle.negotiate(&manifest, &session, now).grants;
        let said = |labels: &[(&str, &str, &str)]| {
            let args = labels.iter().map(|(name, integrity, source)| {
                json!({"name": name, "value": format!("{name}.txt"), "label": {"integrity": integrity, "sources": [source]}})
            });
            let touched = labels.iter().map(
                |(name, ..)| json!({"op": "write", "path": format!("{name}.txt"), "parameter": name}),
            );
            let call = json!({"tool": "t.f", "args": args.collect::<Vec<_>>(), "resources": touched.collect::<Vec<_>>()});
            let call = Call::from_json(call.to_string().as_bytes(), folder).unwrap();
            let decision = bundle.judge(call, &grants, &session, now);
            serde_json::to_value(DecisionReport::of("$1".to_owned(), &decision)).unwrap()
        };
        let save = ("save", "data", "letter.txt");
        let one = json!({"step": "$1", "decision": "ask", "rule": "sink.document", "reason": "save is \"save.txt\", taken from letter.txt"});
        assert_eq!(said(&[save]), one);
        let both = said(&[save, ("title", "tool", "sheet.describe")]);
        let also = json!([{"rule": "sink.tool", "reason": "title is \"title.txt\", which a tool worked out"}]);
        assert_eq!((&both["rule"], &both["also"]), (&one["rule"], &also));
    }
}
