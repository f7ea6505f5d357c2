//! One request, from the person's words to what was released. Each stage takes what the one before made; nothing counts before it is recorded.

mod begin;
mod earlier;
pub(crate) mod granted;
mod journal;
mod judged;
pub(crate) mod later;
#[cfg(test)]
mod noninterference;
mod opened;
pub(crate) mod replay;
mod settle;
pub(crate) mod tenure;
pub(crate) mod undo;

use std::sync::Arc;
use std::time::Instant;

use cloister_models::DeviceChoice;
use cloister_policies::Mode;
use cloister_states::Folder;
use cloister_tools::names::{Lines, escape};
use serde_json::Value;

use crate::answer;
use crate::commands::Desk;
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::mind::{self, Briefing, Loaded, Mind};
use crate::plan::offers::Offer;
use crate::plan::reach::{Known, Reach};
use crate::plan::{self, Draft, Intent};
use crate::report::{Report, Tokens};
use crate::slots::{Decide, fill, tables};
use crate::words::Words;

use begin::Begun;
pub(crate) use begin::{House, MANIFEST_BYTES};
use journal::Journal;
use judged::{Step, describer, frozen};
use opened::Opened;

/// What an answer in words begins with: it may claim anything, also to have read a file.
const FROM_MODEL: &str = "From the model; no file was read: ";

/// What the ledger's note about such an answer is about.
const ANSWER: &str = "answer";
/// What the ledger's note is about that says what a tool asked the model.
const ASKED: &str = "asked";

/// What a person asked for on the command line.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) manifest: &'a std::path::Path,
    pub(crate) model: Option<&'a str>,
    pub(crate) device: DeviceChoice,
    pub(crate) prompt: &'a str,
    pub(crate) mode: Mode,
    pub(crate) until: Until,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Plan and judge; run nothing.
    Judged,
    /// Run, and say what would change; nobody is asked.
    Effects,
    /// All the way.
    Released,
}

/// Do the job. Whatever happens after the session has begun, the ledger says how it ended.
pub(crate) fn run(
    job: &Job<'_>,
    home: &Home,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    let mind = mind::start(job.device)?; // it gives everything up while the house is opened
    let house = House::open(home)?;
    let begun = Begun::begin(job, house, mind, desk, report)?;
    let (mut opened, model) = begun.into_parts();
    let told = story(job, &mut opened, model, desk, report);
    let told = told.and(opened.heed(report));
    report.failed_or_done(&told);
    opened.journal.close(told)
}

fn story(
    job: &Job<'_>,
    opened: &mut Opened,
    model: Loaded,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    opened.journal.note(entries::request(job.prompt))?;
    let words = Words::read(job.prompt);
    let survey = Arc::clone(&opened.survey);
    let known = survey
        .files()
        .iter()
        .map(|f| Known {
            name: f.name().to_owned(),
            readable: f.readable(),
            movable: f.movable(),
        })
        .collect();
    let grants = opened.grants.clone();
    let folder = opened.folder.clone();
    let reach = Reach::new(&folder, &grants, known);
    plan::refuse_outright(&words, &reach)?;
    opened.journal.enter("plan");
    let offers = plan::offers::all(&opened.house.catalog);
    let possible: Vec<&Offer> = plan::offers::possible(&words, &reach, &offers);
    opened.house.warm(&possible);
    let examples = opened.examples(&possible);
    let names: Vec<&str> = survey
        .files()
        .iter()
        .filter(|f| f.readable() || f.movable())
        .map(|f| f.name())
        .collect();
    let briefing = Briefing {
        offers: &possible,
        examples: &examples,
        files: &names,
        request: job.prompt,
    };

    let stage = desk.screen.stage("planning");
    let states = Folder::at(opened.house.home.states());
    let started = Instant::now();
    let bounds = opened.bounds(desk.screen.interrupt());
    let mut mind = model.open(stage, bounds, &briefing, states)?;
    // That it cannot be kept is no reason to stop.
    if let Err(error) = mind.kept() {
        let said = format!("the prompt's state could not be kept for the next run: {error}");
        desk.screen.detail("note", said);
    }
    let intent = plan::draft(&words, &reach, &offers, &mut mind);
    report.tokens = Tokens::from(mind.tally());
    report.timing_ms.plan = millis(started);
    match intent? {
        Intent::Answer => in_words(&mut mind, job, opened, report),
        Intent::Call(draft) => carry_out(&draft, job, &words, mind, opened, desk, report),
    }
}

