//! Noninterference: each generated plan is carried out twice, as far as it goes without a cage, with what the documents say and what the
//! model answers once they are open replaced by anything. Calls, files, sinks and decisions are the same both times.
//!
//! What may differ: whether the call that follows `describe` comes about at all, which of the frozen files it leaves out, and what stands
//! in the slots that were open when the plan was frozen.

mod office;
mod papers;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZero;
use std::thread;

use cloister_policies::{Argument, Call, Integrity, Op, Resource};
use cloister_tools::Signature;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::{Map, Value, json};

use super::judged::{Step, describer, frozen};
use crate::failure::Failure;
use crate::plan::{self, Draft, Intent};
use crate::slots::tables::{Columns, Table};
use crate::slots::{Decide, Slot, fill, order};
use crate::words::{Words, numbers};
use office::{KINDS, Office};
use papers::{described, request};

/// Names of types whose values reach other people, as in the shipped settings.
const SINKS: [&str; 4] = ["file-name", "formula", "link", "recipient"];

/// 10^4, which take half a minute of two processors, or as many as `CLOISTER_PLANS` says (`make noninterference`: 10^5).
fn plans() -> u32 {
    std::env::var("CLOISTER_PLANS").map_or(10_000, |text| text.parse().unwrap())
}

/// What may differ between the two: what `describe` says of the documents, and what makes the model answer as it does from then on.
#[derive(Debug, Clone)]
struct Papers {
    described: Value,
    answers: u64,
}

type Fill = fn(&Draft, &[Table], &Words, &mut dyn Decide) -> Result<Map<String, Value>, Failure>;

/// How a session goes; the tests that must fail have other ways.
#[derive(Clone, Copy)]
struct Way {
    fill: Fill,
    /// What the model hears before it plans, besides the request and the names of files.
    early: fn(&Papers) -> String,
}

const SHIPPED: Way = Way {
    fill: fill::fill,
    early: |_| String::new(),
};

/// A model whose every answer depends on all that it was told, and on nothing else; now and then it answers what was not offered.
struct Model(u64);

impl Model {
    fn hear(&mut self, told: impl std::hash::Hash) {
        let mut hasher = DefaultHasher::new();
        (self.0, told).hash(&mut hasher);
        self.0 = hasher.finish();
    }
}

impl Decide for Model {
    fn decide(&mut self, slot: &Slot) -> Result<usize, Failure> {
        assert!(slot.alternatives.len() > 1, "{slot:?} is no choice");
        self.settled(&slot.name, "");
        slot.alternatives.iter().for_each(|a| self.hear(&a.shown));
        let pick = usize::try_from(self.0 >> 8).unwrap();
        let offered = !self.0.is_multiple_of(64);
        Ok(if offered {
            pick % slot.alternatives.len()
        } else {
            pick
        })
    }

    fn settled(&mut self, slot: &str, shown: &str) {
        self.hear(slot);
        self.hear(shown);
    }
}

/// What judging one call saw and said.
#[derive(Debug, Clone, PartialEq)]
struct Judged {
    tool: String,
    said: [String; 3],
    reads: Vec<Resource>,
    changes: Vec<Resource>,
    /// What names a file that changes or reaches other people, with where it came from.
    sinks: Vec<Argument>,
}

impl Judged {
    fn of(office: &Office, step: &Step, words: &Words) -> Result<(Judged, Call), String> {
        let args = Value::Object(step.args.clone());
        let parse = || {
            let labels = step.labels(words);
            let parsed = office.catalog.parse_call(
                &step.id,
                &step.tool,
                args.clone(),
                &labels,
                &office.survey,
            );
            parsed.map_err(|error| error.to_string())
        };
        let call = parse()?;
        let decision = office.judge(parse()?);
        let said = [decision.name(), decision.rule(), decision.reason()].map(str::to_owned);
        let of = |wanted: fn(&Op) -> bool| -> Vec<Resource> {
            let each = call.resources().iter().filter(|r| wanted(&r.op));
            each.cloned().collect()
        };
        let changes = of(|op| *op != Op::Read);
        let sink = |arg: &&Argument| {
            changes.iter().any(|r| r.parameter == arg.name)
                || arg.alias.as_deref().is_some_and(|a| SINKS.contains(&a))
        };
        let judged = Judged {
            tool: step.tool.clone(),
            said,
            reads: of(|op| *op == Op::Read),
            sinks: call.args().iter().filter(sink).cloned().collect(),
            changes,
        };
        Ok((judged, call))
    }

