//! Running a permit: opens exactly what its call names, beneath the granted folders, and starts the cage on those handles.
//!
//! A permit cannot be forged, and one that is not recorded does not run:
//! ```compile_fail,E0451
//! fn forge(call: cloister_policies::Call, other: cloister_policies::Permit) -> cloister_policies::Permit {
//!     cloister_policies::Permit { call, ..other }
//! }
//! ```
//! ```compile_fail,E0308
//! fn unrecorded(cage: &cloister_tools::Cage, permit: cloister_policies::Permit, watch: &dyn cloister_tools::Watch, mind: &mut dyn cloister_tools::Mind) {
//!     let _ = cage.run(permit, watch, mind);
//! }
//! ```
//! nor does it run twice:
//! ```compile_fail,E0382
//! fn twice(cage: &cloister_tools::Cage, permit: cloister_attest::Recorded<cloister_policies::Permit>, watch: &dyn cloister_tools::Watch, mind: &mut dyn cloister_tools::Mind) {
//!     let _ = cage.run(permit, watch, mind);
//!     let _ = cage.run(permit, watch, mind);
//! }
//! ```

mod bench;
mod outcome;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use cloister_attest::{Digest, Recorded};
use cloister_cage::{Arg, Fault, Limit, Limits, Mind, Moment, Nobody, Program, Run, Terms, Used};
use cloister_policies::{Call, Label, Permit, UnixMillis};
use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::effects::Effect;
use crate::error::ToolError;
use crate::quarantine::{Quarantine, Quarantined};
use crate::signature::{Signature, to_args};
use crate::survey::Survey;
use bench::{Bench, Inspection, Workbench};

/// What a label names the model by, as one of the sources.
const MODEL: &str = "the model";

/// Why a call may not go on, if it may not.
type Void<'a> = &'a dyn Fn() -> Option<Ended>;

/// Where permits run. Holds what every call of a session shares.
pub struct Cage {
    program: Arc<Program>,
    catalog: Arc<Catalog>,
    survey: Arc<Survey>,
    quarantine: Arc<Quarantine>,
    limits: Limits,
    moment: Moment,
}

/// What may end a permit. Asked before its call starts, and several times a second while it runs.
pub trait Watch {
    /// The time by which grants end.
    fn now(&self) -> UnixMillis;
    /// Whether the grants were taken back.
    fn revoked(&self) -> bool;
}

/// How a call ended. Codes only: none of the tool's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With a value.
    Returned,
    /// With the failure of this code, one of its WIT's `fault` cases.
    Failed(String),
    /// It did something that no component may, or gave up.
    Trapped(Fault),
    /// It reached a limit.
    StoppedBy(Limit),
    /// The time of its grants was over, before it started or while it ran.
    Expired,
    /// Its grants were taken back, before it started or while it ran.
    Revoked,
    /// It never started: a file could not be opened, or the component was refused. In our words.
    NotRun(String),
}

/// A file as the tool read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The name shown.
    pub name: String,
    /// Its absolute path.
    pub path: PathBuf,
    /// Digest of the bytes that the tool could see.
    pub sha256: Digest,
    /// How many.
    pub bytes: u64,
}

/// What came out of one call. Only [`Quarantined`] holds one.
pub struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) value: Option<Value>,
    pub(crate) detail: Option<String>,
    pub(crate) diagnostics: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) used: Used,
}

impl Cage {
    /// A cage for one session. `moment` is the time and the seed that tools see; the permits' own end is told by their [`Watch`].
    pub fn new(
        program: Arc<Program>,
        catalog: Arc<Catalog>,
        survey: Arc<Survey>,
        quarantine: Arc<Quarantine>,
        limits: Limits,
        moment: Moment,
    ) -> Cage {
        Cage {
            program,
            catalog,
            survey,
            quarantine,
            limits,
            moment,
        }
    }

    /// Run what the permit allows, once; `mind` answers what the tool asks the model. No `Result`: whatever happens is an outcome, to be
    /// recorded like any other.
    pub fn run(
        &self,
        permit: Recorded<Permit>,
        watch: &dyn Watch,
        mind: &mut dyn Mind,
    ) -> Quarantined<Outcome> {
        let (permit, _receipt) = permit.into_parts();
        let until = permit.until();
        let call = permit.into_call();
        let void = || match watch.revoked() {
            true => Some(Ended::Revoked),
            false => (watch.now() >= until).then_some(Ended::Expired),
        };
        let outcome = match void() {
            Some(ended) => Outcome::plain(ended),
            None => self.call(&call, &void, mind),
        };
        let label = label(&call, &outcome);
        Quarantined::new(outcome, label)
    }

