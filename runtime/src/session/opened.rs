//! An open session: what each stage does, and its entry in the ledger. The order within a method is the promise; see ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloister_attest::{Digest, Recorded};
use cloister_policies::{
    Call, Decision, Grants, MODEL, Manifest, Permit, Plan, Refusal, ReleaseTerms, Rule, Session,
    UnixMillis,
};
use cloister_tools::names::{Lines, escape};
use cloister_tools::{
    Cage, Effect, Effects, Ended, Limits, Moment, Nobody, Outcome, Quarantine, Quarantined, Survey,
    Watch as _,
};
use serde_json::Value;

use super::earlier::Earlier;
use super::journal::Journal;
use super::judged::{Judged, Permits, Step};
use super::replay::Record;
use super::settle;
use super::tenure::{self, Hold, Needs, Tenure};
use super::{ASKED, House, millis, refused};
use crate::clock;
use crate::commands::Desk;
use crate::consent::{self, Asking, Lasting};
use crate::entries;
use crate::failure::Failure;
use crate::interrupt::{GoOn as _, Interrupt};
use crate::look::{Look, Why};
use crate::mind::{Bounds, Example, Mind, Reader};
use crate::plan::offers::Offer;
use crate::report::{DecisionReport, PlanReport, RefusedReport, Report};
use crate::words::Words;

/// Worked examples shown to the planner: one for each of the first few functions on offer. More would cost more reading than they help.
const EXAMPLES: usize = 4;

/// Everything that a session holds once its first entry is written.
pub(crate) struct Opened {
    pub(crate) house: House,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_digest: Digest,
    /// The weights of the model that plans.
    pub(crate) model: Digest,
    pub(crate) folder: PathBuf,
    pub(crate) grants: Grants,
    pub(crate) session: Session,
    pub(crate) survey: Arc<Survey>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) asking: Asking,
    pub(crate) tenure: Tenure,
    /// The capabilities that were taken back by themselves, and paths of them, as far as the ledger says so.
    pub(super) taken: BTreeSet<String>,
    /// What the calls so far drew on: nothing that they made is released without it.
    pub(super) used: Needs,
    pub(crate) journal: Journal,
    /// What may still run. Nothing, until a plan is frozen.
    pub(crate) plan: Plan,
    /// What is repeated, in a replay.
    pub(super) record: Option<Record>,
}

/// What stands for a step where the effects are looked at.
const LOOKING: &str = "look";

/// What a call gave back, still carrying where it came from.
pub(crate) struct Performed {
    pub(crate) value: Value,
    pub(crate) effects: Vec<Effect>,
    pub(crate) terms: ReleaseTerms,
    /// The end of what the call drew on: nothing that it made is released after it without a question of its own.
    pub(crate) until: UnixMillis,
    /// The rule that decided.
    pub(crate) rule: String,
    /// Why it was let through, by that rule and every other one that asks.
    pub(crate) reasons: Vec<Rule>,
    pub(crate) step: Step,
}

impl Opened {
    /// What ends the wait for the model: the person, the grants being taken back, and their end.
    pub(crate) fn bounds(&self, interrupt: &Interrupt) -> Bounds {
        bounded(self.tenure.hold([MODEL]), self.grants.until(), interrupt)
    }

    /// The model for the questions of a call that may ask it, for as long as the call may last; otherwise its process ends here, and its progress
    /// bar, before anybody is asked anything.
    pub(crate) fn reader(&self, call: &Judged, mind: Mind, desk: &Desk) -> Option<Reader> {
        let signature = self.house.catalog.signature(&call.step.tool);
        let asks = signature.is_some_and(|signature| signature.asks_model());
        asks.then(|| {
            let needs = Needs::of(&call.permit).and([MODEL]);
            let (hold, until) = (self.tenure.hold(needs), call.permit.until());
            let bounds = bounded(hold, until, desk.screen.interrupt());
            mind.reading(desk.screen.stage("reading"), bounds)
        })
    }