    fn forbids(&self) -> bool {
        self.said[0] == "forbid"
    }
}

/// How a request went.
struct Done {
    draft: Draft,
    /// The frozen plan as it is hashed, and what judging it said.
    plan: Value,
    frozen: Vec<Result<Judged, String>>,
    /// The last step once its slots are filled, if it came to that.
    filled: Option<Filled>,
}

/// A filled step, and what the door and the policy made of it.
struct Filled {
    step: Step,
    judged: Result<(Judged, Call), String>,
}

/// One request under one reading of the documents; nothing where no plan comes about.
fn carried_out(office: &Office, request: &str, papers: &Papers, way: Way) -> Option<Done> {
    let words = Words::read(request);
    let reach = office.reach();
    let mut model = Model(0);
    model.hear((request, office.names(), (way.early)(papers)));
    let Ok(Intent::Call(draft)) = plan::draft(&words, &reach, &office.offers, &mut model) else {
        return None;
    };
    let steps = frozen(&draft, describer(&office.catalog, &draft));
    let plan = json!(steps.iter().map(Step::report).collect::<Vec<_>>());
    let judge = |step: &Step| Judged::of(office, step, &words);
    let frozen: Vec<_> = steps.iter().map(|s| judge(s).map(|(j, _)| j)).collect();
    let goes_on = steps.len() == 2
        && frozen
            .iter()
            .all(|j| j.as_ref().is_ok_and(|j| !j.forbids()));
    let filled = goes_on.then(|| second(&draft, steps, papers, &words, &mut model, way));
    let filled = filled.flatten().map(|step| Filled {
        judged: judge(&step),
        step,
    });
    Some(Done {
        draft: *draft,
        plan,
        frozen,
        filled,
    })
}

/// The second pass: the model hears what the documents hold, and the open slots are filled.
fn second(
    draft: &Draft,
    steps: Vec<Step>,
    papers: &Papers,
    words: &Words,
    model: &mut Model,
    way: Way,
) -> Option<Step> {
    let tables: Vec<Table> = serde_json::from_value(papers.described.clone()).ok()?;
    model.hear(format!("{:?}", Columns::of(&tables)));
    model.hear(papers.answers);
    let args = (way.fill)(draft, &tables, words, model).ok()?;
    let last = steps.into_iter().next_back()?;
    Some(last.filled(&draft.signature, args))
}

/// Both runs planned alike and were judged alike.
fn same(one: &Done, two: &Done) -> Result<(), String> {
    let alike = |what: &str, same: bool| match same {
        true => Ok(()),
        false => Err(format!("the {what} differ")),
    };
    alike("frozen plans", one.plan == two.plan)?;
    alike("frozen decisions", one.frozen == two.frozen)?;
    let judged = |done: &Done| {
        let filled = done.filled.as_ref()?;
        filled
            .judged
            .as_ref()
            .ok()
            .map(|(judged, _)| judged.clone())
    };
    if let (Some(one), Some(two)) = (judged(one), judged(two)) {
        alike("calls", one.tool == two.tool)?;
        alike("decisions", one.said == two.said)?;
        alike("files that change", one.changes == two.changes)?;
        alike("sinks", one.sinks == two.sinks)?;
    }
    Ok(())
}