    /// Run a function of a tool over the bytes of an effect that waits in quarantine, to show a person what they hold: the argument that
    /// names the effect's file is those bytes. Nothing else can be named, so this needs no permit.
    pub fn inspect(
        &self,
        effect: &Effect,
        function: &str,
        args: &Map<String, Value>,
    ) -> Quarantined<Outcome> {
        let outcome = match self.catalog.signature(function) {
            None => Outcome::plain(Ended::NotRun(
                ToolError::NoFunction {
                    name: function.into(),
                }
                .to_string(),
            )),
            Some(signature) => self.on(
                &mut Inspection::new(&self.quarantine, effect),
                signature,
                args,
                &|| None,
                &mut Nobody,
            ),
        };
        let label = effect
            .sources
            .iter()
            .fold(Label::tool(function), |label, source| {
                label.join(&Label::data(source))
            });
        Quarantined::new(outcome, label.join(&Label::data(effect.name())))
    }

    fn call(&self, call: &Call, void: Void<'_>, mind: &mut dyn Mind) -> Outcome {
        let Some(signature) = self.catalog.signature(call.tool()) else {
            return Outcome::plain(Ended::NotRun(
                ToolError::NoFunction {
                    name: call.tool().into(),
                }
                .to_string(),
            ));
        };
        let args = call
            .args()
            .iter()
            .map(|a| (a.name.clone(), a.value.clone()))
            .collect();
        self.on(
            &mut Workbench::new(&self.survey, &self.quarantine, call),
            signature,
            &args,
            void,
            mind,
        )
    }

    fn on(
        &self,
        bench: &mut impl Bench,
        signature: &Signature,
        args: &Map<String, Value>,
        void: Void<'_>,
        mind: &mut dyn Mind,
    ) -> Outcome {
        // What it was stopped for is kept: asked again, the answer might be another.
        let stopped = OnceCell::new();
        let stop = || void().is_some_and(|why| stopped.set(why).is_ok());
        let run = match self.start(bench, signature, args, &stop, mind) {
            Ok(run) => run,
            Err(error) => return Outcome::plain(Ended::NotRun(error.to_string())),
        };
        let mut outcome = Outcome::of(&run);
        if let Some(why) = stopped.into_inner() {
            outcome.ended = why;
        }
        outcome.readings = bench.readings();
        if outcome.ended == Ended::Returned {
            match bench.effects(&run.moves) {
                Ok(effects) => outcome.effects = effects,
                Err(error) => {
                    outcome = Outcome {
                        readings: outcome.readings,
                        used: run.used,
                        ..Outcome::plain(Ended::NotRun(error.to_string()))
                    }
                }
            }
        }
        outcome
    }

    fn start(
        &self,
        bench: &mut impl Bench,
        signature: &Signature,
        args: &Map<String, Value>,
        stop: &dyn Fn() -> bool,
        mind: &mut dyn Mind,
    ) -> Result<Run, ToolError> {
        let package =
            self.catalog
                .package(signature.tool())
                .ok_or_else(|| ToolError::NoFunction {
                    name: signature.name(),
                })?;
        let component = package.component()?;
        let args: Vec<Arg> = to_args(signature, args, bench)?;
        Ok(cloister_cage::run(
            &self.program,
            component,
            signature.interface(),
            signature.function(),
            args,
            Terms {
                limits: &self.limits,
                moment: self.moment,
                stop,
                mind,
            },
        ))
    }
}

/// What the arguments came from, and the tool, and every file that was really read; and the model, whose words are as good as a document's,
/// where it was asked.
fn label(call: &Call, outcome: &Outcome) -> Label {
    let args = call
        .args()
        .iter()
        .fold(Label::tool(call.tool()), |label, arg| {
            label.join(&arg.label)
        });
    let read = outcome.readings.iter().fold(args, |label, reading| {
        label.join(&Label::data(&reading.name))
    });
    match outcome.used.questions {
        0 => read,
        _ => read.join(&Label::data(MODEL)),
    }
}

#[cfg(test)]
mod tests;