    /// Record which capabilities were taken back by themselves, and which paths of them, since this was last asked.
    pub(super) fn heed(&mut self, report: &mut Report) -> Result<(), Failure> {
        let granted = self.grants.capabilities();
        let whole = granted.keys().filter(|name| self.tenure.took(name));
        let whole = whole.map(|name| (*name).to_owned());
        // Where nobody can tell which, whatever goes on next is stopped.
        let paths = self.tenure.took_of().unwrap_or_default().into_iter();
        let paths = paths.filter(|one| granted.contains_key(one.capability.as_str()));
        let taken: Vec<String> = whole.chain(paths.map(|one| one.to_string())).collect();
        for what in taken {
            if !self.taken.insert(what.clone()) {
                continue;
            }
            let refusal = Refusal {
                what,
                rule: "builtin.revoked".to_owned(),
                reason: "it was taken back while the session ran".to_owned(),
            };
            report.refused.push(RefusedReport::of(&refusal));
            self.journal.note(entries::refusal(&refusal))?;
        }
        Ok(())
    }

    /// Worked examples of the functions that could serve this request, as the model would write them.
    pub(crate) fn examples(&self, possible: &[&Offer]) -> Vec<Example> {
        let names: Vec<String> = possible.iter().map(|o| o.signature.name()).collect();
        let all = self.house.catalog.packages().flat_map(|p| {
            p.examples()
                .iter()
                .map(move |e| (format!("{}.{}", p.name(), e.function), e))
        });
        let fitting = all.filter(|(name, _)| names.contains(name)).take(EXAMPLES);
        fitting
            .map(|(name, e)| Example {
                request: format!("Request: {}", e.request),
                reply: format!("{{\"tool\":\"{name}\"}}"),
            })
            .collect()
    }

    /// Freeze the plan and write it down: its calls, files and places, before any document is opened.
    pub(crate) fn record_plan(
        &mut self,
        steps: &[Step],
        report: &mut Report,
    ) -> Result<(), Failure> {
        let reports: Vec<_> = steps.iter().map(Step::report).collect();
        let args: Vec<_> = reports.iter().map(|s| entries::args(&s.args)).collect();
        let plan = entries::plan(&reports, self.journal.keep(args)?)?;
        let hash = plan.hash;
        self.journal.freeze(plan)?;
        self.plan = Plan::freeze(steps.iter().map(Step::freeze));
        report.plan = Some(PlanReport {
            hash: hash.to_string(),
            steps: reports,
        });
        Ok(())
    }

    /// Judge every step; one refusal refuses the plan, and nothing runs.
    pub(crate) fn judge_plan(
        &mut self,
        steps: &[Step],
        words: &Words,
        desk: &Desk,
        report: &mut Report,
    ) -> Result<Permits, Failure> {
        let mut judged = Vec::new();
        let mut refusal = None;
        // As the grants will be when its turn comes: a plan that would use one up on the way is refused before it begins.
        let mut grants = self.grants.clone();
        for step in steps {
            desk.screen.say("plan", self.sentence(step));
            match self.judge(step.clone(), &grants, words, report)? {
                Ok(permit) => {
                    grants.spend(&permit);
                    let step = step.clone();
                    judged.push(Judged { step, permit });
                }
                Err(failure) => refusal = refusal.or(Some(failure)),
            }
        }
        if let Some(failure) = refusal {
            return Err(failure);
        }
        let call = judged
            .pop()
            .ok_or_else(|| Failure::failed("a plan without steps"))?;
        Ok(Permits {
            describe: judged.pop(),
            call,
        })
    }

    /// Judge the last step again, now that its slots are filled.
    pub(crate) fn judge_filled(
        &mut self,
        step: Step,
        words: &Words,
        report: &mut Report,
    ) -> Result<Judged, Failure> {
        report.decisions.retain(|d| d.step != step.id);
        let grants = self.grants.clone();
        let permit = self.judge(step.clone(), &grants, words, report)??;
        if let Some(plan) = &mut report.plan
            && let Some(last) = plan.steps.last_mut()
        {
            *last = step.report();
        }
        Ok(Judged { step, permit })
    }