/// The filled call is the frozen one but for its open slots and files left out; nobody but the person or the product chose a sink.
fn as_frozen(done: &Done, words: &Words) -> Result<(), String> {
    let Some(Filled { step, judged }) = &done.filled else {
        return Ok(());
    };
    let (judged, call) = judged.as_ref().map_err(Clone::clone)?;
    let Some(Ok(frozen)) = done.frozen.last() else {
        return Err("an unjudged call was filled".to_owned());
    };
    let mut there = frozen.reads.iter();
    if !judged.reads.iter().all(|read| there.any(|r| r == read)) {
        return Err(format!(
            "{:?} are read, not {:?}",
            judged.reads, frozen.reads
        ));
    }
    let own = |j: &Judged| {
        (
            j.tool.clone(),
            j.said.clone(),
            j.changes.clone(),
            j.sinks.clone(),
        )
    };
    if own(judged) != own(frozen) {
        return Err(format!("{judged:?} is not {frozen:?}"));
    }
    let by_others = |a: &&Argument| a.label.integrity() > Integrity::Policy;
    if let Some(sink) = judged.sinks.iter().find(by_others) {
        return Err(format!("`{}` came out of a document", sink.name));
    }
    let plain = |args: &Map<String, Value>| -> BTreeMap<String, Value> {
        let fixed = |name: &str| name != "files" && !done.draft.open.iter().any(|o| o == name);
        let own = args.iter().filter(|(name, _)| fixed(name));
        own.map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    if plain(&step.args) != plain(&done.draft.args) {
        return Err(format!(
            "{:?} were frozen as {:?}",
            step.args, done.draft.args
        ));
    }
    labelled(done, call)?;
    open_slots(&step.args, words)
}

/// What contents filled is marked as theirs, with every file that was looked at.
fn labelled(done: &Done, call: &Call) -> Result<(), String> {
    let looked = looked_at(&done.draft.signature, &done.draft.args);
    let filled = call
        .args()
        .iter()
        .filter(|a| done.draft.open.contains(&a.name));
    for arg in filled {
        let sources: Vec<&String> = arg.label.sources().iter().collect();
        let all = looked.iter().all(|file| sources.contains(&file));
        if arg.label.integrity() != Integrity::Data || !all {
            return Err(format!("`{}` is labelled {:?}", arg.name, arg.label));
        }
    }
    Ok(())
}

fn looked_at(signature: &Signature, args: &Map<String, Value>) -> Vec<String> {
    let wishes = signature.requests(&Value::Object(args.clone())).into_iter();
    let reads = wishes.filter(|w| w.op == Op::Read);
    reads.map(|w| w.name).collect()
}

/// Slots without a column in them: documents say whether they are used, the request says what stands there. (Columns, worksheets and
/// literals: `slots::fill::tests`.)
fn open_slots(args: &Map<String, Value>, words: &Words) -> Result<(), String> {
    let direction = args.get("direction").and_then(Value::as_str);
    if direction.is_some() && direction != order::direction(words) {
        return Err(format!("the direction {direction:?} is not the request's"));
    }
    let limit = args.get("limit").and_then(Value::as_u64);
    let said = |n: u64| {
        n == 1
            || numbers::numbers(words)
                .iter()
                .any(|w| w.plain == n.to_string())
    };
    match limit.filter(|n| !said(*n)) {
        Some(n) => Err(format!("the limit {n} is not the request's")),
        None => Ok(()),
    }
}

/// How many plans were made, and how many calls of them were filled both times.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    plans: u32,
    changing: u32,
    filled: u32,
    differently: u32,
}

