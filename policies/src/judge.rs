//! Judgement of calls, manifests and sessions: the ceiling in Rust and the rules in Rego, of which the strictest wins. Touches nothing.

use crate::bundle::Bundle;
use crate::call::Call;
use crate::ceiling::Ceiling;
use crate::decision::{Decision, Refusal, Rule};
use crate::grants::{Drawn, Grants, Op};
use crate::limits::LIMITS;
use crate::manifest::Manifest;
use crate::rego::{Outcome, Said};
use crate::request::{CallView, GrantsView, Input, Kind, Request, SessionView};
use crate::session::{AttestationKind, Session, UnixMillis};
use crate::verdict::Verdict;

/// What is said to a call, and what it would draw on where there is something.
pub(crate) struct Weighed {
    pub(crate) verdict: Verdict,
    drawn: Option<Drawn>,
}

impl Bundle {
    /// Judges one call. Whatever the rules say, a call outside the grants, after their end or their last use, or of a tool not granted is forbidden.
    pub fn judge(
        &self,
        call: Call,
        grants: &Grants,
        session: &Session,
        now: UnixMillis,
    ) -> Decision {
        let Weighed { verdict, drawn } = self.weigh(&call, grants, session, now);
        match (verdict.decision, drawn) {
            (Outcome::Permit, Some(drawn)) => Decision::permit(call, verdict.by(), drawn),
            (Outcome::Ask, Some(drawn)) => {
                let most = LIMITS.remember_days.min(session.device.remember_days());
                let days = verdict.remember_days.min(most);
                Decision::ask(call, verdict.by(), verdict.also_ask(), drawn, days)
            }
            // Where there is nothing to draw on, the verdict forbids too.
            (Outcome::Forbid, _) | (_, None) => Decision::forbid(&call, verdict.by()),
        }
    }

    /// The one path that both [`judge`](Self::judge) and [`explain`](Self::explain) take.
    pub(crate) fn weigh(
        &self,
        call: &Call,
        grants: &Grants,
        session: &Session,
        now: UnixMillis,
    ) -> Weighed {
        let mut said = match call_input(call, grants, session, now) {
            Some(input) => self.rego.ask(Kind::Call, &input),
            None => vec![Said::forbid(
                "builtin.name",
                "a file's name is not UTF-8, so no rule can judge it",
            )],
        };
        // The rules come first: where both forbid, theirs is the better sentence.
        said.extend(ceiling(call, grants, now));
        let implied = self.implied(call, grants, session, now);
        let drawn = implied.and_then(|implied| grants.draw(call, implied.as_ref(), now));
        let drawn = drawn.map_err(|over| said.push(over)).ok();
        let verdict = answerable(call, Verdict::of(said));
        Weighed { verdict, drawn }
    }

    /// Whether a session of this manifest may run with nobody to ask.
    ///
    /// # Errors
    /// The refusal, where it may not.
    pub fn unattended(&self, manifest: &Manifest, device: &Ceiling) -> Result<Rule, Refusal> {
        let (what, rule) = ("--unattended", "device.unattended");
        managed(device.lets_unattended(), what, rule)?;
        self.about(manifest, Request::Unattended, what)
    }

    /// Whether a session of this manifest may run with this attestation.
    ///
    /// # Errors
    /// The refusal, where it may not.
    pub fn attestation(
        &self,
        manifest: &Manifest,
        attestation: AttestationKind,
        device: &Ceiling,
    ) -> Result<Rule, Refusal> {
        let what = format!("attestation {attestation}");
        let accepted = device.lets_attestation(attestation);
        managed(accepted, &what, "device.attestation")?;
        self.about(manifest, Request::Attestation { attestation }, &what)
    }

    fn about(
        &self,
        manifest: &Manifest,
        request: Request<'_>,
        what: &str,
    ) -> Result<Rule, Refusal> {
        let view = manifest.view();
        let kind = if matches!(request, Request::Unattended) {
            Kind::Unattended
        } else {
            Kind::Attestation
        };
        let input = Input {
            request,
            call: None,
            manifest: &view,
            grants: None,
            session: None,
            now: None,
        };
        let verdict = Verdict::of(self.rego.ask(kind, &input));
        let Rule { rule, reason } = verdict.by();
        match verdict.decision {
            Outcome::Permit => Ok(Rule { rule, reason }),
            // There is no plan yet that a person could look at, so a question is a refusal.
            Outcome::Ask | Outcome::Forbid => Err(Refusal {
                what: what.to_owned(),
                rule,
                reason,
            }),
        }
    }
}

/// A refusal by the management of this device, unless it `lets` this happen.
fn managed(lets: bool, what: &str, rule: &str) -> Result<(), Refusal> {
    if lets {
        return Ok(());
    }
    Err(Refusal {
        what: what.to_owned(),
        rule: rule.to_owned(),
        reason: "the management of this device does not allow it".to_owned(),
    })
}

/// The document for one call; nothing where a path cannot be written in it.
pub(crate) fn call_input<'a>(
    call: &'a Call,
    grants: &'a Grants,
    session: &'a Session,
    now: UnixMillis,
) -> Option<Input<'a>> {
    Some(Input {
        request: Request::Call,
        call: Some(CallView::of(call, grants)?),
        manifest: grants.manifest(),
        grants: Some(GrantsView::of(grants, now)),
        session: Some(SessionView::of(session)),
        now: Some(now),
    })
}

/// A question is put when effects are to be released. A call that changes nothing has none, so nobody would ever be asked: that refuses.
fn answerable(call: &Call, verdict: Verdict) -> Verdict {
    let changes = call.resources().iter().any(|r| r.op != Op::Read);
    if verdict.decision != Outcome::Ask || changes {
        return verdict;
    }
    let reason = format!(
        "{} ({}), but it changes nothing that a person could look at first",
        verdict.reason, verdict.rule
    );
    let mut said = verdict.said;
    said.push(Said::forbid("builtin.question", reason));
    Verdict::of(said)
}

/// What no rule can lift.
fn ceiling(call: &Call, grants: &Grants, now: UnixMillis) -> Vec<Said> {
    let mut said = Vec::new();
    if grants.expired(now) {
        said.push(Said::forbid(
            "builtin.expired",
            "the time for which access was granted is over",
        ));
    }
    if !grants.allows_tool(call.tool()) {
        said.push(Said::forbid(
            "builtin.tool",
            format!("the manifest does not name the tool {}", call.tool()),
        ));
    }
    if let Some(resource) = call
        .resources()
        .iter()
        .find(|resource| !grants.covers(resource.op, &resource.path))
    {
        // The same words whether the file exists, is reserved, or lies elsewhere: a refusal must not tell.
        let reason = format!(
            "{} is not granted for {}",
            resource.op.capability(),
            resource.path.display()
        );
        said.push(Said::forbid("builtin.path", reason));
    }
    said
}