    fn judge(
        &mut self,
        step: Step,
        grants: &Grants,
        words: &Words,
        report: &mut Report,
    ) -> Result<Result<Permit, Failure>, Failure> {
        let call = self.door(&step, words)?;
        let now = self.tenure.clock.for_policy();
        let decision = self.house.bundle.judge(call, grants, &self.session, now);
        self.journal.note(entries::decision(&step.id, &decision))?;
        let told = DecisionReport::of(step.id, &decision);
        report.decisions.push(told);
        Ok(match decision {
            Decision::Permit(permit) => Ok(permit),
            Decision::Ask(question) => Ok(question.into_permit()),
            Decision::Forbid(refusal) => {
                report.refused.push(RefusedReport::of(&refusal));
                Err(refused(&refusal))
            }
        })
    }

    /// A call is parsed once, against its signature and the granted files.
    fn door(&self, step: &Step, words: &Words) -> Result<Call, Failure> {
        Ok(self.house.catalog.parse_call(
            &step.id,
            &step.tool,
            Value::Object(step.args.clone()),
            &step.labels(words),
            &self.survey,
        )?)
    }

    /// Whatever was judged, nothing but the frozen plan's next call goes on.
    fn planned(&mut self, permit: Permit) -> Result<Permit, Failure> {
        match self.plan.admit(permit) {
            Ok(permit) => Ok(permit),
            Err(refusal) => {
                self.journal.note(entries::refusal(&refusal))?;
                Err(refused(&refusal))
            }
        }
    }

    /// Record, then run. The outcome is recorded whatever it is.
    pub(crate) fn perform(
        &mut self,
        judged: Judged,
        mut reader: Option<Reader>,
        desk: &Desk,
        report: &mut Report,
    ) -> Result<Performed, Failure> {
        self.journal.enter("tool");
        desk.screen.interrupt().check()?;
        self.heed(report)?;
        let Judged { step, permit } = judged;
        let model = reader.as_ref().map(|_| MODEL);
        let needs = Needs::of(&permit).and(model);
        let hold = self.tenure.hold(needs.clone());
        hold.check()?;
        let permit = self.planned(permit)?;
        let (terms, until) = (permit.release().clone(), permit.until());
        let rule = permit.rule().to_owned();
        let reasons: Vec<Rule> = permit.reasons().cloned().collect();
        let tool = step.tool.split('.').next().unwrap_or_default();
        let component = self
            .house
            .catalog
            .package(tool)
            .map(|p| p.pin().wasm)
            .unwrap_or(self.house.tools);
        let started = std::time::Instant::now();
        let args = entries::call_args(permit.call());
        let args = self.journal.keep_args(&step.id, args)?;
        let intent = entries::intent(&permit, component, args);
        self.grants.spend(&permit);
        self.used = std::mem::take(&mut self.used).and(needs);
        let recorded = self.journal.record(intent, permit)?;
        // A crash from now on leaves an intent without an outcome, which the next session records and the verifier reports.
        let at = recorded.receipt().at().get();
        let moment = self.moment(&step.id, at, &report.session);
        let outcome = self.run(recorded, &hold, moment, reader.as_mut());
        report.timing_ms.tools = report.timing_ms.tools.saturating_add(millis(started));
        let asked = reader.as_ref().and_then(Reader::asked);
        let output = outcome.content(asked.map(|asked| asked.transcript()));
        let kept = self.journal.keep_one(output);
        self.journal.note(entries::outcome(
            &step.id,
            &ended(outcome.ended()),
            kept.as_ref().ok().copied(),
            outcome.readings(),
        ))?;
        kept?; // how it went is said all the same
        for reading in outcome.readings() {
            if !report.read.contains(&reading.name) {
                report.read.push(reading.name.clone());
            }
        }
        desk.screen.interrupt().check()?;
        self.heard(&step.id, reader)?;
        tell(desk, &step.tool, &outcome, &reasons);
        if *outcome.ended() == Ended::Revoked {
            hold.check()?; // it says which
        }
        let value = returned(&step.tool, &outcome)?;
        Ok(Performed {
            value,
            effects: outcome.effects().to_vec(),
            terms,
            until,
            rule,
            reasons,
            step,
        })
    }