/// Carry out so many plans, twice each.
fn twice(offices: &[Office], plans: u32, way: Way) -> Result<Counts, String> {
    let papers = || {
        (described(), any::<u64>()).prop_map(|(described, answers)| Papers { described, answers })
    };
    let inputs = (request(), 0..offices.len(), papers(), papers());
    let config = Config {
        cases: plans,
        max_global_rejects: u32::MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let counts = Cell::new(Counts::default());
    let told = TestRunner::new(config).run(&inputs, |(request, office, one, two)| {
        let run = |papers: &Papers| carried_out(&offices[office], &request, papers, way);
        let (one, two) = match (run(&one), run(&two)) {
            (Some(one), Some(two)) => (one, two),
            (None, None) => return Err(TestCaseError::reject("no plan")),
            _ => return Err(TestCaseError::fail("only one of them is a plan")),
        };
        let words = Words::read(&request);
        let held = same(&one, &two);
        let held = held
            .and_then(|()| as_frozen(&one, &words))
            .and_then(|()| as_frozen(&two, &words));
        held.map_err(TestCaseError::fail)?;
        counts.set(counted(counts.get(), &one, &two));
        Ok(())
    });
    match told {
        Ok(()) => Ok(counts.get()),
        Err(TestError::Fail(why, (request, ..))) => Err(format!("{why}, for `{request}`")),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The same on every processor, each of which makes its share of the plans.
fn twice_everywhere(offices: &[Office], plans: u32, way: Way) -> Result<Counts, String> {
    let runners = thread::available_parallelism().map_or(1, NonZero::get);
    let runners = u32::try_from(runners).unwrap();
    let share = |runner| plans / runners + u32::from(runner < plans % runners);
    thread::scope(|scope| {
        let started: Vec<_> = (0..runners)
            .map(|runner| scope.spawn(move || twice(offices, share(runner), way)))
            .collect();
        started.into_iter().try_fold(Counts::default(), |sum, one| {
            let one = one.join().unwrap()?;
            Ok(Counts {
                plans: sum.plans + one.plans,
                changing: sum.changing + one.changing,
                filled: sum.filled + one.filled,
                differently: sum.differently + one.differently,
            })
        })
    })
}

fn counted(mut counts: Counts, one: &Done, two: &Done) -> Counts {
    counts.plans += 1;
    let changes = |j: &Result<Judged, String>| j.as_ref().is_ok_and(|j| !j.changes.is_empty());
    counts.changing += u32::from(one.frozen.iter().any(changes));
    if let (Some(one), Some(two)) = (&one.filled, &two.filled) {
        counts.filled += 1;
        counts.differently += u32::from(one.step.args != two.step.args);
    }
    counts
}

#[test]
fn no_document_and_no_answer_of_the_model_changes_what_a_plan_does() {
    let offices: Vec<Office> = KINDS.iter().map(Office::new).collect();
    let counts = twice_everywhere(&offices, plans(), SHIPPED).unwrap();
    println!("{counts:?}");
    // The property would hold of plans that need no document.
    assert_eq!(counts.plans, plans());
    for some in [counts.changing, counts.filled, counts.differently] {
        assert!(some > counts.plans / 50, "{counts:?}");
    }
}

/// Everything that the documents say, as one text that could stand in a path.
fn first_heading(tables: &[Table]) -> String {
    let mut columns = tables.iter().flat_map(|t| &t.columns);
    columns.next().map(|c| c.name.clone()).unwrap_or_default()
}

/// The twins: each lets documents do one thing that they may not, and is noticed.
#[test]
fn a_session_that_lets_documents_bend_its_plan_is_noticed() {
    let into_a_path = Way {
        fill: |draft, tables, words, decide| {
            let mut args = fill::fill(draft, tables, words, decide)?;
            if args.get("save").is_some_and(Value::is_string) {
                args.insert(
                    "save".into(),
                    json!(format!("reports/{}.xlsx", first_heading(tables))),
                );
            }
            Ok(args)
        },
        ..SHIPPED
    };
    let another_file = Way {
        fill: |draft, tables, words, decide| {
            let mut args = fill::fill(draft, tables, words, decide)?;
            if let (Some(Value::Array(files)), Some(table)) =
                (args.get_mut("files"), tables.first())
            {
                files.push(json!(table.file));
            }
            Ok(args)
        },
        ..SHIPPED
    };
    let another_chart = Way {
        fill: |draft, tables, words, decide| {
            let mut args = fill::fill(draft, tables, words, decide)?;
            if first_heading(tables).len() > 8 && args.contains_key("chart") {
                args.insert("chart".into(), json!("pie"));
            }
            Ok(args)
        },
        ..SHIPPED
    };
    let heard_before_planning = Way {
        early: |papers| papers.described.to_string(),
        ..SHIPPED
    };
    let offices: Vec<Office> = KINDS.iter().map(Office::new).collect();
    for way in [
        into_a_path,
        another_file,
        another_chart,
        heard_before_planning,
    ] {
        let noticed = twice(&offices, 2_000, way);
        assert!(noticed.is_err(), "{noticed:?}");
    }
}