/// From a frozen draft to what was released.
fn carry_out(
    draft: &Draft,
    job: &Job<'_>,
    words: &Words,
    mut mind: Mind,
    opened: &mut Opened,
    desk: &Desk,
    report: &mut Report,
) -> Result<(), Failure> {
    let steps = frozen(draft, describer(&opened.house.catalog, draft));
    opened.record_plan(&steps, report)?;
    let mut permits = opened.judge_plan(&steps, words, desk, report)?;
    if job.until == Until::Judged {
        let tools: Vec<&str> = steps.iter().map(|s| s.tool.as_str()).collect();
        report.answer = Some(format!(
            "{} would run; nothing was run.",
            tools.join(", then ")
        ));
        return Ok(());
    }
    let call = match permits.describe.take() {
        None => permits.call,
        Some(describe) => {
            let found = opened.perform(describe, None, desk, report)?;
            let started = Instant::now();
            let step = filled(draft, steps, &found.value, words, &mut mind)?;
            report.tokens = Tokens::from(mind.tally());
            report.timing_ms.plan = report.timing_ms.plan.saturating_add(millis(started));
            opened.judge_filled(step, words, report)?
        }
    };
    let reader = opened.reader(&call, mind, desk);
    let args = call.step.args.clone();
    let done = opened.perform(call, reader, desk, report)?;
    if job.until == Until::Effects {
        return opened.say_effects(done);
    }
    report.answer = Some(answer::about(words, &args, &done.value));
    report.answer_from = Some("tool");
    opened.settle(done, desk, report)
}

/// Fill what depends on contents; the calls, files and places stay as frozen.
fn filled(
    draft: &Draft,
    steps: Vec<Step>,
    described: &Value,
    words: &Words,
    mind: &mut Mind,
) -> Result<Step, Failure> {
    let tables: Vec<tables::Table> = serde_json::from_value(described.clone())
        .map_err(|e| Failure::failed(format!("`describe` gave no tables: {e}")))?;
    mind.columns(&tables::Columns::of(&tables), words.text())?;
    let args = fill::fill(draft, &tables, words, mind as &mut dyn Decide)?;
    let last = steps
        .into_iter()
        .next_back()
        .ok_or_else(|| Failure::failed("a plan without steps"))?;
    Ok(last.filled(&draft.signature, args))
}

fn in_words(
    mind: &mut Mind,
    job: &Job<'_>,
    opened: &mut Opened,
    report: &mut Report,
) -> Result<(), Failure> {
    if job.until == Until::Judged {
        report.answer = Some("No tool is needed; the model would answer in words.".to_owned());
        return Ok(());
    }
    let said = mind.answer(job.prompt)?;
    report.tokens = Tokens::from(mind.tally());
    opened
        .journal
        .note(entries::note(ANSWER, "in words, without a tool"))?;
    // Indented, so that no line of it looks like one of this program's own.
    let said = escape(&said, Lines::Keep).replace('\n', "\n  ");
    report.answer = Some(format!("{FROM_MODEL}{said}"));
    report.answer_from = Some("model");
    Ok(())
}

/// Milliseconds since a moment.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Refused by the policy: what, by which rule, why.
fn refused(refusal: &cloister_policies::Refusal) -> Failure {
    Failure::new(Kind::Refused, refusal)
}