    fn run(
        &self,
        permit: Recorded<Permit>,
        hold: &Hold,
        moment: Moment,
        reader: Option<&mut Reader>,
    ) -> Quarantined<Outcome> {
        let cage = self.cage(moment);
        match reader {
            Some(reader) => cage.run(permit, hold, reader),
            None => cage.run(permit, hold, &mut Nobody),
        }
    }

    /// Record what the model was asked in a call, and stop where it did not answer.
    fn heard(&mut self, step: &str, reader: Option<Reader>) -> Result<(), Failure> {
        let Some(reader) = reader else { return Ok(()) };
        if let Some(asked) = reader.asked() {
            let said = format!("in {step}: {asked}");
            self.journal.note(entries::note(ASKED, &said))?;
        }
        reader.failure().map_or(Ok(()), Err)
    }

    fn cage(&self, moment: Moment) -> Cage {
        Cage::new(
            Arc::clone(&self.house.cage),
            Arc::clone(&self.house.catalog),
            Arc::clone(&self.survey),
            Arc::clone(&self.quarantine),
            Limits::STANDARD,
            moment,
        )
    }

    /// Say what would change, and leave it at that.
    pub(super) fn say_effects(&mut self, done: Performed) -> Result<(), Failure> {
        let effects = Effects::gather(done.effects)?;
        if effects.is_empty() {
            return Ok(());
        }
        self.journal.note(entries::effects(&effects))
    }

    /// Show what would change, ask once, release or keep.
    pub(crate) fn settle(
        &mut self,
        done: Performed,
        desk: &Desk,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let effects = Effects::gather(done.effects)?;
        if effects.is_empty() {
            return Ok(());
        }
        let why = Why {
            does: self.sentence(&done.step),
            reasons: done.reasons,
        };
        let held = consent::held(&effects, self.house.bundle.replacing());
        let freely = matches!(done.terms, ReleaseTerms::Freely) && !held;
        let someone = matches!(self.asking, Asking::Person(_));
        let days = self.house.bundle.undo_days();
        let term = self.tenure.hold(self.used.clone()).until(done.until);
        let cage = self.cage(self.moment(LOOKING, clock::millis(), &report.session));
        let mut earlier = self.earlier(&done.step, &done.terms, &effects)?;
        let mut lasting = Lasting::Once;
        let ask = |effects: &Effects| {
            let pages =
                Look::new(&cage, effects, days).pages(&done.step.args, &why, &self.manifest);
            if freely || !someone {
                desk.screen.say("effects", &pages.summary); // the question shows them by itself
            }
            if freely {
                term.check()?;
                return Ok(consent::free(effects, &done.rule));
            }
            if held && !someone {
                desk.screen.say("waits", "a file would be replaced, which only a person may allow: the policy's setting `unattended.replace` is not true");
            }
            let halt = (desk.screen.interrupt(), &term);
            halt.check()?;
            if !pages.unusual.is_empty() {
                earlier = Earlier::EachTime; // what is unusual is asked about
            }
            let offer = match &earlier {
                Earlier::Given(id) => {
                    desk.screen.say("effects", &pages.summary);
                    desk.screen
                        .say("consent", format!("not asked about: answered as {id}"));
                    return Ok(consent::remembered(effects, id.clone()));
                }
                Earlier::Offered(answer) => Some(answer.offer()),
                Earlier::EachTime => None,
            };
            let offer = offer.as_deref();
            let consent;
            (consent, lasting) = consent::offering(offer, effects, &pages, &self.asking, &halt)?;
            // An answer that came while they were taken back, or after their end, is none.
            halt.check().map(|()| consent)
        };
        let (journal, shelf) = (&mut self.journal, self.house.shelf(&report.session));
        let (quarantine, shelf) = (&self.quarantine, shelf.as_ref());
        settle::settle(effects, ask, quarantine, shelf, journal, report)?;
        match (lasting, &earlier) {
            (Lasting::Remembered, Earlier::Offered(answer)) => self.remember(answer, desk),
            _ => Ok(()),
        }
    }

    fn sentence(&self, step: &Step) -> String {
        let args = Value::Object(step.args.clone());
        self.house
            .catalog
            .signature(&step.tool)
            .map_or_else(|| step.tool.clone(), |s| s.sentence(&args))
    }
}

fn bounded(hold: Hold, until: UnixMillis, interrupt: &Interrupt) -> Bounds {
    let left = until.0.saturating_sub(hold.now().0);
    let stop = (interrupt.clone(), hold);
    Bounds::session(stop, Duration::from_millis(left))
}

/// How it ended; for those who asked for more: why it may run, what it said and what it used.
fn tell(desk: &Desk, tool: &str, outcome: &Quarantined<Outcome>, reasons: &[Rule]) {
    let used = outcome.used();
    let (ended, took) = (ended(outcome.ended()), used.wall.as_millis());
    desk.screen
        .say("cage", format!("{tool} {ended} in {took} ms"));
    if !outcome.diagnostics().is_empty() {
        desk.screen.detail("said", outcome.diagnostics());
    }
    for Rule { rule, reason } in reasons {
        desk.screen.detail("because", format!("{reason} ({rule})"));
    }
    desk.screen.detail(
        "used",
        format!(
            "{} fuel, {} bytes of memory, {} bytes read, {} bytes written; its process {}",
            used.fuel,
            used.memory_bytes,
            used.read_bytes,
            used.written_bytes,
            used.process_bytes
                .map_or("is not counted".to_owned(), |most| format!(
                    "had {most} bytes at most"
                ))
        ),
    );
}

fn returned(tool: &str, outcome: &Quarantined<Outcome>) -> Result<Value, Failure> {
    let detail = escape(&outcome.escaped(), Lines::Escape);
    match outcome.ended() {
        Ended::Returned => Ok(outcome.typed().0.cloned().unwrap_or(Value::Null)),
        Ended::Failed(_) => Err(
            Failure::failed(format!("`{tool}` could not do it: {detail}"))
                .hint("nothing was changed".to_owned()),
        ),
        Ended::Expired => Err(tenure::over("the call was done")),
        Ended::Revoked => Err(tenure::revoked()),
        Ended::Trapped(fault) => Err(Failure::failed(format!("`{tool}` broke off: {fault:?}"))
            .hint("nothing was changed; the tool's author would like to know".to_owned())),
        Ended::StoppedBy(limit) => Err(Failure::failed(format!(
            "`{tool}` was stopped by its limit {limit:?}"
        ))
        .hint("try fewer or smaller files".to_owned())),
        Ended::NotRun(reason) => {
            let reason = escape(reason, Lines::Escape);
            Err(Failure::failed(format!("`{tool}` did not run: {reason}")))
        }
    }
}

/// How a call ended, in a word or two for the ledger.
fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Returned => "returned".to_owned(),
        Ended::Failed(code) => format!("failed: {code}"),
        Ended::Trapped(fault) => format!("trapped: {fault:?}"),
        Ended::StoppedBy(limit) => format!("stopped by limit: {limit:?}"),
        Ended::Expired => "expired".to_owned(),
        Ended::Revoked => "revoked".to_owned(),
        Ended::NotRun(_) => "not run".to_owned(),
    }
}
